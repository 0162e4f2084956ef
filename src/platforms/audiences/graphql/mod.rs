//! Audiences in GraphQL.

mod audience;
mod lead;
mod mutation;
mod subscription;
mod sync;

use async_graphql::{Context, Object, Result, SimpleObject};
use entity::id::{AudienceId, AudienceSyncId, ConnectionId};

pub use self::audience::{Audience, AudienceLoader};
pub use self::lead::LeadAudienceFields;
pub use self::mutation::AudienceMutation;
pub use self::subscription::AudienceSubscription;
pub use self::sync::AudienceSync;
use super::{AudienceOrder, Preview};
use crate::api::types::{Access, Listed, Pages, connection as listed, page_request, scoped};
use crate::leads::filter::LeadFilter;

/// How many leads a filter finds, and how many of them may go into an audience.
#[derive(SimpleObject)]
struct AudiencePreview {
    /// Leads for which the filter holds.
    matching: i64,
    /// Of these, those that agreed to be shared with advertising platforms (channel `ADS`, purpose `MARKETING`).
    consenting: i64,
    /// Of these, those with an e-mail address or a phone number, by which a platform may know them.
    matchable: i64,
    /// Those with both: so many the platform would be told of.
    belonging: i64,
}

/// Queries about audiences.
#[derive(Default)]
pub struct AudienceQuery;

#[scoped]
#[Object]
impl AudienceQuery {
    /// Audiences, newest first; without those that were removed.
    #[scope("audiences:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn audiences(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only those of a connection.")] connection_id: Option<ConnectionId>,
    ) -> Result<Listed<Audience>> {
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, AudienceOrder::NAME)?;
        let page = super::list(ctx.app(), ctx.caller()?, connection_id, &page).await?;
        Ok(listed(page, |row| (AudienceOrder::keyset(&row), Audience(row))))
    }

    /// An audience, also one that was removed; null when there is none with this id.
    #[scope("audiences:read")]
    #[graphql(complexity = "2 + child_complexity")]
    async fn audience(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The audience's id, `aud_…`.")] id: AudienceId,
    ) -> Result<Option<Audience>> {
        Ok(super::find(ctx.app(), ctx.caller()?, id).await?.map(Audience))
    }

    /// How telling a platform of an audience went; null when there is none with this id. The last 100 of an audience are kept.
    #[scope("audiences:read", all_rows)]
    #[graphql(complexity = "2 + child_complexity")]
    async fn audience_sync(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id, `audsync_…`.")] id: AudienceSyncId,
    ) -> Result<Option<AudienceSync>> {
        Ok(super::find_sync(ctx.app(), ctx.caller()?, id)
            .await?
            .map(AudienceSync))
    }

    /// How many leads an audience with this filter would have. Counts all of them: on many leads it takes its time.
    #[scope("audiences:read", all_rows)]
    #[graphql(complexity = "50 + child_complexity")]
    async fn audience_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which leads.")] filter: LeadFilter,
        #[graphql(desc = "The connection whose platform would be told, `conn_…`.")]
        connection_id: ConnectionId,
    ) -> Result<AudiencePreview> {
        let Preview {
            matching,
            consenting,
            matchable,
            belonging,
        } = super::preview(ctx.app(), ctx.caller()?, &filter, connection_id).await?;
        Ok(AudiencePreview {
            matching,
            consenting,
            matchable,
            belonging,
        })
    }
}
