//! Notes in GraphQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::Timestamp;
use entity::id::{LeadId, NoteId};

use super::{NewNote, NoteChange, NoteProblem, ORDER};
use crate::api::types::{Access, Listed, Pages, connection, page_request, scoped, user_errors};
use crate::api::{Eager, Lead};
use crate::app::App;
use crate::db::{CallKey, Page};
use crate::error::{Error, Outcome};
use crate::leads::lead::graphql::load as load_lead;

/// A note on a lead.
pub struct Note(pub super::Note);

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
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        load_lead(ctx, self.0.lead_id).await
    }
}

/// A page of a lead's notes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NotesPage(LeadId, Pages);

/// Loads the notes of leads for all requests together.
pub struct NoteLoader(pub App);

impl Loader<NotesPage> for NoteLoader {
    type Value = Page<super::Note>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[NotesPage],
    ) -> std::result::Result<HashMap<NotesPage, Self::Value>, Arc<Error>> {
        // Leads of one list ask for the same page of their notes: one statement.
        let mut alike: HashMap<&Pages, Vec<LeadId>> = HashMap::new();
        for NotesPage(lead, pages) in keys {
            alike.entry(pages).or_default().push(*lead);
        }
        let mut found = HashMap::with_capacity(keys.len());
        for (pages, leads) in alike {
            let request = page_request(pages, ORDER).map_err(Arc::new)?;
            let lists = super::lists(&self.0, &leads, &request).await.map_err(Arc::new)?;
            found.extend(
                lists
                    .into_iter()
                    .map(|(lead, page)| (NotesPage(lead, pages.clone()), page)),
            );
        }
        Ok(found)
    }
}

/// What a lead shows of its notes.
pub struct LeadNoteFields(pub LeadId);

#[scoped]
#[Object]
impl LeadNoteFields {
    /// The lead's notes: pinned ones first, each part newest first.
    #[scope("leads:read")]
    #[graphql(complexity = "5 + first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn notes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<Note>> {
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        // Checked here, so that a wrong cursor of one lead is not the trouble of all.
        let request = page_request(&pages, ORDER)?;
        let loader = ctx.data_unchecked::<DataLoader<NoteLoader>>();
        let page = loader.load_one(NotesPage(self.0, pages)).await?;
        let page = page.unwrap_or_else(|| Page::new(&request, Vec::new()));
        Ok(connection(page, |note| (super::notes_keyset(&note), Note(note))))
    }
}

user_errors!(
    /// An expected failure of a call about notes.
    NoteUserError,
    NoteProblem
);

/// What a new note is.
#[derive(InputObject, Debug)]
struct NoteAddInput {
    /// On which lead.
    lead_id: LeadId,
    /// Its text, 1 to 20,000 characters.
    body: String,
    /// Whether it stands before the others.
    #[graphql(default)]
    pinned: bool,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
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

#[scoped]
#[Object]
impl NoteMutation {
    /// Writes a note on a lead.
    #[scope("leads:write")]
    async fn note_add(&self, ctx: &Context<'_>, input: NoteAddInput) -> Result<NotePayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let NoteAddInput {
            lead_id,
            body,
            pinned,
            idempotency_key: _,
        } = input;
        let new = NewNote {
            lead_id,
            body,
            pinned,
            at: None,
        };
        payload(super::add(ctx.app(), ctx.caller()?, new, key.as_ref()).await)
    }

    /// Changes a note; its author stays.
    #[scope("leads:write")]
    async fn note_update(&self, ctx: &Context<'_>, input: NoteUpdateInput) -> Result<NotePayload> {
        let NoteUpdateInput { id, body, pinned } = input;
        let change = NoteChange { body, pinned };
        payload(super::change(ctx.app(), ctx.caller()?, id, change).await)
    }

    /// Removes a note.
    #[scope("leads:write")]
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
