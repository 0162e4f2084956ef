//! What became of the leads of each month or week.

use entity::{Day, ReportMeasure as M};
use serde::{Deserialize, Serialize};

use super::funnel::part;
use super::sums::Sums;
use crate::insight::calendar::{DateRange, first_of_month, first_of_week, month_of, week_of};

/// How long the periods of cohorts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "CohortPeriod")]
pub enum Period {
    /// Months of the calendar.
    Month,
    /// Weeks from Monday on.
    Week,
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Month => "MONTH",
            Self::Week => "WEEK",
        })
    }
}

impl std::str::FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Month, Self::Week]
            .into_iter()
            .find(|period| period.to_string().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                let given: String = text.chars().take(48).collect();
                format!("unknown period `{given}`; one of MONTH, WEEK")
            })
    }
}

impl Period {
    const fn measure(self) -> M {
        match self {
            Self::Month => M::ActiveMonth,
            Self::Week => M::ActiveWeek,
        }
    }

    fn of(self, day: Day) -> i32 {
        match self {
            Self::Month => month_of(day),
            Self::Week => week_of(day),
        }
    }

    fn first_day(self, period: i32) -> Day {
        match self {
            Self::Month => first_of_month(period),
            Self::Week => first_of_week(period),
        }
    }

    /// The periods of a range, each cut to it.
    #[must_use]
    pub fn ranges(self, range: DateRange) -> Vec<DateRange> {
        let DateRange { from, to, zone } = range;
        (self.of(from)..=self.of(to))
            .map(|period| DateRange {
                from: self.first_day(period).max(from),
                to: Day(self.first_day(period + 1).0 - 1).min(to),
                zone,
            })
            .collect()
    }
}

/// The leads that became known in a period.
#[derive(Clone, Debug, PartialEq)]
pub struct Cohort {
    /// The days of the period that are in the range.
    pub range: DateRange,
    /// How many.
    pub leads: i64,
    /// Of them, those that became customers.
    pub customers: i64,
    /// Customers by leads, 0–1; `None` without leads.
    pub conversion_rate: Option<f64>,
    /// What their conversions are worth, in minor units.
    pub revenue_minor: i64,
    /// Their conversions whose worth is not known in the currency of the reports.
    pub unvalued: i64,
    /// Leads that were active in the period itself (0), the next one (1) …, up to the one of today.
    pub active: Vec<i64>,
}

impl Cohort {
    /// What sums tell of the leads of a period, on a day.
    #[must_use]
    pub fn of(sums: &Sums, by: Period, range: DateRange, today: Day) -> Self {
        let begin = by.of(range.from);
        let (leads, customers) = (sums.total(M::Leads), sums.total(M::Customers));
        let active = (begin..=by.of(today)).map(|period| sums.get(by.measure(), &period.to_string()));
        Self {
            range,
            leads,
            customers,
            conversion_rate: part(customers, leads),
            revenue_minor: sums.total(M::Revenue),
            unvalued: sums.total(M::Unvalued),
            active: active.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn periods_are_cut_to_the_range() {
        let range = DateRange {
            from: day("2026-01-30"),
            to: day("2026-03-02"),
            zone: Tz::UTC,
        };
        let shown = |by: Period| -> Vec<String> {
            by.ranges(range)
                .iter()
                .map(|range| format!("{}..{}", range.from, range.to))
                .collect()
        };
        assert_eq!(
            shown(Period::Month),
            [
                "2026-01-30..2026-01-31",
                "2026-02-01..2026-02-28",
                "2026-03-01..2026-03-02"
            ]
        );
        assert_eq!(
            shown(Period::Week)[..2],
            ["2026-01-30..2026-02-01", "2026-02-02..2026-02-08"]
        );
        assert_eq!(shown(Period::Week).len(), 6);
    }

    #[test]
    fn a_cohort_by_hand() {
        let mut sums = Sums::default();
        for (measure, name, amount) in [
            (M::Leads, "ads", 3),
            (M::Leads, "", 1),
            (M::Customers, "ads", 1),
            (M::ActiveMonth, "673", 4),
            (M::ActiveMonth, "675", 2),
        ] {
            sums.add(measure, name, amount);
        }
        let range = DateRange {
            from: day("2026-02-01"),
            to: day("2026-02-28"),
            zone: Tz::UTC,
        };
        let cohort = Cohort::of(&sums, Period::Month, range, day("2026-04-15"));
        assert_eq!(
            (cohort.leads, cohort.customers, cohort.conversion_rate),
            (4, 1, Some(0.25))
        );
        assert_eq!(cohort.active, [4, 0, 2]);
    }
}
