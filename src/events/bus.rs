//! The live end of the log: one tail per process reads what is new and hands it to all subscribers.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use entity::EventKind;
use entity::id::LeadId;
use futures_util::Stream;
use sea_orm::{DbBackend, DbErr};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::{Event, Position, store};
use crate::db::Db;

/// Events read at once, by the tail and by a subscriber that catches up.
const BATCH: u64 = 1_000;
/// Batches that a subscriber may lag behind before it reads from the database again.
const CHANNEL: usize = 512;
/// How often the log is looked at without being woken: for commits of other processes.
const IDLE_POLL: Duration = Duration::from_millis(250);

/// Some events in their order, shared by all who watch.
type Batch = Arc<[Arc<Event>]>;

/// The live end of the log.
#[derive(Debug)]
pub struct Bus {
    db: Db,
    live: broadcast::Sender<Batch>,
    head: watch::Sender<Position>,
    tail: AtomicI64,
    nudge: watch::Sender<u64>,
    started: Instant,
    /// Milliseconds from the start to the last successful look at the log.
    looked: AtomicU64,
}

/// Which events a subscriber wants; an empty list is all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of these kinds.
    pub kinds: Vec<EventKind>,
    /// About this lead.
    pub lead_id: Option<LeadId>,
    /// About one of these subjects.
    pub subjects: HashSet<String>,
}

impl Filter {
    /// Events of these kinds.
    #[must_use]
    pub fn kinds(kinds: &[EventKind]) -> Self {
        Self {
            kinds: kinds.to_vec(),
            ..Self::default()
        }
    }

    fn wants(&self, event: &Event) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && (self.lead_id.is_none() || self.lead_id == event.lead_id)
            && (self.subjects.is_empty() || self.subjects.contains(&event.subject))
    }
}

/// Where somebody stands in the log: the position of the last event taken. Shared by who reads and who wants to know.
#[derive(Clone, Debug)]
pub struct Place(Arc<AtomicI64>);

impl Place {
    /// Behind this position.
    #[must_use]
    pub fn at(position: Position) -> Self {
        Self(Arc::new(AtomicI64::new(position)))
    }

    /// The position.
    #[must_use]
    pub fn get(&self) -> Position {
        self.0.load(Ordering::Acquire)
    }

    /// Another event was taken.
    pub fn set(&self, position: Position) {
        self.0.store(position, Ordering::Release);
    }
}

/// Why a stream of events ended.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The cursor points before the oldest event that is kept.
    #[error(
        "the cursor is older than the retained log (oldest position {oldest}): read the current state and begin anew"
    )]
    TooOld {
        /// The oldest position kept.
        oldest: Position,
    },
    /// The cursor points past the end.
    #[error(
        "the cursor lies past the end of the log: it belongs to another deployment or a restored database"
    )]
    PastEnd,
    /// The database's.
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl Bus {
    /// A bus that nobody feeds yet: see [`Self::run`].
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self {
            db,
            live: broadcast::Sender::new(CHANNEL),
            head: watch::Sender::new(0),
            tail: AtomicI64::new(-1),
            nudge: watch::Sender::new(0),
            started: Instant::now(),
            looked: AtomicU64::new(0),
        }
    }

    /// Follows the log until cancelled: relays (PostgreSQL), reads what is new, hands it on. `announce` is called after
    /// progress of this process's own, to wake other processes.
    pub async fn run(&self, stop: CancellationToken, announce: impl Fn(Position) + Send + Sync) {
        let mut commits = self.db.commits_with_events();
        let mut nudges = self.nudge.subscribe();
        let mut failures = 0_u32;
        loop {
            commits.mark_unchanged();
            nudges.mark_unchanged();
            match self.step(&announce).await {
                Ok(true) => {
                    failures = 0;
                    continue;
                }
                Ok(false) => failures = 0,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(%error, failures, "could not read the event log; trying again");
                }
            }
            let pause = IDLE_POLL * (1 << failures.min(4));
            tokio::select! {
                () = stop.cancelled() => return,
                _ = commits.changed() => {}
                _ = nudges.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One look at the log; true when there may be more to read at once.
    async fn step(&self, announce: &(impl Fn(Position) + Send + Sync)) -> Result<bool, DbErr> {
        let relayed = store::relay(&self.db).await?;
        let mut tail = self.tail.load(Ordering::Acquire);
        if tail < 0 {
            tail = store::head(self.db.read()).await?.0;
            self.tail.store(tail, Ordering::Release);
            self.head.send_replace(tail);
            self.note_look();
            return Ok(true);
        }
        let events = store::page(self.db.read(), tail, None, &[], None, BATCH).await?;
        self.note_look();
        let Some(last) = events.last().map(|event| event.position) else {
            return Ok(false);
        };
        let full = events.len() as u64 == BATCH;
        let batch: Batch = events.into_iter().map(Arc::new).collect();
        self.tail.store(last, Ordering::Release);
        // Nobody listening is no error.
        let _ = self.live.send(batch);
        self.head.send_replace(last);
        // What another process has relayed, it has announced itself. On SQLite appending is the relay, so it cannot be
        // told whose events these are.
        if relayed > 0 || self.db.backend() == DbBackend::Sqlite {
            announce(last);
        }
        Ok(full)
    }

    fn note_look(&self) {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.looked.store(millis, Ordering::Release);
    }

    /// How long ago the log was last read with success; since the start when it never was.
    #[must_use]
    pub fn last_look(&self) -> Duration {
        let looked = Duration::from_millis(self.looked.load(Ordering::Acquire));
        self.started.elapsed().saturating_sub(looked)
    }

    /// Looks at the log soon: another process says that there is something new.
    pub fn nudge(&self) {
        self.nudge.send_modify(|count| *count += 1);
    }

    /// The last position seen, and its changes.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    /// The last position handed on; `None` before the first look at the log.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let tail = self.tail.load(Ordering::Acquire);
        (tail >= 0).then_some(tail)
    }

    /// How many follow the live end now: subscriptions, and parts of the server itself.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.live.receiver_count()
    }

    /// The live batches, from now on.
    pub(super) fn live(&self) -> broadcast::Receiver<Batch> {
        self.live.subscribe()
    }

    /// The wanted events after a position (from now on when `None`), in order, none left out, none twice: first from
    /// the database, then live; a subscriber that lags behind the live end falls back to the database.
    pub fn stream(
        self: &Arc<Self>,
        filter: Filter,
        after: Option<Position>,
    ) -> impl Stream<Item = Result<Arc<Event>, StreamError>> + Send + use<> {
        let bus = Arc::clone(self);
        async_stream::try_stream! {
            let mut live = bus.live();
            let mut position = match after {
                Some(after) => {
                    let (last, oldest) = store::head(bus.db.read()).await?;
                    if after + 1 < oldest {
                        Err(StreamError::TooOld { oldest })?;
                    }
                    if after > last {
                        Err(StreamError::PastEnd)?;
                    }
                    after
                }
                None => {
                    let tail = bus.tail.load(Ordering::Acquire);
                    if tail >= 0 { tail } else { store::head(bus.db.read()).await?.0 }
                }
            };
            let mut behind = after.is_some();
            loop {
                while behind {
                    let events = store::page(bus.db.read(), position, None, &filter.kinds, filter.lead_id, BATCH).await?;
                    behind = events.len() as u64 == BATCH;
                    for event in events {
                        position = event.position;
                        if filter.wants(&event) {
                            yield Arc::new(event);
                        }
                    }
                }
                match live.recv().await {
                    Ok(batch) => {
                        for event in batch.iter().filter(|event| event.position > position) {
                            if filter.wants(event) {
                                yield Arc::clone(event);
                            }
                        }
                        if let Some(last) = batch.last() {
                            position = position.max(last.position);
                        }
                    }
                    Err(RecvError::Lagged(_)) => {
                        let oldest = store::head(bus.db.read()).await?.1;
                        if position + 1 < oldest {
                            Err(StreamError::TooOld { oldest })?;
                        }
                        behind = true;
                    }
                    Err(RecvError::Closed) => return,
                }
            }
        }
    }
}
