//! Typed values and dates as people write them.

use std::fmt;
use std::str::FromStr;

use chrono::format::{Item, StrftimeItems};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone};
use entity::id::LeadId;
use entity::{
    Channel, ConsentState, ConversionKind, CostKind, Day, Device, EngagementType, SourceKind, Stage,
    Timestamp,
};

use crate::leads::contact::Currency;

/// A cell as it would land.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, and what is text after its check: e-mail, phone (E.164), web address, time zone, currency code.
    Text(String),
    /// A moment.
    Moment(Timestamp),
    /// A calendar day.
    Day(Day),
    /// An amount of money.
    Money {
        /// The amount in minor units.
        minor_units: i64,
        /// Its currency.
        currency: Currency,
    },
    /// A whole number.
    Integer(i64),
    /// Several texts, in the order of the cell, without repeats.
    List(Vec<String>),
    /// A lead's own id.
    Lead(LeadId),
    /// A stage of the lifecycle.
    Stage(Stage),
    /// A kind of engagement.
    EngagementType(EngagementType),
    /// A channel.
    Channel(Channel),
    /// A kind of source.
    SourceKind(SourceKind),
    /// A device.
    Device(Device),
    /// A kind of conversion.
    ConversionKind(ConversionKind),
    /// A kind of cost.
    CostKind(CostKind),
    /// A number with decimals.
    Decimal(rust_decimal::Decimal),
    /// A consent given or refused.
    Consent(ConsentState),
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Moment(moment) => write!(formatter, "{moment}"),
            Self::Day(day) => write!(formatter, "{}", day.to_chrono()),
            Self::Money {
                minor_units,
                currency,
            } => {
                let amount = rust_decimal::Decimal::from_i128_with_scale(
                    i128::from(*minor_units),
                    currency.exponent(),
                );
                write!(formatter, "{amount} {}", currency.code())
            }
            Self::Integer(number) => write!(formatter, "{number}"),
            Self::List(items) => formatter.write_str(&items.join("; ")),
            Self::Lead(id) => write!(formatter, "{id}"),
            Self::Stage(word) => write!(formatter, "{word}"),
            Self::EngagementType(word) => write!(formatter, "{word}"),
            Self::Channel(word) => write!(formatter, "{word}"),
            Self::SourceKind(word) => write!(formatter, "{word}"),
            Self::Device(word) => write!(formatter, "{word}"),
            Self::ConversionKind(word) => write!(formatter, "{word}"),
            Self::CostKind(word) => write!(formatter, "{word}"),
            Self::Decimal(number) => write!(formatter, "{number}"),
            Self::Consent(word) => write!(formatter, "{word}"),
        }
    }
}

/// In which order day, month and year stand. A date that begins with four digits is read year first in any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOrder {
    /// 2018-02-01
    YearMonthDay,
    /// 2/1/2018 is the first of February.
    MonthDayYear,
    /// 1/2/2018 is the first of February.
    DayMonthYear,
}

/// How the dates of a file are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DateFormat {
    /// Told from a sample of each column.
    #[default]
    Auto,
    /// Numbers in this order, between `/`, `-` or `.`; a time and an offset may follow.
    Ordered(DateOrder),
    /// RFC 3339 only.
    Rfc3339,
    /// A pattern of strftime.
    Pattern(String),
}

impl FromStr for DateFormat {
    type Err = String;

    /// Reads `auto`, `ymd`, `mdy`, `dmy`, `rfc3339`, or a pattern, which has a `%` in it.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('%') {
            if StrftimeItems::new(text).any(|item| matches!(item, Item::Error)) {
                return Err(format!(
                    "`{text}` is not a valid date pattern: expected one of strftime, like %d.%m.%Y %H:%M"
                ));
            }
            return Ok(Self::Pattern(text.to_owned()));
        }
        match text.trim().to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "ymd" => Ok(Self::Ordered(DateOrder::YearMonthDay)),
            "mdy" => Ok(Self::Ordered(DateOrder::MonthDayYear)),
            "dmy" => Ok(Self::Ordered(DateOrder::DayMonthYear)),
            "rfc3339" | "rfc 3339" => Ok(Self::Rfc3339),
            _ => Err(format!(
                "unknown date format `{text}`; one of auto, ymd, mdy, dmy, rfc3339, or a pattern like %d.%m.%Y"
            )),
        }
    }
}

/// Why a date was not accepted. The value itself is named by the rejected row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// Not written as expected.
    #[error("not a date; expected {expected}")]
    NotADate {
        /// What was expected.
        expected: String,
    },
    /// Written well, but no such day or time.
    #[error("there is no such day or time")]
    OutOfCalendar,
    /// Skipped when the clocks go forward.
    #[error("there was no such time in {zone}: the clocks went forward")]
    SkippedTime {
        /// The time zone.
        zone: chrono_tz::Tz,
    },
    /// Month and day cannot be told apart.
    #[error("day and month cannot be told apart: name the date format, mdy or dmy")]
    Ambiguous,
}

/// What a sample of dates tells about their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detection {
    /// One order fits.
    Detected(DateOrder),
    /// Both month first and day first fit, or each is needed by some value.
    Ambiguous {
        /// A value that shows it.
        example: String,
    },
    /// No date in the sample.
    None,
}

/// Tells the order of day and month from a sample: a number above 12 can only be a day.
pub fn detect_date_format<'v>(samples: impl IntoIterator<Item = &'v str>) -> Detection {
    let (mut year_first, mut day_first, mut month_first) = (false, None, None);
    let mut undecided = None;
    for sample in samples {
        let Some((parts, _)) = split_date(sample.trim()) else {
            continue;
        };
        if parts.year_first() {
            year_first = true;
        } else if parts.values[0] > 12 {
            day_first.get_or_insert(sample);
        } else if parts.values[1] > 12 {
            month_first.get_or_insert(sample);
        } else if parts.values[0] != parts.values[1] {
            undecided.get_or_insert(sample);
        }
    }
    match (day_first, month_first, undecided) {
        (Some(_), None, _) => Detection::Detected(DateOrder::DayMonthYear),
        (None, Some(_), _) => Detection::Detected(DateOrder::MonthDayYear),
        (Some(_), Some(example), _) | (None, None, Some(example)) => Detection::Ambiguous {
            example: example.to_owned(),
        },
        (None, None, None) if year_first => Detection::Detected(DateOrder::YearMonthDay),
        (None, None, None) => Detection::None,
    }
}

/// Reads a moment; one without an offset is taken to be in `zone`, and where the clocks went back, the earlier
/// of the two. [`DateFormat::Auto`] accepts what can be read in one way only.
///
/// # Errors
/// See [`DateError`].
pub fn parse_moment(text: &str, format: &DateFormat, zone: chrono_tz::Tz) -> Result<Timestamp, DateError> {
    let (naive, offset) = parse_parts(text.trim(), format)?;
    match offset {
        Some(offset) => {
            let utc = naive
                .checked_sub_signed(TimeDelta::seconds(i64::from(offset)))
                .ok_or(DateError::OutOfCalendar)?;
            Ok(Timestamp::from_micros(utc.and_utc().timestamp_micros()))
        }
        None => in_zone(naive, zone),
    }
}

/// Reads a calendar day; a time after it is dropped.
///
/// # Errors
/// See [`DateError`].
pub fn parse_day(text: &str, format: &DateFormat) -> Result<Day, DateError> {
    parse_parts(text.trim(), format).map(|(naive, _)| Day::from(naive.date()))
}

/// The moment a clock in `zone` shows `naive`; the earlier one where it does so twice.
///
/// # Errors
/// [`DateError::SkippedTime`] where it never does.
pub fn in_zone(naive: NaiveDateTime, zone: chrono_tz::Tz) -> Result<Timestamp, DateError> {
    if zone == chrono_tz::UTC {
        return Ok(Timestamp::from_micros(naive.and_utc().timestamp_micros()));
    }
    let offset = zone
        .offset_from_local_datetime(&naive)
        .earliest()
        .ok_or(DateError::SkippedTime { zone })?
        .fix()
        .local_minus_utc();
    let utc = naive
        .checked_sub_signed(TimeDelta::seconds(i64::from(offset)))
        .ok_or(DateError::OutOfCalendar)?;
    Ok(Timestamp::from_micros(utc.and_utc().timestamp_micros()))
}

/// The day and time that a serial number of a sheet stands for (days since 1899-12-30, as Excel counts from
/// March 1900 on); none outside of the years 1900 to 9999.
pub fn from_excel_serial(text: &str) -> Option<NaiveDateTime> {
    let serial: f64 = text.parse().ok()?;
    if !(61.0..2_958_466.0).contains(&serial) {
        return None;
    }
    let epoch = NaiveDate::from_ymd_opt(1899, 12, 30)?.and_time(NaiveTime::MIN);
    // To the millisecond, which is what a serial number can hold.
    let millis = (serial * 86_400_000.0).round();
    epoch.checked_add_signed(TimeDelta::milliseconds(millis as i64))
}

fn expected(format: &DateFormat) -> String {
    match format {
        DateFormat::Auto => "something like 2018-02-01, 2018-02-01T13:30:00Z or 2/25/2018 13:30".to_owned(),
        DateFormat::Ordered(DateOrder::YearMonthDay) => "year, month, day, like 2018-02-25 13:30".to_owned(),
        DateFormat::Ordered(DateOrder::MonthDayYear) => "month, day, year, like 2/25/2018 13:30".to_owned(),
        DateFormat::Ordered(DateOrder::DayMonthYear) => "day, month, year, like 25/2/2018 13:30".to_owned(),
        DateFormat::Rfc3339 => "RFC 3339, like 2018-02-01T13:30:00Z".to_owned(),
        DateFormat::Pattern(pattern) => format!("the pattern {pattern}"),
    }
}

/// A date and time, and its offset from UTC in seconds where it has one.
fn parse_parts(text: &str, format: &DateFormat) -> Result<(NaiveDateTime, Option<i32>), DateError> {
    let fault = || DateError::NotADate {
        expected: expected(format),
    };
    let order = match format {
        DateFormat::Rfc3339 => {
            let moment = chrono::DateTime::parse_from_rfc3339(text).map_err(|_| fault())?;
            return Ok((moment.naive_local(), Some(moment.offset().local_minus_utc())));
        }
        DateFormat::Pattern(pattern) => return parse_pattern(text, pattern).ok_or_else(fault),
        DateFormat::Auto => None,
        DateFormat::Ordered(order) => Some(*order),
    };
    let (parts, rest) = split_date(text).ok_or_else(fault)?;
    let [first, second, third] = parts.values;
    let (year, month, day, year_digits) = if parts.year_first() {
        (first, second, third, parts.digits[0])
    } else {
        let day_first = match order {
            Some(DateOrder::MonthDayYear) => false,
            Some(DateOrder::DayMonthYear) => true,
            Some(DateOrder::YearMonthDay) => return Err(fault()),
            None if first > 12 => true,
            None if second > 12 || first == second => false,
            None => return Err(DateError::Ambiguous),
        };
        let (month, day) = if day_first {
            (second, first)
        } else {
            (first, second)
        };
        (third, month, day, parts.digits[2])
    };
    // Two digits of a year as POSIX reads them.
    let year = match (year_digits, year) {
        (4, _) => year,
        (2, 0..=68) => year + 2000,
        (2, _) => year + 1900,
        _ => return Err(fault()),
    };
    let date = i32::try_from(year)
        .ok()
        .and_then(|year| NaiveDate::from_ymd_opt(year, month, day))
        .ok_or(DateError::OutOfCalendar)?;
    let (time, offset) = parse_time(rest).ok_or_else(fault)?;
    let (hour, minute, second, nanos) = time;
    let time = NaiveTime::from_hms_nano_opt(hour, minute, second, nanos).ok_or(DateError::OutOfCalendar)?;
    Ok((date.and_time(time), offset))
}

fn parse_pattern(text: &str, pattern: &str) -> Option<(NaiveDateTime, Option<i32>)> {
    let mut parsed = chrono::format::Parsed::new();
    chrono::format::parse(&mut parsed, text, StrftimeItems::new(pattern)).ok()?;
    if let Ok(moment) = parsed.to_datetime() {
        return Some((moment.naive_local(), Some(moment.offset().local_minus_utc())));
    }
    let date = parsed.to_naive_date().ok()?;
    Some((
        date.and_time(parsed.to_naive_time().unwrap_or(NaiveTime::MIN)),
        None,
    ))
}

struct DateParts {
    values: [u32; 3],
    digits: [usize; 3],
}

impl DateParts {
    fn year_first(&self) -> bool {
        self.digits[0] == 4
    }
}

/// Takes three numbers off the beginning, between two of the same `/`, `-` or `.`; or eight digits.
fn split_date(text: &str) -> Option<(DateParts, &str)> {
    let bytes = text.as_bytes();
    let number = |from: usize| {
        let digits = bytes[from..]
            .iter()
            .take(9)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let value = bytes[from..from + digits]
            .iter()
            .fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0'));
        (value, digits)
    };
    let (first, first_digits) = number(0);
    if first_digits == 8 {
        let values = [first / 10_000, first / 100 % 100, first % 100];
        return Some((
            DateParts {
                values,
                digits: [4, 2, 2],
            },
            &text[8..],
        ));
    }
    let separator = *bytes.get(first_digits)?;
    if !matches!(separator, b'/' | b'-' | b'.') {
        return None;
    }
    let (second, second_digits) = number(first_digits + 1);
    let next = first_digits + 1 + second_digits;
    if bytes.get(next) != Some(&separator) {
        return None;
    }
    let (third, third_digits) = number(next + 1);
    let digits = [first_digits, second_digits, third_digits];
    let year_last = (1..=2).contains(&digits[0]) && matches!(digits[2], 2 | 4);
    let year_first = digits[0] == 4 && (1..=2).contains(&digits[2]);
    let fits = (1..=2).contains(&digits[1]) && (year_first || year_last);
    fits.then(|| {
        (
            DateParts {
                values: [first, second, third],
                digits,
            },
            &text[next + 1 + third_digits..],
        )
    })
}

type Clock = (u32, u32, u32, u32);

/// Reads what follows a date: nothing, or hours and minutes, with seconds, a fraction, am/pm and an offset.
fn parse_time(text: &str) -> Option<(Clock, Option<i32>)> {
    if text.is_empty() {
        return Some(((0, 0, 0, 0), None));
    }
    let text = text.strip_prefix(['T', 't', ',']).unwrap_or(text).trim_start();
    let (mut hour, text) = leading_number(text, 2)?;
    let (minute, mut text) = leading_number(text.strip_prefix(':')?, 2)?;
    let (mut second, mut nanos) = (0, 0);
    if let Some(rest) = text.strip_prefix(':') {
        (second, text) = leading_number(rest, 2)?;
        if let Some(rest) = text.strip_prefix(['.', ',']) {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return None;
            }
            nanos = (0..9).fold(0, |sum, at| {
                let digit = if at < digits {
                    u32::from(rest.as_bytes()[at] - b'0')
                } else {
                    0
                };
                sum * 10 + digit
            });
            text = &rest[digits..];
        }
    }
    let mut text = text.trim_start();
    let half = text.get(..2).map(str::to_ascii_lowercase);
    if let Some(half @ ("am" | "pm")) = half.as_deref() {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if half == "pm" { 12 } else { 0 };
        text = text[2..].trim_start();
    }
    let offset = match text {
        "" => None,
        "Z" | "z" | "UTC" | "GMT" => Some(0),
        _ => Some(parse_offset(text)?),
    };
    Some(((hour, minute, second, nanos), offset))
}

fn parse_offset(text: &str) -> Option<i32> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = leading_number(&text[1..], 2)?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let (minutes, rest) = if rest.is_empty() {
        (0, "")
    } else {
        leading_number(rest, 2)?
    };
    (rest.is_empty() && hours <= 15 && minutes < 60).then_some(())?;
    Some(sign * i32::try_from(hours * 3600 + minutes * 60).ok()?)
}

fn leading_number(text: &str, most: usize) -> Option<(u32, &str)> {
    let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let number = text[..digits].parse().ok()?;
    Some((number, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, format: &str) -> Result<String, DateError> {
        parse_moment(text, &format.parse().unwrap(), chrono_tz::UTC).map(|moment| moment.to_rfc3339())
    }

    #[test]
    fn dates_are_read_in_every_order() {
        for (text, format, moment) in [
            ("2018-02-01", "auto", "2018-02-01T00:00:00Z"),
            ("2018/2/1 7:05", "auto", "2018-02-01T07:05:00Z"),
            ("20180201", "ymd", "2018-02-01T00:00:00Z"),
            ("2/26/2018 19:58", "auto", "2018-02-26T19:58:00Z"),
            ("26.2.2018", "auto", "2018-02-26T00:00:00Z"),
            ("2/2/2018", "auto", "2018-02-02T00:00:00Z"),
            ("2/1/2018", "mdy", "2018-02-01T00:00:00Z"),
            ("2/1/2018", "dmy", "2018-01-02T00:00:00Z"),
            ("2018-02-01", "mdy", "2018-02-01T00:00:00Z"),
            ("2/1/18 12:30 AM", "mdy", "2018-02-01T00:30:00Z"),
            ("2/1/99 1:30:15 pm", "mdy", "1999-02-01T13:30:15Z"),
            ("2018-02-01T13:30:00.250Z", "auto", "2018-02-01T13:30:00.250Z"),
            ("2018-02-01 13:30:00,5 -0300", "auto", "2018-02-01T16:30:00.500Z"),
            ("2018-02-01T13:30+02", "auto", "2018-02-01T11:30:00Z"),
            ("2018-02-01T13:30:00+05:30", "rfc3339", "2018-02-01T08:00:00Z"),
            ("01 Feb 2018", "%d %b %Y", "2018-02-01T00:00:00Z"),
            ("1.2.2018 18h30", "%d.%m.%Y %Hh%M", "2018-02-01T18:30:00Z"),
        ] {
            assert_eq!(read(text, format).as_deref(), Ok(moment), "{text} as {format}");
        }
    }

    #[test]
    fn broken_dates_say_what_was_expected() {
        assert_eq!(read("2/3/2018", "auto"), Err(DateError::Ambiguous));
        assert_eq!(read("30/2/2018", "dmy"), Err(DateError::OutOfCalendar));
        assert_eq!(read("2018-02-01 25:00", "auto"), Err(DateError::OutOfCalendar));
        assert_eq!(
            read("2018-02-01", "rfc3339").unwrap_err().to_string(),
            "not a date; expected RFC 3339, like 2018-02-01T13:30:00Z"
        );
        for text in [
            "",
            "yesterday",
            "2018",
            "1/2",
            "1/2-2018",
            "2018-02-01x",
            "1/2/018",
            "2018-02-01 7",
            "12:30",
        ] {
            assert!(
                matches!(read(text, "mdy"), Err(DateError::NotADate { .. })),
                "{text}"
            );
        }
        assert_eq!(
            "%Q".parse::<DateFormat>().unwrap_err().split(':').next(),
            Some("`%Q` is not a valid date pattern")
        );
        assert!(
            "us".parse::<DateFormat>()
                .unwrap_err()
                .contains("one of auto, ymd, mdy, dmy, rfc3339")
        );
    }

    #[test]
    fn a_time_without_offset_is_in_the_zone() {
        let zone = chrono_tz::America::Sao_Paulo;
        let read = |text| parse_moment(text, &DateFormat::Auto, zone).map(|moment| moment.to_rfc3339());
        // Summer time ended on 18 February 2018 at midnight and began on 4 November 2018 at midnight.
        assert_eq!(read("2018-01-15 10:00").as_deref(), Ok("2018-01-15T12:00:00Z"));
        assert_eq!(read("2018-06-15 10:00").as_deref(), Ok("2018-06-15T13:00:00Z"));
        assert_eq!(read("2018-02-17 23:30").as_deref(), Ok("2018-02-18T01:30:00Z"));
        assert_eq!(read("2018-11-04 00:30"), Err(DateError::SkippedTime { zone }));
        assert_eq!(read("2018-06-15 10:00Z").as_deref(), Ok("2018-06-15T10:00:00Z"));
    }

    #[test]
    fn a_sample_decides_between_day_first_and_month_first() {
        assert_eq!(
            detect_date_format(["2/1/2018", "", "10/20/2017"]),
            Detection::Detected(DateOrder::MonthDayYear)
        );
        assert_eq!(
            detect_date_format(["2/1/2018", "25/1/2018"]),
            Detection::Detected(DateOrder::DayMonthYear)
        );
        assert_eq!(
            detect_date_format(["2018-02-01", "x"]),
            Detection::Detected(DateOrder::YearMonthDay)
        );
        assert_eq!(
            detect_date_format(["2/3/2018"]),
            Detection::Ambiguous {
                example: "2/3/2018".to_owned()
            }
        );
        assert_eq!(
            detect_date_format(["25/1/2018", "1/26/2018"]),
            Detection::Ambiguous {
                example: "1/26/2018".to_owned()
            }
        );
        assert_eq!(detect_date_format(["", "soon"]), Detection::None);
    }

    #[test]
    fn excel_serials_are_days() {
        let read = |text| from_excel_serial(text).map(|moment| moment.to_string());
        assert_eq!(read("43132").as_deref(), Some("2018-02-01 00:00:00"));
        assert_eq!(read("43132.5625").as_deref(), Some("2018-02-01 13:30:00"));
        assert_eq!(read("5"), None);
        assert_eq!(read("1e12"), None);
    }

    proptest! {
        #[test]
        fn a_written_moment_is_read_back(micros in -62_000_000_000_000_000_i64..253_000_000_000_000_000) {
            let moment = Timestamp::from_micros(micros);
            let at = moment.to_chrono();
            for (pattern, format) in [
                ("%Y-%m-%dT%H:%M:%S%.6fZ", "auto"),
                ("%m/%d/%Y %H:%M:%S%.6f", "mdy"),
                ("%d.%m.%Y %I:%M:%S%.6f %p +00:00", "dmy"),
            ] {
                let text = at.format(pattern).to_string();
                prop_assert_eq!(parse_moment(&text, &format.parse().unwrap(), chrono_tz::UTC), Ok(moment), "{}", text);
            }
        }

        #[test]
        fn any_text_is_a_date_or_an_error(text in "[0-9/.:TZ +-]{0,24}|.{0,16}") {
            for format in ["auto", "ymd", "mdy", "dmy", "rfc3339", "%d %b %Y %z"] {
                let format = format.parse().unwrap();
                let moment = parse_moment(&text, &format, chrono_tz::UTC);
                prop_assert_eq!(moment.is_ok(), parse_day(&text, &format).is_ok() || moment.is_ok());
            }
            prop_assert!(detect_date_format([text.as_str()]) != Detection::Detected(DateOrder::YearMonthDay) || text.trim().len() >= 8);
        }
    }
}
