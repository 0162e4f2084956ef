//! What happens becomes rows to be told.

use std::collections::HashMap;

use async_trait::async_trait;
use entity::id::{ConnectionId, ConversionId, LeadId};
use entity::{
    ConsentChannel, ConsentState, ConversionDeliveryState, ConversionKind, EventKind, Stage, Timestamp,
};
use serde::Deserialize;

use super::model::{Happening, Rule, Stop, What, delivery, rule_for};
use super::service::{cancel_all, tell};
use super::{ConversionDelivery, ConversionSharing, store};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{Event, Handler};
use crate::platforms::connections::Fates;

/// Makes rows of what is shared, takes note of what was taken back, of consent and of erasure.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConversionHandler;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Moved {
    to: Stage,
    entered_micros: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Converted {
    kind: ConversionKind,
    occurred_micros: i64,
}

#[derive(Deserialize)]
struct Consented {
    channel: ConsentChannel,
    state: ConsentState,
}

/// What is shared with a connection, its rules read.
pub(super) struct Shared {
    pub(super) row: ConversionSharing,
    pub(super) rules: Vec<Rule>,
}

impl Shared {
    pub(super) fn read(row: ConversionSharing) -> Result<Self, Error> {
        Ok(Self {
            rules: serde_json::from_str(&row.rules)?,
            row,
        })
    }
}

/// The rows of happenings, for those that share them. `since`: what happened before is left out; without one, before
/// sharing was switched on.
pub(super) fn rows(
    shared: &[Shared],
    happenings: &[Happening],
    since: Option<Timestamp>,
    now: Timestamp,
) -> Vec<ConversionDelivery> {
    let mut rows = Vec::new();
    for Shared { row, rules } in shared {
        let Some(since) = since.or(row.shared_since) else {
            continue;
        };
        for happening in happenings.iter().filter(|happening| happening.at >= since) {
            if let Some(rule) = rule_for(rules, &happening.what) {
                rows.push(delivery(row, happening, rule, now));
            }
        }
    }
    rows
}

/// Keeps rows, and tells of those that are new; answers how many.
pub(super) async fn keep(
    tx: &Tx,
    actor: &str,
    now: Timestamp,
    rows: Vec<ConversionDelivery>,
) -> Result<usize, Error> {
    // One happening may be in a batch twice, e.g. recorded and read from the past.
    let mut once: HashMap<(ConnectionId, String), ConversionDelivery> = HashMap::with_capacity(rows.len());
    for row in rows {
        once.entry((row.connection_id, row.event_id.clone()))
            .or_insert(row);
    }
    let mut rows: Vec<_> = once.into_values().collect();
    rows.sort_by(|left, right| {
        (left.connection_id, &left.event_id).cmp(&(right.connection_id, &right.event_id))
    });
    let new = store::insert(tx, &rows).await?;
    tell(tx, actor, now, &new).await?;
    Ok(new.len())
}

#[async_trait]
impl Handler for ConversionHandler {
    fn name(&self) -> &'static str {
        "conversion-sharing"
    }

    fn kinds(&self) -> &'static [EventKind] {
        &[
            EventKind::LeadCreated,
            EventKind::LeadErased,
            EventKind::StageChanged,
            EventKind::ConversionRecorded,
            EventKind::ConversionReversed,
            EventKind::ConsentChanged,
            EventKind::ConnectionChanged,
        ]
    }

    async fn handle(&self, app: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        let now = app.clock().now();
        let shared: Vec<Shared> = store::enabled(tx)
            .await?
            .into_iter()
            .map(Shared::read)
            .collect::<Result<_, _>>()?;
        if !shared.is_empty() {
            let happenings = happenings(tx, &shared, events).await?;
            // One by one: what is held at a time is not multiplied by their number.
            for one in shared.chunks(1) {
                keep(tx, "system", now, rows(one, &happenings, None, now)).await?;
            }
        }
        // Behind the rows: what is taken back in the same batch is taken back of them, too.
        let reversed =
            of_kind(events, EventKind::ConversionReversed).filter_map(|event| event.subject.parse().ok());
        store::reversed(tx, &store::distinct::<ConversionId>(reversed), now).await?;
        consented(tx, events, now).await?;
        connections(tx, events, now).await?;
        erased(tx, events, now).await
    }
}

fn of_kind(events: &[Event], kind: EventKind) -> impl Iterator<Item = &Event> {
    events.iter().filter(move |event| event.kind == kind)
}

/// What events tell that somebody may share.
async fn happenings(tx: &Tx, shared: &[Shared], events: &[Event]) -> Result<Vec<Happening>, Error> {
    let is_shared = |what: &What| shared.iter().any(|one| rule_for(&one.rules, what).is_some());
    let has_custom = shared
        .iter()
        .flat_map(|one| &one.rules)
        .any(|rule| rule.conversion_kind == Some(ConversionKind::Custom));
    let mut found = Vec::new();
    if is_shared(&What::LeadCreated) {
        let created = of_kind(events, EventKind::LeadCreated).filter_map(|event| event.lead_id);
        let leads = store::leads(tx, &store::distinct(created)).await?;
        found.extend(leads.into_values().map(|lead| Happening {
            lead: lead.id,
            at: lead.created_at,
            what: What::LeadCreated,
        }));
    }
    for event in of_kind(events, EventKind::StageChanged) {
        let (Some(lead), Moved { to, entered_micros }) =
            (event.lead_id, serde_json::from_str(&event.payload)?)
        else {
            continue;
        };
        found.push(Happening {
            lead,
            at: Timestamp(entered_micros),
            what: What::Stage(to),
        });
    }
    let mut converted: Vec<(LeadId, ConversionId, Converted)> = Vec::new();
    for event in of_kind(events, EventKind::ConversionRecorded) {
        if let (Some(lead), Ok(id)) = (event.lead_id, event.subject.parse()) {
            converted.push((lead, id, serde_json::from_str(&event.payload)?));
        }
    }
    // Names stand in the rows alone.
    let custom =
        |one: &&(LeadId, ConversionId, Converted)| has_custom && one.2.kind == ConversionKind::Custom;
    let custom: Vec<ConversionId> = converted.iter().filter(custom).map(|one| one.1).collect();
    let mut named = store::conversions(tx, &custom).await?;
    for (
        lead,
        id,
        Converted {
            kind,
            occurred_micros,
        },
    ) in converted
    {
        found.push(Happening {
            lead,
            at: Timestamp(occurred_micros),
            what: What::Conversion {
                id,
                kind,
                name: named.remove(&id).and_then(|row| row.custom_name),
            },
        });
    }
    Ok(found)
}

/// Has a delivery looked at anew.
pub(super) fn offer_again(row: &mut ConversionDelivery, now: Timestamp) {
    row.state = ConversionDeliveryState::Pending;
    row.attempts = 0;
    row.due_at = Some(now);
    row.problem_kind = None;
    row.problem = None;
    row.updated_at = now;
}

/// What was withheld of leads who have consented now is offered again. What is being looked at is waited for: it may be about to
/// be withheld, by what was known before.
async fn consented(tx: &Tx, events: &[Event], now: Timestamp) -> Result<(), Error> {
    let mut leads = Vec::new();
    for event in of_kind(events, EventKind::ConsentChanged) {
        let Consented { channel, state } = serde_json::from_str(&event.payload)?;
        if channel == ConsentChannel::Ads && state == ConsentState::Granted {
            leads.extend(event.lead_id);
        }
    }
    let leads = store::distinct(leads.into_iter());
    let open = [
        ConversionDeliveryState::Pending,
        ConversionDeliveryState::Withheld,
    ];
    let mut rows = store::of_leads_in(tx, &leads, &open).await?;
    rows.retain(|row| row.state == ConversionDeliveryState::Withheld);
    for row in &mut rows {
        offer_again(row, now);
    }
    store::put(tx, &rows).await?;
    tell(tx, "system", now, &rows).await
}

/// Nothing is told to a connection that was removed; one that works again is told at once.
async fn connections(tx: &Tx, events: &[Event], now: Timestamp) -> Result<(), Error> {
    let Fates { mended, removed } = Fates::of(events)?;
    for id in removed {
        let why = ("CONNECTION_REMOVED", "the connection was removed");
        cancel_all(tx, "system", now, id, why).await?;
        store::delete_sharing(tx, id).await?;
    }
    for id in mended {
        store::wake(tx, id, now).await?;
    }
    Ok(())
}

/// Nothing is told of leads that were erased, and nothing of them is kept.
async fn erased(tx: &Tx, events: &[Event], now: Timestamp) -> Result<(), Error> {
    let leads = of_kind(events, EventKind::LeadErased).filter_map(|event| event.lead_id);
    let leads = store::distinct(leads);
    if leads.is_empty() {
        return Ok(());
    }
    store::blank(tx, &leads).await?;
    let waiting = [
        ConversionDeliveryState::Pending,
        ConversionDeliveryState::Withheld,
    ];
    let mut rows = store::of_leads_in(tx, &leads, &waiting).await?;
    for row in &mut rows {
        Stop::Erased.put(row, now);
    }
    store::put(tx, &rows).await?;
    tell(tx, "system", now, &rows).await
}
