//! Following deals.

use std::sync::Arc;

use async_graphql::{Context, Object, Result, Subscription};
use entity::id::{DealId, LeadId};
use entity::{Area, DealChange, DealState, EventKind, Timestamp};
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;

use super::load;
use super::types::Deal;
use crate::api::types::{Access as _, Live, scoped};
use crate::error::Error;
use crate::events::{Event, Filter};
use crate::identity::Scope;

/// A deal was opened, changed, moved to another stage, closed or opened again.
struct DealChanged {
    event: Arc<Event>,
    then: Changed,
}

#[derive(Deserialize)]
struct Changed {
    change: DealChange,
    state: DealState,
}

impl DealChanged {
    fn id(&self) -> Result<DealId, Error> {
        self.event.subject.parse::<DealId>().map_err(Error::internal)
    }
}

#[Object]
impl DealChanged {
    /// Resume after this event by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.event)
    }
    /// When it was recorded.
    async fn at(&self) -> Timestamp {
        self.event.at
    }
    /// The id of the lead.
    async fn lead_id(&self) -> Option<LeadId> {
        self.event.lead_id
    }
    /// The id of the deal.
    async fn deal_id(&self) -> Result<DealId> {
        Ok(self.id()?)
    }
    /// What happened.
    async fn change(&self) -> DealChange {
        self.then.change
    }
    /// The state that it had then.
    async fn state(&self) -> DealState {
        self.then.state
    }
    /// The deal as it is now; null when its lead is deleted.
    async fn deal(&self, ctx: &Context<'_>) -> Result<Option<Deal>> {
        load(ctx, self.id()?).await
    }
}

/// Subscriptions to deals.
#[derive(Default)]
pub struct DealSubscription;

#[scoped]
#[Subscription]
impl DealSubscription {
    /// Deals as they are opened, changed, moved, won, lost and opened again. A token with a row filter is told of the leads
    /// that it shows alone.
    #[scope("engagement:read")]
    async fn deal_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only deals with this lead.")] lead_id: Option<LeadId>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<DealChanged>> + use<>> {
        ctx.caller()?;
        let filter = Filter {
            lead_id,
            ..Filter::kinds(&[EventKind::DealChanged])
        };
        let events = Live::open(ctx, Scope::Read(Area::Engagement), filter, after.as_deref())?;
        Ok(events.map(|event| {
            let event = event?;
            let then = serde_json::from_str(&event.payload).map_err(Error::from)?;
            Ok(DealChanged { event, then })
        }))
    }
}
