//! Asks for completions.

use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use async_stream::try_stream;
use futures_util::Stream;
use http::Method;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::convert;
use super::reader::{ChatReader, Empty};
use crate::facet::{TextPiece, TextRequest};
use crate::text_generation::{
    Deadlines, Ended, ErrorTable, Opened, Prices, Step, Stop, open, with_headers, within,
};
use crate::transport::{Answer, Judge, Pace, Request};
use crate::{Context, Error, Kind, Result};

/// A platform that speaks the dialect, with what is its own.
pub(crate) trait Speaker: Send + Sync {
    /// Its errors.
    fn errors(&self) -> &'static ErrorTable;

    /// The header with its name of a request.
    fn request_id(&self) -> &'static str;

    /// A request with its keys, to a path that begins with a slash.
    fn request(&self, context: &Context, method: Method, path: &str) -> Request;

    /// Writes into a body what is its own: by what name the limit of tokens goes, who it is for, …
    fn complete(&self, request: &TextRequest, body: &mut Map<String, Value>);

    /// What tokens cost, where it does not tell itself.
    fn prices(&self) -> &Prices;

    /// How long to wait.
    fn deadlines(&self) -> &Deadlines;

    /// Whether a completion without text that took nothing is a fault, to be asked for once more.
    fn empty_is_fault(&self) -> bool;

    /// What an answer tells about its limits.
    fn pace(answer: &Answer) -> Option<Pace>
    where
        Self: Sized;
}

/// Reads the dialect's errors.
pub(crate) struct ChatJudge {
    errors: &'static ErrorTable,
    request_id: &'static str,
    pace: fn(&Answer) -> Option<Pace>,
    /// The parameter that was not accepted as such.
    unsupported: Mutex<Option<String>>,
}

/// What says that a parameter is unknown to a model, or has a value that it does not take.
const UNSUPPORTED: [&str; 3] = ["unsupported_parameter", "unsupported_value", "unknown_parameter"];

impl ChatJudge {
    /// Reads them as a platform means them.
    pub(crate) fn of<S: Speaker>(speaker: &S) -> Self {
        Self {
            errors: speaker.errors(),
            request_id: speaker.request_id(),
            pace: S::pace,
            unsupported: Mutex::default(),
        }
    }

    fn take_unsupported(&self) -> Option<String> {
        self.unsupported
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl Judge for ChatJudge {
    fn judge(&self, answer: &Answer) -> Result<()> {
        let value = answer.value();
        let error = match &value["error"] {
            // Some servers have the error at the top.
            Value::Null => &value,
            error => error,
        };
        let success = answer.status.is_success();
        if success && value["error"].is_null() {
            return Ok(());
        }
        let known = error["code"]
            .as_str()
            .is_some_and(|code| UNSUPPORTED.contains(&code));
        if let Some(parameter) = error["param"].as_str().filter(|_| known) {
            let name = parameter.split('.').next().unwrap_or(parameter).to_owned();
            *self.unsupported.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
        }
        let status = (!success).then(|| answer.status.as_u16());
        let mut told = convert::told(error, status);
        if told.message.is_empty() {
            told.message = format!("the platform answered {}", answer.status);
        }
        Err(with_headers(self.errors.error(told), answer, self.request_id))
    }

    fn pace(&self, answer: &Answer) -> Option<Pace> {
        (self.pace)(answer)
    }
}

/// Writes, as [`TextGenerator::generate`](crate::facet::TextGenerator::generate) promises.
pub(crate) fn generate<'a, S: Speaker + 'a>(
    context: &'a Context,
    speaker: Result<S>,
    request: TextRequest,
) -> Pin<Box<dyn Stream<Item = Result<TextPiece>> + Send + 'a>> {
    Box::pin(try_stream! {
        let speaker = speaker?;
        let until = Instant::now() + speaker.deadlines().whole_text_seconds.duration();
        let mut opened = within(until, begin(context, &speaker, &request)).await?;
        loop {
            match within(until, opened.next()).await.map_err(|error| redacted(context, error))? {
                Step::Text(text) => yield TextPiece::Text(text),
                Step::End(ended) => {
                    yield end(&speaker, &request, ended);
                    break;
                }
                Step::Nothing | Step::Progress => {}
            }
        }
    })
}

async fn begin<S: Speaker>(
    context: &Context,
    speaker: &S,
    request: &TextRequest,
) -> Result<Opened<ChatReader>> {
    let judge = ChatJudge::of(speaker);
    let errors = speaker.errors();
    let empty = if speaker.empty_is_fault() {
        Empty::Fault(Arc::new(AtomicBool::new(false)))
    } else {
        Empty::Taken
    };
    let mut body = convert::body(request);
    speaker.complete(request, &mut body);
    let mut dropped: Vec<String> = Vec::new();
    loop {
        let asked = speaker
            .request(context, Method::POST, "/chat/completions")
            .json(&body);
        let reader = || ChatReader::new(errors, empty.clone());
        let error = match open(asked, &judge, &context.http, speaker.deadlines(), reader).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        // Each parameter once.
        match judge.take_unsupported() {
            Some(name)
                if error.kind == Kind::Refused
                    && !dropped.contains(&name)
                    && convert::without(&mut body, &name) =>
            {
                tracing::debug!(parameter = %name, "the model does not take a parameter: asked again without");
                dropped.push(name);
            }
            _ => return Err(error),
        }
    }
}

fn end(speaker: &impl Speaker, request: &TextRequest, ended: Ended) -> TextPiece {
    let Ended {
        stop,
        model,
        id,
        mut usage,
    } = ended;
    let Stop::Finish(finish) = stop else {
        unreachable!("this dialect knows no pauses");
    };
    let model = model.unwrap_or_else(|| request.model.clone());
    if usage.cost.is_none() && usage.input + usage.cache_read + usage.cache_write + usage.output > 0 {
        usage.cost = speaker.prices().cost(&request.model, &model, &usage);
    }
    TextPiece::End {
        finish,
        model,
        id,
        usage,
    }
}

/// What is read behind the head has not gone through the transport's striking-out.
fn redacted(context: &Context, error: Error) -> Error {
    Error {
        message: context.http.redact(&error.message),
        ..error
    }
}
