//! Following leads.

use std::sync::Arc;

use async_graphql::{Context, Object, Result, Subscription};
use entity::id::LeadId;
use entity::{Area, EventKind, Timestamp};
use futures_util::{Stream, StreamExt};

use super::load;
use crate::api::types::{Access, Live, scoped};
use crate::api::{Eager, Lead};
use crate::events::Event;
use crate::identity::Scope;
use crate::insight::scoring::graphql::Scales;
use crate::leads::filter::LeadFilter;
use crate::leads::lead;

/// A lead changed.
struct LeadChanged(Arc<Event>);

#[Object]
impl LeadChanged {
    /// Resume after this event by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.0)
    }
    /// What happened to it.
    async fn event(&self) -> EventKind {
        self.0.kind
    }
    /// When it was recorded.
    async fn at(&self) -> Timestamp {
        self.0.at
    }
    /// The id of the lead.
    async fn lead_id(&self) -> Option<LeadId> {
        self.0.lead_id
    }
    /// The lead as it is now; null once it is deleted.
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        match self.0.lead_id {
            Some(id) => load(ctx, id).await,
            None => Ok(None),
        }
    }
}

/// Events that change what `Lead` shows of itself.
const LEAD_EVENTS: &[EventKind] = &[
    EventKind::LeadCreated,
    EventKind::LeadUpdated,
    EventKind::LeadDeleted,
    EventKind::LeadRestored,
    EventKind::LeadErased,
    EventKind::LeadTagged,
    EventKind::NoteChanged,
    EventKind::ConsentChanged,
    EventKind::StageChanged,
];

/// Subscriptions to leads.
#[derive(Default)]
pub struct LeadSubscription;

#[scoped]
#[Subscription]
impl LeadSubscription {
    /// Leads as they are created, changed, deleted.
    #[scope("leads:read")]
    async fn lead_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this lead.")] id: Option<LeadId>,
        #[graphql(desc = "Only leads for which this holds after the change.")] filter: Option<LeadFilter>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<LeadChanged>> + use<>> {
        let wanted = crate::events::Filter {
            lead_id: id,
            ..crate::events::Filter::kinds(LEAD_EVENTS)
        };
        let events = Live::open(ctx, Scope::Read(Area::Leads), wanted, after.as_deref())?;
        let (app, caller) = (ctx.app().clone(), ctx.caller()?.clone());
        if let Some(filter) = &filter {
            lead::check_filter(&app, filter).await?;
        }
        let filter = filter.map(|filter| Arc::new((filter, Scales::new(app.clone()))));
        Ok(events.filter_map(move |event| {
            let (app, caller, filter) = (app.clone(), caller.clone(), filter.clone());
            async move {
                let event = match event {
                    Ok(event) => event,
                    Err(error) => return Some(Err(error.into())),
                };
                if let (Some(wanted), Some(id)) = (filter, event.lead_id) {
                    let (filter, scales) = &*wanted;
                    let holds = async {
                        let scale = scales.of(filter).await?;
                        lead::holds(&app, &caller, filter, &scale, id).await
                    };
                    match holds.await {
                        Ok(true) => {}
                        Ok(false) => return None,
                        Err(error) => return Some(Err(error.into())),
                    }
                }
                Some(Ok(LeadChanged(event)))
            }
        }))
    }
}
