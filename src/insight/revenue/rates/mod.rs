//! Rates of exchange: what conversions and costs are worth in the currency of the reports.
//!
//! The table says what one unit of its base bought of a currency on a day, as central banks publish it. A conversion and a
//! cost keep their own currency and their amount in the reporting currency at the rate of their day; when rates or the
//! reporting currency change, a job tells these amounts anew.

pub mod graphql;
mod import;
mod model;
mod service;
mod store;

pub use entity::currency_rate::Model as CurrencyRate;
pub use import::RateSink;
pub(in crate::insight::revenue) use service::Reporting;
pub use service::{
    Answer, Change, CurrencyProblem, Known, MOST_AT_ONCE, NewRate, StoredCurrencies, in_reporting_currency,
    list, record, reporting_currency, settings, update_settings,
};

/// The kind of the job that tells amounts anew.
pub(in crate::insight::revenue) const REVALUATION: &str = "revenue.revalue";
