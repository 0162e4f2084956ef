//! What is earned and spent: conversions with what they are worth, deals, costs, rates of exchange, what customers will still
//! buy.

pub mod conversions;
pub mod costs;
pub mod deals;
pub mod graphql;
pub mod lifetime;
pub mod rates;
mod revaluation;

pub use conversions::{
    Answer, Conversion, ConversionErasure, ConversionFilter, ConversionProblem, ConversionSink, MOST_AT_ONCE,
    NewConversion, Reversal, get_many, list, of_leads, record, record_many, reverse_many, timeline,
};
pub use costs::{Answer as CostAnswer, CostSink, NewCost, record_many as record_costs};
pub use deals::{
    Call as DealCall, Closing as DealClosing, Deal, DealErasure, Forecast, MOST_MONTHS, NewDeal,
    create as deal_create, forecast, get_many as deals_by_id, lose as deal_lose, move_to as deal_move,
    stages as deal_stages, win as deal_win,
};
pub use lifetime::{LifetimeChore, LifetimeFit};
pub use rates::{NewRate, RateSink, in_reporting_currency, record as record_rates, reporting_currency};
use revaluation::Revalued;
pub use revaluation::{Revaluation, revalued_leads};
