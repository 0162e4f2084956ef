//! Reads a message, event by event or as a whole.

use serde_json::Value;
use sse_stream::Sse;

use super::client::ERRORS;
use super::convert;
use super::wire::{Block, Delta, Event, Message, WireUsage};
use crate::facet::Finish;
use crate::text_generation::{Ended, Reader, Step, Stop};
use crate::transport::Answer;
use crate::{Error, Kind, Result};

/// What is known of a message so far.
#[derive(Debug, Default)]
pub(super) struct MessageReader {
    model: Option<String>,
    id: Option<String>,
    stop: Option<Stop>,
    usage: WireUsage,
}

impl MessageReader {
    fn begin(&mut self, message: &mut Message) {
        self.model = message.model.take();
        self.id = message.id.take();
        self.told(message.stop_reason.as_deref(), message.usage);
    }

    fn told(&mut self, reason: Option<&str>, usage: Option<WireUsage>) {
        self.stop = reason.map(convert::stop).or(self.stop);
        self.usage = convert::later(self.usage, usage.unwrap_or_default());
    }

    fn end(&self) -> Ended {
        Ended {
            stop: self.stop.unwrap_or(Stop::Finish(Finish::Complete)),
            model: self.model.clone(),
            id: self.id.clone(),
            usage: convert::usage(self.usage),
        }
    }
}

fn failed(error: &Value, request: Option<String>) -> Error {
    let mut failed = ERRORS.error(convert::told(error, None));
    failed.request_id = request;
    failed
}

impl Reader for MessageReader {
    fn event(&mut self, event: &Sse) -> Result<Step> {
        let Some(data) = event.data.as_deref().filter(|data| !data.trim().is_empty()) else {
            return Ok(Step::Nothing);
        };
        let event = serde_json::from_str(data)
            .map_err(|_| Error::malformed("an event of the stream is not as the platform describes it"))?;
        Ok(match event {
            Event::MessageStart { mut message } => {
                self.begin(&mut message);
                Step::Nothing
            }
            Event::ContentBlockDelta { delta } => match delta {
                Delta::Text { text } if text.is_empty() => Step::Nothing,
                Delta::Text { text } => Step::Text(text),
                Delta::Thinking | Delta::InputJson => Step::Progress,
                Delta::Other => Step::Nothing,
            },
            Event::MessageDelta { delta, usage } => {
                self.told(delta.stop_reason.as_deref(), usage);
                Step::Nothing
            }
            Event::MessageStop => Step::End(self.end()),
            Event::Error { error, request_id } => return Err(failed(&error, request_id)),
            Event::Other => Step::Nothing,
        })
    }

    fn whole(&mut self, answer: &Answer) -> Result<(String, Ended)> {
        let mut message: Message = answer.json()?;
        if let Some(error) = message.error.filter(|error| !error.is_null()) {
            return Err(failed(&error, None));
        }
        let Some(content) = message.content.take() else {
            return Err(Error::malformed("the answer is neither a message nor an error"));
        };
        let texts = content.into_iter().filter_map(|block| match block {
            Block::Text { text } => Some(text),
            Block::Other => None,
        });
        let text = texts.collect();
        message.error = None;
        self.begin(&mut message);
        Ok((text, self.end()))
    }

    fn ended(&mut self) -> Result<Ended> {
        Err(Error::new(Kind::Cut, "the stream ended before the text did"))
    }
}
