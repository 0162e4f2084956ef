//! What Leadline concludes about a lead from what the lead does.
//!
//! Rooms, each knowing only those before it: [`calendar`], `together` ← [`engagement`] ← `lifecycle`, `scoring` ← `journeys`, [`report`] ←
//! `revenue` ← `attribution` ← `analytics`. A room's `model` holds its rules: pure functions of facts, settings and a moment.

pub mod analytics;
pub mod attribution;
pub mod calendar;
pub mod engagement;
pub mod journeys;
pub mod lifecycle;
pub mod report;
pub mod revenue;
pub mod scoring;
mod together;
