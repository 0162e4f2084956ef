//! The clock as a parameter, so that decay, windows and schedules can be tested.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use entity::Timestamp;

/// Tells the time; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// The clock of the machine.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands until it is [set](Self::set): for tests and reproducible data.
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self(Source::Fixed(Arc::new(AtomicI64::new(at.micros()))))
    }

    /// The moment it is now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(
                clippy::disallowed_methods,
                reason = "the one place that reads the machine's clock"
            )]
            Source::System => Timestamp::from(chrono::Utc::now()),
            Source::Fixed(at) => Timestamp::from_micros(at.load(Ordering::SeqCst)),
        }
    }

    /// Sets a fixed clock; the machine's clock cannot be set and stays as it is.
    pub fn set(&self, at: Timestamp) {
        if let Source::Fixed(cell) = &self.0 {
            cell.store(at.micros(), Ordering::SeqCst);
        }
    }
}
