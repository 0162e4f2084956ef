//! What reports say.

mod cohorts;
mod engagements;
mod funnel;
mod journeys;
mod quality;
mod revenue;
mod sources;

pub(super) use cohorts::CohortTable;
pub(super) use engagements::Engagements;
pub(super) use funnel::Funnel;
pub(super) use journeys::JourneyHealth;
pub(super) use quality::LeadQuality;
pub(super) use revenue::Revenue;
pub(super) use sources::SourceTable;

use crate::insight::report::graphql::OfRange;

impl OfRange for Funnel {
    const REPORT: &'static str = "FunnelReport";
}

impl OfRange for LeadQuality {
    const REPORT: &'static str = "LeadQualityReport";
}

impl OfRange for CohortTable {
    const REPORT: &'static str = "CohortReport";
}

impl OfRange for SourceTable {
    const REPORT: &'static str = "SourceReport";
}

impl OfRange for Engagements {
    const REPORT: &'static str = "EngagementReport";
}

impl OfRange for Revenue {
    const REPORT: &'static str = "RevenueReport";
}

impl OfRange for JourneyHealth {
    const REPORT: &'static str = "JourneyReport";
}
