//! Keeping journeys and days true as events come.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use entity::id::LeadId;
use entity::{Day, EventKind};

use super::model::{Deployment, Happening, LeadFold};
use super::store;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{Event, Handler, Position};
use crate::insight::engagement::{Recorded, Reweighed};

/// Takes events into journeys, days of leads and days of the deployment.
#[derive(Clone, Copy, Debug, Default)]
pub struct JourneysHandler;

/// The name of its cursor.
pub const NAME: &str = "journeys";
/// The events that change journeys.
pub(super) const KINDS: &[EventKind] = &[
    EventKind::EngagementRecorded,
    EventKind::EngagementReweighed,
    EventKind::StageChanged,
    EventKind::ConversionRecorded,
    EventKind::ConversionReversed,
];

/// Reads what an event tells; `None` for kinds that change no journey.
pub(super) fn read(event: &Event) -> Result<Option<Happening<'_>>, Error> {
    Ok(Some(match event.kind {
        EventKind::EngagementRecorded => Happening::Engaged(Recorded::read(event)?),
        EventKind::EngagementReweighed => Happening::Reweighed(Reweighed::read(event)?),
        EventKind::StageChanged => Happening::Moved(serde_json::from_str(&event.payload)?),
        EventKind::ConversionRecorded => Happening::Converted(serde_json::from_str(&event.payload)?),
        EventKind::ConversionReversed => Happening::Reversed(serde_json::from_str(&event.payload)?),
        _ => return Ok(None),
    }))
}

#[async_trait]
impl Handler for JourneysHandler {
    fn name(&self) -> &'static str {
        NAME
    }

    fn kinds(&self) -> &'static [EventKind] {
        KINDS
    }

    async fn handle(&self, _: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        let mut read_events: Vec<(LeadId, Position, Happening<'_>)> = Vec::with_capacity(events.len());
        for event in events {
            if let (Some(lead), Some(happening)) = (event.lead_id, read(event)?) {
                read_events.push((lead, event.position, happening));
            }
        }
        let leads: HashSet<LeadId> = read_events.iter().map(|(lead, ..)| *lead).collect();
        let days: HashSet<(LeadId, Day)> = read_events
            .iter()
            .filter_map(|(lead, _, happening)| match happening {
                Happening::Engaged(recorded) => Some((*lead, recorded.occurred_at().day())),
                _ => None,
            })
            .collect();
        let mut folds: HashMap<LeadId, (LeadFold, Position)> = HashMap::with_capacity(leads.len());
        for (lead, facts) in store::facts(&**tx, leads.iter().copied()).await? {
            folds.entry(lead).or_default().0.facts = facts;
        }
        for (lead, day, activity) in store::days(&**tx, &days).await? {
            folds.entry(lead).or_default().0.days.insert(day, activity);
        }
        let mut deployment = Deployment::default();
        for (lead, position, happening) in &read_events {
            let (fold, last) = folds.entry(*lead).or_default();
            fold.take(happening);
            *last = *position;
            deployment.take(happening);
        }
        store::write(tx, &folds).await?;
        store::add_to_deployment(tx, deployment).await?;
        Ok(())
    }
}
