//! What deals are worth in the currency of the reports: open ones by the newest rates, however old these are, closed ones by
//! those of the day on which they were closed, as their conversions are.

use entity::{Day, DealState};

use super::Deal;
use crate::db::Tx;
use crate::error::Error;
use crate::insight::revenue::rates::Reporting;

/// The rates that some deals need.
#[derive(Clone, Debug)]
pub(in crate::insight::revenue) struct Worth {
    newest: Reporting,
    by_day: Reporting,
}

/// The day whose rate a deal is worth by; none while it is open.
fn day(deal: &Deal) -> Option<Day> {
    match (deal.state, deal.closed_at) {
        (DealState::Won | DealState::Lost, Some(at)) => Some(at.day()),
        _ => None,
    }
}

impl Worth {
    /// What is needed for these deals. Neither rates nor settings change before the transaction ends.
    ///
    /// # Errors
    /// The database's.
    pub(in crate::insight::revenue) async fn of(tx: &Tx, deals: &[Deal]) -> Result<Self, Error> {
        let currency = |deal: &'_ Deal| deal.currency.clone();
        let open: Vec<String> = deals
            .iter()
            .filter(|deal| day(deal).is_none())
            .filter_map(currency)
            .collect();
        let closed: Vec<(String, Day)> = deals
            .iter()
            .filter_map(|deal| Some((currency(deal)?, day(deal)?)))
            .collect();
        Ok(Self {
            newest: Reporting::newest(tx, open.iter().map(String::as_str)).await?,
            by_day: Reporting::of(tx, closed.iter().map(|(of, day)| (of.as_str(), *day))).await?,
        })
    }

    /// ISO 4217.
    pub(in crate::insight::revenue) fn currency(&self) -> &str {
        self.newest.currency()
    }

    /// A deal's value in the reporting currency, in minor units; `None` where it has none, or no rate is known.
    pub(in crate::insight::revenue) fn amount(&self, deal: &Deal) -> Option<i64> {
        let (minor, currency) = (deal.value_minor?, deal.currency.as_deref()?);
        match day(deal) {
            Some(day) => self.by_day.amount(minor, currency, day),
            None => self.newest.newest_amount(minor, currency),
        }
    }
}
