//! Reports that are told again when they change.

use async_graphql::{Context, MergedObject, Object, Result, Subscription};
use entity::Timestamp;
use futures_util::{Stream, StreamExt as _};

use super::ReportQuery;
use crate::api::types::{Access as _, scoped};
use crate::insight::analytics::pulses;
use crate::insight::attribution::graphql::AttributionQuery;
use crate::insight::revenue::graphql::ForecastQuery;

/// Reports, as they are now: the same fields as of `Query`, with the same arguments and scopes.
#[derive(MergedObject, Default)]
pub(super) struct Dashboard(Moment, ReportQuery, AttributionQuery, ForecastQuery);

/// What anybody may ask of a dashboard.
#[derive(Default)]
struct Moment;

#[Object]
impl Moment {
    /// The moment of this answer.
    async fn as_of(&self, ctx: &Context<'_>) -> Timestamp {
        ctx.app().clock().now()
    }
}

/// Subscriptions to reports.
#[derive(Default)]
pub struct ReportSubscription;

#[scoped]
#[Subscription]
impl ReportSubscription {
    /// Reports as they are now, and again whenever one of them says something else, at most twice a second. All who watch the
    /// same (document, variables, rights) cost as much as one of them. Each report asks for its own scope. Who asks for `asOf`
    /// as well is told whenever anything has happened.
    #[scope("any")]
    async fn dashboard_updated(
        &self,
        ctx: &Context<'_>,
    ) -> Result<impl Stream<Item = Result<Dashboard>> + use<>> {
        ctx.caller()?;
        Ok(pulses(ctx.app()).map(|()| Ok(Dashboard::default())))
    }
}
