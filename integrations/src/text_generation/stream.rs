//! A text as it comes: server-sent events, with deadlines that nothing but tokens puts off.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::DateTime;
use futures_util::{Stream, StreamExt as _, stream};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use sse_stream::{Sse, SseByteStream};
use tokio::time::{Instant, timeout_at};

use super::Deadlines;
use crate::facet::{Finish, Usage};
use crate::transport::{Answer, AnswerStream, Http, Judge, Request};
use crate::{Error, Kind, Result};

/// Reads the events of one answer.
pub(crate) trait Reader: Send {
    /// Reads the next event.
    ///
    /// # Errors
    /// What the platform says went wrong; [`Kind::Malformed`] where the event cannot be read.
    fn event(&mut self, event: &Sse) -> Result<Step>;

    /// Reads an answer that came as a whole, though it was asked for as a stream.
    ///
    /// # Errors
    /// As [`Self::event`].
    fn whole(&mut self, answer: &Answer) -> Result<(String, Ended)>;

    /// There are no more events, and the last one did not say that it was the last.
    ///
    /// # Errors
    /// Where it was not.
    fn ended(&mut self) -> Result<Ended>;
}

/// What an event brought.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Nothing that a reader waits for.
    Nothing,
    /// A token that is no text: of thinking, or of a refusal.
    Progress,
    /// Text.
    Text(String),
    /// That was all.
    End(Ended),
}

/// How a text ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ended {
    /// Why.
    pub stop: Stop,
    /// Who wrote it.
    pub model: Option<String>,
    /// The platform's id of the answer.
    pub id: Option<String>,
    /// What it took.
    pub usage: Usage,
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// For good.
    Finish(Finish),
    /// It goes on when it is asked to.
    Paused,
}

type EventStream = Pin<Box<dyn Stream<Item = Result<Sse>> + Send>>;

/// A text whose first piece is there.
pub(crate) struct Opened<R> {
    ready: VecDeque<Step>,
    events: EventStream,
    reader: R,
    wait: Duration,
    between: Duration,
}

/// Asks, and reads up to the first text (or the end, where there is none). What fails until then is tried again as any
/// other request.
///
/// # Errors
/// The judge's, the reader's; [`Kind::TimedOut`] where no token comes in time.
pub(crate) async fn open<R: Reader>(
    request: Request,
    judge: &dyn Judge,
    http: &Http,
    deadlines: &Deadlines,
    reader: impl Fn() -> R + Sync,
) -> Result<Opened<R>> {
    let first = deadlines.first_token_seconds.duration();
    let between = deadlines.between_tokens_seconds.duration();
    let largest = http.policy().largest_answer;
    request
        .header("accept", "text/event-stream")
        .answer_within(first)
        .piece_within(first.max(between))
        .open(judge, |answer| {
            let opened = Opened {
                ready: VecDeque::new(),
                events: Box::pin(stream::empty()),
                reader: reader(),
                wait: first,
                between,
            };
            opened.begin(answer, largest)
        })
        .await
}

/// Waits for something until a moment.
///
/// # Errors
/// [`Kind::TimedOut`] when it is not there by then; its own.
pub(crate) async fn within<T>(until: Instant, work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout_at(until, work).await.unwrap_or_else(|_| {
        let text =
            "the text was not complete within the time that the settings allow (deadlines.wholeTextSeconds)";
        Err(Error::new(Kind::TimedOut, text))
    })
}

impl<R: Reader> Opened<R> {
    async fn begin(mut self, answer: AnswerStream, largest: usize) -> Result<Self> {
        let kind = answer
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        // Errors come as a whole, and so does all that servers write that know no streams.
        if kind.is_some_and(|kind| kind.starts_with("application/json")) {
            let until = Instant::now() + self.wait;
            let body = timeout_at(until, whole(answer.body, largest))
                .await
                .map_err(|_| self.late())??;
            let answer = Answer {
                status: StatusCode::OK,
                headers: answer.headers,
                body,
                at: DateTime::UNIX_EPOCH,
            };
            let (text, ended) = self.reader.whole(&answer)?;
            if !text.is_empty() {
                self.ready.push_back(Step::Text(text));
            }
            self.ready.push_back(Step::End(ended));
            return Ok(self);
        }
        if kind.is_some_and(|kind| kind.starts_with("text/html")) {
            return Err(Error::malformed(
                "a page for people was answered: is the address (baseUrl) the one of the API?",
            ));
        }
        self.events = events(answer.body, largest);
        let first = self.read().await?;
        self.ready.push_back(first);
        Ok(self)
    }

    /// The next text, or the end.
    ///
    /// # Errors
    /// The platform's; [`Kind::TimedOut`] where no token comes in time; [`Kind::Cut`] where it broke off.
    pub(crate) async fn next(&mut self) -> Result<Step> {
        match self.ready.pop_front() {
            Some(step) => Ok(step),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Result<Step> {
        // It is counted from when somebody waits: who reads slowly does not make the platform late.
        let mut until = Instant::now() + self.wait;
        loop {
            let event = match timeout_at(until, self.events.next()).await {
                Ok(Some(event)) => event?,
                Ok(None) => return self.reader.ended().map(Step::End),
                Err(_) => return Err(self.late()),
            };
            let step = self.reader.event(&event)?;
            if step == Step::Nothing {
                continue;
            }
            self.wait = self.between;
            if step != Step::Progress {
                return Ok(step);
            }
            until = Instant::now() + self.wait;
        }
    }

    fn late(&self) -> Error {
        Error::new(
            Kind::TimedOut,
            format!("no token within {} s", self.wait.as_secs_f64()),
        )
    }
}

fn events(body: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>, largest: usize) -> EventStream {
    let mut read = 0;
    let bounded = body.map(move |piece| {
        let piece = piece?;
        read += piece.len();
        if read > largest {
            Err(too_large(largest))
        } else {
            Ok(piece)
        }
    });
    Box::pin(SseByteStream::new(bounded).map(|event| event.map_err(fault)))
}

fn fault(error: sse_stream::Error) -> Error {
    match error {
        sse_stream::Error::Body(cause) => match cause.downcast::<Error>() {
            Ok(error) => *error,
            Err(other) => Error::new(Kind::Cut, other.to_string()),
        },
        _ => Error::malformed("the stream is not text in UTF-8"),
    }
}

async fn whole(mut body: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>, largest: usize) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.next().await {
        let piece = piece?;
        if bytes.len() + piece.len() > largest {
            return Err(too_large(largest));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

fn too_large(largest: usize) -> Error {
    Error::malformed(format!("the answer is larger than {largest} bytes"))
}
