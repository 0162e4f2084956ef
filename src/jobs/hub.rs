//! What one process knows of background work.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use entity::id::JobId;
use tokio::sync::{OnceCell, watch};
use tokio_util::sync::CancellationToken;

use super::queue::Queue;
use crate::app::App;
use crate::error::Error;

/// The queue, and the jobs that run in this process.
#[derive(Debug, Default)]
pub struct Hub {
    queue: OnceCell<Queue>,
    pushed: watch::Sender<u64>,
    running: Mutex<HashMap<JobId, CancellationToken>>,
}

impl Hub {
    /// The queue; opened when it is first needed.
    pub(super) async fn queue(&self, app: &App) -> Result<&Queue, Error> {
        self.queue.get_or_try_init(|| Queue::open(app.db())).await
    }

    /// Tells the worker of this process that a task was pushed.
    pub(super) fn announce(&self) {
        self.pushed.send_modify(|count| *count += 1);
    }

    /// Changes with each task that this process pushes.
    pub(super) fn pushed(&self) -> watch::Receiver<u64> {
        self.pushed.subscribe()
    }

    /// Remembers a running job, until what is returned is dropped.
    pub(super) fn enter(&self, id: JobId, cancel: CancellationToken) -> Entered<'_> {
        self.lock().insert(id, cancel);
        Entered { hub: self, id }
    }

    /// Tells a job that runs in this process to stop; jobs of other processes see it in their row.
    pub(super) fn cancel(&self, id: JobId) {
        if let Some(cancel) = self.lock().get(&id) {
            cancel.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job that is known as running.
pub(super) struct Entered<'a> {
    hub: &'a Hub,
    id: JobId,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.hub.lock().remove(&self.id);
    }
}
