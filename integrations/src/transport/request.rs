//! One request: built, sent, tried again, read.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_stream::stream;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt as _};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use rand::RngExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument as _, debug, info_span};
use url::Url;

use super::wire::{Incoming, Outgoing, WireFault};
use super::{Http, Inner, Pace, Policy, egress};
use crate::{Error, Kind, Result, Retry, Secret};

/// How a platform's answers are to be read.
pub trait Judge: Send + Sync {
    /// Whether an answer is a failure, a failure within a 200 included.
    ///
    /// # Errors
    /// What failed, and whether to try again.
    fn judge(&self, answer: &Answer) -> Result<()> {
        by_status(answer)
    }

    /// What it tells about the platform's limits.
    fn pace(&self, answer: &Answer) -> Option<Pace> {
        let _ = answer;
        None
    }
}

/// Judges by the status alone.
#[derive(Clone, Copy, Debug)]
pub struct StatusJudge;

impl Judge for StatusJudge {}

type Authorise = Arc<dyn Fn(&mut Outgoing, &Secret) -> Result<()> + Send + Sync>;

/// A request being built.
#[must_use]
pub struct Request {
    http: Arc<Inner>,
    method: Method,
    url: Result<Url>,
    headers: HeaderMap,
    body: Bytes,
    fault: Option<Error>,
    authorise: Option<Authorise>,
    once: bool,
    is_stream: bool,
    points: f64,
    limit: &'static str,
    answer: Option<Duration>,
    piece: Option<Duration>,
    hidden: Vec<Secret>,
}

impl Request {
    pub(super) fn new(http: Arc<Inner>, method: Method, url: &str) -> Self {
        let url = Url::parse(url)
            .map_err(|error| Error::new(Kind::Settings, format!("not an address: {error}")))
            .and_then(|url| match url.scheme() {
                "http" | "https" if url.has_host() => Ok(url),
                _ => Err(Error::new(Kind::Settings, "an address begins with https://")),
            });
        Self {
            http,
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            fault: None,
            authorise: None,
            once: false,
            is_stream: false,
            points: 0.0,
            limit: "",
            answer: None,
            piece: None,
            hidden: Vec::new(),
        }
    }

    /// With parameters behind the address.
    pub fn query<K: AsRef<str>, V: AsRef<str>>(mut self, pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        if let Ok(url) = &mut self.url {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        self
    }

    /// With a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.put(name, value, false);
        self
    }

    /// With a header that is shown nowhere.
    pub fn secret_header(mut self, name: &'static str, value: &Secret) -> Self {
        self.put(name, value.expose(), true);
        self
    }

    /// With a bearer token.
    pub fn bearer(mut self, token: &Secret) -> Self {
        self.put(
            AUTHORIZATION.as_str(),
            &format!("Bearer {}", token.expose()),
            true,
        );
        self
    }

    /// With a name and a password.
    pub fn basic(mut self, name: &str, password: &Secret) -> Self {
        let both = crate::signature::to_base64(format!("{name}:{}", password.expose()).as_bytes());
        self.put(AUTHORIZATION.as_str(), &format!("Basic {both}"), true);
        self
    }

    /// With the connection's access token, put where `place` puts it. When the platform does not accept it, another one is
    /// asked for and the request is sent once more.
    pub fn authorised(
        mut self,
        place: impl Fn(&mut Outgoing, &Secret) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.authorise = Some(Arc::new(place));
        self
    }

    /// With the connection's access token in a header.
    pub fn token_header(self, name: &'static str) -> Self {
        self.authorised(move |outgoing, token| {
            outgoing
                .headers
                .insert(HeaderName::from_static(name), sensitive(token.expose())?);
            Ok(())
        })
    }

    /// With the connection's access token as bearer.
    pub fn token_bearer(self) -> Self {
        self.authorised(|outgoing, token| {
            let value = sensitive(&format!("Bearer {}", token.expose()))?;
            outgoing.headers.insert(AUTHORIZATION, value);
            Ok(())
        })
    }

    /// With JSON.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.body = bytes.into(),
            Err(error) => self.fault = Some(Error::refused(format!("cannot be written as JSON: {error}"))),
        }
        self.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.headers
            .entry(ACCEPT)
            .or_insert(HeaderValue::from_static("application/json"));
        self
    }

    /// With a form. A name may come more than once.
    pub fn form<K: AsRef<str>, V: AsRef<str>>(mut self, pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let text = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        self.body = text.into();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.headers.insert(CONTENT_TYPE, form);
        self
    }

    /// With bytes.
    pub fn body(mut self, content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        self.body = bytes.into();
        self.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self
    }

    /// It holds a secret that was not entered by the owner, e.g. a refresh token; that is struck out of errors, too.
    pub fn hides(mut self, secret: &Secret) -> Self {
        self.hidden.push(secret.clone());
        self
    }

    /// It must not arrive twice: it is sent again only where it is sure that it was not taken. Where that is not known,
    /// it ends with [`Kind::OutcomeUnknown`].
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// It takes so many points of the platform's bucket.
    pub fn points(mut self, points: f64) -> Self {
        self.points = points;
        self
    }

    /// It counts against a limit of this name, where the platform counts kinds of requests apart: what an answer tells
    /// about the limits holds for requests of the same name alone.
    pub fn limit(mut self, name: &'static str) -> Self {
        self.limit = name;
        self
    }

    /// The answer may take so long.
    pub fn answer_within(mut self, time: Duration) -> Self {
        self.answer = Some(time);
        self
    }

    /// The next piece of an answer that is streamed may take so long.
    pub fn piece_within(mut self, time: Duration) -> Self {
        self.piece = Some(time);
        self
    }

    /// Sends it, and reads the answer as a whole.
    ///
    /// # Errors
    /// The judge's; what broke on the way.
    pub async fn send(self, judge: &dyn Judge) -> Result<Answer> {
        let span = self.span();
        async move {
            let largest = self.policy().largest_answer;
            let read = |incoming| async move { whole(incoming, largest).await };
            self.attempts(judge, read, |answer| async { Ok(answer) }).await
        }
        .instrument(span)
        .await
    }

    /// Sends it, and gives the answer as it comes. Until its head is there it is tried again as any other; an answer that is
    /// no success is read and judged.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn stream(self, judge: &dyn Judge) -> Result<AnswerStream> {
        self.open(judge, |answer| async { Ok(answer) }).await
    }

    /// As [`Self::stream`], and has `open` read the beginning: where that fails, the request is tried again as any other.
    ///
    /// # Errors
    /// As [`Self::send`]; those of `open`.
    pub async fn open<T, Open, Opening>(mut self, judge: &dyn Judge, open: Open) -> Result<T>
    where
        Open: Fn(AnswerStream) -> Opening,
        Opening: Future<Output = Result<T>>,
    {
        self.is_stream = true;
        let span = self.span();
        async move {
            let Policy {
                largest_answer,
                piece,
                ..
            } = *self.policy();
            let piece = self.piece.unwrap_or(piece);
            let http = Arc::clone(&self.http);
            let read = |incoming: Incoming| async move {
                if incoming.status.is_success() {
                    let Incoming {
                        status,
                        headers,
                        body,
                    } = incoming;
                    return Ok(Head {
                        answer: Answer {
                            status,
                            headers,
                            body: Bytes::new(),
                            at: DateTime::UNIX_EPOCH,
                        },
                        rest: Some(body),
                    });
                }
                whole(incoming, largest_answer)
                    .await
                    .map(|answer| Head { answer, rest: None })
            };
            let begin = |Head { answer, rest }: Head| {
                let opening = rest.map(|rest| {
                    open(AnswerStream {
                        headers: answer.headers,
                        body: pieces(rest, piece, Arc::clone(&http)),
                    })
                });
                async move {
                    match opening {
                        Some(opening) => opening.await,
                        None => Err(Error::malformed("a failure that was not judged to be one")),
                    }
                }
            };
            self.attempts(judge, read, begin).await
        }
        .instrument(span)
        .await
    }

    fn policy(&self) -> &Policy {
        &self.http.transport.policy
    }

    fn span(&self) -> tracing::Span {
        let (host, path) = match &self.url {
            Ok(url) => (url.host_str().unwrap_or_default(), url.path()),
            Err(_) => ("", ""),
        };
        // The query may hold what is not for a log.
        info_span!("platform request", platform = self.http.platform, method = %self.method, host, path)
    }

    fn put(&mut self, name: &'static str, value: &str, secret: bool) {
        let parsed = if secret {
            sensitive(value)
        } else {
            HeaderValue::from_str(value).map_err(|_| bad_header())
        };
        match (HeaderName::from_bytes(name.as_bytes()), parsed) {
            (Ok(name), Ok(value)) => {
                self.headers.insert(name, value);
            }
            (_, Err(error)) => self.fault = Some(error),
            (Err(_), _) => self.fault = Some(bad_header()),
        }
    }

    async fn attempts<A, T, F, Read, Open, Opening>(
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

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| bad_header())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Others of the same connection were in the way.
pub(crate) fn too_late() -> Error {
    let error = Error::new(
        Kind::Throttled,
        "too much is on its way to the platform at the moment",
    );
    error.retry(Retry::After(Duration::from_secs(1)))
}

fn bad_header() -> Error {
    Error::new(
        Kind::Settings,
        "a key, token or name has characters that no header can have: was a line break copied with it?",
    )
}

/// Full jitter between half of the time and all of it.
fn back_off(policy: &Policy, attempt: u32) -> Duration {
    let whole = policy.first_wait * 2_u32.saturating_pow(attempt.saturating_sub(1).min(16));
    let whole = whole.min(policy.longest_wait);
    whole.mul_f64(rand::rng().random_range(0.5..=1.0))
}

trait AsAnswer {
    fn answer(&mut self) -> &mut Answer;
}

/// The rest of an answer whose head is there.
type Rest = Pin<Box<dyn Stream<Item = Result<Bytes, WireFault>> + Send>>;

struct Head {
    answer: Answer,
    rest: Option<Rest>,
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

async fn whole(incoming: Incoming, largest: usize) -> Result<Answer, WireFault> {
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

fn pieces(
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

/// An answer, whole.
#[derive(Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its bytes; empty for a success that is streamed.
    pub body: Bytes,
    /// When it came.
    pub at: DateTime<Utc>,
}

impl Answer {
    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Reads it as JSON.
    ///
    /// # Errors
    /// [`Kind::Malformed`] with the place of the fault; never with what stands there.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        let mut reader = serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let mut text = "the answer is not as the platform describes it".to_owned();
            let path = error.path().to_string();
            if path != "." {
                let _ = write!(text, ", at `{path}`");
            }
            Error::malformed(text)
        })
    }

    /// Reads it as JSON of any shape, for looking for an error in it; null where it is none.
    #[must_use]
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A success whose body is still on the way.
pub struct AnswerStream {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its bytes, piece by piece; ends with its first error.
    pub body: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>,
}

/// Judges an answer by its status, as most platforms mean it.
///
/// # Errors
/// For any status but 2xx.
pub fn by_status(answer: &Answer) -> Result<()> {
    let status = answer.status;
    if status.is_success() {
        return Ok(());
    }
    let kind = match status.as_u16() {
        401 => Kind::Unauthorised,
        402 => Kind::OutOfFunds,
        403 => Kind::Forbidden,
        404 | 410 => Kind::NotFound,
        408 | 504 | 524 => Kind::TimedOut,
        425 | 429 => Kind::Throttled,
        500.. => Kind::Unavailable,
        _ => Kind::Refused,
    };
    let error = Error::new(kind, format!("the platform answered {status}")).code(status.as_u16());
    Err(match retry_after(answer) {
        Some(time) if matches!(kind, Kind::Throttled | Kind::Unavailable) => error.retry(Retry::After(time)),
        _ => error,
    })
}

/// The time in `Retry-After`: seconds, also broken ones, or a date.
#[must_use]
pub fn retry_after(answer: &Answer) -> Option<Duration> {
    let text = answer.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    }
    let at: DateTime<Utc> = httpdate::parse_http_date(text).ok()?.into();
    Some((at - answer.at).to_std().unwrap_or_default())
}
