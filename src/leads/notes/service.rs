//! Use cases of notes.

use std::collections::HashMap;

use entity::id::{LeadId, NoteId};
use entity::{Area, EventKind, Timestamp};
use serde_json::json;

use super::{Note, store};
use crate::app::App;
use crate::db::{CallKey, Keyset, Once, Page, PageRequest, SortValue, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Rows, Scope};
use crate::leads::text::block;
use crate::leads::visible::{self, Visible};

/// Longest note, in characters.
const MOST_BODY: usize = 20_000;

/// The ordering of a lead's notes, as cursors name it.
pub const ORDER: &str = "PINNED, NEWEST";

/// What can be wrong with a call about notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "NoteErrorCode")]
pub enum NoteProblem {
    /// The text is missing or too long.
    InvalidBody,
    /// There is no such note.
    NotFound,
    /// There is no such lead.
    LeadNotFound,
}

/// A note that is about to be written.
#[derive(Clone, Debug)]
pub struct NewNote {
    /// On which lead.
    pub lead_id: LeadId,
    /// Its text.
    pub body: String,
    /// Whether it stands before the others.
    pub pinned: bool,
    /// When it was written; now when not given.
    pub at: Option<Timestamp>,
}

/// A change of a note; `None` leaves as is.
#[derive(Clone, Debug, Default)]
pub struct NoteChange {
    /// Its text.
    pub body: Option<String>,
    /// Whether it stands before the others.
    pub pinned: Option<bool>,
}

/// The place of a note in the list.
#[must_use]
pub fn notes_keyset(note: &Note) -> Keyset {
    let raised = if note.pinned { store::PINNED } else { 0 };
    Keyset {
        order: ORDER.into(),
        value: SortValue::Int(note.created_at.micros() + raised),
        id: note.id.0,
    }
}

/// The notes of a lead: pinned ones first, each part newest first.
///
/// # Errors
/// A missing scope `leads:read`; the database's. That the caller may see the lead has been asked by whoever shows it.
pub async fn list(app: &App, caller: &Caller, lead: LeadId, page: &PageRequest) -> Result<Page<Note>, Error> {
    caller.require(Scope::Read(Area::Leads))?;
    Ok(store::list(app.db().read(), lead, page).await?)
}

/// Notes by id; those that are not there, or whose lead is not the caller's to see, are left out.
///
/// # Errors
/// The database's. The caller's scope has been asked for by whoever lets the loader in.
pub async fn get_many(app: &App, rows: &Rows, ids: &[NoteId]) -> Result<HashMap<NoteId, Note>, Error> {
    let visible = Visible::of(app, rows).await?;
    Ok(store::by_ids(app.db().read(), &visible, ids).await?)
}

/// The same page of the notes of each lead, ordered as [`list`] does. One statement for all, unless the page begins at a
/// cursor, which only one lead can have.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for the scope.
pub async fn lists(
    app: &App,
    leads: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<Note>>, Error> {
    if page.after.is_none() && page.before.is_none() {
        return Ok(store::first_lists(app.db().read(), leads, page).await?);
    }
    let mut pages = HashMap::new();
    for lead in leads {
        pages.insert(*lead, store::list(app.db().read(), *lead, page).await?);
    }
    Ok(pages)
}

/// The same page of the notes of each lead, newest first, pinned or not.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for the scope.
pub async fn written(
    app: &App,
    leads: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<Note>>, Error> {
    Ok(store::written(app.db().read(), leads, page).await?)
}

/// Writes a note; once for a key.
///
/// # Errors
/// [`NoteProblem`]s of the input; a missing scope `leads:write`; a key used with another input.
pub async fn add(
    app: &App,
    caller: &Caller,
    new: NewNote,
    key: Option<&CallKey>,
) -> Outcome<Note, NoteProblem> {
    caller.require(Scope::Write(Area::Leads))?;
    let lead_id = new.lead_id;
    let now = app.clock().now();
    let note = made(new, &caller.actor.id, now)
        .map_err(|message| Problem::new("body", NoteProblem::InvalidBody, message))?;
    let once = Once::new(key, &caller.actor.id, "noteAdd")?;
    let seen = Visible::of(app, &caller.rows).await?;
    let tx = app.db().begin().await?;
    if let Some(id) = once.before(&tx, now).await? {
        return existing(&tx, &seen, id).await;
    }
    if !visible::lock(&tx, &seen, &[lead_id]).await?.contains(&lead_id) {
        let message = visible::missing(lead_id);
        return Err(Problem::new("leadId", NoteProblem::LeadNotFound, message).into());
    }
    store::insert(&tx, std::slice::from_ref(&note)).await?;
    events::append(&tx, &caller.actor.id, now, vec![event(&note, "ADDED")]).await?;
    once.keep(&tx, &note.id).await?;
    tx.commit().await?;
    Ok(note)
}

/// Writes notes on leads that the transaction holds, in a few statements whatever their number; answers with the events
/// to append. The texts have been checked by [`NewNote`]'s rules: those that do not fit are the index and the message.
///
/// # Errors
/// The database's.
pub async fn add_many(
    tx: &Tx,
    actor: &str,
    now: Timestamp,
    new: Vec<NewNote>,
) -> Result<(Vec<NewEvent>, Vec<(usize, String)>), Error> {
    let mut notes = Vec::with_capacity(new.len());
    let mut refused = Vec::new();
    for (n, new) in new.into_iter().enumerate() {
        match made(new, actor, now) {
            Ok(note) => notes.push(note),
            Err(message) => refused.push((n, message)),
        }
    }
    store::insert(tx, &notes).await?;
    Ok((notes.iter().map(|note| event(note, "ADDED")).collect(), refused))
}

/// Changes a note; its author stays.
///
/// # Errors
/// [`NoteProblem`]s of the input; a missing scope `leads:write`.
pub async fn change(
    app: &App,
    caller: &Caller,
    id: NoteId,
    change: NoteChange,
) -> Outcome<Note, NoteProblem> {
    caller.require(Scope::Write(Area::Leads))?;
    let NoteChange { body, pinned } = change;
    let body = body
        .map(|body| checked(&body))
        .transpose()
        .map_err(|message| Problem::new("body", NoteProblem::InvalidBody, message))?;
    let now = app.clock().now();
    let seen = Visible::of(app, &caller.rows).await?;
    let tx = app.db().begin().await?;
    let before = existing(&tx, &seen, id).await?;
    let after = Note {
        body: body.unwrap_or_else(|| before.body.clone()),
        pinned: pinned.unwrap_or(before.pinned),
        updated_at: before.updated_at,
        ..before.clone()
    };
    if after == before {
        return Ok(after);
    }
    let after = Note {
        updated_at: now,
        ..after
    };
    store::update(&tx, &after).await?;
    events::append(&tx, &caller.actor.id, now, vec![event(&after, "UPDATED")]).await?;
    tx.commit().await?;
    Ok(after)
}

/// Removes a note; answers with what it was.
///
/// # Errors
/// [`NoteProblem::NotFound`]; a missing scope `leads:write`.
pub async fn delete(app: &App, caller: &Caller, id: NoteId) -> Outcome<Note, NoteProblem> {
    caller.require(Scope::Write(Area::Leads))?;
    let seen = Visible::of(app, &caller.rows).await?;
    let tx = app.db().begin().await?;
    let note = existing(&tx, &seen, id).await?;
    store::delete(&tx, id).await?;
    events::append(
        &tx,
        &caller.actor.id,
        app.clock().now(),
        vec![event(&note, "DELETED")],
    )
    .await?;
    tx.commit().await?;
    Ok(note)
}

/// A note's text as it is kept.
///
/// # Errors
/// What is wrong.
pub fn checked(body: &str) -> Result<String, String> {
    block("a note", body, MOST_BODY)
}

fn made(new: NewNote, author: &str, now: Timestamp) -> Result<Note, String> {
    let NewNote {
        lead_id,
        body,
        pinned,
        at,
    } = new;
    let at = at.unwrap_or(now);
    Ok(Note {
        id: NoteId::at(at),
        lead_id,
        body: checked(&body)?,
        author: author.to_owned(),
        pinned,
        created_at: at,
        updated_at: at,
    })
}

/// A note on a lead that the caller may see, locked with its lead.
async fn existing(tx: &Tx, seen: &Visible, id: NoteId) -> Outcome<Note, NoteProblem> {
    let gone = || Problem::new("id", NoteProblem::NotFound, format!("there is no note `{id}`"));
    let lead = store::find(&**tx, id).await?.ok_or_else(gone)?.lead_id;
    if !visible::lock(tx, seen, &[lead]).await?.contains(&lead) {
        return Err(gone().into());
    }
    // Read again: it may have changed before the lock was had.
    Ok(store::find(&**tx, id).await?.ok_or_else(gone)?)
}

/// Without the text: the log outlives an erasure.
fn event(note: &Note, change: &str) -> NewEvent {
    NewEvent {
        kind: EventKind::NoteChanged,
        lead_id: Some(note.lead_id),
        subject: note.id.to_string(),
        payload: json!({ "change": change }),
    }
}
