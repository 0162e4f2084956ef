//! Taking webhooks in: what arrives at the same moment is kept in one transaction, so that a thousand cost little more than
//! one; who was answered can rely on it. When more comes than can be kept in time, it is refused at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use entity::id::{ConnectionId, WebhookDeliveryId};
use entity::{Timestamp, WebhookState};
use http::{HeaderMap, Method};
use integrations::Kind;
use integrations::facet::{Inbound, Reply};
use serde_json::json;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::WebhookDelivery;
use crate::app::App;
use crate::error::Error;
use crate::platforms::connections::{Live, live, store};

/// How many may wait to be kept, however long that takes, and however fast it goes.
const WAITING: std::ops::RangeInclusive<usize> = 64..=4_096;
/// So long one waits that is let in, by and large; platforms are to be answered within a tenth of a second.
const WAIT: Duration = Duration::from_millis(50);
/// Most that are kept in one transaction.
const MOST_TOGETHER: usize = 1_000;
/// How many KiB of bodies are in memory at most, those that are still coming among them.
const MOST_KIB: usize = 128 * 1024;
/// How long a platform that is refused is to wait, in seconds.
const COME_AGAIN_SECONDS: u32 = 1;
/// More than this in a [`WINDOW`] are a flood.
const FLOOD: usize = 100;
/// Over which time is counted what comes.
const WINDOW: Duration = Duration::from_millis(100);
/// Headers that are of no use later, or must not lie about.
const NOT_KEPT: &[&str] = &[
    "authorization",
    "cookie",
    "connection",
    "accept-encoding",
    "accept",
];

/// What became of a request.
#[derive(Debug)]
pub enum Taken {
    /// It is kept, or was before; this is the answer.
    Kept(Reply),
    /// It was a question to be answered at once.
    Answered(Reply),
}

/// Why a request was not taken.
#[derive(Debug)]
pub enum Refused {
    /// There is no such connection, or it takes none.
    NotFound,
    /// It is not signed as the platform signs.
    Unsigned,
    /// It has more bytes than the platform sends: so many.
    TooLarge(usize),
    /// More comes than can be kept; come again after so many seconds.
    Busy(u32),
    /// The database is away.
    Fault(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Fault(error)
    }
}

struct Waiting {
    row: WebhookDelivery,
    kept: oneshot::Sender<bool>,
    since: Instant,
    /// The memory that it takes; given back when it is kept.
    _room: OwnedSemaphorePermit,
}

/// A request that may be read: its connection takes webhooks, and there is room for its body.
#[derive(Debug)]
pub struct Admitted {
    live: Live,
    room: OwnedSemaphorePermit,
    /// The largest body that the platform sends, in bytes.
    pub largest: usize,
}

/// What the processing of a process is told by its door.
#[derive(Default)]
pub(super) struct Arrived {
    /// Something is there to be processed.
    pub(super) notify: Notify,
    /// Whose turn it is to process, while it gives way to keeping.
    pub(super) turn: tokio::sync::Mutex<()>,
    flood: Mutex<Option<Flood>>,
}

/// What came lately.
struct Flood {
    since: Instant,
    kept: usize,
    /// Until when it counts as a flood.
    until: Option<Instant>,
}

impl Arrived {
    fn kept(&self, count: usize) {
        let now = Instant::now();
        let mut held = self.flood.lock().unwrap_or_else(PoisonError::into_inner);
        let flood = held.get_or_insert(Flood {
            since: now,
            kept: 0,
            until: None,
        });
        if now.duration_since(flood.since) > WINDOW {
            flood.since = now;
            flood.kept = 0;
        }
        flood.kept += count;
        if flood.kept > FLOOD {
            flood.until = Some(now + 3 * WINDOW);
        }
        drop(held);
        self.notify.notify_one();
    }

    /// Whether so many come that keeping them takes what the machine has.
    pub(super) fn is_flood(&self) -> bool {
        let flood = self.flood.lock().unwrap_or_else(PoisonError::into_inner);
        flood
            .as_ref()
            .and_then(|flood| flood.until)
            .is_some_and(|until| Instant::now() < until)
    }
}

/// Takes webhooks in; cheap to clone.
#[derive(Clone)]
pub struct WebhookIntake {
    app: App,
    waiting: mpsc::Sender<Waiting>,
    /// How many may wait by now.
    bound: Arc<AtomicUsize>,
    room: Arc<Semaphore>,
}

impl WebhookIntake {
    /// Takes in for an application, until `stop`.
    #[must_use]
    pub fn start(app: &App, stop: CancellationToken) -> Self {
        let (waiting, inbox) = mpsc::channel(*WAITING.end());
        let bound = Arc::new(AtomicUsize::new(WAITING.end() / 4));
        tokio::spawn(keep(app.clone(), inbox, Arc::clone(&bound), stop));
        Self {
            app: app.clone(),
            waiting,
            bound,
            room: Arc::new(Semaphore::new(MOST_KIB)),
        }
    }

    /// Looks whether a connection takes webhooks, before the body is read. `length`: how long that is said to be.
    ///
    /// # Errors
    /// Why it is not to be read.
    pub async fn admit(&self, id: ConnectionId, length: Option<usize>) -> Result<Admitted, Refused> {
        let Some(live) = live(&self.app, id).await? else {
            return Err(Refused::NotFound);
        };
        // One that waits for consent or lost it may still be told so by its platform.
        if live.row.state == entity::ConnectionState::Disabled {
            return Err(Refused::NotFound);
        }
        let Some(webhooks) = live.facets(&self.app).webhooks else {
            return Err(Refused::NotFound);
        };
        let largest = webhooks.largest();
        if length.is_some_and(|length| length > largest) {
            return Err(Refused::TooLarge(largest));
        }
        // Before its body is read: what is refused is to cost little.
        if self.waiting.max_capacity() - self.waiting.capacity() >= self.bound.load(Ordering::Relaxed) {
            return Err(Refused::Busy(COME_AGAIN_SECONDS));
        }
        let kib = length.unwrap_or(largest).div_ceil(1024).max(1);
        let room = u32::try_from(kib)
            .ok()
            .and_then(|kib| Arc::clone(&self.room).try_acquire_many_owned(kib).ok())
            .ok_or(Refused::Busy(COME_AGAIN_SECONDS))?;
        Ok(Admitted { live, room, largest })
    }

    /// Takes a request: looks whether it is signed, keeps it, and comes back when it is kept for good.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn take(
        &self,
        admitted: Admitted,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Taken, Refused> {
        let Admitted { live, room, .. } = admitted;
        let Some(webhooks) = live.facets(&self.app).webhooks else {
            return Err(Refused::NotFound);
        };
        let id = live.row.id;
        let now = self.app.clock().now();
        let request = Inbound {
            method,
            url,
            headers,
            body,
            received_at: now.to_chrono(),
        };
        let context = live.context(&self.app);
        let refused = |error: integrations::Error| match error.kind {
            Kind::Signature => Refused::Unsigned,
            _ => Refused::Fault(Error::Unavailable(error.message)),
        };
        if let Some(reply) = webhooks.handshake(&context, &request).map_err(refused)? {
            return Ok(Taken::Answered(reply));
        }
        webhooks.verify(&context, &request).map_err(refused)?;
        let row = delivery(id, &request, webhooks.id(&request), webhooks.topic(&request), now);
        let reply = webhooks.reply(&request);
        let (kept, is_kept) = oneshot::channel();
        self.waiting
            .try_send(Waiting {
                row,
                kept,
                since: Instant::now(),
                _room: room,
            })
            .map_err(|_| Refused::Busy(COME_AGAIN_SECONDS))?;
        match is_kept.await {
            Ok(true) => Ok(Taken::Kept(reply)),
            _ => Err(Refused::Busy(COME_AGAIN_SECONDS)),
        }
    }
}

fn delivery(
    connection_id: ConnectionId,
    request: &Inbound,
    id: Option<String>,
    topic: Option<String>,
    now: Timestamp,
) -> WebhookDelivery {
    let mut hasher = blake3::Hasher::new();
    match &id {
        Some(id) => hasher.update(b"id").update(id.as_bytes()),
        // What a GET says stands in its address.
        None => hasher
            .update(b"content")
            .update(request.url.query().unwrap_or_default().as_bytes())
            .update(&[0])
            .update(&request.body),
    };
    let headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .filter(|(name, _)| !NOT_KEPT.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    WebhookDelivery {
        id: WebhookDeliveryId::at(now),
        connection_id,
        dedupe_key: hasher.finalize().as_bytes().to_vec(),
        topic: topic.map(|topic| topic.chars().filter(|ch| *ch != '\0').take(200).collect()),
        method: request.method.to_string(),
        url: request.url.to_string(),
        headers: json!(headers).to_string(),
        body: request.body.to_vec(),
        state: WebhookState::Waiting,
        events: 0,
        attempts: 0,
        due_at: Some(now),
        problem_kind: None,
        problem: None,
        received_at: now,
        processed_at: None,
    }
}

/// How many may wait from now on, where the first of so many waited so long: fewer by a quarter when that was too long, more by
/// an eighth when there were about as many as may wait.
fn next_bound(bound: usize, together: usize, waited: Duration) -> usize {
    let next = if waited > WAIT {
        bound - bound / 4
    } else if together >= bound / 2 {
        bound + bound / 8
    } else {
        bound
    };
    next.clamp(*WAITING.start(), *WAITING.end())
}

/// Keeps what waits, as much at a time as there is.
async fn keep(
    app: App,
    mut inbox: mpsc::Receiver<Waiting>,
    bound: Arc<AtomicUsize>,
    stop: CancellationToken,
) {
    let arrived = app.memory::<Arrived>();
    let mut together = Vec::with_capacity(MOST_TOGETHER);
    loop {
        let taken = tokio::select! {
            taken = inbox.recv_many(&mut together, MOST_TOGETHER) => taken,
            () = stop.cancelled() => 0,
        };
        if taken == 0 {
            return;
        }
        let mut is_kept = keep_together(&app, &together).await.is_ok();
        let waited = together
            .first()
            .map_or(Duration::ZERO, |first| first.since.elapsed());
        let next = next_bound(bound.load(Ordering::Relaxed), taken, waited);
        bound.store(next, Ordering::Relaxed);
        for waiting in together.drain(..) {
            // One that the database does not take must not cost the others.
            let kept = is_kept
                || match keep_together(&app, std::slice::from_ref(&waiting)).await {
                    Ok(()) => true,
                    Err(error) => {
                        tracing::warn!(?error, "a webhook could not be kept; the platform sends it again");
                        false
                    }
                };
            metrics::counter!("leadline_webhooks_total", "kept" => if kept { "yes" } else { "no" })
                .increment(1);
            // Whoever has gone is told when it sends again.
            let _ = waiting.kept.send(kept);
            is_kept &= kept;
        }
        arrived.kept(taken);
        if !is_kept {
            // So that a database that is away is not asked without a pause.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn keep_together(app: &App, together: &[Waiting]) -> Result<(), Error> {
    let rows: Vec<_> = together.iter().map(|waiting| &waiting.row).collect();
    let tx = app.db().begin().await?;
    store::keep_deliveries(&tx, &rows).await?;
    Ok(tx.commit().await?)
}

impl std::fmt::Debug for WebhookIntake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookIntake").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_may_wait_as_are_kept_in_time() {
        let soon = Duration::from_millis(5);
        let late = Duration::from_millis(80);
        assert_eq!(next_bound(1_000, 10, soon), 1_000, "few say nothing about many");
        assert_eq!(next_bound(1_000, 700, soon), 1_125);
        assert_eq!(next_bound(1_000, 700, late), 750);
        assert_eq!(next_bound(64, 1, late), 64, "some always may");
        assert_eq!(next_bound(4_096, 4_000, soon), 4_096, "what waits takes memory");
        // Where keeping takes 0.2 ms each, about 250 are kept in time: it settles there, from either side.
        for mut bound in [64, 4_096] {
            for _ in 0..50 {
                bound = next_bound(
                    bound,
                    bound,
                    Duration::from_micros(200) * u32::try_from(bound).unwrap(),
                );
            }
            assert!((150..=300).contains(&bound), "{bound}");
        }
    }

    #[test]
    fn a_flood_is_many_in_a_moment() {
        let arrived = Arrived::default();
        assert!(!arrived.is_flood());
        arrived.kept(FLOOD);
        assert!(!arrived.is_flood());
        arrived.kept(1);
        assert!(arrived.is_flood());
    }
}
