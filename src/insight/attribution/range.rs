//! Dates in a time zone, as moments and as whole UTC days.

use chrono::{LocalResult, TimeZone as _};
use chrono_tz::Tz;
use entity::{Day, Timestamp};

use crate::error::Error;

/// Most days of a range.
pub const MOST_DAYS: i32 = 3_660;

/// From a day to another, both included, as clocks in a time zone tell them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateRange {
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// Where.
    pub zone: Tz,
}

/// The parts of a range: UTC days that lie in it as a whole, and spans of less than a day at its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// From a UTC day to another, both included.
    pub days: Option<(Day, Day)>,
    /// From a moment on, up to another that is not included.
    pub edges: Vec<(Timestamp, Timestamp)>,
}

impl DateRange {
    /// Checks it.
    ///
    /// # Errors
    /// [`Error::BadInput`] where it ends before it begins, or is longer than `MOST_DAYS`.
    pub fn checked(self) -> Result<Self, Error> {
        let Self { from, to, .. } = self;
        if to < from {
            let message = format!("the range ends ({to}) before it begins ({from})");
            return Err(Error::BadInput(message));
        }
        if i64::from(to.0) - i64::from(from.0) >= i64::from(MOST_DAYS) {
            return Err(Error::BadInput(format!("a range has at most {MOST_DAYS} days")));
        }
        Ok(self)
    }

    /// The moment at which it begins, and the one at which it has ended.
    #[must_use]
    pub fn moments(&self) -> (Timestamp, Timestamp) {
        (
            midnight(self.from, self.zone),
            midnight(Day(self.to.0.saturating_add(1)), self.zone),
        )
    }

    /// As whole UTC days and what is left at the ends.
    #[must_use]
    pub fn parts(&self) -> Parts {
        let (begin, end) = self.moments();
        let first = if begin == begin.day().start() {
            begin.day()
        } else {
            Day(begin.day().0 + 1)
        };
        let last = Day(end.day().0 - 1);
        if first > last {
            return Parts {
                days: None,
                edges: vec![(begin, end)],
            };
        }
        let edges = [(begin, first.start()), (Day(last.0 + 1).start(), end)];
        Parts {
            days: Some((first, last)),
            edges: edges.into_iter().filter(|(from, to)| from < to).collect(),
        }
    }
}

/// When a day begins in a time zone: at the first moment of it that clocks show.
fn midnight(day: Day, zone: Tz) -> Timestamp {
    let date = day.to_chrono();
    // Where clocks skip midnight the day begins later, by half an hour or an hour, once by a whole day.
    for minutes in (0..=24 * 60).step_by(15) {
        let Some(local) = date
            .and_hms_opt(0, 0, 0)
            .and_then(|start| start.checked_add_signed(chrono::TimeDelta::minutes(minutes)))
        else {
            break;
        };
        match zone.from_local_datetime(&local) {
            LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => {
                return Timestamp(moment.timestamp_micros());
            }
            LocalResult::None => {}
        }
    }
    day.start()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn range(from: &str, to: &str, zone: Tz) -> DateRange {
        DateRange {
            from: day(from),
            to: day(to),
            zone,
        }
    }

    #[test]
    fn in_utc_there_are_no_edges() {
        let parts = range("2026-03-01", "2026-03-31", Tz::UTC).parts();
        assert_eq!(
            parts,
            Parts {
                days: Some((day("2026-03-01"), day("2026-03-31"))),
                edges: vec![]
            }
        );
    }

    #[test]
    fn a_day_in_india_is_two_edges() {
        let range = range("2026-03-01", "2026-03-01", Tz::Asia__Kolkata);
        let hours = |day: &str, half_hours: i64| {
            Timestamp(self::day(day).start().micros() + half_hours * 1_800_000_000)
        };
        let (begin, end) = (hours("2026-02-28", 37), hours("2026-03-01", 37));
        assert_eq!(range.moments(), (begin, end));
        assert_eq!(
            range.parts(),
            Parts {
                days: None,
                edges: vec![(begin, end)]
            }
        );
        let week = DateRange {
            to: day("2026-03-07"),
            ..range
        }
        .parts();
        assert_eq!(week.days, Some((day("2026-03-01"), day("2026-03-06"))));
        assert_eq!(
            week.edges,
            [
                (begin, hours("2026-03-01", 0)),
                (hours("2026-03-07", 0), hours("2026-03-07", 37))
            ]
        );
    }

    #[test]
    fn days_have_the_hours_that_clocks_show() {
        let hours = |text: &str, zone| {
            let (begin, end) = range(text, text, zone).moments();
            (end.micros() - begin.micros()) / 3_600_000_000
        };
        assert_eq!(hours("2026-03-29", Tz::Europe__Berlin), 23);
        assert_eq!(hours("2026-10-25", Tz::Europe__Berlin), 25);
        // Clocks skipped midnight there.
        assert_eq!(hours("2018-11-04", Tz::America__Sao_Paulo), 23);
        // And a whole day.
        assert_eq!(hours("2011-12-30", Tz::Pacific__Apia), 0);
        assert_eq!(hours("2026-03-29", Tz::UTC), 24);
    }

    #[test]
    fn wrong_ranges_are_refused() {
        assert!(range("2026-03-02", "2026-03-01", Tz::UTC).checked().is_err());
        assert!(range("2016-03-02", "2026-03-20", Tz::UTC).checked().is_err());
        assert!(range("2016-03-20", "2026-03-20", Tz::UTC).checked().is_ok());
    }
}
