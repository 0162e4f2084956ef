//! Conversions: what a lead became or bought, and what it is worth.

mod erasure;
pub mod graphql;
mod import;
mod service;
mod store;

pub use entity::conversion::Model as Conversion;
pub use erasure::ConversionErasure;
pub use import::ConversionSink;
pub use service::{
    Answer, ConversionFilter, ConversionProblem, MOST_AT_ONCE, NewConversion, Reversal, get_many, list,
    of_leads, record, record_many, reverse_many, timeline,
};
