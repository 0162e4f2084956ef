//! Runs one job: claims it, keeps it alive, writes down how it ended.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entity::id::JobId;
use entity::{JobState, Timestamp};
use futures_util::FutureExt;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::Instrument;
use uuid::Uuid;

use super::{Job, JobContext, JobKind, JobOutcome, JobRegistry, service, store};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;

/// A job is begun at most this often.
pub(super) const MAX_ATTEMPTS: i32 = 5;
/// How often a running job gives a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long the end of a run is tried to be written down while the database is away; after that the sweep finds it.
const FINISH_TRIES: u32 = 6;

/// Runs jobs in this process.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) app: App,
    pub(super) registry: Arc<JobRegistry>,
    /// Cancelled at shutdown: jobs stop between two batches.
    pub(super) stop: CancellationToken,
    /// Cancelled when the time of grace is over: jobs stop wherever they are.
    pub(super) force: CancellationToken,
    pub(super) tasks: TaskTracker,
    /// Places for jobs that mostly wait for others.
    pub(super) waiting: Semaphore,
    /// Those that wait for such a place.
    pub(super) woken: Mutex<HashSet<JobId>>,
}

/// A job that waits for its place.
struct Woken<'a>(&'a Mutex<HashSet<JobId>>, JobId);

impl<'a> Woken<'a> {
    fn once(woken: &'a Mutex<HashSet<JobId>>, id: JobId) -> Option<Self> {
        let is_first = woken.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        is_first.then_some(Self(woken, id))
    }
}

impl Drop for Woken<'_> {
    fn drop(&mut self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.1);
    }
}

/// How a run went, for the row.
enum End {
    Succeeded,
    Stopped,
    /// Goes on after so long.
    Later(Duration),
    Failed(String),
    /// Worth another attempt.
    Again(String),
}

impl Runner {
    /// Runs a job if it waits for a worker; comes back when the run has ended, or when it turns out that the job mostly waits
    /// for others.
    pub(super) async fn take(self: &Arc<Self>, id: JobId) {
        if self.stop.is_cancelled() {
            return;
        }
        let runner = Arc::clone(self);
        let (patient, is_patient) = oneshot::channel();
        // A task of its own: it goes on when the queue's worker breaks off because the queue is away.
        let task = self.tasks.spawn(async move {
            if let Err(error) = runner.run(id, patient).await {
                tracing::error!(job = %id, ?error, "could not run a job; it will be found again");
            }
        });
        if is_patient.await.is_ok() {
            return;
        }
        // Panics of the work itself are caught within.
        let _ = task.await;
    }

    async fn run(&self, id: JobId, patient: oneshot::Sender<()>) -> Result<(), Error> {
        let app = &self.app;
        let Some(job) = store::find(app.db().read(), id).await? else {
            return Ok(());
        };
        if job.state != JobState::Queued {
            return Ok(());
        }
        let Some(kind) = self.registry.kind(&job.kind) else {
            tracing::warn!(job = %id, kind = %job.kind, "this version knows no such kind of job; leaving it to others");
            return Ok(());
        };
        let _place = if kind.waits_for_others() {
            // Nobody waits for it where the worker breaks off.
            let _ = patient.send(());
            // It may be woken again while it waits for its place.
            let Some(_woken) = Woken::once(&self.woken, id) else {
                return Ok(());
            };
            let place = tokio::select! {
                place = self.waiting.acquire() => place.map_err(Error::internal)?,
                () = self.stop.cancelled() => return Ok(()),
            };
            Some(place)
        } else {
            drop(patient);
            None
        };
        let claim = Uuid::from_u128(rand::random());
        let now = app.clock().now();
        let tx = app.db().begin().await?;
        if !store::claim(&tx, id, claim, now).await? {
            tx.rollback().await?;
            return Ok(());
        }
        let Some(job) = store::find(&*tx, id).await? else {
            return Ok(());
        };
        service::tell(&tx, &job, now).await?;
        tx.commit().await?;
        let span = tracing::info_span!("job", id = %id, kind = %job.kind, attempt = job.attempts);
        self.run_claimed(Arc::clone(kind), job, claim)
            .instrument(span)
            .await
    }

    async fn run_claimed(&self, kind: Arc<dyn JobKind>, job: Job, claim: Uuid) -> Result<(), Error> {
        let (id, attempts) = (job.id, job.attempts);
        let stop = self.stop.child_token();
        let _entered = self.app.jobs().enter(id, stop.clone());
        let context = Arc::new(JobContext::new(self.app.clone(), job, claim, stop));
        let beating = AbortOnDropHandle::new(tokio::spawn(beat(Arc::clone(&context))));
        tracing::info!("a job begins");
        let work = AssertUnwindSafe(kind.run(&self.app, &context)).catch_unwind();
        let end = tokio::select! {
            biased;
            () = context.lost().cancelled() => End::Stopped,
            result = work => match result {
                Ok(Ok(JobOutcome::Finished)) => End::Succeeded,
                Ok(Ok(JobOutcome::Stopped)) => End::Stopped,
                Ok(Ok(JobOutcome::Later(time))) => End::Later(time),
                Ok(Err(error)) => failed(id, attempts, error),
                Err(_panic) => {
                    tracing::error!("a job panicked; the message is above in this log");
                    End::Failed(format!("the job broke off by a fault of the program; the server's log tells more about {id}"))
                }
            },
            () = self.force.cancelled() => End::Stopped,
        };
        drop(beating);
        let mut tries = 0;
        loop {
            tries += 1;
            match self.finish(id, claim, attempts, &end).await {
                Err(Error::Unavailable(_)) if tries < FINISH_TRIES && !self.force.is_cancelled() => {
                    tokio::time::sleep(Duration::from_millis(250 << tries)).await;
                }
                done => return done,
            }
        }
    }

    async fn finish(&self, id: JobId, claim: Uuid, attempts: i32, end: &End) -> Result<(), Error> {
        let now = self.app.clock().now();
        let tx = self.app.db().begin().await?;
        let Some(standing) = store::standing(&*tx, id).await? else {
            return Ok(());
        };
        let ended = match end {
            End::Succeeded => store::finish(&tx, id, claim, JobState::Succeeded, None, now).await?,
            End::Failed(message) => {
                store::finish(&tx, id, claim, JobState::Failed, Some(message), now).await?
            }
            End::Stopped | End::Later(_) | End::Again(_) if standing.cancel_requested => {
                store::finish(&tx, id, claim, JobState::Cancelled, None, now).await?
            }
            End::Stopped if self.stop.is_cancelled() => store::release(&tx, id, claim, now, 1).await?,
            End::Stopped => {
                let message = "the job stopped without having been asked to";
                store::finish(&tx, id, claim, JobState::Failed, Some(message), now).await?
            }
            End::Later(time) => {
                let seconds = i64::try_from(time.as_millis().div_ceil(1_000)).unwrap_or(i64::MAX);
                store::release(&tx, id, claim, now.plus_seconds(seconds), 1).await?
            }
            End::Again(_) => {
                let wake_at = now.plus_seconds(1 << attempts.clamp(0, 6));
                store::release(&tx, id, claim, wake_at, 0).await?
            }
        };
        if !ended {
            tracing::warn!("another worker has taken the job over");
            return Ok(tx.rollback().await?);
        }
        let state = tell_stored(&tx, id, now).await?;
        tx.commit().await?;
        match end {
            End::Failed(message) | End::Again(message) => {
                tracing::warn!(state = %state, error = %message, "a job broke off");
            }
            End::Later(time) => {
                tracing::info!(wait_ms = time.as_millis(), "a job waits for somebody outside")
            }
            End::Succeeded | End::Stopped => tracing::info!(state = %state, "a job ends"),
        }
        metrics::counter!("leadline_job_runs_total", "state" => state.as_str()).increment(1);
        Ok(())
    }
}

/// Tells how a job stands now.
pub(super) async fn tell_stored(tx: &Tx, id: JobId, now: Timestamp) -> Result<JobState, Error> {
    let job = store::find(&**tx, id)
        .await?
        .ok_or_else(|| Error::NotFound(format!("there is no job `{id}`")))?;
    service::tell(tx, &job, now).await?;
    Ok(job.state)
}

fn failed(id: JobId, attempts: i32, error: Error) -> End {
    match error {
        Error::Unavailable(message) if attempts < MAX_ATTEMPTS => End::Again(message),
        Error::Internal(source) => {
            tracing::error!(error = ?source, "a job failed");
            End::Failed(format!("internal error; the server's log tells more about {id}"))
        }
        error => End::Failed(error.to_string()),
    }
}

/// Signs of life, for as long as the run lasts.
async fn beat(context: Arc<JobContext>) {
    let mut ticks = tokio::time::interval(HEARTBEAT);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match context.beat().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(?error, "a job could not give a sign of life"),
        }
    }
}
