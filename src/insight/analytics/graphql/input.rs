//! What reports are asked with.

use async_graphql::Context;

use crate::api::types::TimeZone;
use crate::error::Error;
use crate::insight::analytics::Asked;
use crate::insight::calendar::graphql::ReportRangeInput;
use crate::leads::filter::LeadFilter;

/// What a report is asked of.
pub(super) fn asked(
    ctx: &Context<'_>,
    range: ReportRangeInput,
    zone: Option<TimeZone>,
    filter: Option<LeadFilter>,
    with_previous: bool,
) -> Result<Asked, Error> {
    Ok(Asked {
        range: range.within(ctx, zone)?,
        filter,
        with_previous,
    })
}
