//! Dates in a time zone, as moments.

use chrono::{LocalResult, TimeZone as _};
use chrono_tz::Tz;
use entity::{Day, Timestamp};
use serde::{Deserialize, Serialize};

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
}

/// Which days are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DaysAsked {
    /// So many, today being the last one.
    Last(i32),
    /// From one to another, both included.
    Between(Day, Day),
}

impl DaysAsked {
    /// Those given: either so many, or the first and the last.
    ///
    /// # Errors
    /// [`Error::BadInput`] for anything else.
    pub fn given(last: Option<i32>, from: Option<Day>, to: Option<Day>) -> Result<Self, Error> {
        match (last, from, to) {
            (Some(days), None, None) => Ok(Self::Last(days)),
            (None, Some(from), Some(to)) => Ok(Self::Between(from, to)),
            _ => {
                let message = "a range has either `lastDays`, or `from` and `to`";
                Err(Error::BadInput(message.to_owned()))
            }
        }
    }

    /// As seen from a moment in a time zone.
    ///
    /// # Errors
    /// [`Error::BadInput`] for less than a day, and what [`DateRange::checked`] says.
    pub fn until(self, now: Timestamp, zone: Tz) -> Result<DateRange, Error> {
        let (from, to) = match self {
            Self::Last(days) if days < 1 => {
                return Err(Error::BadInput("`lastDays` is 1 or more".to_owned()));
            }
            Self::Last(days) => {
                let today = today(now, zone);
                (Day(today.0.saturating_sub(days - 1)), today)
            }
            Self::Between(from, to) => (from, to),
        };
        DateRange { from, to, zone }.checked()
    }
}

/// Today in a time zone.
#[must_use]
pub fn today(now: Timestamp, zone: Tz) -> Day {
    Day::from(now.to_chrono().with_timezone(&zone).date_naive())
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
    fn a_day_in_india_begins_the_evening_before() {
        let range = range("2026-03-01", "2026-03-01", Tz::Asia__Kolkata);
        let hours = |day: &str, half_hours: i64| {
            Timestamp(self::day(day).start().micros() + half_hours * 1_800_000_000)
        };
        let (begin, end) = (hours("2026-02-28", 37), hours("2026-03-01", 37));
        assert_eq!(range.moments(), (begin, end));
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
    fn the_last_days_end_today_where_it_is_today() {
        let early = Timestamp::parse_rfc3339("2026-04-15T01:00:00Z").unwrap();
        let zone = Tz::America__Sao_Paulo;
        assert_eq!(today(early, zone), day("2026-04-14"));
        let last = DaysAsked::given(Some(7), None, None).unwrap();
        assert_eq!(
            last.until(early, zone).unwrap(),
            range("2026-04-08", "2026-04-14", zone)
        );
        assert!(DaysAsked::Last(0).until(early, zone).is_err());
        assert!(DaysAsked::given(Some(7), Some(day("2026-04-08")), None).is_err());
        assert!(DaysAsked::given(None, Some(day("2026-04-08")), None).is_err());
    }

    #[test]
    fn wrong_ranges_are_refused() {
        assert!(range("2026-03-02", "2026-03-01", Tz::UTC).checked().is_err());
        assert!(range("2016-03-02", "2026-03-20", Tz::UTC).checked().is_err());
        assert!(range("2016-03-20", "2026-03-20", Tz::UTC).checked().is_ok());
    }
}
