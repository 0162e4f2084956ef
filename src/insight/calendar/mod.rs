//! Ranges of days as clocks in a time zone tell them, and the spans of UTC time of which sums of them are made.
//!
//! - `range`: from a day to another, or the last days up to today, as moments.
//! - `spans`: months, days, hours and quarters of an hour that lie in a range as a whole, and what is left at its ends.
//! - `months`: months and weeks, counted.
//! - `graphql`: the input that asks for a range.

pub mod graphql;
mod months;
mod range;
mod spans;

pub use months::{first_of_month, first_of_week, month_of, week_of};
pub use range::{DateRange, DaysAsked, MOST_DAYS, today};
pub use spans::{ALL, FINE, Made, Span, Steps, made, steps, units};
