//! The event log: what happened, in one order, kept for a while.
//!
//! A use case [appends](append) events in its own transaction. On SQLite they get their position there (one writer);
//! on PostgreSQL they wait in the outbox until the [relay] gives them one after the commit, because a lower
//! number could commit later. From then on everything reads the log: the [`Bus`] for subscriptions,
//! [handlers](Handler) for derived state (their writes and their cursor commit together, so that each event has its
//! effect once), and whoever resumes from a cursor.

mod audit;
mod bus;
mod handler;
mod nats;
mod store;

use entity::id::LeadId;
use entity::{EventKind, Timestamp};
use sea_orm::DbErr;

pub use bus::{Bus, Filter, Place, StreamError};
pub use entity::event::Model as Event;
pub use handler::{Handler, HandlerRunner, Progress, behind, progress};
pub use nats::{Announcer, NatsError, connect_nats, follow_nats};
pub use store::{
    Positions, handled, head, hold, is_waiting, last_of_lead, latest, of_leads, page, place, positions,
    prune, relay, waiting, waiting_leads,
};

use crate::db::Tx;

/// A place in the log.
pub type Position = i64;

/// An event that is about to be appended.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// What happened.
    pub kind: EventKind,
    /// The lead it is about, if it is about one.
    pub lead_id: Option<LeadId>,
    /// The id of the thing that changed.
    pub subject: String,
    /// Details; ids and words of the vocabulary, no personal data (the log outlives an erasure).
    pub payload: serde_json::Value,
}

impl NewEvent {
    /// An event about a lead itself.
    #[must_use]
    pub fn of_lead(kind: EventKind, lead_id: LeadId, payload: serde_json::Value) -> Self {
        Self {
            kind,
            lead_id: Some(lead_id),
            subject: lead_id.to_string(),
            payload,
        }
    }
}

/// Appends events to the log within the transaction that made them true, and notes in the audit log who did it from where.
///
/// # Errors
/// The database's.
pub async fn append(tx: &Tx, actor: &str, now: Timestamp, events: Vec<NewEvent>) -> Result<(), DbErr> {
    if events.is_empty() {
        return Ok(());
    }
    store::note(tx, audit::entries(actor, now, &events)).await?;
    let rows: Vec<Event> = events
        .into_iter()
        .map(
            |NewEvent {
                 kind,
                 lead_id,
                 subject,
                 payload,
             }| Event {
                position: 0,
                kind,
                lead_id,
                subject,
                actor: actor.to_owned(),
                payload: payload.to_string(),
                at: now,
            },
        )
        .collect();
    store::append(tx, rows).await?;
    tx.note_events();
    Ok(())
}
