//! Keeping to a platform's limits, as its own answers tell them. Each connection has a lane of its own, so that none waits
//! for another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What an answer tells about the limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Nothing more for so long.
    Pause(Duration),
    /// A bucket that fills by itself, in the platform's own points.
    Bucket {
        /// What is in it.
        available: f64,
        /// What fits in.
        maximum: f64,
        /// What flows in a second.
        per_second: f64,
    },
    /// So many requests until a moment.
    Window {
        /// How many are left.
        remaining: u64,
        /// For how long.
        left: Duration,
    },
}

/// Requests of a connection whose answers are streamed, until these begin. That may take long, as a model thinks first, so that they
/// have places of their own: who asks for something short does not stand in line behind them. How many a platform takes it says
/// itself ([`Pace`]).
const STREAMS_AT_ONCE: usize = 64;

/// What is known of the limits of one connection, and how many requests of it are on their way. Where a platform counts
/// kinds of requests apart, each has a limit by its name; the others share the one without.
#[derive(Debug)]
pub struct Lane {
    permits: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    limits: Mutex<BTreeMap<&'static str, State>>,
}

#[derive(Debug, Default)]
struct State {
    not_before: Option<DateTime<Utc>>,
    bucket: Option<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    available: f64,
    maximum: f64,
    per_second: f64,
    at: DateTime<Utc>,
}

impl Bucket {
    fn available(&self, now: DateTime<Utc>) -> f64 {
        let passed = (now - self.at).to_std().unwrap_or_default().as_secs_f64();
        (self.available + passed * self.per_second).min(self.maximum)
    }
}

impl Lane {
    /// A lane for so many requests at once, streams apart.
    #[must_use]
    pub fn new(at_once: usize) -> Arc<Self> {
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(at_once.max(1))),
            streams: Arc::new(Semaphore::new(STREAMS_AT_ONCE)),
            limits: Mutex::default(),
        })
    }

    /// A place among the requests that are on their way.
    pub(super) async fn enter(&self, is_stream: bool) -> OwnedSemaphorePermit {
        let permits = if is_stream { &self.streams } else { &self.permits };
        let permits = Arc::clone(permits);
        permits.acquire_owned().await.expect("never closed")
    }

    /// How long to wait before a request of so many points; they are taken at once when nothing is to be waited for.
    pub(super) fn wait(&self, limit: &'static str, points: f64, now: DateTime<Utc>) -> Duration {
        let mut limits = self.limits();
        let Some(state) = limits.get_mut(limit) else {
            return Duration::ZERO;
        };
        let pause = state
            .not_before
            .and_then(|at| (at - now).to_std().ok())
            .unwrap_or_default();
        if !pause.is_zero() {
            return pause;
        }
        let Some(bucket) = &mut state.bucket else {
            return Duration::ZERO;
        };
        let available = bucket.available(now);
        // What never fits is sent all the same: the platform is to say so.
        let needed = points.min(bucket.maximum);
        if available < needed && bucket.per_second > 0.0 {
            return Duration::from_secs_f64((needed - available) / bucket.per_second);
        }
        bucket.available = available - points;
        bucket.at = now;
        Duration::ZERO
    }

    /// Takes note of what an answer told.
    pub(super) fn note(&self, limit: &'static str, pace: Pace, now: DateTime<Utc>) {
        let mut limits = self.limits();
        let state = limits.entry(limit).or_default();
        match pace {
            Pace::Pause(time) => state.pause(time, now),
            Pace::Window { remaining: 0, left } => state.pause(left, now),
            Pace::Window { .. } => {}
            Pace::Bucket {
                available,
                maximum,
                per_second,
            } => {
                state.bucket = Some(Bucket {
                    available,
                    maximum,
                    per_second,
                    at: now,
                });
            }
        }
    }

    fn limits(&self) -> MutexGuard<'_, BTreeMap<&'static str, State>> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pause(&mut self, time: Duration, now: DateTime<Utc>) {
        let until = chrono::Duration::from_std(time)
            .ok()
            .and_then(|time| now.checked_add_signed(time));
        self.not_before = self.not_before.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_bucket_is_drawn_from_and_fills_by_itself() {
        let lane = Lane::new(1);
        assert_eq!(
            lane.wait("", 500.0, at(0)),
            Duration::ZERO,
            "nothing is known, nothing is waited for"
        );
        let told = Pace::Bucket {
            available: 100.0,
            maximum: 1000.0,
            per_second: 50.0,
        };
        lane.note("", told, at(0));
        assert_eq!(lane.wait("", 100.0, at(0)), Duration::ZERO);
        assert_eq!(lane.wait("", 100.0, at(0)), Duration::from_secs(2));
        assert_eq!(lane.wait("", 100.0, at(2)), Duration::ZERO);
        assert_eq!(
            lane.wait("", 5000.0, at(2)),
            Duration::from_secs(20),
            "what never fits waits for a full bucket, and then goes"
        );
        assert_eq!(lane.wait("", 5000.0, at(22)), Duration::ZERO);
    }

    #[tokio::test]
    async fn streams_take_nobody_elses_place() {
        let lane = Lane::new(1);
        let mut streams = Vec::new();
        for _ in 0..STREAMS_AT_ONCE {
            streams.push(lane.enter(true).await);
        }
        let own = lane.enter(false).await;
        assert_eq!(
            (lane.streams.available_permits(), lane.permits.available_permits()),
            (0, 0)
        );
        drop((streams, own));
        assert_eq!(
            (lane.streams.available_permits(), lane.permits.available_permits()),
            (STREAMS_AT_ONCE, 1)
        );
    }

    #[test]
    fn the_longer_pause_counts() {
        let lane = Lane::new(1);
        lane.note("", Pace::Pause(Duration::from_secs(30)), at(0));
        lane.note("", Pace::Pause(Duration::from_secs(5)), at(0));
        lane.note(
            "",
            Pace::Window {
                remaining: 3,
                left: Duration::from_secs(900),
            },
            at(0),
        );
        assert_eq!(lane.wait("", 0.0, at(10)), Duration::from_secs(20));
        assert_eq!(lane.wait("reports", 0.0, at(10)), Duration::ZERO, "another limit");
        assert_eq!(lane.wait("", 0.0, at(30)), Duration::ZERO);
    }
}
