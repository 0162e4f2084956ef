//! Answers, and how they are read.

use std::fmt::Write as _;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::Stream;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use crate::transport::Pace;
use crate::{Error, Kind, Result, Retry};

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
