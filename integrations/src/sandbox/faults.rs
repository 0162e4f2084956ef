//! Failures to order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How a platform can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The credentials are not accepted.
    Unauthorised,
    /// Too many requests; come again after so many seconds.
    Throttled {
        /// Seconds.
        seconds: u32,
    },
    /// A fault of the platform's own.
    ServerError,
    /// A failure told within an answer that says success.
    BodyError,
    /// The connection is cut before anything is answered.
    Cut,
    /// The connection is cut within the body of the answer.
    CutWithin,
    /// The answer comes late.
    Slow(Duration),
    /// The answer cannot be read.
    Malformed,
}

/// The failures that are to come; shared by whoever orders them and the server.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<VecDeque<Ordered>>>);

#[derive(Debug)]
struct Ordered {
    failure: Failure,
    path: String,
    times: u32,
}

impl Faults {
    /// The next so many requests fail.
    pub fn next(&self, failure: Failure, times: u32) {
        self.on("", failure, times);
    }

    /// The next so many requests whose path holds a text fail. For other protocols the path is the command.
    pub fn on(&self, path: &str, failure: Failure, times: u32) {
        let ordered = Ordered {
            failure,
            path: path.to_owned(),
            times,
        };
        self.orders().push_back(ordered);
    }

    /// No more failures.
    pub fn clear(&self) {
        self.orders().clear();
    }

    /// The failure that a request is to have.
    #[must_use]
    pub fn take(&self, path: &str) -> Option<Failure> {
        let mut orders = self.orders();
        let at = orders
            .iter()
            .position(|order| path.contains(&order.path) && order.times > 0)?;
        let order = &mut orders[at];
        order.times -= 1;
        let failure = order.failure;
        if order.times == 0 {
            orders.remove(at);
        }
        Some(failure)
    }

    fn orders(&self) -> std::sync::MutexGuard<'_, VecDeque<Ordered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
