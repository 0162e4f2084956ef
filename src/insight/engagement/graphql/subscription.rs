//! Engagements as they are recorded.

use std::sync::Arc;

use async_graphql::{Context, Object, Result, Subscription};
use entity::id::{EngagementId, LeadId};
use entity::{EngagementType, EventKind, Timestamp};
use futures_util::{Stream, StreamExt};

use super::READ;
use super::types::{EngagementNode, load};
use crate::api::types::{Live, scoped};
use crate::api::{Eager, Lead};
use crate::error::Error;
use crate::events::Event;
use crate::insight::engagement::Recorded;
use crate::leads::lead;

/// An engagement was recorded.
struct EngagementRecorded(Arc<Event>);

impl EngagementRecorded {
    fn id(&self) -> Result<EngagementId, Error> {
        self.0.subject.parse().map_err(Error::internal)
    }
}

#[scoped]
#[Object]
impl EngagementRecorded {
    /// Resume after this event by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.0)
    }
    /// When it was recorded.
    async fn at(&self) -> Timestamp {
        self.0.at
    }
    /// The id of the lead.
    async fn lead_id(&self) -> Option<LeadId> {
        self.0.lead_id
    }
    /// The engagement as it is now.
    async fn engagement(&self, ctx: &Context<'_>) -> Result<Option<EngagementNode>> {
        load(ctx, self.id()?).await
    }
    /// The lead as it is now; null once it is deleted.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        match self.0.lead_id {
            Some(id) => lead::graphql::load(ctx, id).await,
            None => Ok(None),
        }
    }
}

/// Subscriptions to engagements.
#[derive(Default)]
pub struct EngagementSubscription;

#[scoped]
#[Subscription]
impl EngagementSubscription {
    /// Engagements as they are recorded.
    #[scope("engagement:read")]
    async fn engagement_recorded(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of this lead.")] lead_id: Option<LeadId>,
        #[graphql(desc = "Only of these types.", default)] types: Vec<EngagementType>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<EngagementRecorded>> + use<>> {
        let filter = crate::events::Filter {
            lead_id,
            ..crate::events::Filter::kinds(&[EventKind::EngagementRecorded])
        };
        let events = Live::open(ctx, READ, filter, after.as_deref())?;
        Ok(events.filter_map(move |event| {
            let wanted = match event {
                Ok(event) if types.is_empty() => Some(Ok(EngagementRecorded(event))),
                Ok(event) => match Recorded::read(&event) {
                    Ok(recorded) => types
                        .contains(&recorded.kind)
                        .then_some(())
                        .map(|()| Ok(EngagementRecorded(Arc::clone(&event)))),
                    Err(error) => Some(Err(error.into())),
                },
                Err(error) => Some(Err(error.into())),
            };
            std::future::ready(wanted)
        }))
    }
}
