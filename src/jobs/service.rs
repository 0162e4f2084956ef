//! Use cases of jobs.

use std::collections::HashMap;

use entity::id::JobId;
use entity::{Area, EventKind, JobState, Timestamp};
use sea_orm::DbErr;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Job, store};
use crate::app::App;
use crate::db::{Keyset, Page, PageRequest, SortValue, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Scope};

/// A queued job whose wake-up got lost is woken by the sweep after this many seconds, and then again.
pub(super) const WAKE_AGAIN_SECONDS: i64 = 10;

/// What can be wrong with a call about jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "JobErrorCode")]
pub enum JobProblem {
    /// There is no such job.
    NotFound,
    /// The job has ended already.
    AlreadyEnded,
}

/// Which jobs; an empty list is all.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// In one of these states.
    pub states: Vec<JobState>,
    /// Of one of these kinds.
    pub kinds: Vec<String>,
}

impl JobFilter {
    /// The name of the one ordering, newest first, that cursors are bound to.
    pub const ORDER: &'static str = "job CREATED_AT DESC";

    /// The place of a job in that ordering.
    #[must_use]
    pub fn keyset(job: &Job) -> Keyset {
        Keyset {
            order: Self::ORDER.to_owned(),
            value: SortValue::Int(job.created_at.micros()),
            id: job.id.0,
        }
    }
}

/// Queues a job within the caller's transaction; after the commit call [`wake`]. Whoever calls has made sure that the
/// caller may ask for this work.
///
/// # Errors
/// The database's; an input that is no JSON.
pub async fn enqueue(
    tx: &Tx,
    caller: &Caller,
    now: Timestamp,
    kind: &str,
    input: &impl Serialize,
    total: Option<i64>,
) -> Result<Job, Error> {
    let job = Job {
        id: JobId::at(now),
        kind: kind.to_owned(),
        state: JobState::Queued,
        input: serde_json::to_string(input)?,
        checkpoint: "null".to_owned(),
        done: 0,
        total,
        counts: "{}".to_owned(),
        error: None,
        attempts: 0,
        created_by: caller.actor.id.clone(),
        created_at: now,
        started_at: None,
        ended_at: None,
        heartbeat_at: None,
        cancel_requested_at: None,
        claim: None,
        wake_at: now.plus_seconds(WAKE_AGAIN_SECONDS),
    };
    store::insert(tx, &job).await?;
    tell_as(tx, &caller.actor.id, &job, now).await?;
    Ok(job)
}

/// The same unless a job of this kind waits already. What asks for the work must be locked by the caller's transaction, and
/// read under that lock by the job when it begins: then the one that waits sees what this transaction writes.
///
/// # Errors
/// As [`enqueue`].
pub async fn enqueue_unless_queued(
    tx: &Tx,
    caller: &Caller,
    now: Timestamp,
    kind: &str,
    input: &impl Serialize,
) -> Result<Option<Job>, Error> {
    if store::is_queued(tx, kind).await? {
        return Ok(None);
    }
    enqueue(tx, caller, now, kind, input, None).await.map(Some)
}

/// Wakes a worker for a job whose transaction is committed. Where that fails the job waits for the next sweep.
pub async fn wake(app: &App, id: JobId) {
    let pushed = match app.jobs().queue(app).await {
        Ok(queue) => queue.push(id).await,
        Err(error) => Err(error),
    };
    match pushed {
        Ok(()) => app.jobs().announce(),
        Err(error) => {
            tracing::warn!(job = %id, ?error, "could not wake a worker for a job; it will be found later");
        }
    }
}

/// Asks a job to end: at once when it waits, after the batch it is at when it runs. Asking again changes nothing.
///
/// # Errors
/// [`JobProblem`]s; a missing scope `jobs:write`.
pub async fn cancel(app: &App, caller: &Caller, id: JobId) -> Outcome<Job, JobProblem> {
    caller.require(Scope::Write(Area::Jobs))?;
    let now = app.clock().now();
    let missing = || Problem::new("id", JobProblem::NotFound, format!("there is no job `{id}`"));
    let tx = app.db().begin().await?;
    if !caller.rows.is_all() {
        let job = store::find(&*tx, id).await?;
        if job.is_none_or(|job| !caller.sees_made_by(&job.created_by)) {
            return Err(missing().into());
        }
    }
    let asked = cancel_within(&tx, &caller.actor.id, id, now).await?;
    let Some(job) = store::find(&*tx, id).await? else {
        return Err(missing().into());
    };
    if asked.is_none() && job.state != JobState::Cancelled {
        let message = format!("the job has ended as {} and cannot be cancelled", job.state);
        return Err(Problem::new("id", JobProblem::AlreadyEnded, message).into());
    }
    tx.commit().await?;
    interrupt(app, id);
    Ok(job)
}

/// Asks a job to end, within the caller's transaction; after the commit call [`interrupt`]. Whoever calls has made sure that
/// this may be asked for. Answers how it stands then: cancelled when it waited, running when it ends after the batch it is
/// at; `None` when it has ended already, or is not there.
///
/// # Errors
/// The database's.
pub async fn cancel_within(
    tx: &Tx,
    actor: &str,
    id: JobId,
    now: Timestamp,
) -> Result<Option<JobState>, Error> {
    if store::cancel_queued(tx, id, now).await? {
        if let Some(job) = store::find(&**tx, id).await? {
            tell_as(tx, actor, &job, now).await?;
        }
        return Ok(Some(JobState::Cancelled));
    }
    let runs = store::request_cancel(tx, id, now).await?;
    Ok(runs.then_some(JobState::Running))
}

/// Has a run in this process see at once that its job is to end; runs of others see it in their row.
pub fn interrupt(app: &App, id: JobId) {
    app.jobs().cancel(id);
}

/// A job; `None` when there is none with this id.
///
/// # Errors
/// A missing scope `jobs:read`; the database's.
pub async fn find(app: &App, caller: &Caller, id: JobId) -> Result<Option<Job>, Error> {
    caller.require(Scope::Read(Area::Jobs))?;
    let job = store::find(app.db().read(), id).await?;
    Ok(job.filter(|job| caller.sees_made_by(&job.created_by)))
}

/// The job that a call with the same key queued before, as it is now. Whoever calls has asked for the scope of that call.
///
/// # Errors
/// [`Error::NotFound`] when it is gone; the database's.
pub async fn queued_before(app: &App, id: JobId) -> Result<Job, Error> {
    let job = store::find(app.db().read(), id).await?;
    job.ok_or_else(|| Error::NotFound(format!("the job `{id}` of this call is gone")))
}

/// The kind of a job, for the room that its results belong to; `None` when there is none with this id. Whoever calls
/// makes sure that the caller may know.
///
/// # Errors
/// The database's.
pub async fn kind_of(app: &App, caller: &Caller, id: JobId) -> Result<Option<String>, Error> {
    let job = store::find(app.db().read(), id).await?;
    let job = job.filter(|job| caller.sees_made_by(&job.created_by));
    Ok(job.map(|job| job.kind))
}

/// Jobs by id; those that are not there are left out.
///
/// # Errors
/// The database's. Whoever shows them asks for the scope, and [whose](Caller::sees_made_by) they are.
pub async fn get_many(app: &App, ids: &[JobId]) -> Result<HashMap<JobId, Job>, Error> {
    Ok(store::by_ids(app.db().read(), ids).await?)
}

/// A page of jobs, newest first.
///
/// # Errors
/// A missing scope `jobs:read`; the database's.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &JobFilter,
    page: &PageRequest,
) -> Result<Page<Job>, Error> {
    caller.require(Scope::Read(Area::Jobs))?;
    let maker = (!caller.rows.is_all()).then_some(caller.actor.id.as_str());
    Ok(store::list(app.db().read(), filter, maker, page).await?)
}

/// Tells that a job was queued, went on or ended, with how it stands then.
pub(super) async fn tell(tx: &Tx, job: &Job, now: Timestamp) -> Result<(), DbErr> {
    tell_as(tx, "system", job, now).await
}

async fn tell_as(tx: &Tx, actor: &str, job: &Job, now: Timestamp) -> Result<(), DbErr> {
    let counts: Value = serde_json::from_str(&job.counts).unwrap_or_default();
    let event = NewEvent {
        kind: EventKind::JobProgressed,
        lead_id: None,
        subject: job.id.to_string(),
        payload: json!({
            "kind": job.kind,
            "state": job.state,
            "done": job.done,
            "total": job.total,
            "counts": counts,
        }),
    };
    events::append(tx, actor, now, vec![event]).await
}
