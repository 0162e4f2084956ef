//! What becomes of a message: written once into its history, whatever is told how often in which order; with what follows
//! from it for the state, the lead's engagements and consents, and who is written to.

use entity::{
    EngagementType, EventKind, MessageState, MessageStep, SourceKind, SuppressionReason, Timestamp,
};
use integrations::facet::MessageEvent;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::consenting::{self, Word};
use super::model::{
    self, Fault, after, cut, engagement_channel, engagements_of, kept, moment, rank, step_of,
    suppression_after,
};
use super::suppressing::{self, Cause};
use super::{Message, Step, store};
use crate::db::Tx;
use crate::error::Error;
use crate::events::{self, NewEvent};
use crate::identity::{Actor, Caller};
use crate::insight::engagement::{self, EngagementDraft, LeadKey, NewEngagement};
use crate::leads::visible::Visible;

/// Most entries of a history: a message that machines open for ever is not followed for ever.
const MOST_STEPS: i32 = 500;
/// Most bytes of the words of others.
const MOST_WORDS: usize = 1_000;
/// What a machine calls itself that a platform knows as one: words by which engagements know machines.
const MACHINE: &str = "prefetch, as the platform says";

/// Something that became of a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Happened {
    /// What tells it apart from other things that became of the message.
    pub key: String,
    /// What.
    pub step: MessageStep,
    /// When.
    pub at: Timestamp,
    /// The platform's code.
    pub code: Option<String>,
    /// In words.
    pub detail: Option<String>,
    /// The link that was followed.
    pub url: Option<String>,
    /// What opened or clicked calls itself.
    pub user_agent: Option<String>,
    /// Its address.
    pub ip: Option<String>,
    /// Whether the platform says that a machine did it.
    pub machine: bool,
    /// What is wrong with the recipient.
    pub fault: Option<Fault>,
}

impl Happened {
    /// Something that we know by ourselves.
    pub(super) fn new(key: impl Into<String>, step: MessageStep, at: Timestamp) -> Self {
        Self {
            key: key.into(),
            step,
            at,
            code: None,
            detail: None,
            url: None,
            user_agent: None,
            ip: None,
            machine: false,
            fault: None,
        }
    }

    /// What a platform tells.
    pub(super) fn told(event: &MessageEvent, arrived: Timestamp) -> Self {
        let MessageEvent {
            id,
            message: _,
            platform_message: _,
            recipient: _,
            state,
            fault,
            at,
            code,
            detail,
            url,
            user_agent,
            ip,
            machine,
        } = event;
        let step = step_of(*state);
        let key = match id {
            Some(id) => format!("e:{id}"),
            // The same again says the same.
            None => {
                let at = at.map(|at| at.timestamp_micros());
                format!("t:{state:?}:{at:?}:{code:?}:{url:?}:{user_agent:?}")
            }
        };
        let key = if key.len() > 100 {
            blake3::hash(key.as_bytes()).to_hex().to_string()
        } else {
            key
        };
        Self {
            key,
            step,
            at: moment(at.map(Timestamp::from), arrived),
            code: code.as_deref().map(|text| kept(text, 100)),
            detail: detail.as_deref().map(|text| kept(text, MOST_WORDS)),
            url: url.as_deref().map(|text| kept(text, 2_000)),
            user_agent: user_agent.as_deref().map(|text| kept(text, MOST_WORDS)),
            ip: ip
                .as_deref()
                .and_then(|ip| ip.parse::<std::net::IpAddr>().ok())
                .map(|ip| ip.to_string()),
            machine: *machine,
            fault: fault.map(Fault::from),
        }
    }

    /// With words.
    pub(super) fn saying(mut self, detail: &str) -> Self {
        self.detail = Some(kept(detail, MOST_WORDS));
        self
    }
}

/// Where and when something is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scribe<'a> {
    /// The transaction.
    pub tx: &'a Tx,
    /// The moment.
    pub now: Timestamp,
    /// Who says so.
    pub actor: &'a str,
}

impl Scribe<'_> {
    /// Writes what became of a message that is locked, with all that follows, and the row as it is then.
    pub(super) async fn apply(self, row: &mut Message, happened: Vec<Happened>) -> Result<(), Error> {
        let Self { tx, now, actor } = self;
        let mut happened = happened;
        if row.blanked_at.is_some() {
            // The lead was erased: what is told late of a person is not kept.
            for one in &mut happened {
                (one.detail, one.url, one.user_agent, one.ip) = (None, None, None, None);
            }
        }
        let mut room = MOST_STEPS - row.steps;
        happened.retain(|one| {
            room -= 1;
            // What can happen for ever is cut off; what changes something never is.
            room >= 0 || !matches!(one.step, MessageStep::Opened | MessageStep::Clicked)
        });
        let entries: Vec<Step> = happened
            .iter()
            .zip(row.steps + 1..)
            .map(|(happened, position)| Step {
                message_id: row.id,
                step_key: happened.key.clone(),
                position,
                step: happened.step,
                at: happened.at,
                recorded_at: now,
                code: happened.code.clone(),
                detail: happened.detail.clone(),
                url: happened.url.clone(),
            })
            .collect();
        let written = store::add_steps(tx, &entries).await?;
        let mut told = Vec::new();
        let mut acts = Vec::new();
        for happened in happened {
            if !written.iter().any(|entry| entry.step_key == happened.key) {
                continue;
            }
            row.steps += 1;
            advance(row, &happened);
            told.push(changed(row, happened.step));
            acts.extend(engagements(row, &happened));
            self.follow(row, &happened).await?;
        }
        row.updated_at = now;
        store::update(tx, row).await?;
        events::append(tx, actor, now, told).await?;
        self.engage(acts).await
    }

    /// Records engagements of leads.
    pub(super) async fn engage(self, acts: Vec<NewEngagement>) -> Result<(), Error> {
        if acts.is_empty() {
            return Ok(());
        }
        let caller = Caller::on_behalf_of(Actor::of_id(self.actor));
        // One that is refused, e.g. of a lead that is gone, is not worth losing the rest for.
        engagement::record_many(self.tx, &caller, &Visible::all(), self.now, acts).await?;
        Ok(())
    }

    /// What a step means for who is written to.
    async fn follow(self, row: &Message, happened: &Happened) -> Result<(), Error> {
        let Self { tx, now, actor } = self;
        let Some(address) = row.address.as_deref() else {
            return Ok(());
        };
        let cause = Cause {
            channel: row.channel,
            address,
            lead: row.lead_id,
            message: Some(row.id),
            note: happened.detail.as_deref(),
            at: happened.at,
            actor,
        };
        if let Some(reason) = suppression_after(row.channel, happened.step, happened.fault) {
            suppressing::suppress(tx, now, cause, reason).await?;
        }
        let Some(lead) = row.lead_id else {
            if happened.step == MessageStep::Resubscribed {
                suppressing::lift(tx, now, cause, &[SuppressionReason::Unsubscribed]).await?;
            }
            return Ok(());
        };
        let word = Word {
            lead,
            channel: row.channel,
            at: happened.at,
            source: "unsubscribe",
            actor,
        };
        match happened.step {
            MessageStep::Unsubscribed | MessageStep::Complained => {
                consenting::withdraw(tx, now, word, false).await
            }
            MessageStep::Resubscribed => {
                suppressing::lift(tx, now, cause, &[SuppressionReason::Unsubscribed]).await?;
                let word = Word {
                    source: "resubscribe",
                    ..word
                };
                consenting::give_back(tx, now, word).await
            }
            _ => Ok(()),
        }
    }
}

/// The row after a step.
fn advance(row: &mut Message, happened: &Happened) {
    match happened.step {
        MessageStep::Opened => row.opens += 1,
        MessageStep::Clicked => row.clicks += 1,
        _ => {}
    }
    let next = after(row.state, happened.step);
    if next == row.state {
        return;
    }
    row.state = next;
    if rank(next) > rank(MessageState::Unknown) {
        row.due_at = None;
        row.claim = None;
    }
    match next {
        MessageState::Unknown
        | MessageState::Deferred
        | MessageState::Failed
        | MessageState::Blocked
        | MessageState::Bounced => {
            row.problem_kind = Some(next.as_str().to_owned());
            row.problem.clone_from(&happened.detail);
            row.problem_code.clone_from(&happened.code);
        }
        _ => {
            row.problem_kind = None;
            row.problem = None;
            row.problem_code = None;
        }
    }
}

/// The event of a step.
pub(super) fn changed(row: &Message, step: MessageStep) -> NewEvent {
    NewEvent {
        kind: EventKind::MessageChanged,
        lead_id: row.lead_id,
        subject: row.id.to_string(),
        payload: json!({
            "connection": row.connection_id,
            "channel": row.channel,
            "direction": row.direction,
            "change": step,
            "state": row.state,
        }),
    }
}

/// A step as engagements of the lead.
fn engagements(row: &Message, happened: &Happened) -> Vec<NewEngagement> {
    let Some(lead) = row.lead_id else {
        return Vec::new();
    };
    let kinds = engagements_of(row.channel, happened.step);
    let one = |kind: &EngagementType| {
        let is_sent = matches!(
            kind,
            EngagementType::EmailSent
                | EngagementType::SmsSent
                | EngagementType::WhatsappSent
                | EngagementType::CallMade
        );
        // It was sent once, whatever tells of it first; it may be opened often.
        let (at, which) = if is_sent {
            (row.sent_at.unwrap_or(happened.at), "")
        } else if model::state_of(happened.step).is_some() {
            (happened.at, "")
        } else {
            (happened.at, happened.key.as_str())
        };
        let draft = EngagementDraft {
            url: happened.url.clone().filter(|_| !is_sent),
            ip: happened.ip.clone().filter(|_| !is_sent),
            user_agent: user_agent(happened).filter(|_| !is_sent),
            dedupe_key: Some(format!("message:{}:{kind}:{which}", row.id)),
            ..draft(row, *kind, at)
        };
        NewEngagement {
            lead: LeadKey::Id(lead),
            draft,
        }
    };
    kinds.iter().map(one).collect()
}

/// An engagement about a message, with what all of them have.
pub(super) fn draft(row: &Message, kind: EngagementType, at: Timestamp) -> EngagementDraft {
    EngagementDraft {
        channel: Some(engagement_channel(row.channel)),
        source_kind: Some(SourceKind::Integration),
        source_id: Some(row.connection_id.to_string()),
        message_id: Some(row.id.to_string()),
        message_link_count: (row.link_count > 0).then_some(row.link_count),
        ..EngagementDraft::new(kind, at)
    }
}

/// What opened or clicked calls itself, in words by which a machine is known where the platform knows it as one.
fn user_agent(happened: &Happened) -> Option<String> {
    match (&happened.user_agent, happened.machine) {
        (Some(agent), true) => Some(format!("{} ({MACHINE})", cut(agent, 900))),
        (None, true) => Some(MACHINE.to_owned()),
        (agent, false) => agent.clone(),
    }
}
