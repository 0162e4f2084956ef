//! One socket: a single task that reads, runs the operations and writes.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_graphql::{Executor, Response};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use axum::http::request::Parts;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_tungstenite::tungstenite::Error as WireError;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::Service;
use super::operation::{Guest, Operation, Said};
use super::outbox::{Outbox, Written};
use super::protocol::{ACK, ClientMessage, CloseCode, Closing, OperationWriter, PING, Writer, pong};
use crate::http::gateway::{
    Admission, Entrance, Gateway, InitPayload, Refusal, RequestId, coded_error, complete_errors,
};
use crate::http::seats::Seat;

/// Read buffer of a socket; allocated for each, so kept small. A larger message grows it.
pub(super) const READ_BUFFER_BYTES: usize = 4 * 1024;

/// Bytes gathered before they are written to the network without a flush.
pub(super) const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// Results of one operation taken in a row, before the others have their turn.
const RESULTS_A_TURN: usize = 16;

/// Messages read in a row, before the operations have their turn.
const READS_A_TURN: usize = 32;

/// Turns in a row, before other sockets have theirs.
const TURNS: usize = 8;

/// Serves one socket to its end.
pub(super) async fn serve<E: Executor, G: Gateway>(
    service: Arc<Service<E, G>>,
    parts: Parts,
    mut wire: WebSocket,
) {
    let gauge = metrics::gauge!("leadline_graphql_sockets");
    gauge.increment(1.0);
    let closing = if wire.protocol().is_none() {
        Some(Closing::new(
            CloseCode::SubprotocolNotAcceptable,
            "Subprotocol not acceptable",
        ))
    } else {
        let mut socket = Socket::new(service.clone(), parts, &mut wire);
        poll_fn(|cx| socket.poll(cx)).await.err()
    };
    if let Some(Closing { code, reason }) = closing {
        tracing::debug!(code = code as u16, reason, "closing a socket");
        metrics::counter!("leadline_graphql_socket_closes_total", "code" => (code as u16).to_string())
            .increment(1);
        let frame = CloseFrame {
            code: code as u16,
            reason: reason.into(),
        };
        // A connection that is gone or a client that does not answer changes nothing: the socket ends here.
        let _ = timeout(service.limits.close_timeout, async {
            wire.send(Message::Close(Some(frame))).await?;
            while let Some(message) = wire.recv().await {
                message?;
            }
            Ok::<(), axum::Error>(())
        })
        .await;
    } else {
        // The answer to the client's own end is written by the next read.
        let _ = timeout(service.limits.close_timeout, async {
            while wire.recv().await.is_some() {}
        })
        .await;
    }
    gauge.decrement(1.0);
}

struct Socket<'w, E, G: Gateway> {
    service: Arc<Service<E, G>>,
    wire: &'w mut WebSocket,
    request_id: RequestId,
    phase: Phase<G::Caller>,
    stopping: Pin<Box<WaitForCancellationFutureOwned>>,
    revoked: Option<BoxFuture<'static, ()>>,
    operations: Vec<Operation>,
    /// Operations started so far, for the ids of their requests.
    started: u64,
    /// The operation whose turn is next.
    turn: usize,
    outbox: Outbox,
    alarm: Pin<Box<Sleep>>,
    /// Something came in since the last ping.
    heard: bool,
}

enum Phase<C> {
    /// Before `connection_init`, which the alarm waits for.
    Silent(Box<Parts>),
    /// The gateway is asked; the alarm bounds it.
    Admitting(BoxFuture<'static, Result<Admission<C>, Refusal>>),
    /// Acknowledged; the alarm is for the next ping, or for the answer to it.
    Open {
        guest: Guest<C>,
        pinged: bool,
        _seat: Seat,
    },
    /// Between two phases, never seen by a poll.
    Turning,
}

impl<'w, E: Executor, G: Gateway> Socket<'w, E, G> {
    fn new(service: Arc<Service<E, G>>, parts: Parts, wire: &'w mut WebSocket) -> Self {
        Self {
            request_id: RequestId::from_headers(&parts.headers),
            phase: Phase::Silent(Box::new(parts)),
            stopping: Box::pin(service.stopping.clone().cancelled_owned()),
            revoked: None,
            operations: Vec::new(),
            started: 0,
            turn: 0,
            outbox: Outbox::new(&service.limits),
            alarm: Box::pin(sleep(service.limits.init_timeout)),
            heard: false,
            wire,
            service,
        }
    }

    /// `Ok` when the connection is gone, `Err` when this side is to close it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closing>> {
        if self.stopping.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(Closing::new(CloseCode::ServiceRestart, "Service restart")));
        }
        if self
            .revoked
            .as_mut()
            .is_some_and(|revoked| revoked.as_mut().poll(cx).is_ready())
        {
            return Poll::Ready(Err(Closing::new(
                CloseCode::Forbidden,
                "Forbidden: token revoked",
            )));
        }
        for _ in 0..TURNS {
            let more_to_read = match self.poll_read(cx)? {
                Read::All => false,
                Read::More => true,
                Read::End => return Poll::Ready(Ok(())),
            };
            self.poll_admission(cx)?;
            self.poll_alarm(cx)?;
            let more_results = self.poll_operations(cx);
            match self.outbox.poll_write(self.wire, cx) {
                Written::Fine => {}
                Written::Gone => return Poll::Ready(Ok(())),
                Written::Stalled => {
                    let reason = "slow consumer: resume with the last cursor";
                    return Poll::Ready(Err(Closing::new(CloseCode::SlowConsumer, reason)));
                }
            }
            // Where the outbox is still full the network wakes this task.
            let again =
                (more_to_read && self.outbox.has_reply_room()) || (more_results && self.outbox.has_room());
            if !again {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Result<Read, Closing> {
        for _ in 0..READS_A_TURN {
            if !self.outbox.has_reply_room() {
                return Ok(Read::More);
            }
            let message = match Pin::new(&mut *self.wire).poll_next(cx) {
                Poll::Pending => return Ok(Read::All),
                Poll::Ready(None | Some(Ok(Message::Close(_)))) => return Ok(Read::End),
                Poll::Ready(Some(Err(error))) => return unreadable(error),
                Poll::Ready(Some(Ok(message))) => message,
            };
            self.heard = true;
            match message {
                Message::Text(text) if text.len() > self.service.limits.message_bytes => {
                    return Err(self.too_big());
                }
                Message::Text(text) => self.receive(&text)?,
                Message::Binary(_) => {
                    return Err(Closing::new(
                        CloseCode::BadRequest,
                        "binary messages are not accepted",
                    ));
                }
                // Answered by the WebSocket layer.
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {}
            }
        }
        Ok(Read::More)
    }

    fn too_big(&self) -> Closing {
        let limit = self.service.limits.message_bytes;
        Closing::new(CloseCode::TooBig, format!("message larger than {limit} bytes"))
    }

    fn receive(&mut self, text: &str) -> Result<(), Closing> {
        match ClientMessage::parse(text)? {
            ClientMessage::Init(payload) => match std::mem::replace(&mut self.phase, Phase::Turning) {
                Phase::Silent(parts) => {
                    self.phase = Phase::Admitting(admit(self.service.gateway.clone(), parts, payload));
                    self.alarm
                        .as_mut()
                        .reset(Instant::now() + self.service.limits.admission_timeout);
                    Ok(())
                }
                _ => Err(Closing::new(
                    CloseCode::TooManyInits,
                    "Too many initialisation requests",
                )),
            },
            ClientMessage::Ping(payload) => {
                self.outbox.push(pong(payload));
                Ok(())
            }
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe { id, request } => {
                let Phase::Open { guest, .. } = &self.phase else {
                    return Err(Closing::new(CloseCode::Unauthorized, "Unauthorized"));
                };
                if self.operations.iter().any(|operation| *operation.id == *id) {
                    let reason = format!("Subscriber for {id} already exists");
                    return Err(Closing::new(CloseCode::SubscriberExists, reason));
                }
                self.started += 1;
                let request_id = self.request_id.of_operation(self.started);
                if self.operations.len() >= self.service.limits.operations {
                    let message = format!(
                        "too many live operations on this socket; at most {}",
                        self.service.limits.operations
                    );
                    let mut response = Response::from_errors(vec![coded_error("RATE_LIMITED", message)]);
                    complete_errors(&mut response, &request_id);
                    self.outbox.push(OperationWriter::new(&id).error(&response));
                    return Ok(());
                }
                let (service, guest) = (self.service.clone(), guest.clone());
                let writer = Writer::Socket(OperationWriter::new(&id));
                let operation = Operation::start(service, guest, &id, writer, *request, request_id);
                self.operations.push(operation);
                Ok(())
            }
            ClientMessage::Complete { id } => {
                // An id that is not live is one that this side completed at the same moment.
                self.operations.retain(|operation| {
                    let is_it = *operation.id == *id;
                    if is_it {
                        operation.unsubscribe();
                    }
                    !is_it
                });
                Ok(())
            }
        }
    }

    fn poll_admission(&mut self, cx: &mut Context<'_>) -> Result<(), Closing> {
        let Phase::Admitting(admission) = &mut self.phase else {
            return Ok(());
        };
        let Poll::Ready(outcome) = admission.as_mut().poll(cx) else {
            return Ok(());
        };
        match outcome {
            Ok(Admission {
                caller,
                account,
                mut revoked,
            }) => {
                if revoked
                    .as_mut()
                    .is_some_and(|revoked| revoked.as_mut().poll(cx).is_ready())
                {
                    return Err(Closing::new(CloseCode::Forbidden, "Forbidden: token revoked"));
                }
                let seat = self.service.seats.take(&account);
                let seat = seat.map_err(|why| Closing::new(CloseCode::TryAgainLater, why))?;
                self.revoked = revoked;
                self.phase = Phase::Open {
                    guest: Guest { caller, account },
                    pinged: false,
                    _seat: seat,
                };
                self.alarm
                    .as_mut()
                    .reset(Instant::now() + self.service.limits.ping_interval);
                self.outbox.push(ACK);
                Ok(())
            }
            Err(Refusal::Unauthenticated(why) | Refusal::Forbidden(why)) => {
                Err(Closing::new(CloseCode::Forbidden, format!("Forbidden: {why}")))
            }
            Err(Refusal::Unavailable(why)) => Err(Closing::new(CloseCode::TryAgainLater, why)),
        }
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Result<(), Closing> {
        while self.alarm.as_mut().poll(cx).is_ready() {
            let limits = &self.service.limits;
            let wait = match &mut self.phase {
                Phase::Silent(_) => {
                    return Err(Closing::new(
                        CloseCode::Timeout,
                        "Connection initialisation timeout",
                    ));
                }
                Phase::Admitting(_) | Phase::Turning => {
                    return Err(Closing::new(CloseCode::TryAgainLater, "admission took too long"));
                }
                Phase::Open {
                    pinged: pinged @ false,
                    ..
                } => {
                    *pinged = true;
                    self.heard = false;
                    self.outbox.push(PING);
                    limits.pong_timeout
                }
                Phase::Open { pinged, .. } if self.heard => {
                    *pinged = false;
                    limits.ping_interval.saturating_sub(limits.pong_timeout)
                }
                Phase::Open { .. } => {
                    return Err(Closing::new(
                        CloseCode::Timeout,
                        "Ping timeout: nothing came back",
                    ));
                }
            };
            self.alarm.as_mut().reset(Instant::now() + wait);
        }
        Ok(())
    }

    /// Takes results while there is room for them. Tells whether there may be more at once.
    fn poll_operations(&mut self, cx: &mut Context<'_>) -> bool {
        let mut more = false;
        let mut left = self.operations.len();
        while left > 0 {
            left -= 1;
            if self.turn >= self.operations.len() {
                self.turn = 0;
            }
            let mut ended = false;
            for result in 0.. {
                if !self.outbox.has_room() {
                    // The same operation has the first turn when there is room again.
                    return true;
                }
                if result == RESULTS_A_TURN {
                    more = true;
                    break;
                }
                match self.operations[self.turn].poll(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Said::Next(message)) => self.outbox.push(message),
                    Poll::Ready(Said::Last(message)) => {
                        self.outbox.push(message);
                        ended = true;
                        break;
                    }
                }
            }
            if ended {
                self.operations.swap_remove(self.turn);
            } else {
                self.turn += 1;
            }
        }
        more
    }
}

/// How reading went on.
enum Read {
    /// Nothing more has come.
    All,
    /// There may be more.
    More,
    /// The connection is at its end.
    End,
}

fn admit<G: Gateway>(
    gateway: Arc<G>,
    parts: Box<Parts>,
    payload: InitPayload,
) -> BoxFuture<'static, Result<Admission<G::Caller>, Refusal>> {
    Box::pin(async move { gateway.admit(&parts, Entrance::Socket(&payload)).await })
}

/// What a failed read means: a message far over the limit, text that is no UTF-8, or a connection that broke.
fn unreadable(error: axum::Error) -> Result<Read, Closing> {
    match error.into_inner().downcast_ref::<WireError>() {
        Some(WireError::Capacity(_)) => Err(Closing::new(CloseCode::TooBig, "message too large")),
        Some(WireError::Utf8(_)) => Err(Closing::new(CloseCode::BadRequest, "text that is not UTF-8")),
        _ => Ok(Read::End),
    }
}
