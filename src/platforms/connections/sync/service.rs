//! Use cases of readings.

use entity::id::{ConnectionId, JobId, SyncId};
use entity::{ConnectionState, EventKind, JobState, SyncCause, SyncKind, Timestamp};
use serde_json::{Value, json};

use super::{Sync, SyncRefusal, job};
use crate::app::App;
use crate::db::{CallKey, Keyset, Once, Page, PageRequest, SortValue, Tx};
use crate::error::{Error, Outcome};
use crate::events::{self, NewEvent};
use crate::identity::Caller;
use crate::jobs;
use crate::platforms::connections::model::{self, wrong};
use crate::platforms::connections::service::{missing, platform, require_read, require_write};
use crate::platforms::connections::{Connection, ConnectionProblem, store};

/// What is to be read.
#[derive(Clone, Debug)]
pub struct SyncRequest {
    /// Of which connection.
    pub connection: ConnectionId,
    /// What; all that the platform has without any.
    pub kinds: Vec<SyncKind>,
    /// Everything, not only what changed since the last time.
    pub is_full: bool,
}

/// A reading that was begun.
#[derive(Clone, Debug)]
pub struct Started {
    /// The reading.
    pub sync: Sync,
    /// The job that does it.
    pub job: jobs::Job,
}

/// The one ordering of readings, newest first.
#[derive(Debug)]
pub struct SyncOrder;

impl SyncOrder {
    /// Its name, that cursors are bound to.
    pub const NAME: &'static str = "sync CREATED_AT DESC";

    /// The place of a reading in it.
    #[must_use]
    pub fn keyset(sync: &Sync) -> Keyset {
        Keyset {
            order: Self::NAME.to_owned(),
            value: SortValue::Int(sync.created_at.micros()),
            id: sync.id.0,
        }
    }
}

/// Begins a reading; once for a key.
///
/// # Errors
/// [`ConnectionProblem`]s; a missing scope `connections:write`; a caller who does not see all rows; the database's.
pub async fn start(
    app: &App,
    caller: &Caller,
    request: SyncRequest,
    key: Option<&CallKey>,
) -> Outcome<Started, ConnectionProblem> {
    require_write(caller)?;
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "connectionSync")?;
    let tx = app.db().begin().await?;
    if let Some(id) = once.before::<SyncId>(&tx, now).await? {
        let before = store::find_sync(&*tx, id).await?;
        tx.rollback().await?;
        let sync = before.ok_or_else(|| Error::NotFound("the sync of this call is gone".into()))?;
        let job = jobs::queued_before(app, sync.job_id).await?;
        return Ok(Started { sync, job });
    }
    let Some(row) = store::locked(&tx, request.connection).await? else {
        return Err(missing(request.connection).into());
    };
    if row.state != ConnectionState::Active {
        let message = format!("the connection is {}; it has to be ACTIVE to be read", row.state);
        return Err(wrong("id", ConnectionProblem::NotActive, message).into());
    }
    let offered = model::sync_kinds(&platform(app, &row.platform)?.facets());
    if let Some(kind) = request.kinds.iter().find(|kind| !offered.contains(kind)) {
        let offered: Vec<_> = offered.iter().map(|kind| kind.as_str()).collect();
        let message = format!(
            "{} has no {kind}; it has: {}",
            row.platform,
            if offered.is_empty() {
                "nothing to read".to_owned()
            } else {
                offered.join(", ")
            }
        );
        return Err(wrong("kinds", ConnectionProblem::Unsupported, message).into());
    }
    let wanted = |kind: &SyncKind| request.kinds.is_empty() || request.kinds.contains(kind);
    let kinds: Vec<_> = offered.into_iter().filter(wanted).collect();
    if kinds.is_empty() {
        let message = format!("{} has nothing to read", row.platform);
        return Err(wrong("id", ConnectionProblem::Unsupported, message).into());
    }
    if let Some(open) = store::open_sync(&*tx, row.id).await? {
        let message = format!("a reading of this connection goes on: `{}`", open.id);
        return Err(wrong("id", ConnectionProblem::SyncRunning, message).into());
    }
    let (sync, job) = begin(&tx, caller, &row, SyncCause::Manual, &kinds, request.is_full, now).await?;
    once.keep(&tx, &sync.id).await?;
    tx.commit().await?;
    jobs::wake(app, job.id).await;
    Ok(Started { sync, job })
}

/// Begins a reading within the transaction, in which was looked whether another one goes on.
pub(super) async fn begin(
    tx: &Tx,
    caller: &Caller,
    row: &Connection,
    cause: SyncCause,
    kinds: &[SyncKind],
    is_full: bool,
    now: Timestamp,
) -> Result<(Sync, jobs::Job), Error> {
    let id = SyncId::at(now);
    let job = jobs::enqueue(tx, caller, now, job::KIND, &json!({ "sync": id }), None).await?;
    let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
    let sync = Sync {
        id,
        connection_id: row.id,
        job_id: job.id,
        cause,
        kinds: kinds.join(" "),
        is_full,
        state: JobState::Queued,
        counts: "{}".to_owned(),
        problem_kind: None,
        problem: None,
        created_by: caller.actor.id.clone(),
        created_at: now,
        ended_at: None,
    };
    store::insert_sync(tx, sync.clone()).await?;
    tell(tx, &caller.actor.id, now, &sync).await?;
    Ok((sync, job))
}

/// Has the reading that goes on of a connection end, within the transaction that makes it none to be read; after the commit
/// [interrupt](jobs::interrupt) the job. The row of the connection is held, so that no reading begins meanwhile.
pub(in super::super) async fn stop_open(
    tx: &Tx,
    actor: &str,
    connection: ConnectionId,
    now: Timestamp,
) -> Result<Option<JobId>, Error> {
    let Some(sync) = store::open_sync(&**tx, connection).await? else {
        return Ok(None);
    };
    let job = sync.job_id;
    // One that runs closes its reading itself.
    if jobs::cancel_within(tx, actor, job, now).await? == Some(JobState::Cancelled) {
        let row = Sync {
            state: JobState::Cancelled,
            ended_at: Some(now),
            ..sync
        };
        tell(tx, actor, now, &row).await?;
        store::update_sync(tx, row).await?;
    }
    Ok(Some(job))
}

/// Tells how a reading stands.
pub(super) async fn tell(tx: &Tx, actor: &str, now: Timestamp, sync: &Sync) -> Result<(), Error> {
    let counts: Value = serde_json::from_str(&sync.counts).unwrap_or_default();
    let event = NewEvent {
        kind: EventKind::SyncProgressed,
        lead_id: None,
        subject: sync.id.to_string(),
        payload: json!({
            "connection": sync.connection_id,
            "state": sync.state,
            "counts": counts,
            "problem": sync.problem_kind,
        }),
    };
    Ok(events::append(tx, actor, now, vec![event]).await?)
}

/// A reading; `None` when there is none.
///
/// # Errors
/// A missing scope `connections:read`; a caller who does not see all rows; the database's.
pub async fn find(app: &App, caller: &Caller, id: SyncId) -> Result<Option<Sync>, Error> {
    require_read(caller)?;
    Ok(store::find_sync(app.db().read(), id).await?)
}

/// The last reading of each of some connections. Whoever calls has made sure that the caller may see them.
///
/// # Errors
/// The database's.
pub async fn last_of_each(app: &App, connections: &[ConnectionId]) -> Result<Vec<Sync>, Error> {
    if connections.is_empty() {
        return Ok(Vec::new());
    }
    Ok(store::last_syncs(app.db().read(), app.db().backend(), connections).await?)
}

/// Readings of a connection, newest first.
///
/// # Errors
/// As [`find`].
pub async fn list(
    app: &App,
    caller: &Caller,
    connection: ConnectionId,
    page: &PageRequest,
) -> Result<Page<Sync>, Error> {
    require_read(caller)?;
    Ok(store::list_syncs(app.db().read(), connection, page).await?)
}

/// What a reading could not use, from a place on.
///
/// # Errors
/// As [`find`].
pub async fn refusals(
    app: &App,
    caller: &Caller,
    sync: SyncId,
    from: i32,
    limit: u64,
) -> Result<Vec<SyncRefusal>, Error> {
    require_read(caller)?;
    Ok(store::refusals(app.db().read(), sync, from, limit).await?)
}

/// The reading that a job does.
pub(super) async fn of_job(app: &App, id: SyncId, job: JobId) -> Result<Option<Sync>, Error> {
    let found = store::find_sync(app.db().write(), id).await?;
    Ok(found.filter(|sync| sync.job_id == job))
}
