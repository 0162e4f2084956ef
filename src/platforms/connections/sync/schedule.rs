//! Readings by schedule, and the closing of those whose job broke off.

use std::time::Duration;

use async_trait::async_trait;
use entity::{ConnectionState, JobState, SyncCause, Timestamp};

use super::{job, service};
use crate::app::App;
use crate::db::is_transient;
use crate::error::Error;
use crate::identity::Caller;
use crate::jobs::{self, Chore};
use crate::platforms::connections::{Connection, model, store};

/// Most connections that are looked after at a time.
const BATCH: u64 = 200;

/// Begins readings whose time has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct SyncSchedule;

#[async_trait]
impl Chore for SyncSchedule {
    fn name(&self) -> &'static str {
        "syncs by schedule"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(2)
    }

    async fn run(&self, app: &App) -> Result<(), Error> {
        close_broken(app).await?;
        let now = app.clock().now();
        for row in store::due(app.db().write(), now, BATCH).await? {
            match begin(app, &row, now).await {
                Ok(()) => {}
                // Another process did it.
                Err(error) if is_transient(&error) => {}
                // The others are read all the same.
                Err(error) => {
                    tracing::warn!(connection = %row.id, ?error, "a reading by schedule could not be begun")
                }
            }
        }
        Ok(())
    }
}

async fn begin(app: &App, due: &Connection, now: Timestamp) -> Result<(), Error> {
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked(&tx, due.id).await? else {
        return Ok(());
    };
    // Another process may have been here between the two.
    if row.next_sync_at.is_none_or(|at| at > now) {
        return Ok(());
    }
    let is_first = row.next_sync_at <= Some(row.created_at);
    row.next_sync_at = row
        .sync_every_seconds
        .map(|seconds| now.plus_seconds(seconds.into()));
    let kinds = app
        .platforms()
        .registry
        .get(&row.platform)
        .map(|integration| model::sync_kinds(&integration.facets()))
        .unwrap_or_default();
    let goes_on = store::open_sync(&*tx, row.id).await?.is_some();
    let job = if row.state == ConnectionState::Active && !kinds.is_empty() && !goes_on {
        let cause = if is_first {
            SyncCause::First
        } else {
            SyncCause::Schedule
        };
        let (_, job) = service::begin(&tx, &Caller::system(), &row, cause, &kinds, false, now).await?;
        Some(job.id)
    } else {
        None
    };
    store::update(&tx, row).await?;
    tx.commit().await?;
    if let Some(id) = job {
        jobs::wake(app, id).await;
    }
    Ok(())
}

/// Closes readings whose job has ended by a fault of ours, or was cancelled before it began.
async fn close_broken(app: &App) -> Result<(), Error> {
    let open = store::open_syncs(app.db().write(), BATCH).await?;
    if open.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = open.iter().map(|sync| sync.job_id).collect();
    let jobs = jobs::get_many(app, &ids).await?;
    let now = app.clock().now();
    for sync in open {
        if let Some(job) = jobs.get(&sync.job_id)
            && !matches!(job.state, JobState::Queued | JobState::Running)
        {
            let id = sync.id;
            if let Err(error) = job::close(app, sync, job, now).await {
                tracing::warn!(sync = %id, ?error, "a reading that broke off could not be closed");
            }
        }
    }
    Ok(())
}
