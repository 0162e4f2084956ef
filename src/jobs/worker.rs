//! The worker of a process: woken by the queue, and a sweep that finds what no wake-up reached.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apalis::prelude::{BackendExt, BoxDynError, Data, WorkerBuilder, WorkerBuilderExt};
use apalis_postgres::Pubsub;
use entity::JobState;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Semaphore, watch};
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::queue::{Queue, Wake};
use super::runner::{MAX_ATTEMPTS, Runner, tell_stored};
use super::service::{self, WAKE_AGAIN_SECONDS};
use super::{JobRegistry, store};
use crate::app::App;
use crate::error::Error;

/// Jobs that one process runs at a time.
const CONCURRENCY: usize = 4;
/// Jobs that mostly wait for others, of one process at a time.
const WAITING: usize = 64;
/// How often the SQLite queue is looked at without a word from this process: for pushes of another one.
const SQLITE_POLL: Duration = Duration::from_millis(500);
/// The same on PostgreSQL, where pushes are notified.
const POSTGRES_POLL: Duration = Duration::from_secs(10);
/// How often the sweep looks at table `job`.
const SWEEP: Duration = Duration::from_secs(1);
/// How often wake-ups that were seen to are removed.
const CLEAN: Duration = Duration::from_secs(600);
/// A running job without a sign of life for so many seconds was left by a dead process.
const STALE_SECONDS: i64 = 30;
/// Most jobs that one sweep looks after.
const SWEEP_LIMIT: i64 = 100;

/// Runs the background work of a process.
#[derive(Debug)]
pub struct Worker {
    app: App,
    registry: Arc<JobRegistry>,
}

impl Worker {
    /// A worker that does nothing yet.
    #[must_use]
    pub fn new(app: App, registry: Arc<JobRegistry>) -> Self {
        Self { app, registry }
    }

    /// Works until `stop`; then running jobs get `grace` to come to the end of their batch. What they have not finished
    /// goes on in another process, or in this one when it is back.
    pub async fn run(self, stop: CancellationToken, grace: Duration) {
        let force = CancellationToken::new();
        let runner = Arc::new(Runner {
            app: self.app.clone(),
            registry: Arc::clone(&self.registry),
            stop: stop.clone(),
            force: force.clone(),
            tasks: TaskTracker::new(),
            waiting: Semaphore::new(WAITING),
            woken: Mutex::default(),
        });
        let work = async {
            tokio::join!(
                follow_queue(&runner),
                sweep_regularly(&self.app, &stop),
                do_chores(&self.app, &self.registry, &stop),
            );
            runner.tasks.close();
            runner.tasks.wait().await;
        };
        let last_call = async {
            stop.cancelled().await;
            tokio::time::sleep(grace).await;
            force.cancel();
            // What is forced still writes down where it stands.
            tokio::time::sleep(Duration::from_secs(5)).await;
        };
        tokio::select! {
            () = work => {}
            () = last_call => tracing::warn!("the worker ends while jobs are still running; they will be taken up"),
        }
    }
}

/// Runs apalis's worker, anew whenever it broke off because the database was away.
async fn follow_queue(runner: &Arc<Runner>) {
    let mut failures = 0_u32;
    while !runner.stop.is_cancelled() {
        let begun = Instant::now();
        let result = match runner.app.jobs().queue(&runner.app).await {
            Ok(queue) => follow(queue.clone(), runner).await,
            Err(error) => Err(error),
        };
        if runner.stop.is_cancelled() {
            return;
        }
        failures = if begun.elapsed() > Duration::from_secs(60) {
            1
        } else {
            failures.saturating_add(1)
        };
        if let Err(error) = result {
            tracing::warn!(
                ?error,
                failures,
                "the queue of background work broke off; trying again"
            );
        }
        tokio::select! {
            () = runner.stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_millis(250 << failures.min(6))) => {}
        }
    }
}

async fn follow(queue: Queue, runner: &Arc<Runner>) -> Result<(), Error> {
    // A new name each time: apalis refuses a name whose owner was alive a moment ago.
    let name = format!("leadline-{:016x}", rand::random::<u64>());
    let stop = runner.stop.clone();
    let stopped = async move {
        stop.cancelled().await;
        Ok::<(), std::io::Error>(())
    };
    let pushed = runner.app.jobs().pushed();
    let result = match queue {
        Queue::Sqlite(storage) => {
            WorkerBuilder::new(name)
                .backend(storage.poll_with_stream(alarms(pushed, SQLITE_POLL)))
                .data(Arc::clone(runner))
                .concurrency(CONCURRENCY)
                .build(take)
                .run_until(stopped)
                .await
        }
        Queue::Postgres(storage) => {
            let notices = Pubsub::new(storage.pool().clone(), storage.config().queue.to_string());
            let alarms = stream::select(alarms(pushed, POSTGRES_POLL), notices.map(drop)).boxed();
            WorkerBuilder::new(name)
                .backend(storage.poll_with_stream(alarms))
                .data(Arc::clone(runner))
                .concurrency(CONCURRENCY)
                .build(take)
                .run_until(stopped)
                .await
        }
    };
    result.map_err(Error::internal)
}

/// When to look at the queue: when this process has pushed something, and now and then.
fn alarms(pushed: watch::Receiver<u64>, every: Duration) -> BoxStream<'static, ()> {
    let ticks = stream::unfold(tokio::time::interval(every), |mut ticks| async move {
        ticks.tick().await;
        Some(((), ticks))
    });
    stream::select(WatchStream::from_changes(pushed).map(drop), ticks).boxed()
}

async fn take(wake: Wake, runner: Data<Arc<Runner>>) -> Result<(), BoxDynError> {
    runner.take(wake.job).await;
    Ok(())
}

async fn sweep_regularly(app: &App, stop: &CancellationToken) {
    let mut cleaned = Instant::now();
    loop {
        if let Err(error) = sweep(app).await {
            tracing::warn!(?error, "could not look for jobs that wait; trying again");
        }
        if cleaned.elapsed() >= CLEAN {
            cleaned = Instant::now();
            if let Ok(queue) = app.jobs().queue(app).await
                && let Err(error) = queue.clean().await
            {
                tracing::warn!(%error, "could not clean the queue of background work");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
    }
}

/// Wakes a worker for queued jobs that none was woken for, and takes up what a dead process left.
pub(super) async fn sweep(app: &App) -> Result<(), Error> {
    let now = app.clock().now();
    let stale_before = now.plus_seconds(-STALE_SECONDS);
    for (id, state) in store::due(app.db().read(), now, stale_before, SWEEP_LIMIT).await? {
        if state == JobState::Running && !take_up(app, id, stale_before).await? {
            continue;
        }
        if store::take_wake(app.db(), id, now, now.plus_seconds(WAKE_AGAIN_SECONDS)).await? {
            service::wake(app, id).await;
        }
    }
    Ok(())
}

/// Takes a job from a dead process; true when it waits for a worker now.
async fn take_up(app: &App, id: entity::id::JobId, stale_before: entity::Timestamp) -> Result<bool, Error> {
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(job) = store::find(&*tx, id).await? else {
        return Ok(false);
    };
    let exhausted = format!(
        "the job was begun {} times and each time its process died",
        job.attempts
    );
    let (state, error) = if job.cancel_requested_at.is_some() {
        (JobState::Cancelled, None)
    } else if job.attempts >= MAX_ATTEMPTS {
        (JobState::Failed, Some(exhausted.as_str()))
    } else {
        (JobState::Queued, None)
    };
    if !store::take_up(&tx, id, stale_before, state, error, now).await? {
        tx.rollback().await?;
        return Ok(false);
    }
    tell_stored(&tx, id, now).await?;
    tx.commit().await?;
    tracing::warn!(job = %id, kind = %job.kind, attempts = job.attempts, state = %state, "took up a job of a process that gives no sign of life");
    Ok(state == JobState::Queued)
}

async fn do_chores(app: &App, registry: &JobRegistry, stop: &CancellationToken) {
    let each = registry.chores().iter().map(|chore| async move {
        loop {
            // A chore that panics must not end the others.
            match std::panic::AssertUnwindSafe(chore.run(app)).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(chore = chore.name(), ?error, "a chore failed"),
                Err(_panic) => tracing::error!(chore = chore.name(), "a chore panicked"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(chore.every()) => {}
            }
        }
    });
    futures_util::future::join_all(each).await;
}
