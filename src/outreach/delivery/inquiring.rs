//! What became of messages of which that is not known: claims that lapsed, and answers that never came. They are looked at on
//! lanes of their own, so that a lane on which nothing may go delays no question.

use std::time::Duration;

use async_trait::async_trait;
use entity::{MessageState, Timestamp};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use super::handing::{Hand, lapsed, without_connection};
use super::outbox::Lane;
use super::store;
use crate::app::App;
use crate::error::Error;
use crate::platforms::connections::{AfterBatch, LaneWork, Live, live, primary};

/// Messages of one look.
const BATCH: u64 = 16;
/// Messages of a connection and channel that are asked for at a time.
const AT_ONCE: usize = 4;
/// How long a lane rests whose platform is switched off here, in seconds.
const SWITCHED_OFF_SECONDS: i64 = 15;

/// Finds out what became of messages, on the [lanes](crate::platforms::connections::Lanes) of their connections.
#[derive(Debug)]
pub struct Inquiries {
    app: App,
}

#[async_trait]
impl LaneWork for Inquiries {
    type Lane = Lane;

    const NAME: &'static str = "inquiries";
    const LOOK: Duration = Duration::from_millis(500);
    const LEASE_SECONDS: i64 = 180;

    async fn due(&self) -> Result<Vec<Lane>, Error> {
        let now = self.app.clock().now();
        Ok(store::lanes_followed(primary(&self.app), now).await?)
    }

    async fn work(&self, lane: Lane, stop: &CancellationToken) -> Result<AfterBatch, Error> {
        let now = self.app.clock().now();
        let live = live(&self.app, lane.connection).await?;
        let Some(hand) = Hand::of(&self.app, live.as_ref()) else {
            return self.without_connection(lane, live.as_ref(), now).await;
        };
        let due = store::followed(self.app.db().write(), lane, now, false, BATCH).await?;
        if due.is_empty() {
            return Ok(AfterBatch::Done);
        }
        let asked = stream::iter(due)
            .map(|row| hand.follow(row))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>();
        tokio::select! {
            asked = asked => asked?,
            // What is not known yet is asked by whoever comes next.
            () = stop.cancelled() => return Ok(AfterBatch::Done),
        }
        Ok(AfterBatch::GoOn)
    }
}

impl Inquiries {
    /// For an application.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self { app }
    }

    /// What can be done while nobody can be asked.
    async fn without_connection(
        &self,
        lane: Lane,
        live: Option<&Live>,
        now: Timestamp,
    ) -> Result<AfterBatch, Error> {
        let is_gone = live.is_none();
        let due = store::followed(self.app.db().write(), lane, now, !is_gone, BATCH).await?;
        if due.is_empty() {
            return Ok(if live.is_some_and(Live::is_active) {
                AfterBatch::Rest(SWITCHED_OFF_SECONDS)
            } else {
                AfterBatch::Done
            });
        }
        for row in due {
            if row.state == MessageState::Sending {
                lapsed(&self.app, row).await?;
            } else {
                without_connection(&self.app, row).await?;
            }
        }
        Ok(AfterBatch::GoOn)
    }
}
