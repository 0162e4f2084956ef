//! Automatic moves: what the log says about leads, weighed in batches.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use entity::id::{ConversionId, LeadId};
use entity::{ConversionKind, DealChange, EventKind, Stage, Timestamp};
use serde::Deserialize;

use super::model::{
    Cause, LifecycleSettings, OpenStay, automatic_move, automatic_moves, is_end, is_response,
};
use super::service::{self, Step};
use super::{StageStay, store};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{Event, Handler};
use crate::insight::engagement::{Recorded, is_outbound_message};

/// Opens the first stay of each new lead and makes the automatic moves.
#[derive(Clone, Copy, Debug, Default)]
pub struct LifecycleHandler;

/// What an event tells of a lead.
#[derive(Clone, Copy, Debug)]
enum Hint {
    Message(Timestamp),
    Response(Timestamp),
    Score(Timestamp, f64),
    Deal(Timestamp),
    Conversion(Timestamp),
}

impl Hint {
    /// Whether it may move a lead out of this stage; what else is known of the lead is looked up only then.
    fn matters(self, stage: Stage, settings: &LifecycleSettings) -> bool {
        let moves = |cause| automatic_move(stage, cause, settings).is_some();
        match self {
            // A message also makes responses count that were known before it.
            Self::Message(_) => {
                moves(Cause::MessageSent)
                    || (settings.engaged_on_response && matches!(stage, Stage::New | Stage::Qualified))
            }
            Self::Response(_) => settings.engaged_on_response && stage < Stage::Engaged,
            Self::Score(_, score) => moves(Cause::Score(score)),
            Self::Deal(_) => moves(Cause::DealOpened),
            Self::Conversion(_) => moves(Cause::Converted),
        }
    }
}

type Hints = BTreeMap<LeadId, Vec<Hint>>;

#[derive(Deserialize)]
struct ScoreView {
    current: f64,
}

#[derive(Deserialize)]
struct FieldsView {
    #[serde(default)]
    fields: Vec<String>,
}

/// What `DEAL_CHANGED` says, as far as the lifecycle depends on it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DealView {
    change: DealChange,
    opened_micros: i64,
}

/// What a batch of events says.
#[derive(Default)]
struct Told {
    created: Vec<LeadId>,
    erased: Vec<LeadId>,
    deals: Vec<(LeadId, Timestamp)>,
    conversions: Vec<ConversionId>,
    hints: Hints,
}

fn read(events: &[Event]) -> Result<Told, Error> {
    let mut told = Told::default();
    for event in events {
        let Some(lead_id) = event.lead_id else { continue };
        let mut hint = |hint| told.hints.entry(lead_id).or_default().push(hint);
        match event.kind {
            EventKind::LeadCreated => {
                told.created.push(lead_id);
                told.deals.push((lead_id, event.at));
            }
            EventKind::LeadUpdated => {
                let view: FieldsView = serde_json::from_str(&event.payload)?;
                let deal = |field: &String| matches!(field.as_str(), "dealStage" | "deal_stage");
                if view.fields.iter().any(deal) {
                    told.deals.push((lead_id, event.at));
                }
            }
            EventKind::LeadErased => told.erased.push(lead_id),
            EventKind::EngagementRecorded => {
                let recorded = Recorded::read(event)?;
                let (kind, at) = (recorded.kind, recorded.occurred_at());
                if is_outbound_message(kind) {
                    hint(Hint::Message(at));
                } else if is_response(kind) {
                    hint(Hint::Response(at));
                }
            }
            EventKind::ConversionRecorded => {
                if let Ok(id) = ConversionId::parse(&event.subject) {
                    told.conversions.push(id);
                }
            }
            EventKind::DealChanged => {
                let view: DealView = serde_json::from_str(&event.payload)?;
                if view.change == DealChange::Opened {
                    hint(Hint::Deal(Timestamp(view.opened_micros)));
                }
            }
            EventKind::ScoreChanged => {
                let ScoreView { current } = serde_json::from_str(&event.payload)?;
                hint(Hint::Score(event.at, current));
            }
            _ => {}
        }
    }
    Ok(told)
}

#[async_trait]
impl Handler for LifecycleHandler {
    fn name(&self) -> &'static str {
        "lifecycle"
    }

    fn kinds(&self) -> &'static [EventKind] {
        &[
            EventKind::LeadCreated,
            EventKind::LeadUpdated,
            EventKind::LeadErased,
            EventKind::EngagementRecorded,
            EventKind::ConversionRecorded,
            EventKind::DealChanged,
            EventKind::ScoreChanged,
        ]
    }

    async fn handle(&self, app: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        let now = app.clock().now();
        let mut told = read(events)?;
        if !told.created.is_empty() {
            let heads = store::heads(tx, &told.created, false).await?;
            service::open_stays(tx, &heads, now).await?;
        }
        if !told.erased.is_empty() {
            store::forget_reasons(tx, &told.erased).await?;
        }
        add_deals(tx, &mut told).await?;
        for (lead_id, kind, at) in store::conversions(tx, &told.conversions).await? {
            if matches!(kind, ConversionKind::Customer | ConversionKind::Purchase) {
                told.hints.entry(lead_id).or_default().push(Hint::Conversion(at));
            }
        }
        if told.hints.is_empty() {
            return Ok(());
        }
        move_on(tx, told.hints, now).await
    }
}

/// A lead that has a deal is told to have opened one.
async fn add_deals(tx: &Tx, told: &mut Told) -> Result<(), Error> {
    let ids: Vec<LeadId> = told.deals.iter().map(|(id, _)| *id).collect();
    let heads = store::heads(tx, &ids, false).await?;
    let with_deal: BTreeSet<LeadId> = heads
        .iter()
        .filter(|head| head.has_deal)
        .map(|head| head.id)
        .collect();
    for (id, at) in told.deals.drain(..) {
        if with_deal.contains(&id) {
            told.hints.entry(id).or_default().push(Hint::Deal(at));
        }
    }
    Ok(())
}

async fn move_on(tx: &Tx, mut hints: Hints, now: Timestamp) -> Result<(), Error> {
    let settings = service::settings_in(tx).await?.settings;
    let ids: Vec<LeadId> = hints.keys().copied().collect();
    // A first look without locks: most events move nothing.
    let open = store::open_stays(&**tx, &ids).await?;
    hints.retain(|id, hints| {
        open.get(id).is_none_or(|stay| {
            !is_end(stay.stage) && hints.iter().any(|hint| hint.matters(stay.stage, &settings))
        })
    });
    let ids: Vec<LeadId> = hints.keys().copied().collect();
    let heads = store::heads(tx, &ids, true).await?;
    if heads.is_empty() {
        return Ok(());
    }
    let mut open = service::open_stays(tx, &heads, now).await?;
    let contacts = Contacts::read(tx, &hints).await?;
    let mut moves = Vec::new();
    for (id, hints) in &hints {
        let Some(stay) = open.remove(id) else { continue };
        let standing = OpenStay {
            stage: stay.stage,
            entered_at: stay.entered_at,
        };
        let causes = contacts.causes(*id, hints, &stay);
        let steps: Vec<Step> = automatic_moves(standing, &causes, &settings, now)
            .into_iter()
            .map(|step| {
                let (cause, reason) = service::reason_of(&step.cause);
                Step {
                    to: step.to,
                    at: step.at,
                    cause,
                    reason: reason.to_owned(),
                }
            })
            .collect();
        if !steps.is_empty() {
            moves.push((stay, steps));
        }
    }
    service::write_moves(tx, "system", now, moves).await?;
    Ok(())
}

/// Messages and responses of the leads that have news of either.
struct Contacts {
    first_messages: HashMap<LeadId, Timestamp>,
    responses: HashMap<LeadId, Vec<Timestamp>>,
}

impl Contacts {
    async fn read(tx: &Tx, hints: &Hints) -> Result<Self, Error> {
        let with = |rule: fn(&Hint) -> bool| -> Vec<LeadId> {
            let told = hints.iter().filter(|(_, hints)| hints.iter().any(rule));
            told.map(|(id, _)| *id).collect()
        };
        let contacted = with(|hint| matches!(hint, Hint::Message(_) | Hint::Response(_)));
        let messaged = with(|hint| matches!(hint, Hint::Message(_)));
        let mut contacts = Self {
            first_messages: HashMap::new(),
            responses: HashMap::new(),
        };
        if !contacted.is_empty() {
            contacts.first_messages = store::first_messages(tx, &contacted).await?;
        }
        if !messaged.is_empty() {
            for (id, at) in store::responses(tx, &messaged).await? {
                contacts.responses.entry(id).or_default().push(at);
            }
        }
        Ok(contacts)
    }

    /// What may move a lead: what the events say, and with a message also the responses of the open stay that were
    /// known before it. (Responses of closed stays were weighed then.)
    fn causes(&self, id: LeadId, hints: &[Hint], open: &StageStay) -> Vec<(Timestamp, Cause)> {
        let first_message_at = self.first_messages.get(&id).copied();
        let mut responses: BTreeSet<Timestamp> = BTreeSet::new();
        let mut causes = Vec::new();
        // However the batches fall: the message of the open stay is weighed before the response that tells of it.
        causes.extend(
            first_message_at
                .filter(|at| *at >= open.entered_at)
                .map(|at| (at, Cause::MessageSent)),
        );
        for hint in hints {
            match *hint {
                Hint::Message(at) => {
                    causes.push((at, Cause::MessageSent));
                    let known = self.responses.get(&id).into_iter().flatten();
                    responses.extend(known.filter(|at| **at >= open.entered_at));
                }
                Hint::Response(at) => {
                    responses.insert(at);
                }
                Hint::Score(at, score) => causes.push((at, Cause::Score(score))),
                Hint::Deal(at) => causes.push((at, Cause::DealOpened)),
                Hint::Conversion(at) => causes.push((at, Cause::Converted)),
            }
        }
        causes.extend(
            responses
                .into_iter()
                .map(|at| (at, Cause::Response { first_message_at, at })),
        );
        causes
    }
}
