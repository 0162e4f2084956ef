//! How a request goes: in its place in the lane, with the connection's token, again where that helps.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_stream::stream;
use bytes::{Bytes, BytesMut};
use chrono::DateTime;
use futures_util::{Stream, StreamExt as _};
use rand::RngExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tracing::debug;

use super::{Answer, Judge, Request};
use crate::transport::wire::{Incoming, Outgoing, WireFault};
use crate::transport::{Http, Inner, Pace, Policy, egress};
use crate::{Error, Kind, Result, Retry, Secret};

impl Request {
    pub(super) async fn attempts<A, T, F, Read, Open, Opening>(
        mut self,
        judge: &dyn Judge,
        read: F,
        open: Open,
    ) -> Result<T>
    where
        A: AsAnswer,
        F: Fn(Incoming) -> Read,
        Read: Future<Output = Result<A, WireFault>>,
        Open: Fn(A) -> Opening,
        Opening: Future<Output = Result<T>>,
    {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let url = self.url.clone()?;
        let http = Arc::clone(&self.http);
        let policy = *self.policy();
        let asked = Instant::now();
        let is_too_late = |wait: Duration| policy.patience.is_some_and(|time| asked.elapsed() + wait > time);
        let mut renewed = false;
        let mut token: Option<Secret> = None;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut outgoing = Outgoing {
                method: self.method.clone(),
                url: url.clone(),
                headers: self.headers.clone(),
                body: self.body.clone(),
            };
            if let Some(place) = &self.authorise {
                let now = match token.take() {
                    Some(token) => token,
                    None => http.secrets.access_token().await?,
                };
                place(&mut outgoing, &now)?;
                token = Some(now);
            }
            let place = self.place(&policy, is_too_late).await?;
            let begun = Instant::now();
            let outcome = match self.attempt(place, outgoing, judge, &read, &policy).await {
                Ok(answer) => open(answer).await,
                Err(error) => Err(error),
            };
            let error = match outcome {
                Ok(value) => {
                    self.tell("OK", begun, attempt);
                    return Ok(value);
                }
                Err(error) => error,
            };
            self.tell(error.kind.name(), begun, attempt);
            let struck_out = |text: &str| http.secrets.redact(text, token.iter().chain(&self.hidden));
            let error = Error {
                message: struck_out(&error.message),
                code: error.code.as_deref().map(struck_out),
                ..error
            };
            if error.kind == Kind::Unauthorised
                && !renewed
                && let Some(old) = &token
                && let Some(new) = http.secrets.token_refused(old).await?
            {
                renewed = true;
                token = Some(new);
                continue;
            }
            token = None;
            let wait = match error.retry {
                Retry::Never | Retry::Exhausted => return Err(error),
                Retry::BackOff => back_off(&policy, attempt),
                Retry::After(time) => {
                    http.lane.note(self.limit, Pace::Pause(time), http.clock.now());
                    time
                }
            };
            // It was answered, but not with "not taken, come again": whoever sends decides.
            if self.once && !matches!(error.kind, Kind::Throttled | Kind::Unreachable) {
                return Err(error);
            }
            if wait > policy.longest_wait || is_too_late(wait) {
                return Err(error);
            }
            if attempt >= policy.attempts {
                return Err(error.retry(Retry::Exhausted));
            }
            debug!(attempt, wait_ms = wait.as_millis(), reason = %error, "the request is tried again");
            if !matches!(error.retry, Retry::After(_)) {
                http.clock.sleep(wait).await;
            }
        }
    }

    /// A place among the requests that are on their way, as soon as the platform's limits let this one through. The limits are
    /// looked at in the place, as others may have been told to pause while this one stood in line; what has to wait for them
    /// waits without a place.
    async fn place(
        &self,
        policy: &Policy,
        is_too_late: impl Fn(Duration) -> bool,
    ) -> Result<OwnedSemaphorePermit> {
        let Inner { lane, clock, .. } = &*self.http;
        loop {
            let place = lane.enter(self.is_stream).await;
            if is_too_late(Duration::ZERO) {
                return Err(too_late());
            }
            let wait = lane.wait(self.limit, self.points, clock.now());
            if wait.is_zero() {
                return Ok(place);
            }
            drop(place);
            if wait > policy.longest_wait || is_too_late(wait) {
                let error = Error::new(
                    Kind::Throttled,
                    "the platform's limit for this connection is reached",
                );
                return Err(error.retry(Retry::After(wait)));
            }
            clock.sleep(wait).await;
        }
    }

    async fn attempt<T, F, Read>(
        &self,
        _place: OwnedSemaphorePermit,
        outgoing: Outgoing,
        judge: &dyn Judge,
        read: &F,
        policy: &Policy,
    ) -> Result<T>
    where
        T: AsAnswer,
        F: Fn(Incoming) -> Read,
        Read: Future<Output = Result<T, WireFault>>,
    {
        let Inner {
            transport,
            lane,
            clock,
            ..
        } = &*self.http;
        let host = outgoing.url.host_str().unwrap_or_default().to_owned();
        let sent = async {
            let incoming = transport.wire.send(outgoing).await?;
            read(incoming).await
        };
        let limit = self.answer.unwrap_or(policy.answer);
        let mut value = match tokio::time::timeout(limit, sent).await {
            Ok(Ok(value)) => value,
            Ok(Err(WireFault::Private)) => return Err(egress::private(&host)),
            Ok(Err(WireFault::Unreachable(text))) => {
                return Err(Error::new(
                    Kind::Unreachable,
                    format!("`{host}` cannot be reached: {text}"),
                ));
            }
            Ok(Err(WireFault::Cut(text))) => {
                return Err(self.broken(Kind::Cut, format!("the connection to `{host}` broke: {text}")));
            }
            Err(_) => {
                let text = format!("no answer from `{host}` within {} s", limit.as_secs_f64());
                return Err(self.broken(Kind::TimedOut, text));
            }
        };
        let now = clock.now();
        let answer = value.answer();
        answer.at = now;
        if let Some(pace) = judge.pace(answer) {
            lane.note(self.limit, pace, now);
        }
        let judged = judge.judge(answer);
        if let Err(Error {
            retry: Retry::After(time),
            ..
        }) = &judged
        {
            // Before the place is left: the next in line is to know.
            lane.note(self.limit, Pace::Pause(*time), now);
        }
        judged.map(|()| value)
    }

    fn broken(&self, kind: Kind, text: String) -> Error {
        if self.once {
            Error::new(
                Kind::OutcomeUnknown,
                format!("{text}; it is not known whether it was taken"),
            )
        } else {
            Error::new(kind, text)
        }
    }

    fn tell(&self, outcome: &'static str, begun: Instant, attempt: u32) {
        Http(Arc::clone(&self.http)).count(outcome, begun);
        let elapsed = begun.elapsed();
        debug!(
            outcome,
            attempt,
            elapsed_ms = elapsed.as_millis(),
            "the platform was asked"
        );
    }
}

/// Others of the same connection were in the way.
pub(crate) fn too_late() -> Error {
    let error = Error::new(
        Kind::Throttled,
        "too much is on its way to the platform at the moment",
    );
    error.retry(Retry::After(Duration::from_secs(1)))
}

/// Full jitter between half of the time and all of it.
fn back_off(policy: &Policy, attempt: u32) -> Duration {
    let whole = policy.first_wait * 2_u32.saturating_pow(attempt.saturating_sub(1).min(16));
    let whole = whole.min(policy.longest_wait);
    whole.mul_f64(rand::rng().random_range(0.5..=1.0))
}

pub(super) trait AsAnswer {
    fn answer(&mut self) -> &mut Answer;
}

/// The rest of an answer whose head is there.
pub(super) type Rest = Pin<Box<dyn Stream<Item = Result<Bytes, WireFault>> + Send>>;

pub(super) struct Head {
    pub(super) answer: Answer,
    pub(super) rest: Option<Rest>,
}

impl AsAnswer for Head {
    fn answer(&mut self) -> &mut Answer {
        &mut self.answer
    }
}

impl AsAnswer for Answer {
    fn answer(&mut self) -> &mut Answer {
        self
    }
}

pub(super) async fn whole(incoming: Incoming, largest: usize) -> Result<Answer, WireFault> {
    let Incoming {
        status,
        headers,
        mut body,
    } = incoming;
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.next().await {
        let piece = piece?;
        if bytes.len() + piece.len() > largest {
            return Err(WireFault::Cut(format!(
                "the answer is larger than {largest} bytes"
            )));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Answer {
        status,
        headers,
        body: bytes.freeze(),
        at: DateTime::UNIX_EPOCH,
    })
}

pub(super) fn pieces(
    mut rest: Pin<Box<dyn Stream<Item = Result<Bytes, WireFault>> + Send>>,
    limit: Duration,
    http: Arc<Inner>,
) -> Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>> {
    Box::pin(stream! {
        loop {
            match tokio::time::timeout(limit, rest.next()).await {
                Ok(None) => return,
                Ok(Some(Ok(piece))) => yield Ok(piece),
                Ok(Some(Err(fault))) => {
                    let text = match fault {
                        WireFault::Cut(text) | WireFault::Unreachable(text) => text,
                        WireFault::Private => String::new(),
                    };
                    let text = http.secrets.redact(&text, []);
                    yield Err(Error::new(Kind::Cut, format!("the connection broke within the answer: {text}")));
                    return;
                }
                Err(_) => {
                    let text = format!("nothing more of the answer within {} s", limit.as_secs_f64());
                    yield Err(Error::new(Kind::TimedOut, text));
                    return;
                }
            }
        }
    })
}
