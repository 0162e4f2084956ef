//! Subscriptions to connections.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use async_graphql::{Context, Object, Result, Subscription};
use entity::id::{ConnectionId, SyncId};
use entity::{Area, ConnectionState, EventKind, JobState, Timestamp};
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;

use super::connection::{Connection, load};
use super::sync::{Sync, SyncCount, counts};
use crate::api::types::{Access, Live, scoped};
use crate::error::Error;
use crate::events::{Event, Filter};
use crate::identity::Scope;
use crate::platforms::connections::sync;

/// A connection was made, changed or removed, works again or no more.
struct ConnectionChanged {
    event: Arc<Event>,
    then: Changed,
}

#[derive(Deserialize)]
struct Changed {
    change: String,
    state: ConnectionState,
    problem: Option<String>,
}

#[Object]
impl ConnectionChanged {
    /// Resume after this event by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.event)
    }
    /// When it was recorded.
    async fn at(&self) -> Timestamp {
        self.event.at
    }
    /// What happened: `CREATED`, `UPDATED`, `TESTED`, `AUTHORIZED`, `DELETED`, or the state that it came to.
    async fn change(&self) -> &str {
        &self.then.change
    }
    /// The state it had then.
    async fn state(&self) -> ConnectionState {
        self.then.state
    }
    /// What kind of failure was known then; null without one.
    async fn problem_kind(&self) -> Option<&str> {
        self.then.problem.as_deref()
    }
    /// The connection as it is now.
    async fn connection(&self, ctx: &Context<'_>) -> Result<Option<Connection>> {
        let id = self
            .event
            .subject
            .parse::<ConnectionId>()
            .map_err(Error::internal)?;
        load(ctx, id).await
    }
}

/// A reading of a platform was begun, went on or ended.
struct SyncProgressed {
    event: Arc<Event>,
    then: Progressed,
}

#[derive(Deserialize)]
struct Progressed {
    connection: ConnectionId,
    state: JobState,
    counts: BTreeMap<String, i64>,
    problem: Option<String>,
}

#[Object]
impl SyncProgressed {
    /// Resume after this event by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.event)
    }
    /// When it was recorded.
    async fn at(&self) -> Timestamp {
        self.event.at
    }
    /// Where the reading stood then.
    async fn state(&self) -> JobState {
        self.then.state
    }
    /// What had become of what was read by then, by kind.
    async fn counts(&self) -> Vec<SyncCount> {
        counts(&self.then.counts)
    }
    /// What kind of failure ended it; null without one.
    async fn problem_kind(&self) -> Option<&str> {
        self.then.problem.as_deref()
    }
    /// The reading as it is now.
    async fn sync(&self, ctx: &Context<'_>) -> Result<Option<Sync>> {
        let id = self.event.subject.parse::<SyncId>().map_err(Error::internal)?;
        Ok(sync::find(ctx.app(), ctx.caller()?, id).await?.map(Sync))
    }
}

/// Subscriptions to connections.
#[derive(Default)]
pub struct ConnectionSubscription;

/// Nothing of these is for who does not see all rows; they were asked when the field was.
async fn none(_: Vec<Arc<Event>>) -> Result<Vec<Arc<Event>>, Error> {
    Ok(Vec::new())
}

#[scoped]
#[Subscription]
impl ConnectionSubscription {
    /// Connections as they are made, change, cease to work and work again.
    #[scope("connections:read", all_rows)]
    async fn connection_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this connection.")] id: Option<ConnectionId>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<ConnectionChanged>> + use<>> {
        let filter = Filter {
            subjects: id.map(|id| id.to_string()).into_iter().collect::<HashSet<_>>(),
            ..Filter::kinds(&[EventKind::ConnectionChanged])
        };
        let scope = Scope::Read(Area::Connections);
        let events = Live::open_for(ctx, scope, filter, after.as_deref(), none)?;
        Ok(events.map(|event| {
            let event = event?;
            let then = serde_json::from_str(&event.payload).map_err(Error::from)?;
            Ok(ConnectionChanged { event, then })
        }))
    }

    /// Readings of platforms as they begin, go on (a few times a second) and end.
    #[scope("connections:read", all_rows)]
    async fn sync_progressed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this reading.")] id: Option<SyncId>,
        #[graphql(desc = "Only readings of this connection.")] connection_id: Option<ConnectionId>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<SyncProgressed>> + use<>> {
        let filter = Filter {
            subjects: id.map(|id| id.to_string()).into_iter().collect::<HashSet<_>>(),
            ..Filter::kinds(&[EventKind::SyncProgressed])
        };
        let scope = Scope::Read(Area::Connections);
        let events = Live::open_for(ctx, scope, filter, after.as_deref(), none)?;
        Ok(events.filter_map(move |event| {
            let read = event.map_err(async_graphql::Error::from).and_then(|event| {
                let then: Progressed = serde_json::from_str(&event.payload).map_err(Error::from)?;
                Ok(SyncProgressed { event, then })
            });
            let is_wanted = match &read {
                Ok(progressed) => connection_id.is_none_or(|id| id == progressed.then.connection),
                Err(_) => true,
            };
            std::future::ready(is_wanted.then_some(read))
        }))
    }
}
