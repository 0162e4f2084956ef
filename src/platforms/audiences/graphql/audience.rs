//! Audiences as clients see them.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Object, Result, SimpleObject};
use entity::id::{AudienceId, LeadId};
use entity::{AudienceKind, AudienceReadiness, AudienceState, Timestamp};

use super::sync::AudienceSync;
use crate::api::types::{Access, Json, Listed, Pages, connection as listed, page_request, scoped};
use crate::api::{Eager, Lead};
use crate::app::App;
use crate::error::Error;
use crate::identity::Rows;
use crate::leads::lead::graphql::load as load_lead;
use crate::platforms::audiences::{self as room, AudienceSyncOrder, MemberOrder};
use crate::platforms::connections::graphql::{Connection, load_connection};

/// An audience for advertisements: people that a platform is told of, or finds by itself.
pub struct Audience(pub room::Audience);

/// Loads what hangs on audiences for all requests together.
pub struct AudienceLoader(pub App);

impl Loader<AudienceId> for AudienceLoader {
    type Value = room::Audience;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[AudienceId],
    ) -> std::result::Result<HashMap<AudienceId, room::Audience>, Arc<Error>> {
        room::get_many(&self.0, keys).await.map_err(Arc::new)
    }
}

impl Loader<LeadId> for AudienceLoader {
    type Value = Vec<room::Audience>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[LeadId]) -> std::result::Result<HashMap<LeadId, Self::Value>, Arc<Error>> {
        room::of_leads(&self.0, keys).await.map_err(Arc::new)
    }
}

/// How many members an audience has for who sees these rows.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MembersOf(Rows, AudienceId);

impl Loader<MembersOf> for AudienceLoader {
    type Value = i64;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[MembersOf]) -> std::result::Result<HashMap<MembersOf, i64>, Arc<Error>> {
        let keys: Vec<_> = keys
            .iter()
            .map(|MembersOf(rows, id)| (rows.clone(), *id))
            .collect();
        let found = room::member_counts(&self.0, &keys).await.map_err(Arc::new)?;
        Ok(found
            .into_iter()
            .map(|((rows, id), count)| (MembersOf(rows, id), count))
            .collect())
    }
}

/// The last sync of an audience.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LastOf(AudienceId);

impl Loader<LastOf> for AudienceLoader {
    type Value = room::AudienceSync;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[LastOf],
    ) -> std::result::Result<HashMap<LastOf, room::AudienceSync>, Arc<Error>> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = room::last_of_each(&self.0, &ids).await.map_err(Arc::new)?;
        Ok(found
            .into_iter()
            .map(|row| (LastOf(row.audience_id), row))
            .collect())
    }
}

fn loader<'a>(ctx: &Context<'a>) -> &'a DataLoader<AudienceLoader, async_graphql::dataloader::NoCache> {
    ctx.data_unchecked::<DataLoader<AudienceLoader, async_graphql::dataloader::NoCache>>()
}

/// An audience by its id, for who may read audiences.
pub(super) async fn load(ctx: &Context<'_>, id: AudienceId) -> Result<Option<Audience>> {
    Ok(loader(ctx).load_one(id).await?.map(Audience))
}

/// The audiences of a lead.
pub(super) async fn of_lead(ctx: &Context<'_>, id: LeadId) -> Result<Vec<Audience>> {
    let rows = loader(ctx).load_one(id).await?.unwrap_or_default();
    Ok(rows.into_iter().map(Audience).collect())
}

/// How large an audience is, as the platform says.
#[derive(SimpleObject)]
struct AudienceSize {
    /// At least so many people; null while it is too small or not counted yet.
    at_least: Option<i64>,
    /// At most so many.
    at_most: Option<i64>,
    /// Whether the platform can use it.
    readiness: AudienceReadiness,
    /// The platform's own words for that.
    detail: Option<String>,
    /// When the platform was asked.
    at: Timestamp,
}

/// Why a platform could not be told.
#[derive(SimpleObject)]
pub(super) struct AudienceFailure {
    /// What kind of failure, e.g. `UNAUTHORISED`, `THROTTLED`.
    pub(super) kind: String,
    /// In words.
    pub(super) message: Option<String>,
}

/// A lead that is in an audience.
struct AudienceMember(room::Member);

#[scoped]
#[Object]
impl AudienceMember {
    /// The lead.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        load_lead(ctx, self.0.lead_id).await
    }
    /// When it came into the audience.
    async fn joined_at(&self) -> Timestamp {
        self.0.joined_at
    }
    /// When the platform was told of it as it is.
    async fn told_at(&self) -> Option<Timestamp> {
        self.0.told_at
    }
}

#[scoped]
#[Object]
impl Audience {
    /// The audience's id.
    async fn id(&self) -> AudienceId {
        self.0.id
    }
    /// The connection whose platform has it.
    #[scope("connections:read", all_rows)]
    async fn connection(&self, ctx: &Context<'_>) -> Result<Option<Connection>> {
        load_connection(ctx, self.0.connection_id).await
    }
    /// What it is made of.
    async fn kind(&self) -> AudienceKind {
        self.0.kind
    }
    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// What it is for.
    async fn description(&self) -> &str {
        &self.0.description
    }
    /// Which leads belong into it, as a `LeadFilter`; null for one of the platform's own people. Of these, those that agreed to
    /// be shared with advertising platforms and can be matched by something.
    #[scope("audiences:read", all_rows)]
    async fn filter(&self) -> Result<Option<Json>> {
        if self.0.kind == AudienceKind::Lookalike {
            return Ok(None);
        }
        let filter = serde_json::from_str(&self.0.filter).map_err(Error::from)?;
        Ok(Some(Json(filter)))
    }
    /// The audience whose people they are like; null for one of leads.
    #[graphql(complexity = "2 + child_complexity")]
    async fn origin(&self, ctx: &Context<'_>) -> Result<Option<Audience>> {
        match self.0.origin_id {
            Some(id) => load(ctx, id).await,
            None => Ok(None),
        }
    }
    /// Where they live, ISO 3166 alpha-2; null for one of leads.
    async fn country(&self) -> Option<&str> {
        self.0.country.as_deref()
    }
    /// How large a part of the country they are, 0.01 to 0.2; null for one of leads.
    async fn ratio(&self) -> Option<f64> {
        self.0.percent.map(|percent| f64::from(percent) / 100.0)
    }
    /// Where it stands.
    async fn state(&self) -> AudienceState {
        self.0.state
    }
    /// Why the platform could not be told; null while it can.
    #[scope("audiences:read", all_rows)]
    async fn failure(&self) -> Option<AudienceFailure> {
        Some(AudienceFailure {
            kind: self.0.problem_kind.clone()?,
            message: self.0.problem.clone(),
        })
    }
    /// The platform's id of it; null while the platform does not have it.
    #[scope("audiences:read", all_rows)]
    async fn external_id(&self) -> Option<&str> {
        self.0.external_id.as_deref()
    }
    /// How often the platform is told, in seconds; null: when somebody asks, and when somebody has to go.
    async fn every_seconds(&self) -> Option<i32> {
        self.0.every_seconds
    }
    /// When the platform is told next; null: when somebody asks.
    async fn next_sync_at(&self) -> Option<Timestamp> {
        self.0.next_sync_at
    }
    /// When the platform was told of everything last; null before the first time.
    async fn synced_at(&self) -> Option<Timestamp> {
        self.0.synced_at
    }
    /// How large it is, as the platform says; null before it was asked. It is asked after each sync and every 6 hours.
    #[scope("audiences:read", all_rows)]
    async fn size(&self) -> Option<AudienceSize> {
        Some(AudienceSize {
            at_least: self.0.size_at_least,
            at_most: self.0.size_at_most,
            readiness: self.0.readiness?,
            detail: self.0.size_detail.clone(),
            at: self.0.sized_at?,
        })
    }
    /// Why the size could not be read the last time, so that `size` is that of the time before; null when it could. It says nothing of
    /// who is in it: `state` and `failure` are of telling the platform.
    #[scope("audiences:read", all_rows)]
    async fn size_failure(&self) -> Option<AudienceFailure> {
        Some(AudienceFailure {
            kind: self.0.size_problem_kind.clone()?,
            message: self.0.size_problem.clone(),
        })
    }
    /// How many leads are in it that you see; 0 for one of the platform's own people.
    #[graphql(complexity = 5)]
    async fn member_count(&self, ctx: &Context<'_>) -> Result<i64> {
        let key = MembersOf(ctx.caller()?.rows.clone(), self.0.id);
        Ok(loader(ctx).load_one(key).await?.unwrap_or_default())
    }
    /// The leads in it that you see, who came last first.
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity + 5")]
    async fn members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<AudienceMember>> {
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, MemberOrder::NAME)?;
        let page = room::members(ctx.app(), ctx.caller()?, &self.0, &page).await?;
        Ok(listed(page, |row| {
            (MemberOrder::keyset(&row), AudienceMember(row))
        }))
    }
    /// The last time that the platform was told or asked; null before the first.
    #[scope("audiences:read", all_rows)]
    async fn last_sync(&self, ctx: &Context<'_>) -> Result<Option<AudienceSync>> {
        Ok(loader(ctx).load_one(LastOf(self.0.id)).await?.map(AudienceSync))
    }
    /// When the platform was told or asked, newest first; the last 100.
    #[scope("audiences:read", all_rows)]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity + 5")]
    async fn syncs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<AudienceSync>> {
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, AudienceSyncOrder::NAME)?;
        let page = room::list_syncs(ctx.app(), ctx.caller()?, self.0.id, &page).await?;
        Ok(listed(page, |row| {
            (AudienceSyncOrder::keyset(&row), AudienceSync(row))
        }))
    }
    /// Who made it: `user_…`, `token_…`, `operator`.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }
    /// When it was made.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// When it was changed last.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }
    /// When it was removed; null while it is there.
    async fn deleted_at(&self) -> Option<Timestamp> {
        self.0.deleted_at
    }
}
