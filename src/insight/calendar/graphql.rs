//! The input that asks for a range.

use async_graphql::{Context, InputObject};
use entity::Day;

use super::{DateRange, DaysAsked};
use crate::api::types::{Access, TimeZone};
use crate::error::Error;

/// The days of a report: the last ones up to today, or from one to another.
#[derive(InputObject)]
pub struct ReportRangeInput {
    /// So many days, today being the last one: 7, 30, 90, 180, 365, or any other number up to 3,660.
    last_days: Option<i32>,
    /// The first day.
    from: Option<Day>,
    /// The last day, at most 3,659 days later.
    to: Option<Day>,
}

impl ReportRangeInput {
    /// The days.
    ///
    /// # Errors
    /// As [`DaysAsked::given`].
    pub fn days(&self) -> Result<DaysAsked, Error> {
        DaysAsked::given(self.last_days, self.from, self.to)
    }

    /// The range in a time zone, UTC when absent, as of now.
    ///
    /// # Errors
    /// An unknown time zone; as [`DaysAsked::given`] and [`DaysAsked::until`].
    pub fn within(&self, ctx: &Context<'_>, zone: Option<TimeZone>) -> Result<DateRange, Error> {
        let zone = TimeZone::zone(zone.as_ref())?;
        self.days()?.until(ctx.app().clock().now(), zone)
    }
}
