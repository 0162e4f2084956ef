//! Deals: sales that are hoped for, the stages that they go through, what became of them, and what they will bring.
//!
//! A deal that is won is recorded as a conversion; one that is opened again, or lost after all, has it called off. How likely
//! the open ones are won is told by those that were closed: see [`forecast`].

mod changing;
mod erasure;
mod forecasting;
pub mod graphql;
mod model;
mod service;
mod stages;
mod store;
mod worth;

pub use changing::{Call, Closing, create, lose, move_to, reopen, update, win};
pub use entity::deal::Model as Deal;
pub use entity::deal_move::Model as DealMove;
pub use entity::deal_stage::Model as DealStage;
pub use erasure::DealErasure;
pub use forecasting::{Forecast, MOST_MONTHS, StageForecast, forecast};
pub use model::forecast::Sum;
pub use model::rules::{DealPatch, DealProblem, NewDeal};
pub use service::{
    DealFilter, DealOrder, DealOrderField, by_lead_order, get_many, histories, list, of_leads, place,
};
pub use stages::{StageDraft, Stages, stages, stages_by_id, update_stages};
pub(in crate::insight::revenue) use store::{page_after, revalue};
pub(in crate::insight::revenue) use worth::Worth;
