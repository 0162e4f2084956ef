//! What reports say.

mod cohorts;
mod engagements;
mod funnel;
mod journeys;
mod quality;
mod revenue;
mod sources;

use async_graphql::{OutputType, SimpleObject};
use entity::{Day, Timestamp};

pub(super) use cohorts::CohortTable;
pub(super) use engagements::Engagements;
pub(super) use funnel::Funnel;
pub(super) use journeys::JourneyHealth;
pub(super) use quality::LeadQuality;
pub(super) use revenue::Revenue;
pub(super) use sources::SourceTable;

use crate::api::types::TimeZone;
use crate::insight::analytics::Report;
use crate::insight::calendar::DateRange;

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

/// A report.
#[derive(SimpleObject)]
#[graphql(concrete(name = "FunnelReport", params(Funnel)))]
#[graphql(concrete(name = "LeadQualityReport", params(LeadQuality)))]
#[graphql(concrete(name = "CohortReport", params(CohortTable)))]
#[graphql(concrete(name = "SourceReport", params(SourceTable)))]
#[graphql(concrete(name = "EngagementReport", params(Engagements)))]
#[graphql(concrete(name = "RevenueReport", params(Revenue)))]
#[graphql(concrete(name = "JourneyReport", params(JourneyHealth)))]
pub(super) struct Told<T: OutputType> {
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

impl<T: OutputType> Told<T> {
    pub(super) fn new<R>(report: Report<R>, told: impl Fn(R) -> T) -> Self {
        let (previous_range, previous) = match report.previous {
            Some((range, previous)) => (Some(range.into()), Some(told(previous))),
            None => (None, None),
        };
        Self {
            range: report.range.into(),
            current: told(report.current),
            previous_range,
            previous,
            as_of: report.at,
            is_complete: report.is_complete,
        }
    }
}
