//! The dialect's JSON, as far as it is read.

use serde::Deserialize;
use serde_json::Value;

/// A completion, or a chunk of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Completion {
    pub id: Option<String>,
    pub model: Option<String>,
    /// Empty in the chunk that says what it took.
    pub choices: Option<Vec<Choice>>,
    pub usage: Option<WireUsage>,
    /// An object; a text at some servers.
    pub error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    /// In a chunk.
    pub delta: Option<Part>,
    /// In a whole.
    pub message: Option<Part>,
    pub finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Part {
    /// A text; a list of parts at some servers.
    pub content: Option<Value>,
    pub refusal: Option<String>,
    pub reasoning: Option<String>,
    /// What servers of one's own call `reasoning`.
    pub reasoning_content: Option<String>,
    pub tool_calls: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    /// Those from the cache and those into it included.
    pub prompt_tokens: Option<u64>,
    pub completion_tokens: Option<u64>,
    pub prompt_tokens_details: Option<PromptDetails>,
    pub completion_tokens_details: Option<CompletionDetails>,
    /// US dollars.
    pub cost: Option<Value>,
    /// Whether the provider was paid with the owner's own key; then `cost` is the fee alone.
    pub is_byok: Option<bool>,
    pub cost_details: Option<CostDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PromptDetails {
    pub cached_tokens: Option<u64>,
    pub cache_write_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CompletionDetails {
    pub reasoning_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CostDetails {
    /// What the provider charges.
    pub upstream_inference_cost: Option<Value>,
}
