//! A write transaction that wakes the event relay when it commits with new events.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::{DatabaseTransaction, DbBackend, DbErr};
use tokio::sync::watch;

/// A write transaction; rolled back unless [committed](Self::commit).
#[derive(Debug)]
pub struct Tx {
    tx: DatabaseTransaction,
    backend: DbBackend,
    has_events: AtomicBool,
    wake: watch::Sender<u64>,
}

impl Tx {
    pub(super) fn new(tx: DatabaseTransaction, backend: DbBackend, wake: watch::Sender<u64>) -> Self {
        Self {
            tx,
            backend,
            has_events: AtomicBool::new(false),
            wake,
        }
    }

    /// Which database it runs on.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.backend
    }

    /// Notes that events were appended: the commit will wake who waits for them.
    pub fn note_events(&self) {
        self.has_events.store(true, Ordering::Relaxed);
    }

    /// Makes the changes permanent.
    ///
    /// # Errors
    /// When the database refuses or is away; then nothing has changed, unless the connection broke during the commit
    /// itself, when the outcome is unknown.
    pub async fn commit(self) -> Result<(), DbErr> {
        let Self {
            tx,
            backend: _,
            has_events,
            wake,
        } = self;
        tx.commit().await?;
        if has_events.into_inner() {
            wake.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    /// Undoes the changes.
    ///
    /// # Errors
    /// When the database is away (the changes are undone then as well).
    pub async fn rollback(self) -> Result<(), DbErr> {
        self.tx.rollback().await
    }
}

impl Deref for Tx {
    type Target = DatabaseTransaction;
    fn deref(&self) -> &DatabaseTransaction {
        &self.tx
    }
}
