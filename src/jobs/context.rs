//! What a running job knows and may do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use entity::JobState;
use entity::id::JobId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Job, service, store};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;

/// Figures of a job by name, e.g. `created`, `updated`, `rejected`.
pub type Counts = BTreeMap<String, i64>;

/// Progress is told to subscribers at most this often; it is stored with each batch.
const EVENT_PAUSE: Duration = Duration::from_millis(250);
/// The row is asked for a request to cancel at most this often.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// A job that runs, in the hands of its [`JobKind`](super::JobKind).
#[derive(Debug)]
pub struct JobContext {
    app: App,
    job: Job,
    claim: Uuid,
    /// Cancelled when the job should stop between two batches, for whatever reason.
    stop: CancellationToken,
    /// Cancelled when another run has taken the job over.
    lost: CancellationToken,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    done: i64,
    total: Option<i64>,
    event: Option<Instant>,
    look: Instant,
}

impl JobContext {
    pub(super) fn new(app: App, job: Job, claim: Uuid, stop: CancellationToken) -> Self {
        let told = Told {
            done: job.done,
            total: job.total,
            event: None,
            look: Instant::now(),
        };
        Self {
            app,
            job,
            claim,
            stop,
            lost: CancellationToken::new(),
            told: Mutex::new(told),
        }
    }

    /// The job's id.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.job.id
    }

    /// Who asked for it, as written into events.
    #[must_use]
    pub fn created_by(&self) -> &str {
        &self.job.created_by
    }

    /// The row as it was when this run began.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// What it was asked to do.
    ///
    /// # Errors
    /// When the stored input is of another form: it was written by another version.
    pub fn input<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(serde_json::from_str(&self.job.input)?)
    }

    /// How far earlier runs have come; `None` when nothing was committed yet.
    ///
    /// # Errors
    /// When the stored checkpoint is of another form: it was written by another version.
    pub fn checkpoint<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        Ok(serde_json::from_str(&self.job.checkpoint)?)
    }

    /// Units done by earlier runs.
    #[must_use]
    pub fn done(&self) -> i64 {
        self.job.done
    }

    /// The figures of earlier runs.
    ///
    /// # Errors
    /// When they are of another form.
    pub fn counts(&self) -> Result<Counts, Error> {
        Ok(serde_json::from_str(&self.job.counts)?)
    }

    /// Stores how far the job has come, in the transaction of the work itself: `done` units of `total` (`None`: as
    /// before) and what a later run needs to go on behind this batch. Subscribers are told a few times a second.
    ///
    /// # Errors
    /// The database's; [`Error::Conflict`] when another run has taken the job over, and then the transaction must not
    /// be committed.
    pub async fn progress(
        &self,
        tx: &Tx,
        done: i64,
        total: Option<i64>,
        counts: &Counts,
        checkpoint: &impl Serialize,
    ) -> Result<(), Error> {
        let now = self.app.clock().now();
        let (done, total, tell) = {
            let mut told = self.told();
            told.done = told.done.max(done);
            told.total = total.or(told.total);
            let tell = told.event.is_none_or(|at| at.elapsed() >= EVENT_PAUSE);
            if tell {
                told.event = Some(Instant::now());
            }
            (told.done, told.total, tell)
        };
        let stored = store::Progress {
            done,
            total,
            counts: serde_json::to_string(counts)?,
            checkpoint: serde_json::to_string(checkpoint)?,
        };
        if !store::progress(tx, self.job.id, self.claim, now, &stored).await? {
            self.lose();
            return Err(Error::Conflict(format!(
                "another worker has taken over {}",
                self.job.id
            )));
        }
        if tell {
            let snapshot = Job {
                state: JobState::Running,
                done,
                total,
                counts: stored.counts,
                ..self.job.clone()
            };
            service::tell(tx, &snapshot, now).await?;
        }
        Ok(())
    }

    /// Whether to stop now, between two batches: somebody cancelled the job, the worker shuts down, or another run has
    /// taken over. Cheap: looks at the row twice a second at most.
    pub async fn is_cancelled(&self) -> bool {
        if self.stop.is_cancelled() {
            return true;
        }
        let due = {
            let mut told = self.told();
            let due = told.look.elapsed() >= LOOK_PAUSE;
            if due {
                told.look = Instant::now();
            }
            due
        };
        if due {
            match store::standing(self.app.db().read(), self.job.id).await {
                Ok(Some(standing)) if standing.claim == Some(self.claim) => {
                    if standing.cancel_requested {
                        self.stop.cancel();
                    }
                }
                Ok(_) => self.lose(),
                // The next batch will meet the same trouble and report it.
                Err(error) => tracing::debug!(%error, "could not look whether a job was cancelled"),
            }
        }
        self.stop.is_cancelled()
    }

    /// Whether somebody has asked to cancel it, and not only the process ends.
    ///
    /// # Errors
    /// The database's.
    pub async fn is_cancel_requested(&self) -> Result<bool, Error> {
        let standing = store::standing(self.app.db().write(), self.job.id).await?;
        Ok(standing.is_some_and(|standing| standing.cancel_requested))
    }

    /// Waits until the job should stop; for work that waits for something else itself.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Notes a sign of life; false when another run has taken over.
    pub(super) async fn beat(&self) -> Result<bool, Error> {
        let now = self.app.clock().now();
        match store::beat(self.app.db(), self.job.id, self.claim, now).await? {
            Some(cancel_requested) => {
                if cancel_requested {
                    self.stop.cancel();
                }
                Ok(true)
            }
            None => {
                self.lose();
                Ok(false)
            }
        }
    }

    fn lose(&self) {
        self.lost.cancel();
        self.stop.cancel();
    }

    pub(super) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
