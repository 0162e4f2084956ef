//! Reads a completion, chunk by chunk or as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use sse_stream::Sse;

use super::convert;
use super::wire::{Completion, Part};
use crate::facet::{Finish, Usage};
use crate::text_generation::{Ended, ErrorTable, Reader, Step, Stop};
use crate::transport::Answer;
use crate::{Error, Kind, Result, Retry};

/// What is known of a completion so far.
pub(super) struct ChatReader {
    table: &'static ErrorTable,
    model: Option<String>,
    id: Option<String>,
    finish: Option<Finish>,
    usage: Option<Usage>,
    refused: bool,
    text: bool,
    empty: Empty,
}

/// What becomes of a completion without text that took nothing.
#[derive(Clone)]
pub(super) enum Empty {
    /// It is taken as it is.
    Taken,
    /// It is a fault (a cold start), and asked for once more. Shared by the tries: whether it happened before.
    Fault(Arc<AtomicBool>),
}

impl ChatReader {
    pub(super) fn new(table: &'static ErrorTable, empty: Empty) -> Self {
        Self {
            table,
            model: None,
            id: None,
            finish: None,
            usage: None,
            refused: false,
            text: false,
            empty,
        }
    }

    fn failed(&self, error: &Value) -> Error {
        let mut failed = self.table.error(convert::told(error, None));
        failed.request_id.clone_from(&self.id);
        failed
    }

    fn read(&mut self, completion: Completion) -> Result<Step> {
        let Completion {
            id,
            model,
            choices,
            usage,
            error,
        } = completion;
        self.id = id.filter(|id| !id.is_empty()).or(self.id.take());
        self.model = model.filter(|model| !model.is_empty()).or(self.model.take());
        if let Some(error) = error.filter(|error| !error.is_null()) {
            return Err(self.failed(&error));
        }
        if let Some(usage) = usage {
            self.usage = Some(convert::usage(&usage));
        }
        // We never ask for a second choice.
        let Some(choice) = choices.into_iter().flatten().next() else {
            return Ok(Step::Nothing);
        };
        if let Some(reason) = choice.finish_reason {
            self.finish = Some(convert::finish(&reason).ok_or_else(|| {
                Error::new(
                    Kind::Unavailable,
                    "the platform broke off the text and told no reason",
                )
            })?);
        }
        let Part {
            content,
            refusal,
            reasoning,
            reasoning_content,
            tool_calls,
        } = choice.delta.or(choice.message).unwrap_or_default();
        let text = text_of(content.as_ref());
        if !text.is_empty() {
            self.text = true;
            return Ok(Step::Text(text));
        }
        let said = |text: Option<String>| text.is_some_and(|text| !text.is_empty());
        if said(refusal) {
            self.refused = true;
            return Ok(Step::Progress);
        }
        let thought =
            said(reasoning) || said(reasoning_content) || tool_calls.is_some_and(|calls| !calls.is_null());
        Ok(if thought { Step::Progress } else { Step::Nothing })
    }

    fn end(&mut self, finish: Finish) -> Result<Ended> {
        let nothing = |usage: &Usage| usage.input + usage.cache_read + usage.cache_write + usage.output == 0;
        if let Empty::Fault(before) = &self.empty
            && !self.text
            && finish == Finish::Complete
            && !self.refused
            && self.usage.as_ref().is_none_or(nothing)
        {
            let error = Error::new(Kind::Unavailable, "the model wrote nothing and counted nothing");
            return Err(if before.swap(true, Ordering::Relaxed) {
                error.retry(Retry::Exhausted)
            } else {
                error
            });
        }
        Ok(Ended {
            stop: Stop::Finish(if self.refused { Finish::Refused } else { finish }),
            model: self.model.clone(),
            id: self.id.clone(),
            usage: self.usage.clone().unwrap_or_default(),
        })
    }
}

impl Reader for ChatReader {
    fn event(&mut self, event: &Sse) -> Result<Step> {
        let Some(data) = event
            .data
            .as_deref()
            .map(str::trim)
            .filter(|data| !data.is_empty())
        else {
            return Ok(Step::Nothing);
        };
        if data == "[DONE]" {
            let finish = self.finish.unwrap_or(Finish::Complete);
            return self.end(finish).map(Step::End);
        }
        let chunk = serde_json::from_str(data)
            .map_err(|_| Error::malformed("an event of the stream is not as the platform describes it"))?;
        self.read(chunk)
    }

    fn whole(&mut self, answer: &Answer) -> Result<(String, Ended)> {
        let completion: Completion = answer.json()?;
        if completion.error.as_ref().is_none_or(Value::is_null) && completion.choices.is_none() {
            return Err(Error::malformed(
                "the answer is neither a completion nor an error",
            ));
        }
        let text = match self.read(completion)? {
            Step::Text(text) => text,
            _ => String::new(),
        };
        let finish = self.finish.unwrap_or(Finish::Complete);
        Ok((text, self.end(finish)?))
    }

    fn ended(&mut self) -> Result<Ended> {
        match self.finish {
            // Some servers leave out the last word.
            Some(finish) => self.end(finish),
            None => Err(Error::new(Kind::Cut, "the stream ended before the text did")),
        }
    }
}

/// A content: a text, or parts with texts.
fn text_of(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}
