//! Versions of the scoring model: one in force, drafts to come, those that were.

use std::collections::HashMap;
use std::sync::Arc;

use entity::id::ScoreModelId;
use entity::{Area, EventKind, ScoreModelState, Timestamp};
use serde_json::json;

use super::jobs::{self, Recalculation};
use super::model::ScoreModel;
use super::service::{InForce, ModelCache};
use super::{StoredModel, store};
use crate::app::App;
use crate::db::{CallKey, Once, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Scope};
use crate::jobs::{Job, queued_before};

const LONGEST_NOTE: usize = 500;

/// What can be wrong with a call about scoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "ScoringErrorCode")]
pub enum ScoringProblem {
    /// There is no such model.
    NotFound,
    /// The model is in force or was: only drafts are edited, tried and published.
    NotADraft,
    /// A number or word of the definition makes no sense.
    Invalid,
    /// A text that is too long.
    TooLong,
}

/// The product's own model is version 1 until another one is published.
const FIRST_VERSION: i32 = 1;

fn read(stored: &StoredModel) -> Result<InForce, Error> {
    Ok(InForce {
        version: stored.version,
        model: Arc::new(definition(stored)?),
    })
}

/// The numbers of a stored model.
///
/// # Errors
/// When they cannot be read: another version of Leadline wrote them.
pub fn definition(stored: &StoredModel) -> Result<ScoreModel, Error> {
    Ok(serde_json::from_str(&stored.definition)?)
}

fn first(now: Timestamp) -> Result<StoredModel, Error> {
    Ok(StoredModel {
        id: ScoreModelId::at(now),
        version: FIRST_VERSION,
        state: ScoreModelState::Published,
        definition: serde_json::to_string(&ScoreModel::default())?,
        note: Some("the product's own model".into()),
        created_by: "system".into(),
        created_at: now,
        updated_at: now,
        published_at: Some(now),
    })
}

/// The model in force, for a reader.
pub(super) async fn in_force(app: &App, cache: &ModelCache) -> Result<InForce, Error> {
    let db = app.db().read();
    if let Some(version) = store::published_version(db).await?
        && let Some(held) = cache.get(version)
    {
        return Ok(held);
    }
    let in_force = match store::published(db).await? {
        Some(stored) => read(&stored)?,
        // Nothing was scored yet, and nothing published: what will be the first version.
        None => {
            return Ok(InForce {
                version: FIRST_VERSION,
                model: Arc::new(ScoreModel::default()),
            });
        }
    };
    cache.put(&in_force);
    Ok(in_force)
}

/// The model in force, within a transaction that writes scores. Stores the first version when there is none.
pub(super) async fn in_force_in(tx: &Tx, cache: &ModelCache, now: Timestamp) -> Result<InForce, Error> {
    if let Some(version) = store::published_version(&**tx).await?
        && let Some(held) = cache.get(version)
    {
        return Ok(held);
    }
    let in_force = read(&stored_in_force(tx, now).await?)?;
    cache.put(&in_force);
    Ok(in_force)
}

async fn stored_in_force(tx: &Tx, now: Timestamp) -> Result<StoredModel, Error> {
    if let Some(stored) = store::published(&**tx).await? {
        return Ok(stored);
    }
    store::add_model(tx, first(now)?).await?;
    let stored = store::published(&**tx).await?;
    stored.ok_or_else(|| Error::internal(anyhow::anyhow!("no scoring model is in force")))
}

/// The model in force.
///
/// # Errors
/// A missing scope `scoring:read`; the database's.
pub async fn published(app: &App, caller: &Caller) -> Result<StoredModel, Error> {
    caller.require(Scope::Read(Area::Scoring))?;
    if let Some(stored) = store::published(app.db().read()).await? {
        return Ok(stored);
    }
    let tx = app.db().begin().await?;
    let stored = stored_in_force(&tx, app.clock().now()).await?;
    tx.commit().await?;
    Ok(stored)
}

/// All versions, newest first.
///
/// # Errors
/// A missing scope `scoring:read`; the database's.
pub async fn models(app: &App, caller: &Caller) -> Result<Vec<StoredModel>, Error> {
    published(app, caller).await?;
    Ok(store::models(app.db().read()).await?)
}

/// A version; `None` when there is none with this id.
///
/// # Errors
/// A missing scope `scoring:read`; the database's.
pub async fn model(app: &App, caller: &Caller, id: ScoreModelId) -> Result<Option<StoredModel>, Error> {
    caller.require(Scope::Read(Area::Scoring))?;
    Ok(store::model(app.db().read(), id).await?)
}

/// Versions by id; those that are not there are left out.
///
/// # Errors
/// The database's. The caller's scope has been asked for by whoever lets the loader in.
pub async fn get_many(app: &App, ids: &[ScoreModelId]) -> Result<HashMap<ScoreModelId, StoredModel>, Error> {
    Ok(store::models_by_ids(app.db().read(), ids).await?)
}

/// What a draft is to be; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DraftChange {
    /// All its numbers.
    pub definition: Option<ScoreModel>,
    /// Why it is made, up to 500 characters; `Some(None)` clears it.
    pub note: Option<Option<String>>,
}

fn check(change: &DraftChange) -> Vec<Problem<ScoringProblem>> {
    let mut problems = Vec::new();
    if let Some(Some(note)) = &change.note
        && note.chars().count() > LONGEST_NOTE
    {
        let message = format!("a note has up to {LONGEST_NOTE} characters");
        problems.push(Problem::new("note", ScoringProblem::TooLong, message));
    }
    if let Some(definition) = &change.definition {
        problems.extend(definition.validate().into_iter().map(|problem| {
            // `recency[1].days` is the path recency, 1, days.
            let path = problem.field.replace('[', ".").replace(']', "");
            Problem::new(
                &format!("definition.{path}"),
                ScoringProblem::Invalid,
                problem.message,
            )
        }));
    }
    problems
}

fn not_found(field: &str, id: ScoreModelId) -> Problem<ScoringProblem> {
    Problem::new(
        field,
        ScoringProblem::NotFound,
        format!("there is no scoring model `{id}`"),
    )
}

pub(super) fn not_a_draft(field: &str, model: &StoredModel) -> Problem<ScoringProblem> {
    let message = format!(
        "version {} is {}; only a DRAFT can be edited, tried and published: create one",
        model.version, model.state
    );
    Problem::new(field, ScoringProblem::NotADraft, message)
}

/// Makes a draft, once for a key: a copy of the model in force where no definition is given.
///
/// # Errors
/// [`ScoringProblem`]s; a missing scope `scoring:write`; the database's.
pub async fn create_draft(
    app: &App,
    caller: &Caller,
    change: DraftChange,
    key: Option<&CallKey>,
) -> Outcome<StoredModel, ScoringProblem> {
    caller.require(Scope::Write(Area::Scoring))?;
    caller.require_all_rows()?;
    let problems = check(&change);
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "scoreModelDraftCreate")?;
    let tx = app.db().begin().await?;
    if let Some(id) = once.before(&tx, now).await? {
        return store::model(&*tx, id)
            .await?
            .ok_or_else(|| not_found("", id).into());
    }
    let in_force = stored_in_force(&tx, now).await?;
    let draft = StoredModel {
        id: ScoreModelId::at(now),
        version: store::highest_version(&tx).await? + 1,
        state: ScoreModelState::Draft,
        definition: match change.definition {
            Some(definition) => serde_json::to_string(&definition)?,
            None => in_force.definition,
        },
        note: change.note.flatten(),
        created_by: caller.actor.id.clone(),
        created_at: now,
        updated_at: now,
        published_at: None,
    };
    if !store::add_model(&tx, draft.clone()).await? {
        return Err(
            Error::Conflict("somebody else made a draft at the same moment; try again".into()).into(),
        );
    }
    once.keep(&tx, &draft.id).await?;
    tx.commit().await?;
    Ok(draft)
}

/// Edits a draft.
///
/// # Errors
/// [`ScoringProblem`]s; a missing scope `scoring:write`; the database's.
pub async fn update_draft(
    app: &App,
    caller: &Caller,
    id: ScoreModelId,
    change: DraftChange,
) -> Outcome<StoredModel, ScoringProblem> {
    caller.require(Scope::Write(Area::Scoring))?;
    caller.require_all_rows()?;
    let problems = check(&change);
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(mut draft) = store::model(&*tx, id).await? else {
        return Err(not_found("id", id).into());
    };
    let DraftChange { definition, note } = change;
    if let Some(definition) = definition {
        draft.definition = serde_json::to_string(&definition)?;
    }
    if let Some(note) = note {
        draft.note = note;
    }
    draft.updated_at = now;
    if !store::edit_draft(&tx, &draft).await? {
        return Err(not_a_draft("id", &draft).into());
    }
    tx.commit().await?;
    Ok(draft)
}

/// A draft.
pub(super) async fn draft(tx: &Tx, field: &str, id: ScoreModelId) -> Outcome<StoredModel, ScoringProblem> {
    match store::model(&**tx, id).await? {
        None => Err(not_found(field, id).into()),
        Some(model) if model.state == ScoreModelState::Draft => Ok(model),
        Some(model) => Err(not_a_draft(field, &model).into()),
    }
}

/// Puts a draft into force (once for a key), retires the model before it, and queues the recalculation of all scores. Readers see scores
/// by the new model at once; the recalculation brings lists, histories and subscribers up to it.
///
/// # Errors
/// [`ScoringProblem`]s; a missing scope `scoring:write`; the database's.
pub async fn publish(
    app: &App,
    caller: &Caller,
    id: ScoreModelId,
    key: Option<&CallKey>,
) -> Outcome<(StoredModel, Job), ScoringProblem> {
    caller.require(Scope::Write(Area::Scoring))?;
    caller.require_all_rows()?;
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "scoreModelPublish")?;
    let tx = app.db().begin().await?;
    if let Some(job) = once.before(&tx, now).await? {
        let model = store::model(&*tx, id).await?.ok_or_else(|| not_found("id", id))?;
        tx.rollback().await?;
        return Ok((model, queued_before(app, job).await?));
    }
    let before = stored_in_force(&tx, now).await?;
    let Some(mut model) = store::model(&*tx, id).await? else {
        return Err(not_found("id", id).into());
    };
    if model.state != ScoreModelState::Draft || !store::publish(&tx, id, now).await? {
        return Err(not_a_draft("id", &model).into());
    }
    model.state = ScoreModelState::Published;
    model.published_at = Some(now);
    let event = NewEvent {
        kind: EventKind::ScoreModelPublished,
        lead_id: None,
        subject: id.to_string(),
        payload: json!({ "version": model.version, "before": before.version }),
    };
    events::append(&tx, &caller.actor.id, now, vec![event]).await?;
    let gather = !definition(&model)?.gathers_like(&definition(&before)?);
    let job = jobs::enqueue_recalculation(&tx, caller, now, Recalculation::of_model(gather)).await?;
    once.keep(&tx, &job.id).await?;
    tx.commit().await?;
    crate::jobs::wake(app, job.id).await;
    Ok((model, job))
}
