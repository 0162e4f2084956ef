//! One request: built, sent, tried again, read.

mod answer;
mod sending;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Serialize;
use tracing::{Instrument as _, info_span};
use url::Url;

pub use self::answer::{Answer, AnswerStream, Judge, StatusJudge, by_status, retry_after};
pub(crate) use self::sending::too_late;
use self::sending::{Head, pieces, whole};
use super::wire::{Incoming, Outgoing};
use super::{Inner, Policy};
use crate::{Error, Kind, Result, Secret};

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
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| bad_header())?;
    value.set_sensitive(true);
    Ok(value)
}

fn bad_header() -> Error {
    Error::new(
        Kind::Settings,
        "a key, token or name has characters that no header can have: was a line break copied with it?",
    )
}
