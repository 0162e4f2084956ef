//! Engagement: every interaction with a lead, one append-only row each.

pub mod model;
