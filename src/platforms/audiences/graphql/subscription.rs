//! Subscriptions to audiences.

use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::{Context, Object, Result, Subscription};
use entity::id::AudienceId;
use entity::{Area, AudienceState, EventKind, Timestamp};
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;

use super::audience::{Audience, load};
use crate::api::types::{Live, scoped};
use crate::error::Error;
use crate::events::{Event, Filter};
use crate::identity::Scope;

/// An audience was made, changed or removed, or its platform was told of it.
struct AudienceChanged {
    event: Arc<Event>,
    then: Changed,
}

#[derive(Deserialize)]
struct Changed {
    change: String,
    state: AudienceState,
    problem: Option<String>,
}

#[Object]
impl AudienceChanged {
    /// Resume after this event by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.event)
    }
    /// When it was recorded.
    async fn at(&self) -> Timestamp {
        self.event.at
    }
    /// What happened: `CREATED`, `UPDATED`, `CREATING`, `SYNCING`, `SYNCED`, `SIZED`, `SIZE_FAILED`, `FAILED`, `CANCELLED`, `DELETED` (here),
    /// `REMOVED` (at the platform).
    async fn change(&self) -> &str {
        &self.then.change
    }
    /// The state it had then.
    async fn state(&self) -> AudienceState {
        self.then.state
    }
    /// What kind of failure was known then; null without one.
    async fn problem_kind(&self) -> Option<&str> {
        self.then.problem.as_deref()
    }
    /// The audience as it is now.
    async fn audience(&self, ctx: &Context<'_>) -> Result<Option<Audience>> {
        let id = self
            .event
            .subject
            .parse::<AudienceId>()
            .map_err(Error::internal)?;
        load(ctx, id).await
    }
}

/// Subscriptions to audiences.
#[derive(Default)]
pub struct AudienceSubscription;

/// Nothing of these is for who does not see all rows; they were asked when the field was.
async fn none(_: Vec<Arc<Event>>) -> Result<Vec<Arc<Event>>, Error> {
    Ok(Vec::new())
}

#[scoped]
#[Subscription]
impl AudienceSubscription {
    /// Audiences as they are made, change, and their platforms are told of them.
    #[scope("audiences:read", all_rows)]
    async fn audience_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this audience.")] id: Option<AudienceId>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<AudienceChanged>> + use<>> {
        let filter = Filter {
            subjects: id.map(|id| id.to_string()).into_iter().collect::<HashSet<_>>(),
            ..Filter::kinds(&[EventKind::AudienceChanged])
        };
        let scope = Scope::Read(Area::Audiences);
        let events = Live::open_for(ctx, scope, filter, after.as_deref(), none)?;
        Ok(events.map(|event| {
            let event = event?;
            let then = serde_json::from_str(&event.payload).map_err(Error::from)?;
            Ok(AudienceChanged { event, then })
        }))
    }
}
