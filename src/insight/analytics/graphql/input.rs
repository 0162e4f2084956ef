//! What reports are asked with.

use async_graphql::{Context, InputObject};
use entity::Day;

use crate::api::types::{Access, TimeZone};
use crate::error::Error;
use crate::insight::analytics::{Asked, DaysAsked};
use crate::leads::filter::LeadFilter;

/// The days of a report: the last ones up to today, or from one to another.
#[derive(InputObject)]
pub(super) struct ReportRangeInput {
    /// So many days, today being the last one: 7, 30, 90, 180, 365, or any other number up to 3,660.
    last_days: Option<i32>,
    /// The first day.
    from: Option<Day>,
    /// The last day, at most 3,659 days later.
    to: Option<Day>,
}

impl ReportRangeInput {
    /// The days.
    pub(super) fn days(&self) -> Result<DaysAsked, Error> {
        DaysAsked::given(self.last_days, self.from, self.to)
    }
}

/// What a report is asked of.
pub(super) fn asked(
    ctx: &Context<'_>,
    range: ReportRangeInput,
    zone: Option<TimeZone>,
    filter: Option<LeadFilter>,
    with_previous: bool,
) -> Result<Asked, Error> {
    let zone = TimeZone::zone(zone.as_ref())?;
    let range = range.days()?.until(ctx.app().clock().now(), zone)?;
    Ok(Asked {
        range,
        filter,
        with_previous,
    })
}
