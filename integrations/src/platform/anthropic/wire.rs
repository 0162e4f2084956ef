//! Anthropic's JSON, as far as it is read.

use serde::Deserialize;
use serde_json::Value;

/// An event of a stream. The types that we know; others may come at any time and are passed over.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event {
    MessageStart {
        message: Message,
    },
    ContentBlockDelta {
        delta: Delta,
    },
    MessageDelta {
        delta: MessageDelta,
        usage: Option<WireUsage>,
    },
    MessageStop,
    Error {
        error: Value,
        request_id: Option<String>,
    },
    #[serde(other)]
    Other,
}

/// A message; within a stream the beginning of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub id: Option<String>,
    pub model: Option<String>,
    pub content: Option<Vec<Block>>,
    pub stop_reason: Option<String>,
    pub usage: Option<WireUsage>,
    /// An error comes where a message should, too.
    pub error: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text {
        text: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    /// Tokens all the same.
    #[serde(rename = "thinking_delta")]
    Thinking,
    /// Tokens all the same.
    #[serde(rename = "input_json_delta")]
    InputJson,
    #[serde(other)]
    Other,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MessageDelta {
    pub stop_reason: Option<String>,
}

/// What a message took so far: each tells all until then.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    /// Without what was read from the cache and written into it.
    pub input_tokens: Option<u64>,
    pub cache_creation_input_tokens: Option<u64>,
    pub cache_read_input_tokens: Option<u64>,
    /// With those of thinking.
    pub output_tokens: Option<u64>,
    pub output_tokens_details: Option<OutputDetails>,
}

/// What of the output was thinking; its name is not documented everywhere.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OutputDetails {
    #[serde(alias = "reasoning_tokens")]
    pub thinking_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ModelPage {
    pub data: Vec<WireModel>,
    #[serde(default)]
    pub has_more: bool,
    pub last_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireModel {
    pub id: String,
    pub display_name: Option<String>,
    pub lifecycle: Option<String>,
    pub max_input_tokens: Option<u64>,
}
