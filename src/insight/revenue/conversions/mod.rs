//! Conversions: what a lead became or bought, and what it is worth.

mod erasure;
pub mod graphql;
mod import;
mod reversal;
mod service;
mod store;

pub use entity::conversion::Model as Conversion;
pub use erasure::ConversionErasure;
pub use import::ConversionSink;
pub use reversal::{Refund, Reversal, ReversalProblem, refund, reverse_many, void};
pub(in crate::insight::revenue) use service::amount;
pub use service::{
    Answer, ConversionFilter, ConversionProblem, MOST_AT_ONCE, NewConversion, get_many, list, of_leads,
    record, record_many, timeline,
};
pub(in crate::insight::revenue) use store::{leads_between, page_after, revalue};
