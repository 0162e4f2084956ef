//! What every use case needs: the database, the clock, the event bus. Knows no wing.

use std::sync::Arc;

use crate::clock::Clock;
use crate::db::Db;
use crate::events::Bus;
use crate::jobs::Hub;

/// The running application; cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    db: Db,
    clock: Clock,
    bus: Arc<Bus>,
    jobs: Hub,
}

impl App {
    /// Puts the parts together; nothing runs yet.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        let bus = Arc::new(Bus::new(db.clone()));
        Self {
            inner: Arc::new(Inner {
                db,
                clock,
                bus,
                jobs: Hub::default(),
            }),
        }
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.inner.db
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The live end of the event log.
    #[must_use]
    pub fn bus(&self) -> &Arc<Bus> {
        &self.inner.bus
    }

    /// What this process knows of background work: the queue, the jobs it runs.
    #[must_use]
    pub fn jobs(&self) -> &Hub {
        &self.inner.jobs
    }
}
