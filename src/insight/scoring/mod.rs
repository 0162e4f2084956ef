//! Scoring: how promising a lead is, why, and until when that stays true.

pub mod model;
