//! A tiny schema and gateway for the tests of both transports.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use async_graphql::{Context, Error, ErrorExtensions, Object, Request, Schema, ServerError, Subscription};
use axum::http::request::Parts;
use futures_util::{FutureExt, Stream, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::gateway::{Admission, Entrance, Gateway, Refusal, RequestId, Share, coded_error};
use crate::events::Place;

pub(super) type TestSchema = Schema<Query, Mutation, Events>;

/// What the tests look at from outside.
#[derive(Clone)]
pub(super) struct Probe {
    /// Events taken out of the never-ending subscription.
    pub(super) taken: Arc<AtomicU64>,
    /// One message for each `silent` subscription that was dropped.
    pub(super) dropped: mpsc::UnboundedSender<()>,
}

pub(super) fn schema() -> (TestSchema, Probe, mpsc::UnboundedReceiver<()>) {
    let (dropped, drops) = mpsc::unbounded_channel();
    let probe = Probe {
        taken: Arc::default(),
        dropped,
    };
    (
        Schema::build(Query, Mutation, Events)
            .data(probe.clone())
            .finish(),
        probe,
        drops,
    )
}

pub(super) struct Query;

#[Object]
impl Query {
    async fn hello(&self, ctx: &Context<'_>) -> String {
        format!("hello {}", ctx.data_unchecked::<Arc<String>>())
    }

    async fn request_id(&self, ctx: &Context<'_>) -> String {
        ctx.data_unchecked::<RequestId>().as_str().to_owned()
    }

    async fn sum(&self, a: i32, b: i32) -> i32 {
        a + b
    }

    async fn failing(&self) -> Result<Option<i32>, Error> {
        Err(Error::new("no such lead").extend_with(|_, extensions| extensions.set("code", "NOT_FOUND")))
    }

    async fn failing_non_null(&self) -> Result<i32, Error> {
        Err(Error::new("broken"))
    }

    async fn panicking(&self) -> i32 {
        "no number".parse().expect("as the test wants it")
    }

    async fn endless(&self) -> i32 {
        std::future::pending().await
    }

    async fn header(&self, ctx: &Context<'_>) -> bool {
        ctx.insert_http_header("x-cost", "7");
        true
    }
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    async fn double(&self, n: i32) -> i32 {
        2 * n
    }
}

pub(super) struct Events;

/// Never says anything; tells when it is dropped.
struct Silent(mpsc::UnboundedSender<()>);

impl Stream for Silent {
    type Item = i32;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut TaskContext<'_>) -> Poll<Option<i32>> {
        Poll::Pending
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // The test may have ended.
        let _ = self.0.send(());
    }
}

#[Subscription]
impl Events {
    async fn count(&self, to: i32) -> impl Stream<Item = i32> {
        stream::iter(1..=to)
    }

    /// Never ends and is always ready.
    async fn flood(&self, ctx: &Context<'_>) -> impl Stream<Item = String> {
        let taken = ctx.data_unchecked::<Probe>().taken.clone();
        stream::repeat_with(move || format!("{:0>1000}", taken.fetch_add(1, Ordering::SeqCst)))
    }

    async fn silent(&self, ctx: &Context<'_>) -> impl Stream<Item = i32> {
        Silent(ctx.data_unchecked::<Probe>().dropped.clone())
    }

    /// Counts on behind its place up to `to`, one a millisecond or as fast as it is asked; tells when it is dropped.
    async fn counted(&self, ctx: &Context<'_>, to: i64, slow: bool) -> impl Stream<Item = i64> {
        let probe = ctx.data_unchecked::<Probe>();
        probe.taken.fetch_add(1, Ordering::SeqCst);
        let dropped = Silent(probe.dropped.clone());
        let place = ctx.data_opt::<Place>().cloned().unwrap_or_else(|| Place::at(0));
        stream::unfold((place, dropped), move |(place, dropped)| async move {
            let next = place.get() + 1;
            if next > to {
                return None;
            }
            if slow {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            place.set(next);
            Some((next, (place, dropped)))
        })
    }

    async fn unopened(&self) -> Result<stream::Empty<i32>, Error> {
        Err(Error::new("the cursor is older than the log")
            .extend_with(|_, extensions| extensions.set("code", "BAD_USER_INPUT")))
    }

    async fn panicking(&self) -> impl Stream<Item = i32> {
        stream::iter(0..2).map_panicking()
    }
}

trait MapPanicking: Stream<Item = i32> + Sized {
    fn map_panicking(self) -> impl Stream<Item = i32> {
        futures_util::StreamExt::map(self, |n| if n == 0 { n } else { panic!("as the test wants it") })
    }
}

impl<S: Stream<Item = i32>> MapPanicking for S {}

/// Lets in by a token: `good…` is let in under that name, none is nobody, the rest is refused as it says.
#[derive(Default)]
pub(super) struct TestGateway {
    pub(super) revoked: CancellationToken,
}

impl Gateway for TestGateway {
    type Caller = String;

    async fn admit(&self, parts: &Parts, entrance: Entrance<'_>) -> Result<Admission<String>, Refusal> {
        let token = match entrance {
            Entrance::Http | Entrance::Stream => parts
                .headers
                .get("authorization")
                .and_then(|value| value.to_str().ok()),
            Entrance::Socket(payload) => payload.get("token").and_then(serde_json::Value::as_str),
        };
        match token {
            None => Ok(Admission {
                caller: Arc::new("nobody".to_owned()),
                account: "nobody".into(),
                revoked: None,
            }),
            Some(good) if good.starts_with("good") => Ok(Admission {
                caller: Arc::new(good.to_owned()),
                account: good.into(),
                revoked: Some(self.revoked.clone().cancelled_owned().boxed()),
            }),
            Some("away") => Err(Refusal::Unavailable("the database is away".to_owned())),
            Some("stuck") => std::future::pending().await,
            Some("other") => Err(Refusal::Forbidden("not this way".to_owned())),
            Some(_) => Err(Refusal::Unauthenticated("unknown token".to_owned())),
        }
    }

    async fn prepare(
        &self,
        caller: &Arc<String>,
        _account: &Arc<str>,
        request: Request,
        request_id: &RequestId,
    ) -> Result<Request, ServerError> {
        if request.query.contains("overBudget") {
            return Err(coded_error("RATE_LIMITED", "the budget is spent"));
        }
        Ok(request.data(caller.clone()).data(request_id.clone()))
    }

    fn share(&self, caller: &Arc<String>, request: &mut Request) -> Option<Share> {
        request.query.contains("counted").then(|| Share {
            rights: caller.to_string(),
            begin: 0,
            is_state: request.query.contains("state"),
        })
    }
}
