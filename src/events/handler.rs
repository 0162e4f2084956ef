//! Handlers: derived state that follows the log.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use entity::{EventKind, Timestamp};
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use super::{Event, Position, store};
use crate::app::App;
use crate::db::{Db, Tx};
use crate::error::Error;

/// Most events handled in one transaction: bounds its length and memory.
const BATCH: u64 = 5_000;

/// How far the stored cursor of a handler may stay behind events that do not concern it.
const IDLE_CURSOR_LAG: Position = 5_000;

/// Keeps some derived state up to date with the log.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// The name of its cursor; never changed.
    fn name(&self) -> &'static str;

    /// The kinds of events that it needs.
    fn kinds(&self) -> &'static [EventKind];

    /// Applies a batch, in order, set-based. Its writes commit together with its cursor, so that every event has its
    /// effect exactly once; it must not call anything outside of the database.
    async fn handle(&self, app: &App, tx: &Tx, events: &[Event]) -> Result<(), Error>;
}

/// Runs one handler.
pub struct HandlerRunner {
    app: App,
    handler: Arc<dyn Handler>,
    /// Up to here there is nothing for this handler: kept in memory, so that events of other kinds cost no write.
    scanned: Position,
}

impl HandlerRunner {
    /// A runner that does nothing yet.
    #[must_use]
    pub fn new(app: App, handler: Arc<dyn Handler>) -> Self {
        Self {
            app,
            handler,
            scanned: 0,
        }
    }

    /// Follows the log until cancelled. Several processes may run the same handler: its cursor's row is the lock.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut head = self.app.bus().head();
        let mut failures = 0_u32;
        loop {
            head.mark_unchanged();
            let limit = if failures == 0 {
                BATCH
            } else {
                (BATCH >> failures.min(10)).max(1)
            };
            match self.step(limit).await {
                Ok(true) => {
                    failures = 0;
                    continue;
                }
                Ok(false) => failures = 0,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    let name = self.handler.name();
                    tracing::error!(
                        handler = name,
                        failures,
                        ?error,
                        "a handler of events failed; trying again"
                    );
                    metrics::counter!("leadline_handler_failures_total", "handler" => name).increment(1);
                    let _ = store::note_failure(self.app.db(), name, &error.to_string()).await;
                }
            }
            // Woken by the log; looks by itself now and then, for what another process left when it died.
            let pause = if failures > 0 {
                Duration::from_millis(100 << failures.min(8))
            } else {
                Duration::from_secs(5)
            };
            tokio::select! {
                () = stop.cancelled() => return,
                _ = head.changed(), if failures == 0 => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Handles one batch; true when there may be more.
    async fn step(&mut self, limit: u64) -> Result<bool, Error> {
        let db = self.app.db();
        let name = self.handler.name();
        let (last, oldest) = store::head(db.read()).await?;
        let cursor = match store::cursor(db.read(), name).await? {
            Some(cursor) => cursor.position,
            None => {
                // A new handler begins with what is kept.
                store::ensure_cursor(db, name, oldest - 1, self.app.clock().now()).await?;
                oldest - 1
            }
        };
        let from = cursor.max(self.scanned);
        if from >= last {
            return Ok(false);
        }
        // What is in the log stays as it is: it is read before the transaction, which is short then.
        let events = store::page(db.read(), from, None, self.handler.kinds(), None, limit).await?;
        if events.is_empty() && last - cursor < IDLE_CURSOR_LAG {
            self.scanned = last;
            return Ok(false);
        }
        let full = events.len() as u64 == limit;
        let reached = match events.last() {
            Some(event) if full => event.position,
            Some(event) => event.position.max(last),
            None => last,
        };
        let tx = db.begin().await?;
        let locked = store::lock_cursor(&tx, name).await?;
        if locked != Some(cursor) {
            // Another process has it, or was faster.
            tx.rollback().await?;
            return Ok(locked.is_some());
        }
        if !events.is_empty() {
            self.handler.handle(&self.app, &tx, &events).await?;
            metrics::counter!("leadline_events_handled_total", "handler" => name)
                .increment(events.len() as u64);
        }
        store::move_cursor(&tx, name, reached, self.app.clock().now()).await?;
        tx.commit().await?;
        Ok(full)
    }
}

/// The handlers that have not handled all there is for them, with their positions; `relay` among them while events wait
/// for theirs. Empty once derived state has caught up with the log.
///
/// # Errors
/// The database's.
pub async fn behind(
    app: &App,
    handlers: &[Arc<dyn Handler>],
) -> Result<Vec<(&'static str, Position)>, Error> {
    let db = app.db();
    let (last, _) = store::head(db.read()).await?;
    let mut behind = Vec::new();
    if store::is_waiting(db).await? {
        behind.push(("relay", last));
    }
    for handler in handlers {
        let position = store::cursor(db.read(), handler.name())
            .await?
            .map_or(0, |cursor| cursor.position);
        let next = store::page(db.read(), position, None, handler.kinds(), None, 1).await?;
        if !next.is_empty() {
            behind.push((handler.name(), position));
        }
    }
    // What one handler did meanwhile may concern another that was looked at before.
    if behind.is_empty() && store::head(db.read()).await?.0 != last {
        behind.push(("log", last));
    }
    Ok(behind)
}

/// How far a handler is behind, for those who look after a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Events of its kinds that it has yet to handle.
    pub waiting: u64,
    /// When the first of them was recorded.
    pub waiting_since: Option<Timestamp>,
    /// How often in a row it has failed at the place where it stands.
    pub failures: u32,
    /// What it said when it last failed.
    pub last_error: Option<String>,
}

/// Tells how far a handler is behind; one that has never run is behind with the whole log.
///
/// # Errors
/// The database's.
pub async fn progress(db: &Db, handler: &dyn Handler) -> Result<Progress, DbErr> {
    let cursor = store::cursor(db.read(), handler.name()).await?;
    let position = cursor.as_ref().map_or(0, |cursor| cursor.position);
    let first = store::page(db.read(), position, None, handler.kinds(), None, 1).await?;
    let waiting = match first.is_empty() {
        true => 0,
        false => store::count_after(db.read(), position, handler.kinds()).await?,
    };
    let failures = cursor.as_ref().and_then(|cursor| cursor.failures).unwrap_or(0);
    Ok(Progress {
        waiting,
        waiting_since: first.first().map(|event| event.at),
        failures: failures.unsigned_abs(),
        last_error: cursor.and_then(|cursor| cursor.last_error),
    })
}
