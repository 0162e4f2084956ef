//! Work on lanes: one process at a time, none waits for another, whatever becomes of one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use leadline::db::{end_lease, take_lease, wake_leases};
use leadline::error::Error;
use leadline::platforms::connections::{AfterBatch, LaneWork, Lanes};
use tokio_util::sync::CancellationToken;

use crate::support::{Database, Server, Setup, until};

/// Four lanes: one panics, one fails, one rests after its first batch, one gets on.
#[derive(Clone, Default)]
struct Room {
    batches: Arc<Mutex<HashMap<&'static str, usize>>>,
    is_slow: Arc<AtomicBool>,
    ended: Arc<AtomicUsize>,
}

impl Room {
    fn batches(&self, lane: &str) -> usize {
        self.batches
            .lock()
            .expect("unharmed")
            .get(lane)
            .copied()
            .unwrap_or_default()
    }
}

#[async_trait::async_trait]
impl LaneWork for Room {
    type Lane = &'static str;

    const NAME: &'static str = "trial";
    const LOOK: Duration = Duration::from_millis(5);
    const LEASE_SECONDS: i64 = 180;

    async fn due(&self) -> Result<Vec<&'static str>, Error> {
        Ok(vec!["panics", "fails", "rests", "well"])
    }

    async fn work(&self, lane: &'static str, _: &CancellationToken) -> Result<AfterBatch, Error> {
        *self.batches.lock().expect("unharmed").entry(lane).or_default() += 1;
        match lane {
            "panics" => panic!("one lane"),
            "fails" => Err(Error::Unavailable("not now".to_owned())),
            "rests" => Ok(AfterBatch::Rest(60)),
            _ => {
                if self.is_slow.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                self.ended.fetch_add(1, Ordering::Relaxed);
                Ok(AfterBatch::Done)
            }
        }
    }
}

on_both! {
    async fn a_lane_is_not_stopped_by_another(database: &Database) {
        let setup = Setup::default().at("2026-03-10T12:00:00Z").without_work();
        let server = Server::start(database, setup).await;
        let app = server.app();
        let (room, stop) = (Room::default(), CancellationToken::new());
        let running = tokio::spawn(Lanes::new(app.clone(), room.clone()).run(stop.clone()));
        until("all lanes get on", async || {
            room.batches("well") >= 5 && room.batches("panics") >= 3 && room.batches("fails") >= 3
        }).await;
        assert_eq!(room.batches("rests"), 1);
        server.set_time("2026-03-10T12:00:59Z");
        let seen = room.batches("well");
        until("it was looked", async || room.batches("well") > seen + 2).await;
        assert_eq!(room.batches("rests"), 1);
        // Woken before its time, and by time.
        let tx = app.db().begin().await.unwrap();
        wake_leases(&tx, &["trial:rests".to_owned()]).await.unwrap();
        tx.commit().await.unwrap();
        until("it was woken", async || room.batches("rests") == 2).await;
        server.set_time("2026-03-10T12:05:00Z");
        until("it has rested", async || room.batches("rests") == 3).await;
        // What somebody else works on is left to them, until they are known to be gone.
        let now = app.clock().now();
        until("a moment between two batches", async || take_lease(app.db(), "trial:well", "other", now, 180).await.unwrap()).await;
        let seen = room.batches("well");
        let others = room.batches("fails");
        until("it was looked", async || room.batches("fails") > others + 2).await;
        assert_eq!(room.batches("well"), seen);
        server.set_time("2026-03-10T12:09:00Z");
        until("the lease has lapsed", async || room.batches("well") > seen).await;
        end_lease(app.db(), "trial:well", "other").await.unwrap();
        // What was begun is ended.
        room.is_slow.store(true, Ordering::Relaxed);
        let seen = room.ended.load(Ordering::Relaxed);
        until("it is at work", async || room.batches("well") > seen + 1).await;
        stop.cancel();
        running.await.unwrap();
        let seen = room.batches("well");
        assert_eq!(room.ended.load(Ordering::Relaxed), seen);
        assert!(take_lease(app.db(), "trial:well", "after", app.clock().now(), 180).await.unwrap(), "it was given back");
        assert_eq!(room.batches("well"), seen);
    }
}
