//! Use cases of telling platforms: begun, ended, looked at.

use entity::id::{AudienceId, AudienceSyncId};
use entity::{AudienceKind, AudienceReadiness, AudienceState, AudienceTask, JobState, SyncCause, Timestamp};
use integrations::facet::{AudienceSize, AudienceStatus};
use serde_json::json;

use super::model::{self, wrong};
use super::service::{missing, require_read, require_write, tell};
use super::{Audience, AudienceProblem, AudienceSync, job, store};
use crate::app::App;
use crate::db::{CallKey, Once, Page, PageRequest, Tx};
use crate::error::{Error, Outcome};
use crate::identity::Caller;
use crate::jobs;
use crate::platforms::connections::live;

/// How often the size is asked for, in seconds.
pub(super) const SIZE_SECONDS: i64 = 6 * 3_600;
/// A sync that was cancelled is made up for after so long.
const AFTER_CANCEL_SECONDS: i64 = 3_600;
/// Syncs that are kept of an audience.
const KEPT: u64 = 100;

/// A sync that was begun.
#[derive(Clone, Debug)]
pub struct Started {
    /// The sync.
    pub sync: AudienceSync,
    /// The job that does it.
    pub job: jobs::Job,
}

/// Has a platform told of an audience; once for a key.
///
/// # Errors
/// [`AudienceProblem`]s; a missing scope `audiences:write`; a caller who does not see all rows; the database's.
pub async fn start(
    app: &App,
    caller: &Caller,
    id: AudienceId,
    key: Option<&CallKey>,
) -> Outcome<Started, AudienceProblem> {
    require_write(caller)?;
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "audienceSync")?;
    // Looked at before the transaction: a connection that ceases to work meanwhile is the job's to tell.
    let seen = store::find(app.db().write(), id).await?;
    let connection = match &seen {
        Some(seen) => live(app, seen.connection_id).await?,
        None => None,
    };
    let tx = app.db().begin().await?;
    if let Some(id) = once.before::<AudienceSyncId>(&tx, now).await? {
        let before = store::find_sync(&*tx, id).await?;
        tx.rollback().await?;
        let sync = before.ok_or_else(|| Error::NotFound("the sync of this call is gone".into()))?;
        let job = jobs::queued_before(app, sync.job_id).await?;
        return Ok(Started { sync, job });
    }
    let locked = store::locked(&tx, id).await?;
    let Some(mut row) = locked.filter(|row| row.deleted_at.is_none()) else {
        return Err(missing(id).into());
    };
    if !connection.as_ref().is_some_and(|live| live.is_active()) {
        let state = connection.map_or("gone".to_owned(), |live| live.row.state.to_string());
        let message = format!("the connection is {state}; it has to be ACTIVE");
        return Err(wrong("id", AudienceProblem::NotActive, message).into());
    }
    if let Some(open) = store::open_sync(&*tx, id).await? {
        let message = format!("the platform is being told of it already: `{}`", open.id);
        return Err(wrong("id", AudienceProblem::SyncRunning, message).into());
    }
    let task = AudienceTask::Sync;
    let (sync, job) = begin(&tx, caller, &mut row, task, SyncCause::Manual, now).await?;
    store::update(&tx, row).await?;
    once.keep(&tx, &sync.id).await?;
    tx.commit().await?;
    jobs::wake(app, job.id).await;
    Ok(Started { sync, job })
}

/// Begins within the transaction, in which was looked whether something goes on; the row is the caller's to write.
pub(super) async fn begin(
    tx: &Tx,
    caller: &Caller,
    row: &mut Audience,
    task: AudienceTask,
    cause: SyncCause,
    now: Timestamp,
) -> Result<(AudienceSync, jobs::Job), Error> {
    let id = AudienceSyncId::at(now);
    let job = jobs::enqueue(tx, caller, now, job::KIND, &json!({ "sync": id }), None).await?;
    let sync = AudienceSync {
        id,
        audience_id: row.id,
        job_id: job.id,
        task,
        cause,
        state: JobState::Queued,
        added: 0,
        removed: 0,
        changed: 0,
        received: 0,
        invalid: 0,
        unmatchable: 0,
        problem_kind: None,
        problem: None,
        created_by: caller.actor.id.clone(),
        created_at: now,
        ended_at: None,
    };
    store::insert_sync(tx, sync.clone()).await?;
    match task {
        AudienceTask::Sync => {
            // From here on: what is asked for while it runs is done afterwards.
            row.next_sync_at = row.every_seconds.map(|seconds| now.plus_seconds(seconds.into()));
            row.next_size_at = Some(now.plus_seconds(SIZE_SECONDS));
            row.state = if row.external_id.is_some() {
                AudienceState::Syncing
            } else {
                AudienceState::Creating
            };
            tell(tx, &caller.actor.id, now, row, row.state.as_str()).await?;
        }
        AudienceTask::Size => row.next_size_at = Some(now.plus_seconds(SIZE_SECONDS)),
        // Until it is done: the job says when to try again.
        AudienceTask::Remove => {}
    }
    Ok((sync, job))
}

/// How telling a platform ended.
pub(super) enum End {
    /// All is told; how large the audience is by now, or why that could not be read.
    Told(Result<AudienceSize, integrations::Error>),
    /// The audience is gone at the platform.
    Removed,
    /// Somebody cancelled it, or removed the audience.
    Cancelled,
    /// The platform failed.
    Failed(integrations::Error),
    /// We failed: the job says how.
    Broken(Option<String>),
}

/// Closes a sync, and has the audience say how it stands.
pub(super) async fn end(app: &App, sync: AudienceSync, end: &End) -> Result<(), Error> {
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    // As it is now: figures were written since.
    let Some(mut sync) = store::find_sync(&*tx, sync.id).await? else {
        return Ok(());
    };
    if sync.ended_at.is_some() {
        return Ok(());
    }
    let Some(mut row) = store::locked(&tx, sync.audience_id).await? else {
        return Ok(());
    };
    sync.ended_at = Some(now);
    let change = match end {
        End::Told(size) => {
            sync.state = JobState::Succeeded;
            told(&mut row, sync.task, size, now)
        }
        End::Removed => {
            sync.state = JobState::Succeeded;
            row.external_id = None;
            row.next_sync_at = None;
            row.problem_kind = None;
            row.problem = None;
            "REMOVED"
        }
        End::Cancelled => {
            sync.state = JobState::Cancelled;
            if row.deleted_at.is_none() {
                row.state = resting(&row);
                // What was asked for may be a removal: it is put off, not forgotten.
                let later = now.plus_seconds(AFTER_CANCEL_SECONDS);
                row.next_sync_at = Some(row.next_sync_at.map_or(later, |at| at.min(later)));
            }
            "CANCELLED"
        }
        End::Failed(error) => {
            sync.state = JobState::Failed;
            sync.problem_kind = Some(error.kind.name().to_owned());
            sync.problem = Some(error.message.clone());
            failed(&mut row, sync.task, error, now)
        }
        End::Broken(message) => {
            sync.state = JobState::Failed;
            sync.problem_kind = Some("INTERNAL".to_owned());
            sync.problem.clone_from(message);
            // Of ours, and logged: it is tried again like a fault of the platform.
            let error = integrations::Error::new(integrations::Kind::Unavailable, "internal error");
            let change = failed(&mut row, sync.task, &error, now);
            if sync.task == AudienceTask::Size {
                row.size_problem_kind = sync.problem_kind.clone();
            } else {
                row.problem_kind = sync.problem_kind.clone();
            }
            change
        }
    };
    tell(&tx, &sync.created_by.clone(), now, &row, change).await?;
    let audience = row.id;
    store::update_sync(&tx, sync).await?;
    store::update(&tx, row).await?;
    store::prune_syncs(&tx, audience, KEPT).await?;
    Ok(tx.commit().await?)
}

/// Where an audience stands of which nothing is being told.
fn resting(row: &Audience) -> AudienceState {
    match (&row.problem_kind, &row.external_id) {
        (Some(_), _) => AudienceState::Failing,
        (None, None) => AudienceState::Creating,
        (None, Some(_)) => AudienceState::Ready,
    }
}

/// Takes note of the size.
fn sized(row: &mut Audience, size: &AudienceSize, now: Timestamp) {
    let AudienceSize {
        at_least,
        at_most,
        status,
        detail,
    } = size;
    let whole = |count: &Option<u64>| count.and_then(|count| i64::try_from(count).ok());
    row.size_at_least = whole(at_least);
    row.size_at_most = whole(at_most);
    row.readiness = Some(match status {
        AudienceStatus::Ready => AudienceReadiness::Ready,
        AudienceStatus::Filling => AudienceReadiness::Filling,
        AudienceStatus::TooSmall => AudienceReadiness::TooSmall,
        AudienceStatus::Blocked => AudienceReadiness::Blocked,
        AudienceStatus::Other => AudienceReadiness::Other,
    });
    row.size_detail.clone_from(detail);
    row.sized_at = Some(now);
    row.size_failures = 0;
    row.size_problem_kind = None;
    row.size_problem = None;
}

/// Takes note that the size could not be read: it is tried again, and the audience stands as it did.
fn not_sized(row: &mut Audience, error: &integrations::Error, now: Timestamp) {
    row.size_failures = row.size_failures.saturating_add(1);
    row.size_problem_kind = Some(error.kind.name().to_owned());
    row.size_problem = Some(error.message.clone());
    row.next_size_at = Some(model::retry_at(now, error.retry, row.size_failures));
}

fn told(
    row: &mut Audience,
    task: AudienceTask,
    size: &Result<AudienceSize, integrations::Error>,
    now: Timestamp,
) -> &'static str {
    match size {
        Ok(size) => sized(row, size, now),
        Err(error) => not_sized(row, error, now),
    }
    if task == AudienceTask::Size || row.deleted_at.is_some() {
        return "SIZED";
    }
    row.synced_at = Some(now);
    row.failures = 0;
    row.problem_kind = None;
    row.problem = None;
    row.state = resting(row);
    "SYNCED"
}

fn failed(
    row: &mut Audience,
    task: AudienceTask,
    error: &integrations::Error,
    now: Timestamp,
) -> &'static str {
    if row.deleted_at.is_some() && task != AudienceTask::Remove {
        // The schedule removes it next.
        return "CANCELLED";
    }
    if task == AudienceTask::Size {
        not_sized(row, error, now);
        return "SIZE_FAILED";
    }
    row.failures = row.failures.saturating_add(1);
    row.problem_kind = Some(error.kind.name().to_owned());
    row.problem = Some(error.message.clone());
    row.next_sync_at = Some(model::retry_at(now, error.retry, row.failures));
    if row.deleted_at.is_none() {
        row.state = AudienceState::Failing;
    }
    "FAILED"
}

/// What is due of an audience; `None` for nothing.
pub(super) fn due(row: &Audience, now: Timestamp) -> Option<AudienceTask> {
    let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    match (row.deleted_at.is_some(), is_due(row.next_sync_at)) {
        (true, true) => Some(AudienceTask::Remove),
        (true, false) => None,
        (false, true) => Some(AudienceTask::Sync),
        (false, false) => {
            let has_size = row.external_id.is_some() && is_due(row.next_size_at);
            has_size.then_some(AudienceTask::Size)
        }
    }
}

/// Whether who is in it is ours to say.
pub(super) fn has_members(row: &Audience) -> bool {
    row.kind == AudienceKind::Custom
}

/// A sync; `None` when there is none.
///
/// # Errors
/// A missing scope `audiences:read`; a caller who does not see all rows; the database's.
pub async fn find_sync(
    app: &App,
    caller: &Caller,
    id: AudienceSyncId,
) -> Result<Option<AudienceSync>, Error> {
    require_read(caller)?;
    caller.require_all_rows()?;
    Ok(store::find_sync(app.db().read(), id).await?)
}

/// The last sync of each of some audiences. Whoever calls has made sure that the caller may see them.
///
/// # Errors
/// The database's.
pub async fn last_of_each(app: &App, audiences: &[AudienceId]) -> Result<Vec<AudienceSync>, Error> {
    if audiences.is_empty() {
        return Ok(Vec::new());
    }
    Ok(store::last_syncs(app.db().read(), app.db().backend(), audiences).await?)
}

/// Syncs of an audience, newest first.
///
/// # Errors
/// As [`find_sync`].
pub async fn list_syncs(
    app: &App,
    caller: &Caller,
    audience: AudienceId,
    page: &PageRequest,
) -> Result<Page<AudienceSync>, Error> {
    require_read(caller)?;
    caller.require_all_rows()?;
    Ok(store::list_syncs(app.db().read(), audience, page).await?)
}
