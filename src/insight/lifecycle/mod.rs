//! Lifecycle: in which stage a lead stands, how it came there, and what moves it on.
//!
//! Each stay in a stage is a row; exactly one per lead is open, and `lead.stage` with `lead.stage_since` is its copy,
//! written here alone. [`LifecycleHandler`] opens the first stay of each new lead and makes the automatic moves;
//! [`change_stages`] makes those of people and tokens.

pub mod graphql;
mod handler;
pub mod model;
mod service;
mod store;

pub use entity::stage_stay::Model as StageStay;
pub use handler::LifecycleHandler;
pub use model::{LifecycleSettings, stay_micros};
pub use service::{
    Changed, LifecycleProblem, MOST_AT_ONCE, SettingsChange, StageChange, StoredSettings, change_stages,
    current_stays, get_many, history, history_order, history_place, settings, touch_points, update_settings,
};
