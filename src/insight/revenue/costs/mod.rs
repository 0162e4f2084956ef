//! Costs: what was spent, on which day, for what, on which source or campaign.

pub mod graphql;
mod import;
mod service;
mod store;

pub use entity::cost::Model as Cost;
pub use import::CostSink;
pub use service::{
    Answer, CostFilter, CostProblem, MOST_AT_ONCE, NewCost, get_many, list, record, record_many, void,
};
pub(in crate::insight::revenue) use store::{page_after, revalue};
