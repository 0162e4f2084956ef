//! What advertisements cost and brought, by day, as platforms tell.

mod consumer;
pub mod graphql;
mod model;
mod service;
mod store;

pub use entity::ad_result::Model as AdResult;

pub use self::consumer::AdConsumer;
pub use self::model::{AdFilter, AdGrouping, MOST_DAYS};
pub use self::service::{actions, results};
pub use self::store::{Action, Place, Sum};
