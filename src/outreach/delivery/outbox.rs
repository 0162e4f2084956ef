//! Hands messages over in a process that works: each connection and channel on its own, so that one that is slow, throttled
//! or away delays no other.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entity::id::ConnectionId;
use entity::{MessageChannel, MessageState, Timestamp};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::handing::{Hand, Handed};
use super::model::theirs;
use super::{Message, store};
use crate::app::App;
use crate::db::{end_lease, take_lease};
use crate::error::Error;
use crate::platforms::connections::live;

/// How often is looked for what waits, without a word from this process.
const LOOK: Duration = Duration::from_millis(500);
/// Messages of one look.
const BATCH: u64 = 16;
/// Messages of a connection and channel that are on their way at a time.
const AT_ONCE: usize = 4;
/// For how long one process works on a connection and channel without a sign of life, in seconds.
const LEASE_SECONDS: i64 = 180;
/// When the lease is renewed, in seconds.
const RENEW_SECONDS: i64 = 30;
/// How long messages wait for a connection that is not in use, in seconds.
const UNTIL_MENDED_SECONDS: i64 = 15;

/// A connection and a channel.
pub(super) type Lane = (ConnectionId, MessageChannel);

/// Wakes the outbox of this process.
#[derive(Debug, Default)]
pub(super) struct Wake(Notify);

impl Wake {
    /// Something was queued.
    pub(super) fn wake(&self) {
        self.0.notify_one();
    }
}

/// Hands messages over.
#[derive(Clone, Debug)]
pub struct Outbox {
    app: App,
    busy: Arc<Mutex<HashSet<Lane>>>,
    paces: Arc<Mutex<HashMap<Lane, Instant>>>,
}

impl Outbox {
    /// One that does nothing yet.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self {
            app,
            busy: Arc::default(),
            paces: Arc::default(),
        }
    }

    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let wake = self.app.memory::<Wake>();
        let tasks = TaskTracker::new();
        while !stop.is_cancelled() {
            match self.lanes().await {
                Ok(lanes) => {
                    for lane in lanes {
                        self.work_on(lane, &tasks, &stop);
                    }
                }
                Err(error) => tracing::warn!(?error, "could not look for messages that wait; trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = wake.0.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn lanes(&self) -> Result<Vec<Lane>, Error> {
        let now = self.app.clock().now();
        Ok(store::due_lanes(self.app.db().write(), now).await?)
    }

    fn busy(&self) -> MutexGuard<'_, HashSet<Lane>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work_on(&self, lane: Lane, tasks: &TaskTracker, stop: &CancellationToken) {
        if !self.busy().insert(lane) {
            return;
        }
        let (this, stop) = (self.clone(), stop.clone());
        tasks.spawn(async move {
            let worked = std::panic::AssertUnwindSafe(this.lane(lane, &stop));
            match worked.catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(connection = %lane.0, ?error, "messages could not be handed over; trying again");
                    tokio::time::sleep(LOOK).await;
                }
                Err(_) => {
                    tracing::error!(connection = %lane.0, "handing messages over panicked");
                    tokio::time::sleep(LOOK).await;
                }
            }
            this.busy().remove(&lane);
        });
    }

    /// All that waits on one lane.
    async fn lane(&self, lane: Lane, stop: &CancellationToken) -> Result<(), Error> {
        let name = format!("messages:{}:{}", lane.0, lane.1);
        let holder = format!("{:016x}", rand::random::<u64>());
        let worked = self.leased(lane, stop, &name, &holder).await;
        // On every way out, so that nobody waits for it.
        end_lease(self.app.db(), &name, &holder).await?;
        worked
    }

    async fn leased(
        &self,
        lane: Lane,
        stop: &CancellationToken,
        name: &str,
        holder: &str,
    ) -> Result<(), Error> {
        let mut leased_at = None;
        while !stop.is_cancelled() {
            let now = self.app.clock().now();
            if leased_at.is_none_or(|at: Timestamp| at.plus_seconds(RENEW_SECONDS) < now) {
                if leased_at.is_some() {
                    end_lease(self.app.db(), name, holder).await?;
                }
                // One process keeps the pace of a connection. That no message is sent twice does not hang on it: each is
                // claimed on its own.
                if !take_lease(self.app.db(), name, holder, now, LEASE_SECONDS).await? {
                    return Ok(());
                }
                leased_at = Some(now);
            }
            let due = store::due(self.app.db().write(), lane, now, BATCH).await?;
            if due.is_empty() || !self.batch(lane, due, stop).await? {
                break;
            }
        }
        Ok(())
    }

    /// False when nothing more is to be done at the moment.
    async fn batch(&self, lane: Lane, due: Vec<Message>, stop: &CancellationToken) -> Result<bool, Error> {
        let live = live(&self.app, lane.0).await?;
        let Some(hand) = Hand::of(&self.app, live.as_ref()) else {
            return self.without_connection(lane, due, live.is_none()).await;
        };
        let pace = hand.per_second(theirs(lane.1));
        let is_halted = AtomicBool::new(false);
        let mut handed = stream::iter(due)
            .map(|row| async {
                if is_halted.load(Ordering::Relaxed) || stop.is_cancelled() {
                    return Ok(Handed::Done);
                }
                if row.state == MessageState::Queued {
                    self.in_turn(lane, pace, stop).await;
                    if is_halted.load(Ordering::Relaxed) || stop.is_cancelled() {
                        return Ok(Handed::Done);
                    }
                }
                let handed = hand.take(row).await;
                if !matches!(handed, Ok(Handed::Done)) {
                    is_halted.store(true, Ordering::Relaxed);
                }
                handed
            })
            .buffer_unordered(AT_ONCE);
        let mut pause: Option<i64> = None;
        let mut fault = None;
        // All that is on its way is seen to its end: what became of it must be written down.
        while let Some(handed) = handed.next().await {
            match handed {
                Ok(Handed::Done) => {}
                Ok(Handed::Pause(seconds)) => pause = pause.max(Some(seconds)),
                Err(error) => fault = Some(error),
            }
        }
        drop(handed);
        if let Some(seconds) = pause {
            self.postpone(lane, seconds).await?;
        }
        match fault {
            Some(error) => Err(error),
            None => Ok(pause.is_none() && !stop.is_cancelled()),
        }
    }

    /// Waits for the moment at which the next message of a lane may go.
    async fn in_turn(&self, lane: Lane, per_second: Option<u32>, stop: &CancellationToken) {
        let Some(per_second) = per_second.filter(|count| *count > 0) else {
            return;
        };
        let at = {
            let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if paces.len() > 10_000 {
                paces.retain(|_, next| *next > now);
            }
            let next = paces.entry(lane).or_insert(now);
            let at = (*next).max(now);
            *next = at + Duration::from_secs(1) / per_second;
            at
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep_until(at) => {}
        }
    }

    async fn postpone(&self, lane: Lane, seconds: i64) -> Result<(), Error> {
        let until = self.app.clock().now().plus_seconds(seconds);
        let tx = self.app.db().begin().await?;
        store::postpone(&tx, lane, &[MessageState::Queued], until).await?;
        Ok(tx.commit().await?)
    }

    /// What can be done while a connection is removed, switched off or does not work.
    async fn without_connection(&self, lane: Lane, due: Vec<Message>, is_gone: bool) -> Result<bool, Error> {
        for row in due {
            super::handing::without_connection(&self.app, row, is_gone).await?;
        }
        if is_gone {
            return Ok(true);
        }
        let until = self.app.clock().now().plus_seconds(UNTIL_MENDED_SECONDS);
        let tx = self.app.db().begin().await?;
        let waiting = [MessageState::Queued, MessageState::Unknown];
        store::postpone(&tx, lane, &waiting, until).await?;
        tx.commit().await?;
        Ok(false)
    }
}
