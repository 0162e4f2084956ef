//! The event log in GraphQL: live, and read backwards.

use std::sync::Arc;

use async_graphql::connection::{Connection, CursorType, Edge, EmptyFields};
use async_graphql::{Context, InputObject, Object, Result, Subscription};
use entity::id::LeadId;
use entity::{Area, EventKind, Timestamp};
use futures_util::{Stream, StreamExt};

use super::types::{Access, Json, Live, scoped};
use super::{Eager, Lead, shape};
use crate::error::Error;
use crate::events::{self, Event, Filter, Position};
use crate::identity::Scope;
use crate::leads::lead::graphql as lead;
use crate::leads::visible::Visible;

const READ: Scope = Scope::Read(Area::Events);

fn event_is_visible(ctx: &Context<'_>) -> bool {
    shape::shows(ctx, "Event")
}

/// Something that happened.
pub struct EventNode(pub(super) Arc<Event>);

#[scoped]
#[Object(name = "Event", visible = "event_is_visible")]
impl EventNode {
    /// Its place in the log; resume after it by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.0)
    }
    /// What happened.
    #[graphql(name = "type")]
    async fn kind(&self) -> EventKind {
        self.0.kind
    }
    /// When it was recorded.
    async fn at(&self) -> Timestamp {
        self.0.at
    }
    /// Who did it: `token_…`, `user_…`, `operator` or `system`.
    async fn actor(&self) -> &str {
        &self.0.actor
    }
    /// The id of the thing that changed.
    async fn subject(&self) -> &str {
        &self.0.subject
    }
    /// The id of the lead it is about, if it is about one.
    async fn lead_id(&self) -> Option<LeadId> {
        self.0.lead_id
    }
    /// The lead as it is now; null when it is about none, or the lead is deleted.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        match self.0.lead_id {
            Some(id) => lead::load(ctx, id).await,
            None => Ok(None),
        }
    }
    /// Details, a JSON object of the event's type.
    async fn payload(&self) -> Result<Json, Error> {
        Ok(Json(serde_json::from_str(&self.0.payload)?))
    }
}

/// A place in the log.
#[derive(Clone, Copy)]
pub struct LogCursor(Position);

impl CursorType for LogCursor {
    type Error = Error;
    fn decode_cursor(text: &str) -> Result<Self, Error> {
        Live::position(text).map(Self)
    }
    fn encode_cursor(&self) -> String {
        format!("ev{}", self.0)
    }
}

/// Which events; what is absent does not restrict.
#[derive(InputObject, Clone, Debug, Default)]
struct EventFilterInput {
    /// Of these types.
    #[graphql(default)]
    types: Vec<EventKind>,
    /// About this thing, by its id.
    subject: Option<String>,
    /// About this lead.
    lead_id: Option<LeadId>,
}

impl EventFilterInput {
    fn filter(self) -> Filter {
        let Self {
            types,
            subject,
            lead_id,
        } = self;
        Filter {
            kinds: types,
            lead_id,
            subjects: subject.into_iter().collect(),
        }
    }
}

/// Queries of the event log.
#[derive(Default)]
pub struct LogQuery;

#[scoped]
#[Object]
impl LogQuery {
    /// What happened, the latest first, as far back as the log is kept. A token with a row filter is told of the leads that
    /// it shows alone.
    #[scope("events:read")]
    #[graphql(complexity = "first.unwrap_or(25).max(0) as usize * child_complexity")]
    async fn activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: Option<EventFilterInput>,
        #[graphql(desc = "How many, 1–100; 25 when absent.")] first: Option<i32>,
        #[graphql(desc = "Only what happened before the event with this cursor.")] after: Option<String>,
    ) -> Result<Connection<LogCursor, EventNode, EmptyFields, EmptyFields>> {
        let caller = ctx.caller()?;
        caller.require(READ)?;
        let limit = first.unwrap_or(25);
        if !(1..=100).contains(&limit) {
            return Err(Error::BadInput(format!("`first` is {limit}; it has to be from 1 to 100")).into());
        }
        let before = after.as_deref().map(Live::position).transpose()?;
        let filter = filter.unwrap_or_default().filter();
        let wanted = u64::from(limit.unsigned_abs());
        let seen = Visible::of(ctx.app(), &caller.rows).await?;
        let seen = seen.among_ever((entity::event::Entity, entity::event::Column::LeadId));
        let mut found = events::latest(ctx.app().db().read(), &filter, seen, before, wanted + 1)
            .await
            .map_err(Error::from)?;
        let more = found.len() as u64 > wanted;
        found.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        let mut connection = Connection::new(before.is_some(), more);
        connection.edges.extend(found.into_iter().map(|event| {
            let cursor = LogCursor(event.position);
            Edge::new(cursor, EventNode(Arc::new(event)))
        }));
        Ok(connection)
    }
}

/// Subscriptions to the event log.
#[derive(Default)]
pub struct LogSubscription;

#[scoped]
#[Subscription]
impl LogSubscription {
    /// Whatever happens, in order. A token with a row filter is told of the leads that it shows alone.
    #[scope("events:read")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of these types.", default)] types: Vec<EventKind>,
        #[graphql(desc = "Only about this thing, by its id.")] subject: Option<String>,
        #[graphql(desc = "Only about this lead.")] lead_id: Option<LeadId>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<EventNode>> + use<>> {
        let filter = EventFilterInput {
            types,
            subject,
            lead_id,
        };
        let events = Live::open(ctx, READ, filter.filter(), after.as_deref())?;
        Ok(events.map(|event| Ok(EventNode(event?))))
    }
}
