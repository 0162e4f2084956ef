//! What sandboxes count.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

/// How many orders are remembered.
const REMEMBERED: usize = 10_000;

/// How often each order came.
#[derive(Debug, Default)]
pub(crate) struct Orders(HashMap<Vec<u8>, usize>);

impl Orders {
    /// Counts an order; how often the same came before.
    pub(crate) fn count(&mut self, body: &[u8]) -> usize {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        let count = self.0.entry(body.to_vec()).or_default();
        *count += 1;
        *count - 1
    }
}

/// How many requests came within a minute.
#[derive(Debug)]
pub(crate) struct Minute {
    limit: u64,
    begun: DateTime<Utc>,
    used: u64,
}

impl Minute {
    /// So many are allowed.
    pub(crate) fn of(limit: u64) -> Self {
        Self {
            limit,
            begun: DateTime::UNIX_EPOCH,
            used: 0,
        }
    }

    /// Counts a request: how many are left behind it (`None`: it was one too many), and when the minute is over.
    pub(crate) fn count(&mut self, now: DateTime<Utc>) -> (Option<u64>, DateTime<Utc>) {
        let minute = TimeDelta::minutes(1);
        if now - self.begun >= minute {
            self.begun = now;
            self.used = 0;
        }
        self.used += 1;
        (self.limit.checked_sub(self.used), self.begun + minute)
    }
}
