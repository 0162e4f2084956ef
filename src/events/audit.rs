//! What is appended to the event log by somebody is noted in the audit log in the same transaction: who, what, to what, from
//! where. The event log is what happened, and is pruned after weeks; the audit log is who did it, and is kept for years.

use std::collections::BTreeMap;

use entity::id::{AuditEntryId, LeadId};
use entity::{EventKind, Timestamp, audit_entry};

use super::NewEvent;
use crate::origin;

/// Events of these kinds follow from others, whoever did those.
const DERIVED: &[EventKind] = &[
    EventKind::ScoreChanged,
    EventKind::TemperatureChanged,
    EventKind::JobProgressed,
    EventKind::EngagementReweighed,
];

/// The entries of events that somebody appends: one for each kind. Nothing for what Leadline does by itself.
pub(super) fn entries(actor: &str, now: Timestamp, events: &[NewEvent]) -> Vec<audit_entry::Model> {
    let Some(origin) = origin::current() else {
        return Vec::new();
    };
    let mut kinds: BTreeMap<EventKind, (&NewEvent, i32)> = BTreeMap::new();
    for event in events.iter().filter(|event| !DERIVED.contains(&event.kind)) {
        kinds.entry(event.kind).or_insert((event, 0)).1 += 1;
    }
    let entry = |(kind, (event, count)): (EventKind, (&NewEvent, i32))| {
        let is_one = count == 1;
        let only = |lead: LeadId| is_one.then_some(lead);
        audit_entry::Model {
            id: AuditEntryId::at(now),
            at: now,
            actor: actor.to_owned(),
            action: kind.as_str().to_owned(),
            subject: if is_one {
                event.subject.clone()
            } else {
                String::new()
            },
            lead_id: event.lead_id.and_then(only),
            count,
            detail: if is_one {
                event.payload.to_string()
            } else {
                "{}".to_owned()
            },
            address: origin.address.map(|address| address.to_string()),
            user_agent: origin.user_agent.as_deref().map(str::to_owned),
            request_id: origin.request_id.as_deref().map(str::to_owned),
        }
    };
    kinds.into_iter().map(entry).collect()
}
