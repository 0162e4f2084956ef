//! Scoring: how promising a lead is, why, and how that decays.
//!
//! A score rests on the *facts* of its lead, which stand beside it in `lead_score`. [`ScoringHandler`] follows the event
//! log: in the transaction of each batch it takes the events into the facts (engagements exactly once, in any order;
//! fields, stage and consents as the rows say), scores the leads of the batch and writes what changed. There are no
//! separate stale marks: a lead is stale while the log holds events of it behind the handler's cursor, and under a flood
//! of events the handler simply falls behind and then takes many events of a lead at once. A reader asks for the score
//! and whether it is stale in one statement; one that is stale, past `valid_until`, or of another model than the one in
//! force is computed for the answer ([`scores`]).
//!
//! What changes by time alone is known in advance (`due_at`): [`ScoreUpkeep`] looks at those leads once a second.

mod export;
mod facts;
pub mod graphql;
mod handler;
mod jobs;
pub mod model;
mod models;
mod service;
mod store;

pub use entity::lead_score::Model as StoredScore;
pub use entity::score_history::Model as ScoreEntry;
pub use entity::score_model::Model as StoredModel;
pub use export::{ExportScores, ScoreScales};
pub use handler::{HANDLER, ScoreUpkeep, ScoringHandler};
pub use jobs::{
    BacktestKind, BacktestResult, RecalculateKind, Sample, Side, backtest, backtest_result, recalculate,
};
pub use model::{Explanation, Factor, ModelProblem, Moves, Score, ScoreModel};
pub use models::{
    DraftChange, ScoringProblem, create_draft, definition, get_many, model, models, publish, published,
    update_draft,
};
pub use service::{
    Newest, Scored, ScoresCache, history, history_order, history_place, newest_engagements, scale, scores,
};
