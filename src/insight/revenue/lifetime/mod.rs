//! What customers will still buy: BG/NBD for how often, Gamma-Gamma for how much, fitted on the deployment's own purchases.
//!
//! A job fits the models to all purchases up to yesterday, tells how well a fit of the time before foretold the last months, and
//! writes a prediction for each customer. Where there is too little to learn from, it says what is missing.

pub mod graphql;
mod job;
pub mod model;
mod service;
mod store;

pub use job::{LifetimeChore, LifetimeFit};
pub use service::{Fitted, LeadLifetime, LifetimeState, fit, latest, of_leads};
