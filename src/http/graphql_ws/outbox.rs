//! The bounded queue between the operations of a socket and the network.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::Sink;
use tokio::time::{Instant, Sleep, sleep};

use super::SocketLimits;
use super::socket::WRITE_BUFFER_BYTES;

/// Slots beyond the limit that answers to the client's own messages may use (`pong`, `error`).
const REPLY_SLOTS: usize = 64;

/// Slowest reading of a large message that is not a stall, in bytes a second.
const DRAIN_RATE: u64 = 32 * 1024;

/// Messages on their way out.
pub(super) struct Outbox {
    queue: VecDeque<Utf8Bytes>,
    queued_bytes: usize,
    max_messages: usize,
    max_bytes: usize,
    stall_timeout: Duration,
    /// Bytes handed to the socket's write buffer since it was last seen empty.
    unflushed_bytes: usize,
    /// The network took less than all at the last try; the clock runs until the write buffer is empty.
    stalled: bool,
    stall_alarm: Pin<Box<Sleep>>,
}

/// How writing went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// All of it, or as much as the network takes now.
    Fine,
    /// The network took nothing for too long.
    Stalled,
    /// The connection is gone.
    Gone,
}

impl Outbox {
    pub(super) fn new(limits: &SocketLimits) -> Self {
        Self {
            queue: VecDeque::new(),
            queued_bytes: 0,
            max_messages: limits.queue_messages.max(1),
            max_bytes: limits.queue_bytes.max(1),
            stall_timeout: limits.stall_timeout,
            unflushed_bytes: 0,
            stalled: false,
            stall_alarm: Box::pin(sleep(limits.stall_timeout)),
        }
    }

    /// Whether an operation may put its next result here.
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < self.max_messages && self.queued_bytes < self.max_bytes
    }

    /// Whether the answer to one more message of the client has room.
    pub(super) fn has_reply_room(&self) -> bool {
        self.queue.len() < self.max_messages + REPLY_SLOTS
            && self.queued_bytes < self.max_bytes.saturating_mul(2)
    }

    pub(super) fn push(&mut self, message: Utf8Bytes) {
        self.queued_bytes += message.len();
        self.queue.push_back(message);
    }

    /// Hands on what the network takes: all messages into the write buffer first, then one flush.
    pub(super) fn poll_write(&mut self, wire: &mut WebSocket, cx: &mut Context<'_>) -> Written {
        let mut wire = Pin::new(wire);
        if self.stalled {
            match wire.as_mut().poll_flush(cx) {
                Poll::Ready(Ok(())) => self.drained(),
                Poll::Ready(Err(_)) => return Written::Gone,
                Poll::Pending => return self.check_stall(cx),
            }
        }
        while !self.queue.is_empty() {
            match wire.as_mut().poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Written::Gone,
                Poll::Pending => return self.check_stall(cx),
            }
            let message = self.queue.pop_front().expect("the queue is not empty");
            self.queued_bytes -= message.len();
            self.unflushed_bytes += message.len();
            if wire.as_mut().start_send(Message::Text(message)).is_err() {
                return Written::Gone;
            }
        }
        if self.unflushed_bytes > 0 {
            match wire.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.drained(),
                Poll::Ready(Err(_)) => return Written::Gone,
                Poll::Pending => return self.check_stall(cx),
            }
        }
        Written::Fine
    }

    fn drained(&mut self) {
        self.unflushed_bytes = 0;
        self.stalled = false;
    }

    /// Called when the network takes nothing: starts or looks at the clock.
    fn check_stall(&mut self, cx: &mut Context<'_>) -> Written {
        if !self.stalled {
            self.stalled = true;
            let extra = Duration::from_millis(
                self.unflushed_bytes.saturating_sub(WRITE_BUFFER_BYTES) as u64 * 1000 / DRAIN_RATE,
            );
            self.stall_alarm
                .as_mut()
                .reset(Instant::now() + self.stall_timeout + extra);
        }
        match self.stall_alarm.as_mut().poll(cx) {
            Poll::Ready(()) => Written::Stalled,
            Poll::Pending => Written::Fine,
        }
    }
}
