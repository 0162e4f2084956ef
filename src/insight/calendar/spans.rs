//! Spans of UTC time by which leads are summed up, and how a range of any time zone is made of them.

use entity::time::{DAY_MICROS, HOUR_MICROS as HOUR, QUARTER_MICROS as QUARTER};
use entity::{ReportLevel, Timestamp};

use super::months::{first_of_month, month_of};

/// Spans of one length, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// How long each is.
    pub level: ReportLevel,
    /// The first.
    pub from: i32,
    /// The last, included.
    pub to: i32,
}

/// How a range is put together: sums of spans, and what has to be counted lead by lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// From sums.
    pub spans: Vec<Span>,
    /// From leads: from a moment on, up to another that is not included.
    pub edges: Vec<(Timestamp, Timestamp)>,
}

/// The spans of each length in which a moment lies, shortest first.
#[must_use]
pub fn units(at: Timestamp) -> [i32; 4] {
    [
        ReportLevel::Quarter,
        ReportLevel::Hour,
        ReportLevel::Day,
        ReportLevel::Month,
    ]
    .map(|level| unit_of(level, at))
}

fn unit_of(level: ReportLevel, at: Timestamp) -> i32 {
    let of = |micros: i64| {
        let unit = at.micros().div_euclid(micros);
        // Moments lie between the years 1 and 9999.
        i32::try_from(unit).unwrap_or(if unit < 0 { i32::MIN } else { i32::MAX })
    };
    match level {
        ReportLevel::Quarter => at.quarter(),
        ReportLevel::Hour => of(HOUR),
        ReportLevel::Day => of(DAY_MICROS),
        ReportLevel::Month => month_of(at.day()),
    }
}

fn begin_of(level: ReportLevel, unit: i32) -> i64 {
    match level {
        ReportLevel::Quarter => i64::from(unit) * QUARTER,
        ReportLevel::Hour => i64::from(unit) * HOUR,
        ReportLevel::Day => i64::from(unit) * DAY_MICROS,
        ReportLevel::Month => first_of_month(unit).start().micros(),
    }
}

/// The whole spans of a length within a range of moments, and what is left before and behind them.
fn whole(level: ReportLevel, (from, to): (i64, i64)) -> Option<(Span, [(i64, i64); 2])> {
    let mut first = unit_of(level, Timestamp(from));
    if begin_of(level, first) < from {
        first = first.checked_add(1)?;
    }
    let last = unit_of(level, Timestamp(to)).checked_sub(1)?;
    if last < first {
        return None;
    }
    let span = Span {
        level,
        from: first,
        to: last,
    };
    Some((
        span,
        [(from, begin_of(level, first)), (begin_of(level, last + 1), to)],
    ))
}

/// A range of moments, its end not included, made of spans of the lengths that are given, longest first.
#[must_use]
pub fn made((from, to): (Timestamp, Timestamp), levels: &[ReportLevel]) -> Made {
    let mut made = Made::default();
    put((from.micros(), to.micros()), levels, &mut made);
    made
}

fn put(range: (i64, i64), levels: &[ReportLevel], made: &mut Made) {
    if range.0 >= range.1 {
        return;
    }
    let Some((level, shorter)) = levels.split_first() else {
        made.edges.push((Timestamp(range.0), Timestamp(range.1)));
        return;
    };
    match whole(*level, range) {
        None => put(range, shorter, made),
        Some((span, [before, behind])) => {
            put(before, shorter, made);
            made.spans.push(span);
            put(behind, shorter, made);
        }
    }
}

/// Spans of time of one length, one after the other, that are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The begin of the first.
    pub from: i64,
    /// The end of the last.
    pub to: i64,
    /// The number of the first.
    pub first: i32,
    /// How long each is.
    pub length: i64,
}

/// Numbered spans of time, in their order, as few steps: the days of most time zones are three or four in a year.
#[must_use]
pub fn steps(spans: &[(i32, (Timestamp, Timestamp))]) -> Vec<Steps> {
    let mut steps: Vec<Steps> = Vec::new();
    for (number, (from, to)) in spans {
        let (from, to) = (from.micros(), to.micros());
        if to <= from {
            continue;
        }
        match steps.last_mut() {
            Some(last)
                if last.to == from
                    && last.length == to - from
                    && i64::from(*number) == i64::from(last.first) + (last.to - last.from) / last.length =>
            {
                last.to = to;
            }
            _ => steps.push(Steps {
                from,
                to,
                first: *number,
                length: to - from,
            }),
        }
    }
    steps
}

/// For all that is counted.
pub const ALL: [ReportLevel; 2] = [ReportLevel::Month, ReportLevel::Day];
/// For what is counted by the hour, too.
pub const FINE: [ReportLevel; 3] = [ReportLevel::Day, ReportLevel::Hour, ReportLevel::Quarter];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::insight::calendar::DateRange;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_year_in_utc_is_twelve_months() {
        let year = made((at("2025-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z")), &ALL);
        let span = Span {
            level: ReportLevel::Month,
            from: 660,
            to: 671,
        };
        assert_eq!(
            year,
            Made {
                spans: vec![span],
                edges: vec![]
            }
        );
    }

    #[test]
    fn days_between_changes_of_clocks_are_one_step() {
        let zone = chrono_tz::Europe::Berlin;
        let days: Vec<(i32, (Timestamp, Timestamp))> = (20_454..20_454 + 365)
            .map(|day| {
                let (from, to) = (entity::Day(day), entity::Day(day));
                (day, DateRange { from, to, zone }.moments())
            })
            .collect();
        let steps = steps(&days);
        // 2026: 87 days of winter, the shorter one, 209 of summer, the longer one, 67 of winter.
        let lengths: Vec<(i64, i64)> = steps
            .iter()
            .map(|of| ((of.to - of.from) / of.length, of.length / HOUR))
            .collect();
        assert_eq!(lengths, [(87, 24), (1, 23), (209, 24), (1, 25), (67, 24)]);
        for (number, (from, to)) in &days {
            for at in [from.micros(), to.micros() - 1] {
                let of = steps.iter().find(|of| of.from <= at && at < of.to).unwrap();
                assert_eq!(
                    i64::from(of.first) + (at - of.from) / of.length,
                    i64::from(*number)
                );
            }
        }
    }

    #[test]
    fn a_week_in_india_has_edges_or_quarters() {
        let week = (at("2026-03-01T18:30:00Z"), at("2026-03-08T18:30:00Z"));
        let coarse = made(week, &ALL);
        assert_eq!(
            coarse.spans,
            [Span {
                level: ReportLevel::Day,
                from: 20514,
                to: 20519
            }]
        );
        assert_eq!(
            coarse.edges,
            [
                (at("2026-03-01T18:30:00Z"), at("2026-03-02T00:00:00Z")),
                (at("2026-03-08T00:00:00Z"), at("2026-03-08T18:30:00Z")),
            ]
        );
        let fine = made(week, &FINE);
        assert!(fine.edges.is_empty());
        let levels: Vec<_> = fine.spans.iter().map(|span| span.level).collect();
        use ReportLevel::{Day, Hour, Quarter};
        assert_eq!(levels, [Quarter, Hour, Day, Hour, Quarter]);
    }

    proptest! {
        #[test]
        fn nothing_is_left_out_and_nothing_counted_twice(
            from in -9_000_000_000_i64..9_000_000_000, length in 0_i64..70_000_000, fine: bool,
        ) {
            // In seconds, some before 1970.
            let (from, to) = (from * 1_000_000, (from + length) * 1_000_000);
            let levels: &[ReportLevel] = if fine { &FINE } else { &ALL };
            let made = made((Timestamp(from), Timestamp(to)), levels);
            let mut parts: Vec<(i64, i64)> = made.edges.iter().map(|(from, to)| (from.micros(), to.micros())).collect();
            parts.extend(made.spans.iter().map(|span| (begin_of(span.level, span.from), begin_of(span.level, span.to + 1))));
            parts.sort_unstable();
            let mut reached = from;
            for (begin, end) in parts {
                prop_assert_eq!(begin, reached);
                prop_assert!(end > begin);
                reached = end;
            }
            prop_assert_eq!(reached, to.max(from));
            for span in &made.spans {
                prop_assert_eq!(unit_of(span.level, Timestamp(begin_of(span.level, span.from))), span.from);
            }
        }
    }
}
