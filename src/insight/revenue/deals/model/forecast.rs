//! What open deals will bring: how likely each stage leads to a sale, and money weighed by it. Pure; whole numbers only.

use chrono::{Datelike as _, Months, NaiveDate};
use entity::{Day, WinRateBasis};

/// With fewer closed deals than this, the probability that a stage was given stands in for its win rate.
pub const FEWEST_CLOSED: i64 = 5;

/// How likely a deal in a stage is won: `won` of `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WinRate {
    /// So many.
    pub won: i64,
    /// Of so many, above 0.
    pub of: i64,
    /// What it rests on.
    pub basis: WinRateBasis,
}

impl WinRate {
    /// That of a stage which so many deals went through that were closed, with the probability that it was given.
    #[must_use]
    pub const fn new(won: i64, closed: i64, per_mille: i32) -> Self {
        if closed < FEWEST_CLOSED {
            return Self {
                won: per_mille as i64,
                of: 1_000,
                basis: WinRateBasis::Default,
            };
        }
        Self {
            won,
            of: closed,
            basis: WinRateBasis::History,
        }
    }

    /// As a number from 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of deals")]
    pub fn as_f64(self) -> f64 {
        self.won as f64 / self.of as f64
    }

    /// Amounts, each not negative, times the rate. Their sum is rounded once, halves up, and shared out by the largest
    /// remainders: what is answered adds up to it.
    #[must_use]
    pub fn weigh(self, amounts: &[i128]) -> Vec<i128> {
        let (won, of) = (i128::from(self.won), i128::from(self.of));
        let sum: i128 = amounts.iter().map(|amount| amount * won).sum();
        let rounded = (2 * sum + of).div_euclid(2 * of);
        let mut shares: Vec<i128> = amounts.iter().map(|amount| amount * won / of).collect();
        let missing = rounded - shares.iter().sum::<i128>();
        let mut places: Vec<usize> = (0..amounts.len()).collect();
        places.sort_by_key(|place| (std::cmp::Reverse(amounts[*place] * won % of), *place));
        for place in places.into_iter().take(usize::try_from(missing).unwrap_or(0)) {
            shares[place] += 1;
        }
        shares
    }
}

/// The first days of so many months from that of a day on, and of the one behind them.
#[must_use]
pub fn month_starts(today: NaiveDate, months: u32) -> Vec<Day> {
    let first = today.with_day(1).unwrap_or(today);
    (0..=months)
        .filter_map(|month| first.checked_add_months(Months::new(month)))
        .map(Day::from)
        .collect()
}

/// What a cell of the table of stages and spans holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Open deals.
    pub deals: i64,
    /// Their value in minor units of the reporting currency.
    pub value: i128,
    /// The same times the win rates of their stages.
    pub weighted: i128,
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.deals += other.deals;
        self.value += other.value;
        self.weighted += other.weighted;
    }
}

impl std::iter::Sum for Sum {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// Weighs the deals of a stage, one cell for each span.
pub fn weigh(rate: WinRate, cells: &mut [Sum]) {
    let amounts: Vec<i128> = cells.iter().map(|cell| cell.value).collect();
    for (cell, weighted) in cells.iter_mut().zip(rate.weigh(&amounts)) {
        cell.weighted = weighted;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn rate(won: i64, of: i64) -> WinRate {
        WinRate {
            won,
            of,
            basis: WinRateBasis::History,
        }
    }

    #[test]
    fn few_closed_deals_tell_nothing() {
        let few = WinRate::new(4, 4, 300);
        assert_eq!((few.won, few.of, few.basis), (300, 1_000, WinRateBasis::Default));
        let enough = WinRate::new(2, 5, 300);
        assert_eq!(
            (enough.won, enough.of, enough.basis),
            (2, 5, WinRateBasis::History)
        );
        assert!((enough.as_f64() - 0.4).abs() < 1e-12);
    }

    #[test]
    fn the_sum_is_rounded_once_and_shared_by_the_largest_remainders() {
        // A third each of 1, 1 and 1 is 1 in all: the first of equals has it.
        assert_eq!(rate(1, 3).weigh(&[1, 1, 1]), [1, 0, 0]);
        assert_eq!(rate(1, 3).weigh(&[1, 2, 2]), [0, 1, 1]);
        assert_eq!(rate(1, 2).weigh(&[1]), [1], "halves are rounded up");
        assert_eq!(rate(1, 3).weigh(&[1]), [0]);
        assert_eq!(rate(0, 5).weigh(&[7, 9]), [0, 0]);
        assert_eq!(rate(5, 5).weigh(&[7, 9]), [7, 9]);
        assert_eq!(rate(1, 2).weigh(&[]), Vec::<i128>::new());
    }

    #[test]
    fn months_begin_on_their_first_days() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 30).unwrap();
        let starts: Vec<_> = month_starts(today, 3).iter().map(ToString::to_string).collect();
        assert_eq!(starts, ["2026-11-01", "2026-12-01", "2027-01-01", "2027-02-01"]);
    }

    proptest! {
        #[test]
        fn shares_add_up_and_none_is_off_by_one(
            amounts in prop::collection::vec(0_i128..1_000_000_000_000_000, 0..12),
            of in 1_i64..2_000,
            part in 0.0_f64..=1.0,
        ) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small")]
            let won = (of as f64 * part) as i64;
            let shares = rate(won, of).weigh(&amounts);
            let exact: i128 = amounts.iter().map(|amount| amount * i128::from(won)).sum();
            let twice = 2 * shares.iter().sum::<i128>() * i128::from(of) - 2 * exact;
            prop_assert!(twice.abs() <= i128::from(of), "the sum is the nearest whole number");
            for (share, amount) in shares.iter().zip(&amounts) {
                let off = share * i128::from(of) - amount * i128::from(won);
                prop_assert!(off.abs() < i128::from(of), "{share} of {amount}");
            }
        }
    }
}
