//! Journeys: the way of each lead so far, how it goes on, and what happened on each day.

pub mod model;
