//! GraphQL over WebSocket: the [`graphql-transport-ws`](https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md)
//! protocol, spoken completely: queries, mutations and subscriptions, many at a time on one socket.
//!
//! # Close codes
//!
//! | code | when | what the client should do |
//! | --- | --- | --- |
//! | 1009 | a message is larger than [`SocketLimits::message_bytes`] | send smaller messages |
//! | 1012 | the server is stopping | reconnect, resume with the last cursor |
//! | 1013 | it cannot be told now who the client is, or the caller has too many live connections ([`Seats`]) | reconnect later |
//! | 4400 | a message that is not of the protocol; the reason says which | mend the client |
//! | 4401 | `subscribe` before `connection_ack` | wait for the acknowledgement |
//! | 4403 | the token is refused, was revoked or ran out | get another token |
//! | 4406 | the client did not offer `graphql-transport-ws` | offer it |
//! | 4408 | no `connection_init` in time; or no sign of life within [`SocketLimits::pong_timeout`] after a ping | reconnect |
//! | 4409 | the id of `subscribe` is that of a live operation | use another id |
//! | 4429 | a second `connection_init` | send one |
//! | 4900 | the client does not read what it subscribed to | reconnect, resume with the last cursor |
//!
//! 4429 is no answer to too many sockets: the protocol means too many `connection_init` by it, and clients give up after it.
//!
//! 4900 is Leadline's own. Clients such as `graphql-ws` retry after it, as after 1012, 1013, 4403 and 4408, and give
//! up after the others.
//!
//! # A slow reader
//!
//! Nothing is buffered without bound. One task serves one socket; it takes the next result out of an operation only
//! when its queue ([`SocketLimits::queue_messages`] and [`SocketLimits::queue_bytes`]) has room, so while the client
//! does not read, its operations stand still and the lag shows where they get their events from: that bounded
//! buffer, not this one, decides whether to read on from the event log or to end the subscription. When nothing at
//! all is taken by the network for [`SocketLimits::stall_timeout`] the socket is closed with 4900. The close frame
//! stands behind what was written already; a client that never reads again sees the connection end instead.
//! Payloads of subscriptions carry cursors, so nothing is lost to either.
//!
//! # Many who watch the same
//!
//! Live subscriptions with the same text and variables, of callers with the same rights ([`Gateway::share`]), are run
//! once. One that lags behind the others goes on alone from where it is.
//!
//! # What an operation answers
//!
//! `error` (and no `complete`) when it did not run: it does not parse, does not fit the schema, was refused, or the
//! subscription could not start; `next` and `complete` otherwise, errors of fields inside `next`. Each error has
//! `extensions.code` and `extensions.requestId`. Queries and mutations end with `TIMEOUT` after
//! [`SocketLimits::query_timeout`]. An operation that the client completes, or whose socket closes, is dropped where
//! it stands: an open transaction of a mutation rolls back.

pub(super) mod operation;
mod outbox;
pub(super) mod protocol;
mod shared;
mod socket;

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use async_graphql::Executor;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request as HttpRequest};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gateway::Gateway;
use super::graphql_sse::GraphqlSse;
use super::seats::Seats;
pub use protocol::{CloseCode, SUBPROTOCOL};

/// Bounds of one socket, and of their number.
#[derive(Debug, Clone)]
pub struct SocketLimits {
    /// Longest wait for `connection_init`. Default 3 s.
    pub init_timeout: Duration,
    /// Longest wait for the gateway to let the client in. Default 10 s.
    pub admission_timeout: Duration,
    /// Time between pings. Default 25 s, below the idle timeout of common proxies (60 s).
    pub ping_interval: Duration,
    /// Longest wait for any message after a ping. Default 20 s.
    pub pong_timeout: Duration,
    /// Longest time for a query or mutation. Default 30 s.
    pub query_timeout: Duration,
    /// Live operations of one socket; one more is answered with an `error` of code `RATE_LIMITED`. Default 100.
    pub operations: usize,
    /// Largest message of a client, in bytes. Default 1 MiB.
    pub message_bytes: usize,
    /// Messages waiting to be written, at which operations stand still. Default 256.
    pub queue_messages: usize,
    /// Bytes waiting to be written, at which operations stand still; the queue is over it by one message at most.
    /// Default 1 MiB.
    pub queue_bytes: usize,
    /// Longest time in which the network takes nothing, for as much as fits a write buffer (16 KiB); a larger
    /// message has a second more for each 32 KiB. Default 10 s.
    pub stall_timeout: Duration,
    /// Longest wait for the client to confirm a close. Default 5 s.
    pub close_timeout: Duration,
    /// Sockets and streams of this process; one more is refused with 503. Default 20,000.
    pub sockets: usize,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            init_timeout: Duration::from_secs(3),
            admission_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(20),
            query_timeout: Duration::from_secs(30),
            operations: 100,
            message_bytes: 1 << 20,
            queue_messages: 256,
            queue_bytes: 1 << 20,
            stall_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            sockets: 20_000,
        }
    }
}

/// Serves sockets for one executor. Cheap to clone; all clones are one service.
pub struct GraphqlWs<E, G>(Arc<Service<E, G>>);

impl<E, G> Clone for GraphqlWs<E, G> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

pub(super) struct Service<E, G> {
    pub(super) executor: E,
    pub(super) gateway: Arc<G>,
    pub(super) limits: SocketLimits,
    pub(super) seats: Seats,
    pub(super) stopping: CancellationToken,
    pub(super) sockets: TaskTracker,
    groups: Arc<shared::Groups>,
    /// The runtime of everything else.
    pub(super) home: OnceLock<Handle>,
}

/// Sockets have threads of their own. An event that a thousand of them wait for makes a thousand tasks ready: on the same threads
/// each step of a statement would stand in line behind them, and the one writer of an SQLite file with it.
pub(super) fn threads() -> &'static Runtime {
    static THREADS: LazyLock<Runtime> = LazyLock::new(|| {
        let runtime = Builder::new_multi_thread()
            .thread_name("sockets")
            .enable_all()
            .build();
        runtime.expect("threads can be started")
    });
    &THREADS
}

impl<E: Executor, G: Gateway> GraphqlWs<E, G> {
    /// Serves `executor` to whom `gateway` lets in and who has a seat.
    pub fn new(executor: E, gateway: Arc<G>, seats: Seats, limits: SocketLimits) -> Self {
        Self(Arc::new(Service {
            executor,
            gateway,
            limits,
            seats,
            stopping: CancellationToken::new(),
            sockets: TaskTracker::new(),
            groups: Arc::default(),
            home: OnceLock::new(),
        }))
    }

    /// The route to mount. Set `TCP_NODELAY` on the listener's connections, or small events wait for each other.
    pub fn route<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S> {
        let this = self.clone();
        any(move |request: HttpRequest| {
            let this = this.clone();
            async move { this.upgrade(request).await }
        })
    }

    /// Turns one request into a socket. What is no WebSocket handshake is refused with 4xx, a handshake while the
    /// service stops or is full with 503. A client that does not offer the subprotocol is let in, told 4406 and
    /// sent away, since a browser does not see the status of a refused handshake.
    pub async fn upgrade(&self, request: HttpRequest) -> Response {
        let (mut parts, _body) = request.into_parts();
        let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => upgrade.protocols([SUBPROTOCOL]),
            Err(rejection) => return rejection.into_response(),
        };
        let service = self.0.clone();
        if service.stopping.is_cancelled() || service.sockets.len() >= service.limits.sockets {
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                "no more sockets at the moment; try again later",
            )
                .into_response();
        }
        let seat = service.sockets.token();
        upgrade
            .read_buffer_size(socket::READ_BUFFER_BYTES)
            .write_buffer_size(socket::WRITE_BUFFER_BYTES)
            // Twice the limit, so that a message a little too large is read and answered with 1009; a much larger
            // one is cut off while it arrives.
            .max_message_size(service.limits.message_bytes.saturating_mul(2))
            .max_frame_size(service.limits.message_bytes.saturating_mul(2))
            .on_upgrade(move |wire| async move {
                service.home.get_or_init(Handle::current);
                threads().spawn(async move {
                    let _seat = seat;
                    socket::serve(service, parts, wire).await;
                });
            })
    }

    /// The same by server-sent events: what both watch is run once, and [`Self::shut_down`] ends both.
    #[must_use]
    pub fn streams(&self) -> GraphqlSse<E, G> {
        GraphqlSse::new(Arc::clone(&self.0))
    }

    /// Sockets and streams that are open now.
    pub fn open_sockets(&self) -> usize {
        self.0.sockets.len()
    }

    /// Closes all sockets with 1012 and cuts all streams off, refuses new ones and returns when the last is gone, at the latest after
    /// [`SocketLimits::close_timeout`] and a little.
    pub async fn shut_down(&self) {
        self.0.stopping.cancel();
        self.0.sockets.close();
        self.0.sockets.wait().await;
    }
}

#[cfg(test)]
mod tests;
