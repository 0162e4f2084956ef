//! Time as a parameter: what waits can be tested without waiting.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// Tells the time, and waits.
#[async_trait]
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The moment it is now.
    fn now(&self) -> DateTime<Utc>;

    /// Returns when so much time has passed.
    async fn sleep(&self, time: Duration);
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// A clock that stands still, and on which waiting takes no time: it is put forward instead, and remembers how far.
#[derive(Debug)]
pub struct ManualClock(Mutex<(DateTime<Utc>, Vec<Duration>)>);

impl ManualClock {
    /// A clock that stands at a moment.
    #[must_use]
    pub fn at(moment: DateTime<Utc>) -> Self {
        Self(Mutex::new((moment, Vec::new())))
    }

    /// Puts it forward.
    pub fn advance(&self, time: Duration) {
        self.state().0 += time;
    }

    /// What was waited, since it was asked last.
    #[must_use]
    pub fn waits(&self) -> Vec<Duration> {
        std::mem::take(&mut self.state().1)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, (DateTime<Utc>, Vec<Duration>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.state().0
    }

    async fn sleep(&self, time: Duration) {
        let mut state = self.state();
        state.0 += time;
        state.1.push(time);
    }
}
