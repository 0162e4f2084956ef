//! Hands messages over in a process that works: each connection and channel on its own, so that one that is slow, throttled
//! or away delays no other. A lane that has to wait rests as a whole: the messages on it are not touched.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use entity::MessageChannel;
use entity::id::ConnectionId;
use futures_util::{StreamExt as _, stream};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::handing::{Hand, Handed, expire, without_connection};
use super::model::{GOOD_FOR_SECONDS, theirs};
use super::{Message, store};
use crate::app::App;
use crate::error::Error;
use crate::platforms::connections::{AfterBatch, LaneWork, Live, live, primary};

/// Messages of one look.
const BATCH: u64 = 16;
/// Messages of a connection and channel that are on their way at a time.
const AT_ONCE: usize = 4;
/// How long a lane rests whose platform is switched off here, in seconds.
const SWITCHED_OFF_SECONDS: i64 = 15;

/// A connection and a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    /// By which messages go.
    pub connection: ConnectionId,
    /// What they go by.
    pub channel: MessageChannel,
}

impl Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.connection, self.channel)
    }
}

/// Wakes the outbox of this process.
#[derive(Debug, Default)]
pub(super) struct Wake(Notify);

impl Wake {
    /// Something was queued.
    pub(super) fn wake(&self) {
        self.0.notify_one();
    }
}

/// Hands messages over, on the [lanes](crate::platforms::connections::Lanes) of their connections.
#[derive(Debug)]
pub struct Outbox {
    app: App,
    paces: Mutex<HashMap<Lane, Instant>>,
}

#[async_trait]
impl LaneWork for Outbox {
    type Lane = Lane;

    const NAME: &'static str = "messages";
    const LOOK: Duration = Duration::from_millis(500);
    // One process keeps the pace of a lane. That no message is sent twice does not hang on it: each is claimed on its own.
    const LEASE_SECONDS: i64 = 180;

    async fn due(&self) -> Result<Vec<Lane>, Error> {
        let now = self.app.clock().now();
        Ok(store::lanes_queued(primary(&self.app), now, now.plus_seconds(-GOOD_FOR_SECONDS)).await?)
    }

    async fn work(&self, lane: Lane, stop: &CancellationToken) -> Result<AfterBatch, Error> {
        let live = live(&self.app, lane.connection).await?;
        let Some(hand) = Hand::of(&self.app, live.as_ref()) else {
            return self.without_connection(lane, live.as_ref()).await;
        };
        let due = store::queued(self.app.db().write(), lane, self.app.clock().now(), BATCH).await?;
        if due.is_empty() {
            return Ok(AfterBatch::Done);
        }
        let pause = self.batch(lane, &hand, due, stop).await?;
        match pause {
            None => Ok(AfterBatch::GoOn),
            // One that is known not to work is looked at when it is mended.
            Some(_) if !self.is_active(lane).await? => Ok(AfterBatch::Done),
            Some(seconds) => Ok(AfterBatch::Rest(seconds)),
        }
    }

    async fn woken(&self) {
        self.app.memory::<Wake>().0.notified().await;
    }
}

impl Outbox {
    /// For an application.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self {
            app,
            paces: Mutex::default(),
        }
    }

    /// Hands messages over; for how many seconds nothing more is to go, where the platform or the connection is in the way.
    async fn batch(
        &self,
        lane: Lane,
        hand: &Hand<'_>,
        due: Vec<Message>,
        stop: &CancellationToken,
    ) -> Result<Option<i64>, Error> {
        let pace = hand.per_second(theirs(lane.channel));
        let is_halted = AtomicBool::new(false);
        let is_over = || is_halted.load(Ordering::Relaxed) || stop.is_cancelled();
        let mut handed = stream::iter(due)
            .map(|row| async {
                if is_over() {
                    return Ok(Handed::Done);
                }
                self.in_turn(lane, pace, stop).await;
                if is_over() {
                    return Ok(Handed::Done);
                }
                let handed = hand.hand_over(row).await;
                if !matches!(handed, Ok(Handed::Done)) {
                    is_halted.store(true, Ordering::Relaxed);
                }
                handed
            })
            .buffer_unordered(AT_ONCE);
        let mut pause: Option<i64> = None;
        let mut fault = None;
        // All that is on its way is seen to its end: what became of it must be written down.
        while let Some(handed) = handed.next().await {
            match handed {
                Ok(Handed::Done) => {}
                Ok(Handed::Pause(seconds)) => pause = pause.max(Some(seconds)),
                Err(error) => fault = Some(error),
            }
        }
        fault.map_or(Ok(pause), Err)
    }

    async fn is_active(&self, lane: Lane) -> Result<bool, Error> {
        let live = live(&self.app, lane.connection).await?;
        Ok(live.is_some_and(|live| live.is_active()))
    }

    /// Waits for the moment at which the next message of a lane may go.
    async fn in_turn(&self, lane: Lane, per_second: Option<u32>, stop: &CancellationToken) {
        let Some(per_second) = per_second.filter(|count| *count > 0) else {
            return;
        };
        let at = {
            let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if paces.len() > 10_000 {
                paces.retain(|_, next| *next > now);
            }
            let next = paces.entry(lane).or_insert(now);
            let at = (*next).max(now);
            *next = at + Duration::from_secs(1) / per_second;
            at
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep_until(at) => {}
        }
    }

    /// What can be done while a connection is removed, switched off or does not work.
    async fn without_connection(&self, lane: Lane, live: Option<&Live>) -> Result<AfterBatch, Error> {
        let (app, now) = (&self.app, self.app.clock().now());
        let is_gone = live.is_none();
        let old = now.plus_seconds(-GOOD_FOR_SECONDS);
        let due = store::queued(app.db().write(), lane, if is_gone { now } else { old }, BATCH).await?;
        if due.is_empty() {
            // It is in use, and has no platform in this process; else it is not looked at until it is mended.
            return Ok(if live.is_some_and(Live::is_active) {
                AfterBatch::Rest(SWITCHED_OFF_SECONDS)
            } else {
                AfterBatch::Done
            });
        }
        for row in due {
            if is_gone {
                without_connection(app, row).await?;
            } else {
                expire(app, row).await?;
            }
        }
        Ok(AfterBatch::GoOn)
    }
}
