//! Use cases of custom fields, and the definitions kept in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use entity::id::CustomFieldId;
use entity::{Area, CustomFieldType, EventKind};
use futures_util::StreamExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::model::{check_key, check_options};
use super::{CustomField, Definitions, MOST_FIELDS, store};
use crate::app::App;
use crate::db::{CallKey, Once, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, Filter, NewEvent};
use crate::identity::{Caller, Scope};
use crate::leads::text::{block, line};

/// Longest label, in characters.
const MOST_LABEL: usize = 100;
/// Longest description, in characters.
const MOST_DESCRIPTION: usize = 500;
/// How long definitions are believed without an event: the bound when an event of another process is late.
const LIFE: Duration = Duration::from_secs(5);

/// What can be wrong with a call about custom fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "CustomFieldErrorCode")]
pub enum CustomFieldProblem {
    /// The key is malformed.
    InvalidKey,
    /// Another field has the key.
    KeyTaken,
    /// The label is missing or too long.
    InvalidLabel,
    /// The options do not fit the type, or one of them is malformed.
    InvalidOptions,
    /// The description is too long.
    InvalidDescription,
    /// There are as many custom fields as there may be.
    TooMany,
    /// There is no such custom field.
    NotFound,
}

/// A custom field that is about to be made.
#[derive(Clone, Debug)]
pub struct NewCustomField {
    /// Key of its values.
    pub key: String,
    /// As shown; the key when not given.
    pub label: Option<String>,
    /// Type of its values.
    pub field_type: CustomFieldType,
    /// Valid values of a selection.
    pub options: Vec<String>,
    /// Whether a new lead must have it.
    pub required: bool,
    /// What it is for.
    pub description: Option<String>,
}

/// A change of a custom field; `None` leaves as is.
#[derive(Clone, Debug, Default)]
pub struct CustomFieldChange {
    /// As shown.
    pub label: Option<String>,
    /// Valid values of a selection, all of them. Values of leads that are no option any more stay.
    pub options: Option<Vec<String>>,
    /// Whether a new lead must have it.
    pub required: Option<bool>,
    /// What it is for; `Some(None)` clears it.
    pub description: Option<Option<String>>,
}

/// The definitions in memory.
#[derive(Default)]
struct Known(Mutex<State>);

#[derive(Default)]
struct State {
    /// Counts invalidations: what was read before one must not be kept after it.
    generation: u64,
    kept: Option<(Instant, Arc<Definitions>)>,
}

impl Known {
    fn get(&self) -> Result<Arc<Definitions>, u64> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &state.kept {
            Some((since, definitions)) if since.elapsed() < LIFE => Ok(Arc::clone(definitions)),
            _ => Err(state.generation),
        }
    }

    fn keep(&self, generation: u64, definitions: &Arc<Definitions>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.generation == generation {
            state.kept = Some((Instant::now(), Arc::clone(definitions)));
        }
    }

    fn forget(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.generation += 1;
        state.kept = None;
    }
}

/// All definitions, from memory: at most 5 s old, and at once new in the process that changed them and in those that
/// [follow] the log.
///
/// # Errors
/// The database's.
pub async fn definitions(app: &App) -> Result<Arc<Definitions>, Error> {
    let known = app.memory::<Known>();
    let generation = match known.get() {
        Ok(definitions) => return Ok(definitions),
        Err(generation) => generation,
    };
    let definitions = Arc::new(Definitions::new(store::all(app.db().read()).await?));
    known.keep(generation, &definitions);
    Ok(definitions)
}

/// Definitions by id, from memory; those that are not there are left out.
///
/// # Errors
/// The database's. The caller's scope has been asked for by whoever lets the loader in.
pub async fn get_many(
    app: &App,
    ids: &[CustomFieldId],
) -> Result<HashMap<CustomFieldId, CustomField>, Error> {
    let definitions = definitions(app).await?;
    let wanted = definitions.all().iter().filter(|field| ids.contains(&field.id));
    Ok(wanted.map(|field| (field.id, field.clone())).collect())
}

/// Forgets the definitions in memory whenever an event says that they changed, until cancelled.
pub async fn follow(app: App, stop: CancellationToken) {
    let known = app.memory::<Known>();
    loop {
        let events = app
            .bus()
            .stream(Filter::kinds(&[EventKind::CustomFieldChanged]), None);
        let mut events = std::pin::pin!(events);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                event = events.next() => {
                    known.forget();
                    // A broken stream is opened anew; the short life covers the gap.
                    if !matches!(event, Some(Ok(_))) {
                        break;
                    }
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LIFE) => {}
        }
    }
}

/// Defines a custom field; once for a key.
///
/// # Errors
/// [`CustomFieldProblem`]s of the input; a missing scope `leads:write`; a key used with another input.
pub async fn create(
    app: &App,
    caller: &Caller,
    new: NewCustomField,
    call: Option<&CallKey>,
) -> Outcome<CustomField, CustomFieldProblem> {
    caller.require(Scope::Write(Area::Leads))?;
    caller.require_all_rows()?;
    let NewCustomField {
        key,
        label,
        field_type,
        options,
        required,
        description,
    } = new;
    let mut problems = Vec::new();
    if let Err(message) = check_key(&key) {
        problems.push(Problem::new("key", CustomFieldProblem::InvalidKey, message));
    }
    let label = checked_label(label.as_deref().unwrap_or(&key), &mut problems);
    let options = checked_options(field_type, &options, &mut problems);
    let description = checked_description(description.as_deref(), &mut problems);
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let now = app.clock().now();
    let field = CustomField {
        id: CustomFieldId::at(now),
        key,
        label,
        field_type,
        options,
        required,
        description,
        created_at: now,
        archived_at: None,
    };
    let once = Once::new(call, &caller.actor.id, "customFieldCreate")?;
    let tx = app.db().begin().await?;
    if let Some(id) = once.before(&tx, now).await? {
        return existing(&tx, id).await;
    }
    if store::all(&*tx).await?.len() >= MOST_FIELDS {
        let message =
            format!("there are {MOST_FIELDS} custom fields already, archived ones included; more cannot be");
        return Err(Problem::new("", CustomFieldProblem::TooMany, message).into());
    }
    if !store::insert(&tx, &field).await? {
        let message = format!("another custom field has the key `{}`", field.key);
        return Err(Problem::new("key", CustomFieldProblem::KeyTaken, message).into());
    }
    once.keep(&tx, &field.id).await?;
    finish(app, caller, tx, &field, "CREATED").await?;
    Ok(field)
}

/// Changes label, options, requirement or description. The type cannot change: values of leads rest on it.
///
/// # Errors
/// [`CustomFieldProblem`]s of the input; a missing scope `leads:write`.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: CustomFieldId,
    change: CustomFieldChange,
) -> Outcome<CustomField, CustomFieldProblem> {
    caller.require(Scope::Write(Area::Leads))?;
    caller.require_all_rows()?;
    let tx = app.db().begin().await?;
    let before = existing(&tx, id).await?;
    let CustomFieldChange {
        label,
        options,
        required,
        description,
    } = change;
    let mut after = before.clone();
    let mut problems = Vec::new();
    if let Some(label) = label {
        after.label = checked_label(&label, &mut problems);
    }
    if let Some(options) = options {
        after.options = checked_options(before.field_type, &options, &mut problems);
    }
    if let Some(required) = required {
        after.required = required;
    }
    if let Some(description) = description {
        after.description = checked_description(description.as_deref(), &mut problems);
    }
    if !problems.is_empty() {
        return Err(problems.into());
    }
    if after != before {
        store::update(&tx, &after).await?;
        finish(app, caller, tx, &after, "UPDATED").await?;
    }
    Ok(after)
}

/// Takes a custom field out of use (`archived`) or back into it; values of leads stay. No change where it is so already.
///
/// # Errors
/// [`CustomFieldProblem::NotFound`]; a missing scope `leads:write`.
pub async fn archive(
    app: &App,
    caller: &Caller,
    id: CustomFieldId,
    archived: bool,
) -> Outcome<CustomField, CustomFieldProblem> {
    caller.require(Scope::Write(Area::Leads))?;
    caller.require_all_rows()?;
    let tx = app.db().begin().await?;
    let mut field = existing(&tx, id).await?;
    if field.archived_at.is_some() != archived {
        field.archived_at = archived.then(|| app.clock().now());
        store::update(&tx, &field).await?;
        let change = if archived { "ARCHIVED" } else { "UNARCHIVED" };
        finish(app, caller, tx, &field, change).await?;
    }
    Ok(field)
}

async fn existing(tx: &Tx, id: CustomFieldId) -> Outcome<CustomField, CustomFieldProblem> {
    store::find(&**tx, id).await?.ok_or_else(|| {
        let message = format!("there is no custom field `{id}`");
        Problem::new("id", CustomFieldProblem::NotFound, message).into()
    })
}

async fn finish(app: &App, caller: &Caller, tx: Tx, field: &CustomField, change: &str) -> Result<(), Error> {
    let event = NewEvent {
        kind: EventKind::CustomFieldChanged,
        lead_id: None,
        subject: field.id.to_string(),
        payload: json!({ "change": change, "key": field.key }),
    };
    events::append(&tx, &caller.actor.id, app.clock().now(), vec![event]).await?;
    tx.commit().await?;
    app.memory::<Known>().forget();
    Ok(())
}

type Problems = Vec<Problem<CustomFieldProblem>>;

fn checked_label(label: &str, problems: &mut Problems) -> String {
    line("the label", label, MOST_LABEL).unwrap_or_else(|message| {
        problems.push(Problem::new("label", CustomFieldProblem::InvalidLabel, message));
        String::new()
    })
}

fn checked_options(field_type: CustomFieldType, options: &[String], problems: &mut Problems) -> Vec<String> {
    check_options(field_type, options).unwrap_or_else(|message| {
        problems.push(Problem::new(
            "options",
            CustomFieldProblem::InvalidOptions,
            message,
        ));
        Vec::new()
    })
}

fn checked_description(description: Option<&str>, problems: &mut Problems) -> Option<String> {
    let text = description.filter(|text| !text.trim().is_empty())?;
    match block("the description", text, MOST_DESCRIPTION) {
        Ok(text) => Some(text),
        Err(message) => {
            let code = CustomFieldProblem::InvalidDescription;
            problems.push(Problem::new("description", code, message));
            None
        }
    }
}
