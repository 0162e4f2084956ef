//! Following messages.

use std::sync::Arc;

use async_graphql::{Context, Object, Result, Subscription};
use entity::id::{ConnectionId, LeadId, MessageId};
use entity::{Area, EventKind, MessageChannel, MessageDirection, MessageState, MessageStep, Timestamp};
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;

use super::types::{Message, load};
use crate::api::types::{Access as _, Live, scoped};
use crate::error::Error;
use crate::events::{Event, Filter};
use crate::identity::Scope;

/// Something became of a message, or one came in.
struct MessageChanged {
    event: Arc<Event>,
    then: Changed,
}

#[derive(Deserialize)]
struct Changed {
    connection: ConnectionId,
    channel: MessageChannel,
    direction: MessageDirection,
    change: MessageStep,
    state: MessageState,
}

#[Object]
impl MessageChanged {
    /// Resume after this event by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.event)
    }
    /// When it was recorded.
    async fn at(&self) -> Timestamp {
        self.event.at
    }
    /// The id of the lead, where it is known.
    async fn lead_id(&self) -> Option<LeadId> {
        self.event.lead_id
    }
    /// By which connection.
    async fn connection_id(&self) -> ConnectionId {
        self.then.connection
    }
    /// By which channel.
    async fn channel(&self) -> MessageChannel {
        self.then.channel
    }
    /// Which way it goes.
    async fn direction(&self) -> MessageDirection {
        self.then.direction
    }
    /// What happened.
    async fn change(&self) -> MessageStep {
        self.then.change
    }
    /// The state that it had then.
    async fn state(&self) -> MessageState {
        self.then.state
    }
    /// The message as it is now.
    async fn message(&self, ctx: &Context<'_>) -> Result<Option<Message>> {
        let id = self.event.subject.parse::<MessageId>().map_err(Error::internal)?;
        load(ctx, id).await
    }
}

/// Subscriptions to messages.
#[derive(Default)]
pub struct MessageSubscription;

#[scoped]
#[Subscription]
impl MessageSubscription {
    /// Messages as they are queued, sent, delivered, opened, answered, and as they come in. A token with a row filter is told
    /// of the leads that it shows alone.
    #[scope("messages:read")]
    async fn message_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this message.")] id: Option<MessageId>,
        #[graphql(desc = "Only messages to this lead, or from it.")] lead_id: Option<LeadId>,
        #[graphql(desc = "Only messages by this connection.")] connection_id: Option<ConnectionId>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<MessageChanged>> + use<>> {
        ctx.caller()?;
        let filter = Filter {
            lead_id,
            subjects: id.map(|id| id.to_string()).into_iter().collect(),
            ..Filter::kinds(&[EventKind::MessageChanged])
        };
        let events = Live::open(ctx, Scope::Read(Area::Messages), filter, after.as_deref())?;
        Ok(events.filter_map(move |event| {
            let read = event.map_err(async_graphql::Error::from).and_then(|event| {
                let then: Changed = serde_json::from_str(&event.payload).map_err(Error::from)?;
                Ok(MessageChanged { event, then })
            });
            let is_wanted = match &read {
                Ok(changed) => connection_id.is_none_or(|id| id == changed.then.connection),
                Err(_) => true,
            };
            std::future::ready(is_wanted.then_some(read))
        }))
    }
}
