//! Moments and days as integers, so that both databases store, compare and bucket them alike.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Microseconds in a day of 86,400 s.
pub const DAY_MICROS: i64 = 86_400_000_000;
/// Microseconds of an hour.
pub const HOUR_MICROS: i64 = 3_600_000_000;
/// Microseconds of a quarter of an hour.
pub const QUARTER_MICROS: i64 = 900_000_000;

/// A moment in UTC, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, sea_orm::DeriveValueType)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The UTC day it falls on.
    #[must_use]
    pub const fn day(self) -> Day {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "i64 microseconds span 107 million days either way"
        )]
        Day(self.0.div_euclid(DAY_MICROS) as i32)
    }

    /// The quarter of an hour it falls in, counted from 1970 on.
    #[must_use]
    pub const fn quarter(self) -> i32 {
        // Moments lie between the years 1 and 9999.
        let quarter = self.0.div_euclid(QUARTER_MICROS);
        if quarter > i32::MAX as i64 {
            return i32::MAX;
        }
        if quarter < i32::MIN as i64 {
            return i32::MIN;
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is within")]
        let quarter = quarter as i32;
        quarter
    }

    /// Days of 86,400 s since the epoch, with the fraction.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact to a microsecond for 285 years either side of the epoch"
    )]
    pub fn days(self) -> f64 {
        self.0 as f64 / DAY_MICROS as f64
    }

    /// Moved by whole days of 86,400 s; saturates.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(days.saturating_mul(DAY_MICROS)))
    }

    /// Moved by seconds; saturates.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// As chrono's type; the limits of its range where the value lies outside of it.
    #[must_use]
    pub fn to_chrono(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(if self.0 < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        })
    }

    /// RFC 3339 in UTC, with as many digits of a second as it has.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        self.to_chrono().to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }

    /// Reads RFC 3339 with any offset.
    ///
    /// # Errors
    /// A message that shows the form.
    pub fn parse_rfc3339(text: &str) -> Result<Self, String> {
        DateTime::parse_from_rfc3339(text)
            .map(|moment| Self(moment.timestamp_micros()))
            .map_err(|_| {
                format!("`{text}` is not a date-time: expected RFC 3339 such as `2026-03-01T09:30:00Z`")
            })
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(moment: DateTime<Utc>) -> Self {
        Self(moment.timestamp_micros())
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_rfc3339())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).map_err(serde::de::Error::custom)
    }
}

/// A moment: RFC 3339, shown in UTC, to the microsecond, e.g. `2026-03-01T09:30:00Z`.
#[Scalar(
    name = "DateTime",
    specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339"
)]
impl ScalarType for Timestamp {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Self::parse_rfc3339(text).map_err(InputValueError::custom),
            _ => Err(InputValueError::expected_type(value)),
        }
    }
    fn to_value(&self) -> Value {
        Value::String(self.to_rfc3339())
    }
}

/// A calendar day in UTC, as days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, sea_orm::DeriveValueType)]
pub struct Day(pub i32);

impl Day {
    /// Its first moment.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        Timestamp(self.0 as i64 * DAY_MICROS)
    }

    /// As chrono's type; the limits of its range where the value lies outside of it.
    #[must_use]
    pub fn to_chrono(self) -> NaiveDate {
        self.start().to_chrono().date_naive()
    }

    /// Monday of its week (ISO 8601).
    #[must_use]
    pub const fn week_start(self) -> Self {
        // 1970-01-01 was a Thursday: day 0 is 3 days after a Monday.
        Self(self.0 - (self.0 + 3).rem_euclid(7))
    }

    /// Reads `YYYY-MM-DD`.
    ///
    /// # Errors
    /// A message that shows the form.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.parse::<NaiveDate>()
            .map(Self::from)
            .map_err(|_| format!("`{text}` is not a date: expected `YYYY-MM-DD` such as `2026-03-01`"))
    }
}

impl From<NaiveDate> for Day {
    fn from(date: NaiveDate) -> Self {
        let epoch = NaiveDate::default();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "chrono's dates span 96 million days either way"
        )]
        Self((date - epoch).num_days() as i32)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.to_chrono())
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A calendar day: `YYYY-MM-DD`.
#[Scalar(
    name = "Date",
    specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339#section-5.6"
)]
impl ScalarType for Day {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Self::parse(text).map_err(InputValueError::custom),
            _ => Err(InputValueError::expected_type(value)),
        }
    }
    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_weeks_are_counted_before_the_epoch_too() {
        assert_eq!(Timestamp(-1).day(), Day(-1));
        assert_eq!(Day(0).week_start().to_string(), "1969-12-29");
        assert_eq!(
            Day::parse("2026-11-21").map(|day| day.week_start().to_string()),
            Ok("2026-11-16".into())
        );
        assert_eq!(
            Day::parse("2018-02-01").map(|day| day.start().to_rfc3339()),
            Ok("2018-02-01T00:00:00Z".into())
        );
    }

    #[test]
    fn rfc3339_keeps_microseconds_and_any_offset() {
        let moment = Timestamp::parse_rfc3339("2026-03-01T10:30:00.123456+01:00").expect("valid");
        assert_eq!(moment.to_rfc3339(), "2026-03-01T09:30:00.123456Z");
        assert!(
            Timestamp::parse_rfc3339("yesterday")
                .expect_err("no date")
                .contains("RFC 3339")
        );
    }
}
