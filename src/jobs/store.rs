//! All SQL of jobs.

use std::collections::HashMap;

use entity::id::JobId;
use entity::{JobState, Timestamp, job};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryResult, QueryTrait};
use uuid::Uuid;

use super::{Job, JobFilter};
use crate::db::{Conflict, Db, Direction, Page, PageRequest, Tx, insert_many, padded, sql};

pub(super) async fn insert(tx: &Tx, job: &Job) -> Result<(), DbErr> {
    insert_many(tx, std::slice::from_ref(job), Conflict::Fail)
        .await
        .map(drop)
}

pub(super) async fn find(db: &impl ConnectionTrait, id: JobId) -> Result<Option<Job>, DbErr> {
    job::Entity::find_by_id(id).one(db).await
}

pub(super) async fn by_ids(db: &impl ConnectionTrait, ids: &[JobId]) -> Result<HashMap<JobId, Job>, DbErr> {
    let jobs = job::Entity::find()
        .filter(job::Column::Id.is_in(padded(ids)))
        .all(db)
        .await?;
    Ok(jobs.into_iter().map(|job| (job.id, job)).collect())
}

pub(super) async fn list(
    db: &impl ConnectionTrait,
    filter: &JobFilter,
    maker: Option<&str>,
    page: &PageRequest,
) -> Result<Page<Job>, DbErr> {
    let mut select = job::Entity::find();
    if let Some(maker) = maker {
        select = select.filter(job::Column::CreatedBy.eq(maker));
    }
    if !filter.states.is_empty() {
        select = select.filter(job::Column::State.is_in(filter.states.iter().copied()));
    }
    if !filter.kinds.is_empty() {
        select = select.filter(job::Column::Kind.is_in(filter.kinds.iter().map(String::as_str)));
    }
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((job::Entity, job::Column::CreatedAt)),
        (job::Entity, job::Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// Begins a run of a queued job; false when it is not queued any more.
pub(super) async fn claim(tx: &Tx, id: JobId, claim: Uuid, now: Timestamp) -> Result<bool, DbErr> {
    changed(
        tx,
        "UPDATE job SET state = 'RUNNING', claim = ?, attempts = attempts + 1, heartbeat_at = ?, \
         started_at = COALESCE(started_at, ?) WHERE id = ? AND state = 'QUEUED'",
        [
            claim.into(),
            now.micros().into(),
            now.micros().into(),
            id.0.into(),
        ],
    )
    .await
}

/// A sign of life; whether cancelling was asked for, `None` when another run holds the job.
pub(super) async fn beat(db: &Db, id: JobId, claim: Uuid, now: Timestamp) -> Result<Option<bool>, DbErr> {
    let row = db
        .write()
        .query_one_raw(sql(
            db.backend(),
            "UPDATE job SET heartbeat_at = ? WHERE id = ? AND claim = ? RETURNING cancel_requested_at",
            [now.micros().into(), id.0.into(), claim.into()],
        ))
        .await?;
    row.map(|row| cancel_requested(&row)).transpose()
}

/// Who holds a job, and whether it is to be cancelled.
pub(super) struct Standing {
    pub(super) claim: Option<Uuid>,
    pub(super) cancel_requested: bool,
}

pub(super) async fn standing(db: &impl ConnectionTrait, id: JobId) -> Result<Option<Standing>, DbErr> {
    let row = db
        .query_one_raw(sql(
            db.get_database_backend(),
            "SELECT claim, cancel_requested_at FROM job WHERE id = ?",
            [id.0.into()],
        ))
        .await?;
    row.map(|row| {
        Ok(Standing {
            claim: row.try_get("", "claim")?,
            cancel_requested: cancel_requested(&row)?,
        })
    })
    .transpose()
}

fn cancel_requested(row: &QueryResult) -> Result<bool, DbErr> {
    Ok(row.try_get::<Option<i64>>("", "cancel_requested_at")?.is_some())
}

/// How far a job has come.
pub(super) struct Progress {
    pub(super) done: i64,
    pub(super) total: Option<i64>,
    pub(super) counts: String,
    pub(super) checkpoint: String,
}

/// Stores progress; false when another run holds the job.
pub(super) async fn progress(
    tx: &Tx,
    id: JobId,
    claim: Uuid,
    now: Timestamp,
    progress: &Progress,
) -> Result<bool, DbErr> {
    changed(
        tx,
        "UPDATE job SET done = ?, total = ?, counts = ?, checkpoint = ?, heartbeat_at = ? WHERE id = ? AND claim = ?",
        [
            progress.done.into(),
            progress.total.into(),
            progress.counts.as_str().into(),
            progress.checkpoint.as_str().into(),
            now.micros().into(),
            id.0.into(),
            claim.into(),
        ],
    )
    .await
}

/// Ends a run's job; false when another run holds it.
pub(super) async fn finish(
    tx: &Tx,
    id: JobId,
    claim: Uuid,
    state: JobState,
    error: Option<&str>,
    now: Timestamp,
) -> Result<bool, DbErr> {
    changed(
        tx,
        "UPDATE job SET state = ?, error = ?, ended_at = ?, heartbeat_at = NULL, claim = NULL \
         WHERE id = ? AND claim = ?",
        [
            state.as_str().into(),
            error.into(),
            now.micros().into(),
            id.0.into(),
            claim.into(),
        ],
    )
    .await
}

/// Gives a run's job back to the queue; `unused` runs do not count as attempts. False when another run holds it.
pub(super) async fn release(
    tx: &Tx,
    id: JobId,
    claim: Uuid,
    wake_at: Timestamp,
    unused: i32,
) -> Result<bool, DbErr> {
    changed(
        tx,
        "UPDATE job SET state = 'QUEUED', heartbeat_at = NULL, claim = NULL, wake_at = ?, attempts = attempts - ? \
         WHERE id = ? AND claim = ?",
        [
            wake_at.micros().into(),
            unused.into(),
            id.0.into(),
            claim.into(),
        ],
    )
    .await
}

/// Jobs that the sweep has to look after: queued and due to be woken, or running without a sign of life.
pub(super) async fn due(
    db: &impl ConnectionTrait,
    now: Timestamp,
    stale_before: Timestamp,
    limit: i64,
) -> Result<Vec<(JobId, JobState)>, DbErr> {
    let rows = db
        .query_all_raw(sql(
            db.get_database_backend(),
            "SELECT id, state FROM job WHERE state IN ('QUEUED', 'RUNNING') AND ((state = 'QUEUED' AND wake_at <= ?) \
             OR (state = 'RUNNING' AND heartbeat_at < ?)) ORDER BY created_at LIMIT ?",
            [
                now.micros().into(),
                stale_before.micros().into(),
                limit.into(),
            ],
        ))
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.try_get("", "id")?, row.try_get("", "state")?)))
        .collect()
}

/// Whether a job of a kind waits for a worker.
pub(super) async fn is_queued(tx: &Tx, kind: &str) -> Result<bool, DbErr> {
    let text = "SELECT 1 AS one FROM job WHERE state = 'QUEUED' AND kind = ? LIMIT 1";
    let row = tx.query_one_raw(sql(tx.backend(), text, [kind.into()])).await?;
    Ok(row.is_some())
}

/// Takes it upon oneself to wake a worker for a queued job; false when somebody else has done so.
pub(super) async fn take_wake(db: &Db, id: JobId, now: Timestamp, next: Timestamp) -> Result<bool, DbErr> {
    let result = db
        .write()
        .execute_raw(sql(
            db.backend(),
            "UPDATE job SET wake_at = ? WHERE id = ? AND state = 'QUEUED' AND wake_at <= ?",
            [next.micros().into(), id.0.into(), now.micros().into()],
        ))
        .await?;
    Ok(result.rows_affected() == 1)
}

/// Takes a job from a run that gives no sign of life; false when it does, or somebody else was first.
pub(super) async fn take_up(
    tx: &Tx,
    id: JobId,
    stale_before: Timestamp,
    state: JobState,
    error: Option<&str>,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let ended_at = (state != JobState::Queued).then_some(now.micros());
    changed(
        tx,
        "UPDATE job SET state = ?, error = ?, ended_at = ?, heartbeat_at = NULL, claim = NULL, wake_at = ? \
         WHERE id = ? AND state = 'RUNNING' AND heartbeat_at < ?",
        [
            state.as_str().into(),
            error.into(),
            ended_at.into(),
            now.micros().into(),
            id.0.into(),
            stale_before.micros().into(),
        ],
    )
    .await
}

/// Cancels a job that waits; false when it does not wait.
pub(super) async fn cancel_queued(tx: &Tx, id: JobId, now: Timestamp) -> Result<bool, DbErr> {
    changed(
        tx,
        "UPDATE job SET state = 'CANCELLED', cancel_requested_at = ?, ended_at = ? WHERE id = ? AND state = 'QUEUED'",
        [now.micros().into(), now.micros().into(), id.0.into()],
    )
    .await
}

/// Asks a running job to stop; false when it does not run.
pub(super) async fn request_cancel(tx: &Tx, id: JobId, now: Timestamp) -> Result<bool, DbErr> {
    changed(
        tx,
        "UPDATE job SET cancel_requested_at = COALESCE(cancel_requested_at, ?) WHERE id = ? AND state = 'RUNNING'",
        [now.micros().into(), id.0.into()],
    )
    .await
}

async fn changed<const N: usize>(tx: &Tx, text: &str, values: [sea_orm::Value; N]) -> Result<bool, DbErr> {
    Ok(tx
        .execute_raw(sql(tx.backend(), text, values))
        .await?
        .rows_affected()
        == 1)
}
