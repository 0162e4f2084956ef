//! Months and weeks, counted.

use chrono::Datelike;
use entity::Day;

/// The month of a day, counted from January 1970.
#[must_use]
pub fn month_of(day: Day) -> i32 {
    let date = day.to_chrono();
    (date.year() - 1970) * 12 + i32::try_from(date.month0()).expect("below 12")
}

/// The first day of a month that is counted so.
#[must_use]
pub fn first_of_month(month: i32) -> Day {
    let (year, month) = (1970 + month.div_euclid(12), month.rem_euclid(12) + 1);
    let month = u32::try_from(month).expect("1 to 12");
    chrono::NaiveDate::from_ymd_opt(year, month, 1).map_or(Day(0), Day::from)
}

/// The week of a day, Monday to Sunday, counted from that of 1 January 1970.
#[must_use]
pub const fn week_of(day: Day) -> i32 {
    // That was a Thursday.
    (day.0 + 3).div_euclid(7)
}

/// The Monday of a week that is counted so.
#[must_use]
pub const fn first_of_week(week: i32) -> Day {
    Day(week * 7 - 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_weeks_are_counted_from_1970() {
        let day = |text: &str| Day::parse(text).unwrap();
        assert_eq!(
            (month_of(day("1970-01-31")), month_of(day("2026-03-01"))),
            (0, 674)
        );
        assert_eq!(month_of(day("1969-12-31")), -1);
        assert_eq!(first_of_month(674), day("2026-03-01"));
        assert_eq!(first_of_month(-1), day("1969-12-01"));
        assert_eq!(week_of(day("1970-01-04")), 0);
        assert_eq!(week_of(day("1970-01-05")), 1);
        assert_eq!(first_of_week(week_of(day("2026-03-04"))), day("2026-03-02"));
    }
}
