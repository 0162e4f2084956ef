//! A customer's orders in four numbers.
//!
//! Orders of one UTC day count as one purchase, of the sum of their values; the first purchase makes a customer and is
//! no repeat: Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24 (2), and the
//! common practice with it.

use entity::{Day, Timestamp};

/// A customer at the end of a period of observation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Summary {
    /// x: days with a purchase after the first such day.
    pub repeats: u32,
    /// `t_x`: days from the first purchase to the last; 0 without a repeat purchase.
    pub recency_days: u32,
    /// T: days from the first purchase to the end of the period, at least the recency.
    pub age_days: u32,
    /// Sum of the repeat purchases, in minor units of one currency.
    pub repeat_value: i64,
}

impl Summary {
    /// Mean value of a repeat purchase in minor units; none without one.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a value is exact up to 2⁵³ minor units"
    )]
    pub fn mean_value(&self) -> Option<f64> {
        (self.repeats > 0).then(|| self.repeat_value as f64 / f64::from(self.repeats))
    }
}

/// A customer over two periods: what a model may know, and what came then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Observed {
    /// At the end of the first period.
    pub summary: Summary,
    /// Days with a purchase in the second.
    pub later: u32,
}

/// An order came before one of an earlier day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("order of day {got} after one of day {last}; expected ascending days")]
pub struct OutOfOrder {
    last: i32,
    got: i32,
}

/// Folds one customer's orders, by ascending day, into an [`Observed`]; a few numbers, however many orders there are.
///
/// What is not to count as a purchase (cancelled, fully refunded) is left out by the caller; values are net of refunds.
#[derive(Clone, Copy, Debug)]
pub struct PurchaseFold {
    end: Day,
    later_end: Day,
    days: Option<(Day, Day)>,
    repeats: u32,
    recency_end: Day,
    repeat_value: i64,
    later: u32,
}

impl PurchaseFold {
    /// For a period that ends with the given day, which still belongs to it. Later orders are passed over.
    #[must_use]
    pub const fn new(end: Day) -> Self {
        Self::with_holdout(end, end)
    }

    /// As [`new`](Self::new), with a second period that ends with another day.
    #[must_use]
    pub const fn with_holdout(end: Day, later_end: Day) -> Self {
        Self {
            end,
            later_end,
            days: None,
            repeats: 0,
            recency_end: Day(0),
            repeat_value: 0,
            later: 0,
        }
    }

    /// Adds an order: its moment, its value in minor units.
    ///
    /// # Errors
    /// When its day lies before that of an order already added; the fold stays as it was.
    pub fn push(&mut self, moment: Timestamp, value: i64) -> Result<(), OutOfOrder> {
        let day = moment.day();
        let Some((first, last)) = self.days else {
            self.days = Some((day, day));
            self.recency_end = day;
            return Ok(());
        };
        if day < last {
            return Err(OutOfOrder {
                last: last.0,
                got: day.0,
            });
        }
        self.days = Some((first, day));
        let new_day = u32::from(day > last);
        if day <= self.end {
            self.repeats += new_day;
            self.recency_end = day;
            if day > first {
                self.repeat_value = self.repeat_value.saturating_add(value);
            }
        } else if day <= self.later_end {
            self.later += new_day;
        }
        Ok(())
    }

    /// The customer; none where nothing was bought by the end of the (first) period.
    #[must_use]
    pub fn finish(&self) -> Option<Observed> {
        let (first, _) = self.days.filter(|(first, _)| *first <= self.end)?;
        Some(Observed {
            summary: Summary {
                repeats: self.repeats,
                recency_days: self.recency_end.0.abs_diff(first.0),
                age_days: self.end.0.abs_diff(first.0),
                repeat_value: self.repeat_value,
            },
            later: self.later,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn fold(end: i32, later_end: i32, orders: &[(i32, i64)]) -> Option<Observed> {
        let mut fold = PurchaseFold::with_holdout(Day(end), Day(later_end));
        for (day, value) in orders {
            fold.push(Timestamp(Day(*day).start().0 + 5), *value).unwrap();
        }
        fold.finish()
    }

    #[test]
    fn orders_of_a_day_are_one_purchase_and_the_first_is_no_repeat() {
        let observed = fold(
            100,
            130,
            &[
                (10, 700),
                (10, 300),
                (40, 500),
                (70, 600),
                (70, 100),
                (101, 1),
                (130, 1),
                (131, 1),
            ],
        );
        let summary = Summary {
            repeats: 2,
            recency_days: 60,
            age_days: 90,
            repeat_value: 1_200,
        };
        assert_eq!(observed, Some(Observed { summary, later: 2 }));
        assert_eq!(summary.mean_value(), Some(600.0));
        assert_eq!(fold(9, 200, &[(10, 700), (20, 100)]), None);
        assert_eq!(fold(10, 10, &[]), None);
        let once = fold(100, 100, &[(100, 700)]).unwrap().summary;
        assert_eq!(once, Summary::default());
        assert_eq!(once.mean_value(), None);
    }

    #[test]
    fn an_earlier_day_is_refused_and_changes_nothing() {
        let mut fold = PurchaseFold::new(Day(100));
        fold.push(Day(10).start(), 1).unwrap();
        fold.push(Day(20).start(), 2).unwrap();
        let before = fold.finish();
        let problem = fold.push(Timestamp(Day(20).start().0 - 1), 4).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "order of day 19 after one of day 20; expected ascending days"
        );
        assert_eq!(fold.finish(), before);
    }

    proptest! {
        #[test]
        fn the_fold_is_what_a_table_of_days_says(
            mut orders in prop::collection::vec((-50_i32..50, 0_i64..1_000), 0..40), end in -60_i32..60, more in 0_i32..30,
        ) {
            orders.sort_unstable();
            let mut days = BTreeMap::<i32, i64>::new();
            for (day, value) in &orders {
                *days.entry(*day).or_default() += value;
            }
            let first = days.keys().next().copied().filter(|first| *first <= end);
            let expected = first.map(|first| {
                let repeats: Vec<_> = days.range(first..=end).skip(1).collect();
                Observed {
                    summary: Summary {
                        repeats: u32::try_from(repeats.len()).unwrap(),
                        recency_days: repeats.last().map_or(0, |(last, _)| last.abs_diff(first)),
                        age_days: end.abs_diff(first),
                        repeat_value: repeats.iter().map(|(_, value)| **value).sum(),
                    },
                    later: u32::try_from(days.range(end..=end + more).filter(|(day, _)| **day > end).count()).unwrap(),
                }
            });
            prop_assert_eq!(fold(end, end + more, &orders), expected);
        }
    }
}
