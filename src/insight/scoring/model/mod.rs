//! The rules of scoring.
//!
//! - [`config`]: [`ScoreModel`], every number of a score in one versioned object; [`validate`] checks it.
//! - [`facts`]: [`ScoreFacts`], everything a score needs of a lead, stored beside its score so that a new model
//!   rescores a lead by reading one row.
//! - [`score`](mod@score): facts, model and moment → [`Score`], and [`explain`].
//! - [`decay`]: the current value as a formula, and when it crosses a temperature.
//! - [`compare()`]: how a draft would move leads.

pub mod compare;
pub mod config;
pub mod decay;
pub mod facts;
#[cfg(test)]
mod properties;
pub mod score;
#[cfg(test)]
mod tests;
pub mod validate;

pub use compare::{Change, Moves, compare};
pub use config::{PointsByStage, PointsByType, ScoreModel};
pub use decay::{current, decay_key, decay_threshold, grade, next_crossing, temperature};
pub use facts::{Field, Fields, RecentDays, ScoreFacts, WeightedCounts};
pub use score::{Explanation, Factor, Score, explain, score};
pub use validate::ModelProblem;
