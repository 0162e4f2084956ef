//! From what a platform tells of advertisements to what we keep, and what may be asked of it: pure.

use entity::id::ConnectionId;
use entity::{AdLevel, Day, Timestamp, ad_action};
use integrations::facet::{self, Money};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::AdResult;
use crate::error::Error;
use crate::platforms::commerce::minor;

/// Most days of one question.
pub const MOST_DAYS: i32 = 400;
/// No day of one campaign has more of anything, so that sums of any number of days fit.
const MOST: i64 = 1_000_000_000_000;
/// Longest name that is kept, in characters.
const MOST_NAME_CHARS: usize = 500;
/// Most kinds of actions of one result.
const MOST_ACTIONS: usize = 200;

/// What results are added up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
pub enum AdGrouping {
    /// Days: of all campaigns.
    Day,
    /// Campaigns: of all days.
    Campaign,
    /// Each campaign on each day.
    CampaignDay,
}

impl AdGrouping {
    /// The name of the one ordering, that cursors are bound to.
    #[must_use]
    pub const fn order(self) -> &'static str {
        match self {
            Self::Day => "ad result DAY DESC",
            Self::Campaign => "ad result CAMPAIGN DESC",
            Self::CampaignDay => "ad result DAY CAMPAIGN DESC",
        }
    }

    pub(super) const fn by_day(self) -> bool {
        matches!(self, Self::Day | Self::CampaignDay)
    }

    pub(super) const fn by_campaign(self) -> bool {
        matches!(self, Self::Campaign | Self::CampaignDay)
    }
}

/// Which results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdFilter {
    /// Of this connection; of all without one.
    pub connection: Option<ConnectionId>,
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
}

impl AdFilter {
    pub(super) fn check(&self) -> Result<(), Error> {
        let Self { from, to, .. } = self;
        if from > to {
            return Err(Error::BadInput(format!(
                "`from` ({from}) lies behind `to` ({to})"
            )));
        }
        let days = to.0.saturating_sub(from.0).saturating_add(1);
        if days > MOST_DAYS {
            return Err(Error::BadInput(format!(
                "{days} days are too many: at most {MOST_DAYS} at once"
            )));
        }
        Ok(())
    }
}

/// A result as it is kept, with what came of it.
pub(super) type Kept = (AdResult, Vec<ad_action::Model>);

fn count(what: &str, number: u64) -> Result<i64, String> {
    i64::try_from(number)
        .ok()
        .filter(|number| *number <= MOST)
        .ok_or_else(|| format!("{number} {what} in a day are out of range"))
}

fn amount(what: &str, money: &Money) -> Result<(i64, String), String> {
    let (value, currency) = minor(money)?;
    if value.unsigned_abs() > MOST.unsigned_abs() {
        return Err(format!(
            "{what} of {} {currency} in a day is out of range",
            money.amount
        ));
    }
    Ok((value, currency))
}

/// A result as it is kept, or why it cannot be.
pub(super) fn kept(
    connection_id: ConnectionId,
    level: AdLevel,
    result: &facet::AdResult,
    now: Timestamp,
) -> Result<Kept, String> {
    let facet::AdResult {
        day,
        id,
        name,
        spend,
        impressions,
        clicks,
        actions,
    } = result;
    if id.is_empty() || id.contains('\0') {
        return Err("it has no id".to_owned());
    }
    let day = Day::from(*day);
    let (spend_minor, currency) = amount("spend", spend)?;
    let mut kept: Vec<ad_action::Model> = Vec::with_capacity(actions.len());
    if actions.len() > MOST_ACTIONS {
        return Err(format!("{} kinds of actions are too many", actions.len()));
    }
    for (action, times, worth) in actions {
        let too_many = || format!("{times} times `{action}` in a day is out of range");
        let count_milli = times
            .checked_mul(Decimal::ONE_THOUSAND)
            .and_then(|times| times.round().to_i64())
            .filter(|times| times.unsigned_abs() <= MOST.unsigned_abs())
            .ok_or_else(too_many)?;
        let worth = worth.map(|amount| Money {
            amount,
            currency: currency.clone(),
        });
        let value_minor = match &worth {
            Some(worth) => Some(amount(action, worth)?.0),
            None => None,
        };
        // A platform that names one twice tells of both.
        if let Some(before) = kept.iter_mut().find(|before| before.action == *action) {
            before.count_milli += count_milli;
            before.value_minor = match (before.value_minor, value_minor) {
                (None, None) => None,
                (one, other) => Some(one.unwrap_or_default() + other.unwrap_or_default()),
            };
            continue;
        }
        kept.push(ad_action::Model {
            connection_id,
            level,
            external_id: id.clone(),
            day,
            action: action.replace('\0', ""),
            count_milli,
            value_minor,
        });
    }
    kept.sort_by(|left, right| left.action.cmp(&right.action));
    let row = AdResult {
        connection_id,
        level,
        external_id: id.clone(),
        day,
        name: name
            .chars()
            .filter(|letter| *letter != '\0')
            .take(MOST_NAME_CHARS)
            .collect(),
        currency,
        spend_minor,
        impressions: count("impressions", *impressions)?,
        clicks: count("clicks", *clicks)?,
        synced_at: now,
    };
    Ok((row, kept))
}

/// Whether two readings of a result tell the same.
pub(super) fn is_same(new: &Kept, old: &Kept) -> bool {
    let mut before = old.0.clone();
    before.synced_at = new.0.synced_at;
    before == new.0 && old.1 == new.1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(spend: &str, currency: &str, actions: &[(&str, &str, Option<&str>)]) -> facet::AdResult {
        let number = |text: &str| text.parse::<Decimal>().expect("a number");
        facet::AdResult {
            day: chrono::NaiveDate::from_ymd_opt(2026, 3, 1).expect("a day"),
            id: "7".into(),
            name: "Spring\0".into(),
            spend: Money {
                amount: number(spend),
                currency: currency.into(),
            },
            impressions: 10,
            clicks: 1,
            actions: actions
                .iter()
                .map(|(action, times, worth)| ((*action).to_owned(), number(times), worth.map(number)))
                .collect(),
        }
    }

    fn read(result: &facet::AdResult) -> Result<Kept, String> {
        kept(
            ConnectionId::at(Timestamp(1)),
            AdLevel::Campaign,
            result,
            Timestamp(2),
        )
    }

    #[test]
    fn money_is_kept_in_minor_units_of_its_currency() {
        let (row, actions) = read(&told("12.34", "eur", &[("lead", "1.5", Some("0.25"))])).expect("it fits");
        assert_eq!(
            (row.spend_minor, row.currency.as_str(), row.name.as_str()),
            (1_234, "EUR", "Spring")
        );
        assert_eq!(
            (actions[0].count_milli, actions[0].value_minor),
            (1_500, Some(25))
        );
        let (yen, _) = read(&told("1200", "JPY", &[])).expect("it fits");
        assert_eq!(yen.spend_minor, 1_200);
    }

    #[test]
    fn one_action_told_twice_is_told_of_both() {
        let result = told(
            "1",
            "EUR",
            &[
                ("lead", "1", None),
                ("click", "3", None),
                ("lead", "2", Some("5")),
            ],
        );
        let (_, actions) = read(&result).expect("it fits");
        let told: Vec<_> = actions
            .iter()
            .map(|action| (action.action.as_str(), action.count_milli, action.value_minor))
            .collect();
        assert_eq!(told, [("click", 3_000, None), ("lead", 3_000, Some(500))]);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        assert!(
            read(&told("1", "XYZ", &[]))
                .expect_err("no currency")
                .contains("XYZ")
        );
        let much = read(&told("99999999999999", "EUR", &[])).expect_err("too much");
        assert!(much.contains("out of range"), "{much}");
        let many = facet::AdResult {
            impressions: u64::MAX,
            ..told("1", "EUR", &[])
        };
        assert!(read(&many).expect_err("too many").contains("impressions"));
        let nameless = facet::AdResult {
            id: String::new(),
            ..told("1", "EUR", &[])
        };
        assert_eq!(read(&nameless), Err("it has no id".to_owned()));
    }

    #[test]
    fn a_range_has_an_order_and_an_end() {
        let filter = |from, to| AdFilter {
            connection: None,
            from: Day(from),
            to: Day(to),
        };
        assert!(filter(1, 400).check().is_ok());
        assert!(filter(1, 401).check().is_err());
        assert!(filter(2, 1).check().is_err());
        assert!(filter(i32::MIN, i32::MAX).check().is_err());
    }

    proptest! {
        #[test]
        fn the_same_again_is_the_same_and_any_change_is_one(
            cents in 0..1_000_000_i64, clicks in 0..1_000_u64, later in 0..1_000_i64, other in 1..1_000_u64,
        ) {
            let mut result = told("0", "EUR", &[("lead", "1", None)]);
            result.spend.amount = Decimal::new(cents, 2);
            result.clicks = clicks;
            let id = ConnectionId::at(Timestamp(1));
            let first = kept(id, AdLevel::Campaign, &result, Timestamp(2)).expect("it fits");
            let again = kept(id, AdLevel::Campaign, &result, Timestamp(2 + later)).expect("it fits");
            prop_assert!(is_same(&again, &first));
            prop_assert_eq!(first.0.spend_minor, cents);
            result.clicks = clicks + other;
            let changed = kept(id, AdLevel::Campaign, &result, Timestamp(2)).expect("it fits");
            prop_assert!(!is_same(&changed, &first));
        }
    }
}
