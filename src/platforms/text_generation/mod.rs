//! Texts that models write: as a whole or as they are written, from memory where the same was asked before, within a budget
//! for each day; what each took and cost.
//!
//! Of what was asked for and written nothing is kept but a keyed hash, and the text itself (sealed) for as long as the
//! deployment says.

mod booking;
mod flight;
pub mod graphql;
mod jobs;
mod model;
mod service;
mod store;
mod work;
mod writing;

pub use entity::text_budget::Model as Budget;
pub use entity::text_generation::Model as Generation;

pub use self::booking::TextCosts;
pub use self::jobs::TextUpkeep;
pub use self::model::{
    GenerationFilter, Said, TextCursor, TextDraft, TextProblem, USUAL_TOKENS, dollars, free_again,
};
pub use self::service::{
    BudgetChange, BudgetOrder, BudgetState, budget_of, budgets, cancel, change_budget, find, list, models,
    usage,
};
pub use self::store::{UsageBy, UsageSum};
pub use self::writing::{Piece, Writing, begin, resume};
