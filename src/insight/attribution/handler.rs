//! Keeping trails and sums true as events come.

use std::collections::BTreeMap;

use async_trait::async_trait;
use entity::id::LeadId;
use entity::{EventKind, Stage, Timestamp};
use serde::Deserialize;

use super::keeping;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{Event, Handler};
use crate::insight::engagement::{Recorded, Reweighed, is_touch_point};
use crate::insight::revenue::revalued_leads;

/// Takes what leads do, and what comes of it, into trails and sums.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttributionHandler;

/// The name of its cursor.
pub(super) const NAME: &str = "attribution";
/// The events that may change trails.
pub(super) const KINDS: &[EventKind] = &[
    EventKind::EngagementRecorded,
    EventKind::EngagementReweighed,
    EventKind::ConversionRecorded,
    EventKind::ConversionReversed,
    EventKind::ConversionsRevalued,
    EventKind::StageChanged,
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Converted {
    // Absent in what was told before attribution was kept.
    #[serde(default)]
    occurred_micros: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Moved {
    to: Stage,
    entered_micros: i64,
}

#[async_trait]
impl Handler for AttributionHandler {
    fn name(&self) -> &'static str {
        NAME
    }

    fn kinds(&self) -> &'static [EventKind] {
        KINDS
    }

    async fn handle(&self, _: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        let mut leads: BTreeMap<LeadId, Timestamp> = BTreeMap::new();
        let mut add = |lead: LeadId, since: Timestamp| {
            let known = leads.entry(lead).or_insert(since);
            *known = (*known).min(since);
        };
        for event in events {
            if event.kind == EventKind::ConversionsRevalued {
                for (lead, at) in revalued_leads(tx, event).await? {
                    add(lead, at);
                }
            } else if let (Some(lead), Some(since)) = (event.lead_id, since(event)?) {
                add(lead, since);
            }
        }
        if leads.is_empty() {
            return Ok(());
        }
        keeping::keep(tx, leads).await
    }
}

/// From when on trails may be others by what an event tells; `None` where none is.
fn since(event: &Event) -> Result<Option<Timestamp>, Error> {
    Ok(match event.kind {
        EventKind::EngagementRecorded => {
            let recorded = Recorded::read(event)?;
            is_touch_point(recorded.kind).then(|| recorded.occurred_at())
        }
        EventKind::EngagementReweighed => {
            let reweighed = Reweighed::read(event)?;
            is_touch_point(reweighed.kind).then(|| reweighed.occurred_at())
        }
        EventKind::ConversionRecorded | EventKind::ConversionReversed => {
            let converted: Converted = serde_json::from_str(&event.payload)?;
            Some(Timestamp(converted.occurred_micros))
        }
        EventKind::StageChanged => {
            let moved: Moved = serde_json::from_str(&event.payload)?;
            (moved.to == Stage::Opportunity).then_some(Timestamp(moved.entered_micros))
        }
        _ => None,
    })
}
