//! What nobody read of a request's body when it is answered: too large, not signed, no such page.
//!
//! A connection that is closed with bytes in it resets, and the client sees the reset instead of the answer, or has it
//! under the next request. So what is left is read and thrown away, within bounds, while the answer is on its way; and
//! the answer says `Connection: close` where more is left than is worth waiting for
//! ([RFC 9112, § 9.6](https://www.rfc-editor.org/rfc/rfc9112#section-9.6)).

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::HttpBody;
use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::runtime::Handle;

/// A connection is kept when at most so many bytes are left.
const KEPT: u64 = 64 << 10;
/// At most so many bytes are thrown away.
const THROWN: u64 = 64 << 20;
/// At most so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much of a body is left.
#[derive(Clone, Debug)]
pub struct Left(Arc<AtomicU64>);

impl Left {
    /// Tells a client that the connection ends with this answer, where more is left than is waited for.
    pub fn say(&self, headers: &mut HeaderMap) {
        if self.0.load(Ordering::Relaxed) > KEPT {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// A body whose rest is thrown away when nobody wants it any more.
#[derive(Debug)]
pub struct Unread {
    /// Taken when it is let go.
    body: Option<Incoming>,
    left: Left,
    /// The client waits for `100 Continue`, which is sent when the body is first asked for: it sends nothing before.
    waits: bool,
}

impl Unread {
    /// The body of a request with these headers.
    pub fn new(body: Incoming, headers: &HeaderMap) -> (Self, Left) {
        let waits = headers.contains_key(header::EXPECT);
        let left = match remaining(&body) {
            0 => 0,
            // Nobody knows whether it comes after a refusal.
            _ if waits => u64::MAX,
            left => left,
        };
        let left = Left(Arc::new(AtomicU64::new(left)));
        let body = Self {
            body: Some(body),
            left: left.clone(),
            waits,
        };
        (body, left)
    }
}

/// The most that may still come.
fn remaining(body: &Incoming) -> u64 {
    if body.is_end_stream() {
        return 0;
    }
    body.size_hint().upper().unwrap_or(u64::MAX)
}

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.waits = false;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(&mut *body).poll_frame(context);
        if let Poll::Ready(frame) = &polled {
            let left = match frame {
                Some(Ok(_)) => remaining(body),
                // Of a body that broke off nothing comes any more.
                Some(Err(_)) | None => 0,
            };
            self.left.0.store(left, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let left = self.left.0.load(Ordering::Relaxed);
        // A size that is not told may be any; one that is told and too much is not begun with.
        if left == 0 || self.waits || (left > THROWN && left != u64::MAX) {
            return;
        }
        if let (Some(body), Ok(runtime)) = (self.body.take(), Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(PATIENCE, throw_away(body)));
        }
    }
}

async fn throw_away(mut body: Incoming) {
    let mut thrown = 0;
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        thrown += frame.data_ref().map_or(0, |data| data.len() as u64);
        if thrown > THROWN {
            return;
        }
    }
}
