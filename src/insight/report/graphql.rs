//! Reports in GraphQL: a range, what is said of it, and the same of the range before.

use std::borrow::Cow;

use async_graphql::{Context, OutputType, SimpleObject, TypeName};
use entity::{Day, Timestamp};

use super::{Asked, ReadFrom, Report};
use crate::api::types::{Access, TimeZone};
use crate::error::Error;
use crate::insight::calendar::DateRange;
use crate::insight::calendar::graphql::ReportRangeInput;
use crate::leads::filter::LeadFilter;

/// What a report is asked of.
///
/// # Errors
/// A range or time zone that cannot be used.
pub fn asked(
    ctx: &Context<'_>,
    range: &ReportRangeInput,
    zone: Option<TimeZone>,
    filter: Option<LeadFilter>,
    previous: Option<bool>,
) -> Result<Asked, Error> {
    Ok(Asked {
        range: range.within(ctx, zone)?,
        filter,
        with_previous: previous.unwrap_or(false),
    })
}

/// Says so where a report was read from leads.
pub fn remark(ctx: &Context<'_>, field: &str, read_from: ReadFrom) {
    if read_from == ReadFrom::Leads {
        let because = "a filter, or what the caller sees, selects leads: they, or what they did, were read one by one, not sums";
        ctx.remark(field, "LEADS", because);
    }
}

/// Days of a time zone, both ends included.
#[derive(SimpleObject)]
struct ReportRange {
    /// The first day.
    from: Day,
    /// The last day.
    to: Day,
    /// Whose days they are.
    time_zone: TimeZone,
}

impl From<DateRange> for ReportRange {
    fn from(DateRange { from, to, zone }: DateRange) -> Self {
        Self {
            from,
            to,
            time_zone: TimeZone(zone.name().to_owned()),
        }
    }
}

/// What a report says of a range.
pub trait OfRange: OutputType {
    /// The name of the report.
    const REPORT: &'static str;
}

/// A report.
#[derive(SimpleObject)]
#[graphql(name_type)]
pub struct Told<T: OfRange> {
    /// The days asked for.
    range: ReportRange,
    /// What it says.
    current: T,
    /// The days before those, where they are asked for.
    previous_range: Option<ReportRange>,
    /// What it says of them.
    previous: Option<T>,
    /// As of when.
    as_of: Timestamp,
    /// Whether all leads are counted: not while they are looked at anew, after an upgrade or another score model.
    is_complete: bool,
}

impl<T: OfRange> TypeName for Told<T> {
    fn type_name() -> Cow<'static, str> {
        Cow::Borrowed(T::REPORT)
    }
}

impl<T: OfRange> Told<T> {
    /// What a report tells, and a remark where it was read from leads.
    pub fn new<R>(ctx: &Context<'_>, field: &str, report: Report<R>, told: impl Fn(R) -> T) -> Self {
        remark(ctx, field, report.read_from);
        let Report {
            range,
            current,
            previous,
            at,
            is_complete,
            ..
        } = report.map(told);
        let (previous_range, previous) = previous.unzip();
        Self {
            range: range.into(),
            current,
            previous_range: previous_range.map(Into::into),
            previous,
            as_of: at,
            is_complete,
        }
    }
}
