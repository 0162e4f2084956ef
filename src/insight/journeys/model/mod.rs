//! The rules of journeys: what is kept of a lead's way ([`facts`]), how healthy it is (`health`), and what happened
//! by day, week and month ([`days`], [`deployment`]); [`fold`] takes events in.
//!
//! Every figure kept is a sum, a minimum or a maximum: neither the order of arrival nor the split into batches matters.

pub mod days;
pub mod deployment;
pub mod facts;
pub mod fold;
pub mod health;

pub use days::{DayActivity, Period, by_period};
pub use deployment::{Deployment, DeploymentActivity};
pub use facts::{Contribution, JourneyFacts, Milestone, Money};
pub use fold::{Converted, Happening, LeadFold, Moved, contribution};
pub use health::{JourneySettings, churn_risk, health, is_high_risk, leaves_at, reaches_at, spans, trend};
