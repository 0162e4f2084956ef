//! Rates of exchange and what they make of an amount. Pure.

use std::collections::{BTreeMap, HashMap};

use entity::Day;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use crate::leads::contact::Currency;

/// A rate counts for so many days after its own: tables have none for weekends and holidays.
pub const MOST_DAYS_OLD: i32 = 10;

/// In which currency sums are told, and of which currency the table of rates tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrencySettings {
    /// ISO 4217: what reports are in.
    pub reporting: String,
    /// ISO 4217: a rate says what one unit of it buys.
    pub base: String,
}

impl Default for CurrencySettings {
    fn default() -> Self {
        Self {
            reporting: "EUR".to_owned(),
            base: "EUR".to_owned(),
        }
    }
}

/// A part of the table of rates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    base: String,
    days: HashMap<String, BTreeMap<Day, Decimal>>,
}

impl Rates {
    /// Without any rate: amounts in the base alone are known.
    #[must_use]
    pub fn of_base(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            days: HashMap::new(),
        }
    }

    /// Takes a rate in: units of the currency for one of the base, above 0.
    pub fn add(&mut self, currency: &str, day: Day, rate: Decimal) {
        let days = match self.days.get_mut(currency) {
            Some(days) => days,
            None => self.days.entry(currency.to_owned()).or_default(),
        };
        days.insert(day, rate);
    }

    /// The rate of a day: its own, or the last one before it that is at most [`MOST_DAYS_OLD`] old.
    fn of(&self, currency: &str, day: Day) -> Option<Decimal> {
        if currency == self.base {
            return Some(Decimal::ONE);
        }
        let days = self.days.get(currency)?;
        let (_, rate) = days
            .range(Day(day.0.saturating_sub(MOST_DAYS_OLD))..=day)
            .next_back()?;
        Some(*rate)
    }

    /// An amount in another currency at the rate of a day, in its minor units; halves are rounded away from zero. `None`
    /// where a rate is not known, or the amount does not fit.
    #[must_use]
    pub fn convert(&self, minor: i64, from: &str, to: &str, day: Day) -> Option<i64> {
        if from == to {
            return Some(minor);
        }
        let amount = Decimal::new(minor, exponent(from)?);
        let amount = amount
            .checked_mul(self.of(to, day)?)?
            .checked_div(self.of(from, day)?)?
            .checked_mul(Decimal::from(10_i64.checked_pow(exponent(to)?)?))?;
        let rounded = amount.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
        i64::try_from(rounded).ok()
    }
}

fn exponent(currency: &str) -> Option<u32> {
    currency.parse::<Currency>().ok().map(Currency::exponent)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Day = Day(20_000);

    fn rates() -> Rates {
        let mut rates = Rates::of_base("EUR");
        // Friday's, and the next on Monday.
        rates.add("USD", DAY, "1.0875".parse().unwrap());
        rates.add("USD", Day(DAY.0 + 3), "1.1".parse().unwrap());
        rates.add("JPY", DAY, "162.31".parse().unwrap());
        rates.add("KWD", DAY, "0.3342".parse().unwrap());
        rates
    }

    #[test]
    fn amounts_are_told_in_minor_units_of_the_other_currency() {
        let rates = rates();
        let convert = |minor, from, to| rates.convert(minor, from, to, DAY);
        assert_eq!(convert(10_000, "EUR", "USD"), Some(10_875));
        assert_eq!(convert(10_875, "USD", "EUR"), Some(10_000));
        assert_eq!(convert(1_00, "EUR", "JPY"), Some(162));
        assert_eq!(convert(162_310, "JPY", "EUR"), Some(100_000));
        assert_eq!(convert(1_00, "EUR", "KWD"), Some(334));
        // Across the base: 1000 yen are 6.1610 euros are 6.7001 dollars.
        assert_eq!(convert(1_000, "JPY", "USD"), Some(6_70));
        assert_eq!(convert(-1_000, "JPY", "USD"), Some(-670));
        assert_eq!(convert(5, "BRL", "BRL"), Some(5), "the same needs no rate");
        assert_eq!(convert(5, "BRL", "EUR"), None);
        assert_eq!(convert(i64::MAX, "EUR", "JPY"), None, "it does not fit");
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        let mut rates = Rates::of_base("EUR");
        rates.add("USD", DAY, "0.5".parse().unwrap());
        assert_eq!(rates.convert(1, "EUR", "USD", DAY), Some(1));
        assert_eq!(rates.convert(-1, "EUR", "USD", DAY), Some(-1));
        assert_eq!(rates.convert(3, "EUR", "USD", DAY), Some(2));
    }

    #[test]
    fn a_rate_counts_until_the_next_and_not_for_ever() {
        let rates = rates();
        let dollars = |days: i32| rates.convert(10_000, "EUR", "USD", Day(DAY.0 + days));
        assert_eq!(dollars(-1), None, "before the first");
        assert_eq!((dollars(2), dollars(3)), (Some(10_875), Some(11_000)));
        assert_eq!((dollars(13), dollars(14)), (Some(11_000), None));
        assert_eq!(rates.convert(1, "EUR", "USD", Day(i32::MIN)), None);
    }

    proptest! {
        /// There and back is off by no more than what one minor unit of the other currency is worth.
        #[test]
        fn there_and_back(minor in -1_000_000_000_000_i64..1_000_000_000_000) {
            let rates = rates();
            let there = rates.convert(minor, "EUR", "USD", DAY).unwrap();
            let back = rates.convert(there, "USD", "EUR", DAY).unwrap();
            prop_assert!((back - minor).abs() <= 1, "{minor} {there} {back}");
        }
    }
}
