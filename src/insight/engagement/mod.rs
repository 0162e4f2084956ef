//! Engagement: every interaction with a lead, one append-only row each.
//!
//! [`record`] takes up to 1,000 of them in a handful of statements. The same dedupe key twice is one engagement, also
//! between two that arrive at once. Human confidence is a function of all events of one message: when a late one changes
//! what was concluded before, the earlier rows are corrected and an `ENGAGEMENT_REWEIGHED` event says so.

mod erasure;
pub mod graphql;
mod import;
mod model;
mod payload;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use entity::engagement::Model as Engagement;
pub use erasure::Erasure;
pub use import::EngagementSink;
pub use model::{
    ChannelCounts, EngagementDraft, HUMAN, MACHINE, TypeCounts, default_channel, is_inbound,
    is_outbound_message, is_reply, is_touch_point,
};
pub use payload::{Recorded, Reweighed};
pub use service::{
    Answer, EngagementFilter, EngagementProblem, LeadKey, MOST_AT_ONCE, NewEngagement, Stats, get_many, list,
    newest, record, record_keyed, record_many, seen_sums, stats, timeline,
};
pub use store::Sum;
