//! GraphQL over server-sent events: the
//! [GraphQL-over-SSE](https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md) protocol with distinct
//! connections: one POST, one operation, answered by a stream of `next` and one `complete`.
//!
//! A request is judged as [`graphql_http`](super::graphql_http) does, with the same answers to what is none (401, 406, 413,
//! 415 …), but from then on the status is 200 and errors are events, as the protocol has it. What is watched by others
//! already, on sockets too, is run once ([`graphql_ws`](super::graphql_ws)).
//!
//! | what | what the client sees |
//! | --- | --- |
//! | the operation has ended, or cannot run | `complete`; errors in a `next` before it |
//! | the token was revoked or ran out | a `next` with an error of code `UNAUTHENTICATED`, `complete` |
//! | the caller has too many live connections ([`Seats`](super::seats::Seats)) | 429 with `Retry-After`, code `RATE_LIMITED` |
//! | the server is full or stops | 503 |
//! | the server stops meanwhile | the stream ends without `complete`, upon which clients connect again |
//! | it does not read for [`SocketLimits::stall_timeout`] | the same |
//!
//! Nothing is buffered without bound: the operation goes on when the network has taken its last result. While there is
//! nothing to say, a comment each [`SocketLimits::ping_interval`] keeps the connection.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Executor, Response as GraphqlResponse};
use axum::body::{Body, Bytes};
use axum::extract::Request as HttpRequest;
use axum::extract::ws::Utf8Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::gateway::{Admission, Entrance, Gateway, RequestId, coded_error, complete_errors};
use super::graphql_http::{Fault, Media, check_content, receive};
use super::graphql_ws::operation::{Guest, Operation, Said};
use super::graphql_ws::protocol::Writer;
use super::graphql_ws::{Service, SocketLimits, threads};
use super::seats::Seat;

/// A line that says nothing.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// Serves streams for one executor. Cheap to clone; all clones are one service, that of the sockets.
pub struct GraphqlSse<E, G>(Arc<Service<E, G>>);

impl<E, G> Clone for GraphqlSse<E, G> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E: Executor, G: Gateway> GraphqlSse<E, G> {
    pub(super) fn new(service: Arc<Service<E, G>>) -> Self {
        Self(service)
    }

    /// The route to mount.
    pub fn route<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S> {
        let this = self.clone();
        any(move |request: HttpRequest| {
            let this = this.clone();
            async move { this.answer(request).await }
        })
    }

    async fn answer(&self, request: HttpRequest) -> Response {
        let (parts, body) = request.into_parts();
        let request_id = RequestId::from_headers(&parts.headers);
        match self.open(&parts, body, &request_id).await {
            Ok(results) => stream(results),
            Err(fault) => {
                let status = fault.status;
                let mut answer = fault.answer(Media::Json, &request_id);
                let mut tell = |name, value| {
                    answer.headers_mut().insert(name, HeaderValue::from_static(value));
                };
                match status {
                    StatusCode::METHOD_NOT_ALLOWED => tell(header::ALLOW, "POST"),
                    StatusCode::TOO_MANY_REQUESTS => tell(header::RETRY_AFTER, "10"),
                    _ => {}
                }
                answer
            }
        }
    }

    async fn open(
        &self,
        parts: &Parts,
        body: Body,
        request_id: &RequestId,
    ) -> Result<mpsc::Receiver<Bytes>, Fault> {
        let service = &self.0;
        let SocketLimits {
            message_bytes,
            query_timeout,
            sockets,
            ..
        } = service.limits;
        if parts.method != Method::POST {
            return Err(Fault::input(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("method {} is not allowed; send POST", parts.method),
            ));
        }
        check_content(&parts.headers)?;
        if !accepts_events(&parts.headers) {
            return Err(Fault::input(
                StatusCode::NOT_ACCEPTABLE,
                "no media type of `accept` can be served; this is text/event-stream",
            ));
        }
        if service.stopping.is_cancelled() || service.sockets.len() >= sockets {
            let message = "no more streams at the moment; try again later";
            return Err(Fault::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "UNAVAILABLE",
                message,
            ));
        }
        let Admission {
            caller,
            account,
            revoked,
        } = service.gateway.admit(parts, Entrance::Stream).await?;
        let seat = service.seats.take(&account);
        let seat = seat.map_err(|why| Fault::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", why))?;
        let request = receive(&parts.headers, body, message_bytes, query_timeout).await?;
        // One result waits for the network at most.
        let (sender, results) = mpsc::channel(1);
        let stream = Stream {
            service: Arc::clone(service),
            revoked: revoked.unwrap_or_else(|| Box::pin(pending())),
            sender,
            _seat: seat,
        };
        let guest = Guest { caller, account };
        let operation = Operation::start(
            Arc::clone(service),
            guest,
            "",
            Writer::Events,
            request,
            request_id.clone(),
        );
        service.home.get_or_init(Handle::current);
        threads().spawn(
            service
                .sockets
                .track_future(stream.run(operation, request_id.clone())),
        );
        Ok(results)
    }
}

/// One stream at work.
struct Stream<E, G> {
    service: Arc<Service<E, G>>,
    revoked: BoxFuture<'static, ()>,
    sender: mpsc::Sender<Bytes>,
    _seat: Seat,
}

impl<E: Executor, G: Gateway> Stream<E, G> {
    async fn run(mut self, mut operation: Operation, request_id: RequestId) {
        let gauge = metrics::gauge!("leadline_graphql_streams");
        gauge.increment(1.0);
        let pause = self.service.limits.ping_interval;
        let mut quiet_until = Instant::now() + pause;
        loop {
            let (bytes, last) = tokio::select! {
                biased;
                // Without `complete`: the client comes back.
                () = self.service.stopping.cancelled() => break,
                () = self.sender.closed() => break,
                () = &mut self.revoked => (revoked(&request_id).into(), true),
                said = poll_fn(|cx| operation.poll(cx)) => match said {
                    Said::Next(message) => (message.into(), false),
                    Said::Last(message) => (message.into(), true),
                },
                () = sleep_until(quiet_until) => (COMMENT, false),
            };
            let limits = &self.service.limits;
            let sent = send(&self.sender, bytes, limits.stall_timeout, &self.service.stopping);
            if !sent.await || last {
                break;
            }
            quiet_until = Instant::now() + pause;
        }
        gauge.decrement(1.0);
    }
}

/// Hands on what the network has to take in time; false where it does not, or the server stops.
async fn send(
    sender: &mpsc::Sender<Bytes>,
    bytes: Bytes,
    stall: Duration,
    stopping: &CancellationToken,
) -> bool {
    tokio::select! {
        biased;
        sent = timeout(stall, sender.send(bytes)) => matches!(sent, Ok(Ok(()))),
        () = stopping.cancelled() => false,
    }
}

/// What is said to a client whose token counts no longer.
fn revoked(request_id: &RequestId) -> Utf8Bytes {
    let error = coded_error("UNAUTHENTICATED", "the token was revoked or has expired");
    let mut response = GraphqlResponse::from_errors(vec![error]);
    complete_errors(&mut response, request_id);
    Writer::Events.error(&response)
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let mut offers = headers.get_all(header::ACCEPT).iter().peekable();
    offers.peek().is_none()
        || offers
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|range| range.split(';').next())
            .any(|name| {
                let name = name.trim();
                name.eq_ignore_ascii_case("text/event-stream") || matches!(name, "*/*" | "text/*")
            })
}

fn stream(results: mpsc::Receiver<Bytes>) -> Response {
    let results = ReceiverStream::new(results).map(Ok::<_, Infallible>);
    let mut response = Response::new(Body::from_stream(results));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would gather events otherwise.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}

#[cfg(test)]
mod tests;
