//! Subscriptions to what is told to platforms.

use std::sync::Arc;

use async_graphql::{Context, Object, Result, Subscription};
use entity::id::{ConnectionId, ConversionDeliveryId, LeadId};
use entity::{Area, ConversionDeliveryState, EventKind, Timestamp};
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;

use super::types::ConversionDelivery;
use crate::api::types::{Access, Live, scoped};
use crate::api::{Eager, Lead};
use crate::error::Error;
use crate::events::{Event, Filter};
use crate::identity::Scope;
use crate::platforms::conversions as room;

/// A happening is to be told to a platform, was told, withheld or refused; or all that waited for a platform were called off, or are
/// looked at again.
struct ConversionDeliveryChanged {
    event: Arc<Event>,
    then: Changed,
}

#[derive(Deserialize)]
struct Changed {
    connection: ConnectionId,
    state: ConversionDeliveryState,
    problem: Option<String>,
    /// Of how many it tells, where it is not of one.
    count: Option<i64>,
}

#[scoped]
#[Object]
impl ConversionDeliveryChanged {
    /// Resume after this event by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.event)
    }
    /// When it was recorded.
    async fn at(&self) -> Timestamp {
        self.event.at
    }
    /// The state it came to then.
    async fn state(&self) -> ConversionDeliveryState {
        self.then.state
    }
    /// What stood against it then; null when nothing did.
    async fn problem_kind(&self) -> Option<&str> {
        self.then.problem.as_deref()
    }
    /// Of how many deliveries it tells: 1 with a lead and a delivery; else all of a connection that were called off or offered again at
    /// once, which only those who see all rows are told of.
    async fn count(&self) -> i64 {
        self.then.count.unwrap_or(1)
    }
    /// The id of the connection that it is told to.
    async fn connection_id(&self) -> ConnectionId {
        self.then.connection
    }
    /// The lead's id; null for many deliveries.
    async fn lead_id(&self) -> Option<LeadId> {
        self.event.lead_id
    }
    /// The lead; null when it is deleted, and for many deliveries.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        match self.event.lead_id {
            Some(id) => crate::leads::lead::graphql::load(ctx, id).await,
            None => Ok(None),
        }
    }
    /// The delivery as it is now; null for many, and when it is not kept any more.
    async fn conversion_delivery(&self, ctx: &Context<'_>) -> Result<Option<ConversionDelivery>> {
        if self.then.count.is_some() {
            return Ok(None);
        }
        let id = self
            .event
            .subject
            .parse::<ConversionDeliveryId>()
            .map_err(Error::internal)?;
        let found = room::find(ctx.app(), ctx.caller()?, id).await?;
        Ok(found.map(ConversionDelivery))
    }
}

/// Subscriptions to what is told to platforms.
#[derive(Default)]
pub struct ConversionSharingSubscription;

#[scoped]
#[Subscription]
impl ConversionSharingSubscription {
    /// What is told to platforms, as it is noted, told, withheld, refused or called off.
    #[scope("engagement:read")]
    async fn conversion_delivery_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only what is told to this connection.")] connection_id: Option<ConnectionId>,
        #[graphql(desc = "Only of this lead.")] lead_id: Option<LeadId>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<ConversionDeliveryChanged>> + use<>> {
        let filter = Filter {
            lead_id,
            ..Filter::kinds(&[EventKind::ConversionDeliveryChanged])
        };
        let events = Live::open(ctx, Scope::Read(Area::Engagement), filter, after.as_deref())?;
        Ok(events.filter_map(move |event| {
            let read = event.map_err(async_graphql::Error::from).and_then(|event| {
                let then: Changed = serde_json::from_str(&event.payload).map_err(Error::from)?;
                Ok(ConversionDeliveryChanged { event, then })
            });
            let is_wanted = match &read {
                Ok(changed) => connection_id.is_none_or(|id| id == changed.then.connection),
                Err(_) => true,
            };
            std::future::ready(is_wanted.then_some(read))
        }))
    }
}
