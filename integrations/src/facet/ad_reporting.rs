//! What advertisements cost and brought.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::{Cursor, Money, Pages};
use crate::Context;

/// A platform that shows advertisements.
pub trait AdReporting: Send + Sync {
    /// Results by day of a range, both ends included, in the account's own time zone. The last days change for weeks:
    /// read them again.
    fn results<'a>(
        &'a self,
        context: &'a Context,
        range: DateRange,
        level: AdLevel,
        since: Option<Cursor>,
    ) -> Pages<'a, AdResult>;
}

/// Days, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateRange {
    /// The first.
    pub from: NaiveDate,
    /// The last.
    pub to: NaiveDate,
}

/// By what results are broken down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdLevel {
    /// The account as a whole.
    Account,
    /// Campaigns.
    Campaign,
    /// Groups of advertisements.
    AdGroup,
    /// Advertisements.
    Ad,
}

/// The results of one day.
#[derive(Clone, Debug, PartialEq)]
pub struct AdResult {
    /// The day.
    pub day: NaiveDate,
    /// The platform's id of the campaign, group or advertisement; of the account for the account.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it cost.
    pub spend: Money,
    /// How often it was shown.
    pub impressions: u64,
    /// How often it was clicked.
    pub clicks: u64,
    /// What came of it, by the platform's words: how often, and what it was worth.
    pub actions: Vec<(String, Decimal, Option<Decimal>)>,
}
