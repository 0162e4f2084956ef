//! What is due, the closing of what broke off, and what is left of audiences that were removed.

use std::time::Duration;

use async_trait::async_trait;
use entity::{AudienceState, AudienceTask, JobState, SyncCause, Timestamp};

use super::syncs::{self, End};
use super::{Audience, service, store};
use crate::app::App;
use crate::db::is_transient;
use crate::error::Error;
use crate::identity::Caller;
use crate::jobs::{self, Chore};
use crate::platforms::connections::live;

/// Most audiences that are looked after at a time.
const BATCH: u64 = 200;
/// A connection that does not work is looked at again after so many seconds.
const LOOK_AGAIN_SECONDS: i64 = 60;

/// Begins what is due.
#[derive(Clone, Copy, Debug, Default)]
pub struct AudienceSchedule;

#[async_trait]
impl Chore for AudienceSchedule {
    fn name(&self) -> &'static str {
        "audiences by schedule"
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
                // The others are told of all the same.
                Err(error) => {
                    tracing::warn!(audience = %row.id, ?error, "an audience could not be begun by schedule");
                }
            }
        }
        Ok(())
    }
}

/// Why a connection cannot be used.
enum Idle {
    Removed,
    Asleep { kind: String, message: String },
}

async fn idle(app: &App, row: &Audience) -> Result<Option<Idle>, Error> {
    let Some(live) = live(app, row.connection_id).await? else {
        return Ok(Some(Idle::Removed));
    };
    if live.is_active() {
        return Ok(None);
    }
    let connection = &live.row;
    Ok(Some(Idle::Asleep {
        kind: connection
            .problem_kind
            .clone()
            .unwrap_or_else(|| "SETTINGS".to_owned()),
        message: format!("the connection is {}; it has to be ACTIVE", connection.state),
    }))
}

async fn begin(app: &App, seen: &Audience, now: Timestamp) -> Result<(), Error> {
    let idle = idle(app, seen).await?;
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked(&tx, seen.id).await? else {
        return Ok(());
    };
    // Another process may have been here between the two.
    if store::open_sync(&*tx, row.id).await?.is_some() {
        return Ok(());
    }
    let Some(task) = syncs::due(&row, now) else {
        if row.next_size_at.is_some_and(|at| at <= now) {
            // Of one that the platform does not have.
            row.next_size_at = None;
            store::update(&tx, row).await?;
            tx.commit().await?;
        }
        return Ok(());
    };
    let mut wakes = None;
    match idle {
        None => {
            let (caller, cause) = (Caller::system(), SyncCause::Schedule);
            let (_, job) = syncs::begin(&tx, &caller, &mut row, task, cause, now).await?;
            wakes = Some(job.id);
        }
        Some(idle) => {
            let (kind, message, again) = match idle {
                Idle::Removed => (
                    "NOT_FOUND".to_owned(),
                    "the connection was removed".to_owned(),
                    None,
                ),
                Idle::Asleep { kind, message } => (kind, message, Some(now.plus_seconds(LOOK_AGAIN_SECONDS))),
            };
            let put_off = |at: Option<Timestamp>| match at {
                Some(at) if at > now && again.is_some() => Some(at),
                Some(_) => again,
                None => None,
            };
            row.next_sync_at = put_off(row.next_sync_at);
            row.next_size_at = put_off(row.next_size_at);
            let is_size = task == AudienceTask::Size;
            let known = match is_size {
                true => &mut row.size_problem_kind,
                false => &mut row.problem_kind,
            };
            let is_new = known.replace(kind.clone()).as_ref() != Some(&kind);
            if is_size {
                row.size_problem = Some(message);
            } else {
                row.problem = Some(message);
                if row.deleted_at.is_none() {
                    row.state = AudienceState::Failing;
                }
            }
            if is_new {
                let change = if is_size { "SIZE_FAILED" } else { "FAILED" };
                service::tell(&tx, "system", now, &row, change).await?;
            }
        }
    }
    store::update(&tx, row).await?;
    tx.commit().await?;
    if let Some(id) = wakes {
        jobs::wake(app, id).await;
    }
    Ok(())
}

/// Closes syncs whose job has ended by a fault of ours, or was cancelled before it began.
async fn close_broken(app: &App) -> Result<(), Error> {
    let open = store::open_syncs(app.db().write(), BATCH).await?;
    if open.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = open.iter().map(|sync| sync.job_id).collect();
    let jobs = jobs::get_many(app, &ids).await?;
    for sync in open {
        let end = match jobs.get(&sync.job_id) {
            Some(job) if matches!(job.state, JobState::Queued | JobState::Running) => continue,
            Some(job) if job.state == JobState::Cancelled => End::Cancelled,
            Some(job) => End::Broken(job.error.clone()),
            None => continue,
        };
        let id = sync.id;
        if let Err(error) = syncs::end(app, sync, &end).await {
            tracing::warn!(sync = %id, ?error, "a sync of an audience that broke off could not be closed");
        }
    }
    Ok(())
}

/// Removes the members of audiences that were removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct AudienceSweep;

#[async_trait]
impl Chore for AudienceSweep {
    fn name(&self) -> &'static str {
        "members of removed audiences"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run(&self, app: &App) -> Result<(), Error> {
        for audience in store::to_be_emptied(app.db().write(), BATCH).await? {
            loop {
                let tx = app.db().begin().await?;
                let more = store::sweep(&tx, audience).await?;
                tx.commit().await?;
                if !more {
                    break;
                }
            }
        }
        Ok(())
    }
}
