//! Engagements in GraphQL.

mod mutation;
mod stats;
mod subscription;
mod types;

use std::sync::Arc;

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, InputObject, Object, Result};
use entity::id::{EngagementId, LeadId};
use entity::{Area, Channel, Day, EngagementType, Timestamp};

pub use self::mutation::{EngagementMutation, EngagementUserError, KnownLeadInput};
use self::stats::EngagementStats;
pub use self::stats::{ChannelCount, DayCount, TypeCount};
pub use self::subscription::EngagementSubscription;
pub use self::types::{EngagementLoader, EngagementNode, NewestLoader, load};
use super::{Engagement, EngagementFilter};
use crate::api::types::{Access, Listed, Pages, connection, page_request, scoped};
use crate::db::{Keyset, Page, SortValue};
use crate::identity::Scope;
use crate::insight::journeys;

const READ: Scope = Scope::Read(Area::Engagement);

/// The ordering of all lists of engagements.
const ORDER: &str = "OCCURRED_AT DESC";

type Engagements = Listed<EngagementNode>;

fn edges(page: Page<Arc<Engagement>>) -> Engagements {
    connection(page, |engagement| {
        let keyset = Keyset {
            order: ORDER.into(),
            value: SortValue::Int(engagement.occurred_at.micros()),
            id: engagement.id.0,
        };
        (keyset, EngagementNode(engagement))
    })
}

/// Which engagements; what is absent does not restrict.
#[derive(InputObject, Clone, Debug, Default)]
struct EngagementFilterInput {
    /// Of these types.
    #[graphql(default)]
    types: Vec<EngagementType>,
    /// By these channels.
    #[graphql(default)]
    channels: Vec<Channel>,
    /// That occurred at or after this moment.
    from: Option<Timestamp>,
    /// That occurred before this moment.
    to: Option<Timestamp>,
}

impl EngagementFilterInput {
    fn of(self, lead_id: Option<LeadId>) -> EngagementFilter {
        let Self {
            types,
            channels,
            from,
            to,
        } = self;
        EngagementFilter {
            lead_id,
            types,
            channels,
            from,
            to,
        }
    }
}

async fn list(ctx: &Context<'_>, filter: EngagementFilter, pages: Pages) -> Result<Engagements> {
    let request = page_request(&pages, ORDER)?;
    let caller = ctx.caller()?;
    if let EngagementFilter {
        lead_id: Some(lead),
        types,
        channels,
        from: None,
        to: None,
    } = &filter
        && types.is_empty()
        && channels.is_empty()
        && request.after.is_none()
        && request.before.is_none()
        && !request.backward
    {
        caller.require(READ)?;
        let loader = ctx.data_unchecked::<DataLoader<NewestLoader>>();
        let rows = loader.load_one((*lead, request.limit + 1)).await?;
        return Ok(edges(Page::new(
            &request,
            rows.map_or_else(Vec::new, |rows| rows.to_vec()),
        )));
    }
    let page = super::list(ctx.app(), caller, &filter, &request).await?;
    Ok(edges(page.map(Arc::new)))
}

/// What a lead has of engagements.
pub struct EngagementFields(pub LeadId);

#[scoped]
#[Object]
impl EngagementFields {
    /// The lead's engagements, the latest first.
    #[scope("engagement:read")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn engagements(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of these types.", default)] types: Vec<EngagementType>,
        #[graphql(desc = "Only by these channels.", default)] channels: Vec<Channel>,
        #[graphql(desc = "Only those that occurred at or after this moment.")] from: Option<Timestamp>,
        #[graphql(desc = "Only those that occurred before this moment.")] to: Option<Timestamp>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Engagements> {
        let filter = EngagementFilter {
            lead_id: Some(self.0),
            types,
            channels,
            from,
            to,
        };
        list(
            ctx,
            filter,
            Pages {
                first,
                after,
                last,
                before,
            },
        )
        .await
    }
}

/// Which engagements to add up; what is absent does not restrict.
#[derive(InputObject, Clone, Debug, Default)]
struct EngagementStatsFilter {
    /// Of this lead.
    lead_id: Option<LeadId>,
    /// Of these types.
    #[graphql(default)]
    types: Vec<EngagementType>,
    /// By these channels.
    #[graphql(default)]
    channels: Vec<Channel>,
}

/// Queries about engagements.
#[derive(Default)]
pub struct EngagementQuery;

#[scoped]
#[Object]
impl EngagementQuery {
    /// An engagement; null when there is none with this id.
    #[scope("engagement:read")]
    async fn engagement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The engagement's id, `eng_…`.")] id: EngagementId,
    ) -> Result<Option<EngagementNode>> {
        load(ctx, id).await
    }

    /// Engagements of all leads, the latest first.
    #[scope("engagement:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn engagements(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: Option<EngagementFilterInput>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Engagements> {
        let filter = filter.unwrap_or_default().of(None);
        list(
            ctx,
            filter,
            Pages {
                first,
                after,
                last,
                before,
            },
        )
        .await
    }

    /// What engagements add up to by type, channel and day. For all leads it is read from the daily summaries, so that
    /// it costs the same whatever the number of engagements.
    #[scope("engagement:read")]
    async fn engagement_stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: Option<EngagementStatsFilter>,
        #[graphql(desc = "The first UTC day.")] from: Day,
        #[graphql(desc = "The last UTC day, included; today when absent.")] to: Option<Day>,
    ) -> Result<EngagementStats> {
        let EngagementStatsFilter {
            lead_id,
            types,
            channels,
        } = filter.unwrap_or_default();
        let to = to.unwrap_or_else(|| ctx.app().clock().now().day());
        let caller = ctx.caller()?;
        // The daily summaries are of all leads.
        let summed = lead_id.is_none() && caller.rows.is_all();
        if lead_id.is_none() {
            journeys::check_range(from, to)?;
        }
        let stats = if summed {
            caller.require(READ)?;
            journeys::engagement_stats(ctx.app(), from, to, &types, &channels).await?
        } else {
            let filter = EngagementFilter {
                lead_id,
                types,
                channels,
                from: Some(from.start()),
                to: Some(to.start().plus_days(1)),
            };
            super::stats(ctx.app(), caller, &filter).await?
        };
        Ok(stats.into())
    }
}
