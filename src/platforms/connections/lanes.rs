//! Work that each connection, or a part of one, has of its own: one that is slow, throttled or away delays no other. One
//! process at a time works on a lane, by a lease that it renews; whoever is killed leaves one that lapses.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Display;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use entity::Timestamp;
use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::primary;
use crate::app::App;
use crate::db::{end_lease, renew_lease, rest_lease, running_leases, take_lease};
use crate::error::Error;

/// When a lease is renewed, in seconds.
const RENEW_SECONDS: i64 = 30;
/// The same, while something is worked on.
const RENEW: Duration = Duration::from_secs(RENEW_SECONDS.unsigned_abs());

/// What a room does on its lanes.
#[async_trait]
pub trait LaneWork: Send + Sync + 'static {
    /// What tells a lane from others; shown, it is its name in leases and in the log.
    type Lane: Copy + Eq + Hash + Display + Send + Sync;

    /// What is worked on, e.g. `messages`: what the names of its leases begin with. Never changed.
    const NAME: &'static str;
    /// How often is looked for what waits, without a word from this process; also the pause after a fault.
    const LOOK: Duration;
    /// For how long one process works on a lane without a sign of life, in seconds; well above half a minute, as it is renewed
    /// then.
    const LEASE_SECONDS: i64;

    /// The lanes on which something is to be done now. Those on which somebody works or that rest may be among them.
    ///
    /// # Errors
    /// The database's.
    async fn due(&self) -> Result<Vec<Self::Lane>, Error>;

    /// One batch of what is to be done on a lane. The lease is renewed meanwhile. It is seen to its end also while the process
    /// stops: whoever may be interrupted looks at `stop`.
    ///
    /// # Errors
    /// The database's; then the lane is left alone for a moment.
    async fn work(&self, lane: Self::Lane, stop: &CancellationToken) -> Result<AfterBatch, Error>;

    /// Ends when something was made due in this process.
    async fn woken(&self) {
        std::future::pending().await
    }
}

/// What becomes of a lane after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterBatch {
    /// There may be more.
    GoOn,
    /// There is nothing more to be done now.
    Done,
    /// Nobody, in any process, works on it for so many seconds, unless it is [woken](crate::db::wake_leases).
    Rest(i64),
}

/// The name of a lane's lease.
#[must_use]
pub fn lease_name<W: LaneWork>(lane: W::Lane) -> String {
    format!("{}:{lane}", W::NAME)
}

/// Works on the lanes of a room, in a process that works; cheap to clone.
pub struct Lanes<W: LaneWork> {
    app: App,
    work: Arc<W>,
    /// Those on which this process works: nothing; those that it leaves alone after a fault: until when.
    taken: Arc<Mutex<HashMap<W::Lane, Option<Instant>>>>,
}

impl<W: LaneWork> Lanes<W> {
    /// Of a room; nothing runs yet.
    #[must_use]
    pub fn new(app: App, work: W) -> Self {
        Self {
            app,
            work: Arc::new(work),
            taken: Arc::default(),
        }
    }

    /// Works until `stop`; then ends what was begun.
    pub async fn run(self, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        while !stop.is_cancelled() {
            match self.due().await {
                Ok(lanes) => {
                    for lane in lanes {
                        self.begin(lane, &tasks, &stop);
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        work = W::NAME,
                        ?error,
                        "could not look for what waits; trying again"
                    );
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.work.woken() => {}
                () = tokio::time::sleep(W::LOOK) => {}
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn due(&self) -> Result<Vec<W::Lane>, Error> {
        let mut lanes = self.work.due().await?;
        {
            let now = Instant::now();
            let mut taken = self.taken();
            taken.retain(|_, until| until.is_none_or(|until| until > now));
            lanes.retain(|lane| !taken.contains_key(lane));
        }
        if !lanes.is_empty() {
            // Reading is cheaper than trying to take a lease that runs, twice a second for each that rests.
            let prefix = format!("{}:", W::NAME);
            let running = running_leases(primary(&self.app), &prefix, self.app.clock().now()).await?;
            lanes.retain(|lane| !running.contains(&lease_name::<W>(*lane)));
        }
        Ok(lanes)
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<W::Lane, Option<Instant>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, lane: W::Lane, tasks: &TaskTracker, stop: &CancellationToken) {
        self.taken().insert(lane, None);
        let (this, stop) = (self.clone(), stop.clone());
        tasks.spawn(async move {
            let is_well = this.attend(lane, &stop).await;
            let mut taken = this.taken();
            if is_well {
                taken.remove(&lane);
            } else {
                taken.insert(lane, Some(Instant::now() + W::LOOK));
            }
        });
    }

    /// All that waits on a lane; false when it could not be done.
    async fn attend(&self, lane: W::Lane, stop: &CancellationToken) -> bool {
        let (name, holder) = (lease_name::<W>(lane), format!("{:016x}", rand::random::<u64>()));
        let lease = Lease {
            app: &self.app,
            name: &name,
            holder: &holder,
            seconds: W::LEASE_SECONDS,
        };
        let worked = AssertUnwindSafe(self.batches(lane, stop, &lease))
            .catch_unwind()
            .await;
        let mut is_well = true;
        let rests = match worked {
            Ok(Ok(AfterBatch::Rest(seconds))) => Some(seconds),
            Ok(Ok(_)) => None,
            Ok(Err(error)) => {
                is_well = false;
                tracing::warn!(work = W::NAME, %lane, ?error, "what waits could not be done; trying again");
                None
            }
            Err(_) => {
                is_well = false;
                tracing::error!(work = W::NAME, %lane, "the work panicked; trying again");
                None
            }
        };
        // On every way out, so that nobody waits for it.
        if let Err(error) = lease.end(rests).await {
            is_well = false;
            tracing::warn!(work = W::NAME, %lane, %error, "a lease could not be given back; it lapses by itself");
        }
        is_well
    }

    async fn batches(
        &self,
        lane: W::Lane,
        stop: &CancellationToken,
        lease: &Lease<'_>,
    ) -> Result<AfterBatch, Error> {
        let mut leased_at = None;
        while !stop.is_cancelled() {
            let now = self.app.clock().now();
            if leased_at.is_none_or(|at: Timestamp| at.plus_seconds(RENEW_SECONDS) < now) {
                let is_held = match leased_at {
                    None => lease.take(now).await?,
                    // It may have lapsed while the database was away.
                    Some(_) => lease.renew(now).await?,
                };
                if !is_held {
                    return Ok(AfterBatch::Done);
                }
                leased_at = Some(now);
            }
            // Side by side: what is worked on may hold the one connection that writes.
            let next = tokio::select! {
                next = self.work.work(lane, stop) => next?,
                never = lease.keep() => match never {},
            };
            if next != AfterBatch::GoOn {
                return Ok(next);
            }
        }
        Ok(AfterBatch::Done)
    }
}

impl<W: LaneWork> Clone for Lanes<W> {
    fn clone(&self) -> Self {
        Self {
            app: self.app.clone(),
            work: Arc::clone(&self.work),
            taken: Arc::clone(&self.taken),
        }
    }
}

impl<W: LaneWork> std::fmt::Debug for Lanes<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes")
            .field("work", &W::NAME)
            .finish_non_exhaustive()
    }
}

/// That one process works on a lane. That nothing is done twice does not hang on it: whoever must be sure claims each thing
/// on its own.
struct Lease<'a> {
    app: &'a App,
    name: &'a str,
    holder: &'a str,
    seconds: i64,
}

impl Lease<'_> {
    async fn take(&self, now: Timestamp) -> Result<bool, Error> {
        Ok(take_lease(self.app.db(), self.name, self.holder, now, self.seconds).await?)
    }

    async fn renew(&self, now: Timestamp) -> Result<bool, Error> {
        Ok(renew_lease(self.app.db(), self.name, self.holder, now, self.seconds).await?)
    }

    /// Renews it now and then, for ever.
    async fn keep(&self) -> Infallible {
        loop {
            tokio::time::sleep(RENEW).await;
            // Where it cannot be renewed, it is tried again; what is worked on is seen to its end all the same.
            if let Err(error) = self.renew(self.app.clock().now()).await {
                tracing::warn!(lease = self.name, ?error, "a lease could not be renewed");
            }
        }
    }

    async fn end(&self, rests: Option<i64>) -> Result<(), Error> {
        let db = self.app.db();
        match rests {
            Some(seconds) => {
                let until = self.app.clock().now().plus_seconds(seconds);
                Ok(rest_lease(db, self.name, self.holder, until).await?)
            }
            None => Ok(end_lease(db, self.name, self.holder).await?),
        }
    }
}
