//! Notes in GraphQL.

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::Timestamp;
use entity::id::{LeadId, NoteId};

use super::{NewNote, NoteChange, NoteProblem, ORDER};
use crate::api::Lead;
use crate::api::types::{Access, Cursor, Pages, connection, page_request, user_errors};
use crate::error::Outcome;
use crate::leads::lead::graphql::load as load_lead;

/// A note on a lead.
pub struct Note(super::Note);

#[Object]
impl Note {
    /// The note's id.
    async fn id(&self) -> NoteId {
        self.0.id
    }
    /// Its text, up to 20,000 characters.
    async fn body(&self) -> &str {
        &self.0.body
    }
    /// Who wrote it: `token_…`, `user_…`, `operator`.
    async fn author(&self) -> &str {
        &self.0.author
    }
    /// Whether it stands before the others.
    async fn pinned(&self) -> bool {
        self.0.pinned
    }
    /// When it was written.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// When it was last changed.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }
    /// The lead that it is on; null once that is deleted.
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Lead>> {
        load_lead(ctx, self.0.lead_id).await
    }
}

/// What a lead shows of its notes.
pub struct LeadNoteFields(pub LeadId);

#[Object]
impl LeadNoteFields {
    /// The lead's notes: pinned ones first, each part newest first.
    #[graphql(complexity = "5 + first.or(last).unwrap_or(25) as usize * child_complexity")]
    async fn notes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Cursor, Note, EmptyFields, EmptyFields>> {
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, ORDER)?;
        let page = super::list(ctx.app(), ctx.caller()?, self.0, &page).await?;
        Ok(connection(page, |note| (super::notes_keyset(&note), Note(note))))
    }
}

user_errors!(
    /// An expected failure of a call about notes.
    NoteUserError,
    NoteProblem
);

/// What a new note is.
#[derive(InputObject)]
struct NoteAddInput {
    /// On which lead.
    lead_id: LeadId,
    /// Its text, 1 to 20,000 characters.
    body: String,
    /// Whether it stands before the others.
    #[graphql(default)]
    pinned: bool,
}

/// A change of a note; what is absent stays.
#[derive(InputObject)]
struct NoteUpdateInput {
    /// The note's id.
    id: NoteId,
    /// Its text, 1 to 20,000 characters.
    body: Option<String>,
    /// Whether it stands before the others.
    pinned: Option<bool>,
}

/// Which note to remove.
#[derive(InputObject)]
struct NoteDeleteInput {
    /// The note's id.
    id: NoteId,
}

/// The answer of calls that write or change a note.
#[derive(SimpleObject)]
struct NotePayload {
    /// The note; null when there are user errors.
    note: Option<Note>,
    /// What was wrong with the input.
    user_errors: Vec<NoteUserError>,
}

/// The answer of `noteDelete`.
#[derive(SimpleObject)]
struct NoteDeletePayload {
    /// The id of the note that was removed; null when there are user errors.
    deleted_id: Option<NoteId>,
    /// What was wrong with the input.
    user_errors: Vec<NoteUserError>,
}

/// Changes of notes.
#[derive(Default)]
pub struct NoteMutation;

#[Object]
impl NoteMutation {
    /// Writes a note on a lead. Scope: `leads:write`.
    async fn note_add(&self, ctx: &Context<'_>, input: NoteAddInput) -> Result<NotePayload> {
        let NoteAddInput {
            lead_id,
            body,
            pinned,
        } = input;
        let new = NewNote {
            lead_id,
            body,
            pinned,
            at: None,
        };
        payload(super::add(ctx.app(), ctx.caller()?, new).await)
    }

    /// Changes a note; its author stays. Scope: `leads:write`.
    async fn note_update(&self, ctx: &Context<'_>, input: NoteUpdateInput) -> Result<NotePayload> {
        let NoteUpdateInput { id, body, pinned } = input;
        let change = NoteChange { body, pinned };
        payload(super::change(ctx.app(), ctx.caller()?, id, change).await)
    }

    /// Removes a note. Scope: `leads:write`.
    async fn note_delete(&self, ctx: &Context<'_>, input: NoteDeleteInput) -> Result<NoteDeletePayload> {
        let outcome = super::delete(ctx.app(), ctx.caller()?, input.id).await;
        let (note, user_errors) = NoteUserError::split(outcome)?;
        Ok(NoteDeletePayload {
            deleted_id: note.map(|note| note.id),
            user_errors,
        })
    }
}

fn payload(outcome: Outcome<super::Note, NoteProblem>) -> Result<NotePayload> {
    let (note, user_errors) = NoteUserError::split(outcome)?;
    Ok(NotePayload {
        note: note.map(Note),
        user_errors,
    })
}
