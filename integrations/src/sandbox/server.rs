//! Runs a sandbox: HTTP on loopback, with failures to order, and webhooks sent out.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_stream::stream;
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use super::{Delivery, Failure, Faults, Sandbox, SandboxAnswer, SandboxRequest};
use crate::Clock;

/// How many requests and deliveries are remembered for whoever looks.
const REMEMBERED: usize = 1_000;

/// A sandbox that runs; it stops when this is dropped.
pub struct Running {
    /// The address it is reached at.
    pub base: Url,
    /// The failures to come.
    pub faults: Faults,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

struct Shared {
    sandbox: Arc<dyn Sandbox>,
    clock: Arc<dyn Clock>,
    base: Url,
    faults: Faults,
    stop: CancellationToken,
    requests: Mutex<VecDeque<SandboxRequest>>,
    delivered: Mutex<VecDeque<Delivered>>,
    client: reqwest::Client,
}

/// What became of a webhook that a sandbox sent.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The webhook.
    pub delivery: Delivery,
    /// The status it was answered with; `None` where nobody answered.
    pub status: Option<u16>,
    /// The answer.
    pub body: Bytes,
}

/// Starts a sandbox on a free port of loopback.
///
/// # Errors
/// When there is none.
pub async fn start(sandbox: Arc<dyn Sandbox>, clock: Arc<dyn Clock>) -> io::Result<Running> {
    start_on(SocketAddr::from(([127, 0, 0, 1], 0)), sandbox, clock).await
}

/// Starts a sandbox at an address.
///
/// # Errors
/// When the address cannot be listened at.
pub async fn start_on(
    address: SocketAddr,
    sandbox: Arc<dyn Sandbox>,
    clock: Arc<dyn Clock>,
) -> io::Result<Running> {
    let listener = TcpListener::bind(address).await?;
    let base = format!("http://{}", listener.local_addr()?);
    let base = Url::parse(&base).expect("an address of a socket is a host");
    let stop = CancellationToken::new();
    let faults = Faults::default();
    crate::transport::tls();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(10))
        .build()
        .map_err(io::Error::other)?;
    let shared = Arc::new(Shared {
        sandbox,
        clock,
        base: base.clone(),
        faults: faults.clone(),
        stop: stop.clone(),
        requests: Mutex::default(),
        delivered: Mutex::default(),
        client,
    });
    tokio::spawn(accept(listener, Arc::clone(&shared)));
    Ok(Running {
        base,
        faults,
        shared,
        _stop: stop.drop_guard(),
    })
}

impl Running {
    /// The sandbox itself.
    #[must_use]
    pub fn sandbox(&self) -> &Arc<dyn Sandbox> {
        &self.shared.sandbox
    }

    /// The last requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<SandboxRequest> {
        let requests = self.shared.requests.lock();
        requests
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// The last webhooks, oldest first.
    #[must_use]
    pub fn delivered(&self) -> Vec<Delivered> {
        let delivered = self.shared.delivered.lock();
        delivered
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// Lets something happen at the platform, and sends its webhooks; returns when they are answered.
    pub async fn happen(&self, what: &str) -> Vec<Delivered> {
        let deliveries = self.shared.sandbox.happen(what);
        self.shared.deliver(deliveries).await
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        // Out of file handles: the connection waits in the backlog.
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let stop = shared.stop.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(stream, shared) => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    if let Some(protocol) = shared.sandbox.protocol() {
        return protocol.speak(stream, &shared.faults).await;
    }
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { shared.serve(request).await }
    });
    // Whoever hangs up has got what they wanted.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// What ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("cut as ordered")]
struct CutShort;

type Body = StreamBody<Frames>;

impl Shared {
    async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, CutShort> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| CutShort)?.to_bytes();
        let path_and_query = head.uri.path_and_query().map_or("/", |both| both.as_str());
        let url = self.base.join(path_and_query).map_err(|_| CutShort)?;
        let request = SandboxRequest {
            method: head.method,
            path: url.path().to_owned(),
            query: url.query_pairs().into_owned().collect(),
            headers: head.headers,
            body,
            base: self.base.clone(),
            url,
            at: self.clock.now(),
        };
        remember(&self.requests, request.clone());
        let failure = self.faults.take(&request.path);
        let mut cut = false;
        if matches!(failure, None | Some(Failure::CutWithin | Failure::Slow(_)))
            && let Some(long) = self.sandbox.long_answer(&request)
        {
            if let Some(Failure::Slow(time)) = failure {
                tokio::time::sleep(time).await;
            }
            let body = sent_as_made(long.body, failure == Some(Failure::CutWithin));
            return response(long.status, long.headers, body);
        }
        let answer = match failure {
            Some(Failure::Cut) => return Err(CutShort),
            Some(Failure::Malformed) => SandboxAnswer::text(200, "application/json", "{\"data\": [{\"id\": "),
            Some(Failure::Slow(time)) => {
                tokio::time::sleep(time).await;
                self.sandbox.answer(&request).await
            }
            Some(Failure::CutWithin) => {
                cut = true;
                self.sandbox.answer(&request).await
            }
            Some(failure) => match self.sandbox.failure(failure, &request) {
                Some(answer) => answer,
                None => self.sandbox.answer(&request).await,
            },
            None => self.sandbox.answer(&request).await,
        };
        let SandboxAnswer {
            status,
            headers,
            body,
            deliveries,
        } = answer;
        if !deliveries.is_empty() {
            let shared = Arc::clone(&self);
            tokio::spawn(async move { shared.deliver(deliveries).await });
        }
        response(status, headers, sent(body, cut))
    }

    async fn deliver(&self, deliveries: Vec<Delivery>) -> Vec<Delivered> {
        let mut all = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            tokio::time::sleep(delivery.after).await;
            let mut request = self
                .client
                .request(delivery.method.clone(), delivery.url.clone())
                .body(delivery.body.clone());
            for (name, value) in &delivery.headers {
                request = request.header(*name, value);
            }
            let (status, body) = match request.send().await {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    (Some(status), answer.bytes().await.unwrap_or_default())
                }
                Err(_) => (None, Bytes::new()),
            };
            let delivered = Delivered {
                delivery,
                status,
                body,
            };
            remember(&self.delivered, delivered.clone());
            all.push(delivered);
        }
        all
    }
}

type Frames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, CutShort>> + Send>>;

fn response(
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Frames,
) -> Result<Response<Body>, CutShort> {
    let mut response = Response::new(StreamBody::new(body));
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| CutShort)?;
    for (name, value) in headers {
        let value = HeaderValue::from_str(&value).map_err(|_| CutShort)?;
        response
            .headers_mut()
            .append(HeaderName::from_static(name), value);
    }
    Ok(response)
}

/// The first piece whole and a half of the second when it is to be cut; where there is but one, a half of that.
fn sent_as_made(mut pieces: Box<dyn Iterator<Item = Bytes> + Send>, cut: bool) -> Frames {
    Box::pin(stream! {
        if !cut {
            for piece in pieces {
                yield Ok(Frame::data(piece));
            }
            return;
        }
        let last = match (pieces.next(), pieces.next()) {
            (Some(first), Some(second)) => {
                yield Ok(Frame::data(first));
                second
            }
            (first, _) => first.unwrap_or_default(),
        };
        yield Ok(Frame::data(last.slice(..last.len() / 2)));
        // So that what was sent arrives before the cut.
        tokio::time::sleep(Duration::from_millis(20)).await;
        yield Err(CutShort);
    })
}

fn sent(pieces: Vec<(Duration, Bytes)>, cut: bool) -> Frames {
    Box::pin(stream! {
        let half = pieces.len().div_ceil(2);
        for (at, (after, piece)) in pieces.into_iter().enumerate() {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            if cut && at + 1 >= half {
                yield Ok(Frame::data(piece.slice(..piece.len() / 2)));
                // So that what was sent arrives before the cut.
                tokio::time::sleep(Duration::from_millis(20)).await;
                yield Err(CutShort);
                return;
            }
            yield Ok(Frame::data(piece));
        }
    })
}

fn remember<T>(list: &Mutex<VecDeque<T>>, item: T) {
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    if list.len() >= REMEMBERED {
        list.pop_front();
    }
    list.push_back(item);
}
