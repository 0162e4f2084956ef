//! Journeys: the way of each lead so far, how it goes on, and what happened on each day.
//!
//! [`JourneysHandler`] follows the event log: in the transaction of each batch it reads the journeys and days of the
//! leads concerned, takes the events in, and writes them back. A journey's row tells the position of the last event in it,
//! so that a reader asks for the row and for what is still pending in one statement, and takes the pending in itself. What
//! depends on the present moment (trend, churn risk, health) is computed for the answer.

pub mod graphql;
mod handler;
pub mod model;
mod rollups;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use handler::{JourneysHandler, NAME as HANDLER};
pub use model::{
    Converted, DayActivity, DeploymentActivity, JourneyFacts, JourneySettings, Milestone, Period, churn_risk,
    is_high_risk, reaches_at, trend,
};
pub use rollups::{DaysVerified, is_far_behind, retell_moves, retell_next_day, verify_deployment};
pub use service::{
    ActivityOf, Going, Journey, Overview, activity, check_range, deployment, deployment_in, engagement_stats,
    engagements_in, goings, journeys, overview,
};
