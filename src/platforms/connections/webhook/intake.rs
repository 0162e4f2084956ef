//! Taking webhooks in: what arrives at the same moment is kept in one transaction, so that a thousand cost little more than
//! one; who was answered can rely on it. When more comes than can be kept in time, it is refused at once.

use std::sync::Arc;
use std::time::Duration;

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

/// Most that wait to be kept. With what a machine keeps in a second it is the longest that anybody waits.
const MOST_WAITING: usize = 1_500;
/// Most that are kept in one transaction.
const MOST_TOGETHER: usize = 1_000;
/// How many KiB of bodies are in memory at most, those that are still coming among them.
const MOST_KIB: usize = 128 * 1024;
/// How long a platform that is refused is to wait, in seconds.
const COME_AGAIN_SECONDS: u32 = 1;
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

/// What wakes the processing of a process.
#[derive(Default)]
pub(super) struct Arrived(pub(super) Notify);

/// Takes webhooks in; cheap to clone.
#[derive(Clone)]
pub struct WebhookIntake {
    app: App,
    waiting: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

impl WebhookIntake {
    /// Takes in for an application, until `stop`.
    #[must_use]
    pub fn start(app: &App, stop: CancellationToken) -> Self {
        let (waiting, inbox) = mpsc::channel(MOST_WAITING);
        tokio::spawn(keep(app.clone(), inbox, stop));
        Self {
            app: app.clone(),
            waiting,
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

/// Keeps what waits, as much at a time as there is.
async fn keep(app: App, mut inbox: mpsc::Receiver<Waiting>, stop: CancellationToken) {
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
        arrived.0.notify_one();
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
