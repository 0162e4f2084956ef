//! What many leads add up to.

use std::collections::BTreeMap;

use entity::time::QUARTER_MICROS;
use entity::{ReportLevel, ReportMeasure as M, Timestamp};

use super::outline::Outline;
use crate::insight::calendar::units;

/// What is added up over days by the hour, too, so that days of any time zone can be told; by no name.
pub const BY_HOUR: [M; 4] = [M::Leads, M::Scored, M::ScoreKey, M::ScoreRate];
/// The same of conversions.
pub const SOLD_BY_HOUR: [M; 2] = [M::KindConversions, M::KindWorth];

/// Sums: by what is counted, and of what. Empty and [`merge`](Self::merge) form a commutative group with negative amounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums(BTreeMap<M, BTreeMap<String, i64>>);

impl Sums {
    /// Adds an amount.
    pub fn add(&mut self, measure: M, name: &str, amount: i64) {
        let names = self.0.entry(measure).or_default();
        match names.get_mut(name) {
            Some(sum) => *sum += amount,
            None => drop(names.insert(name.to_owned(), amount)),
        }
    }

    /// Adds what a lead adds to some of what is counted.
    pub fn take(&mut self, measures: &[M], outline: &Outline) {
        let wants = |measure| measures.contains(&measure);
        outline.each(wants, |measure, name, amount| self.add(measure, name, amount));
    }

    /// Adds other sums.
    pub fn merge(&mut self, other: &Self) {
        for (measure, names) in &other.0 {
            for (name, amount) in names {
                self.add(*measure, name, *amount);
            }
        }
    }

    /// What is known of a measure, by name.
    pub fn of(&self, measure: M) -> impl Iterator<Item = (&str, i64)> {
        self.0
            .get(&measure)
            .into_iter()
            .flatten()
            .map(|(name, amount)| (name.as_str(), *amount))
    }

    /// The sum of a measure for a name.
    #[must_use]
    pub fn get(&self, measure: M, name: &str) -> i64 {
        self.0
            .get(&measure)
            .and_then(|names| names.get(name))
            .copied()
            .unwrap_or(0)
    }

    /// The sum of a measure for all names.
    #[must_use]
    pub fn total(&self, measure: M) -> i64 {
        self.0
            .get(&measure)
            .into_iter()
            .flatten()
            .map(|(_, amount)| amount)
            .sum()
    }
}

/// A row of sums: which span, what is counted, of what.
pub type Place = (ReportLevel, M, i32, String);

/// Changes of the rows of sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(pub BTreeMap<Place, i64>);

impl Changes {
    /// Adds what a lead adds, or takes it away where the sign is −1.
    pub fn add(&mut self, outline: &Outline, sign: i64) {
        let known = units(outline.created_at);
        outline.each(
            |_| true,
            |measure, name, amount| {
                self.put(known, BY_HOUR.contains(&measure), (measure, name), sign * amount);
            },
        );
        outline.each_sale(|quarter, measure, name, amount| {
            let sold = units(Timestamp(i64::from(quarter) * QUARTER_MICROS));
            self.put(
                sold,
                SOLD_BY_HOUR.contains(&measure),
                (measure, name),
                sign * amount,
            );
        });
    }

    fn put(&mut self, [quarter, hour, day, month]: [i32; 4], by_hour: bool, of: (M, &str), amount: i64) {
        if amount == 0 {
            return;
        }
        let (measure, name) = of;
        let mut to = |level: ReportLevel, unit: i32, name: &str| {
            *self.0.entry((level, measure, unit, name.to_owned())).or_default() += amount;
        };
        to(ReportLevel::Day, day, name);
        to(ReportLevel::Month, month, name);
        if by_hour {
            to(ReportLevel::Hour, hour, "");
            to(ReportLevel::Quarter, quarter, "");
        }
    }

    /// Without those that change nothing.
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.0.retain(|_, amount| *amount != 0);
        self
    }
}

/// The mean of the current scores at a moment of which these are the sums; `None` without any.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a mean is told to a hundredth")]
pub fn mean_score(keys: i64, rates: i64, scored: i64, now: Timestamp) -> Option<f64> {
    if scored <= 0 {
        return None;
    }
    let sum = keys as f64 / 1e3 - rates as f64 / 1e6 * now.days();
    // What decay has ended since it was last looked at is a little below 0.
    Some((sum / scored as f64).clamp(0.0, 100.0))
}
