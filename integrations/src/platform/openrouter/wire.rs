//! OpenRouter's own JSON; completions are in the dialect's.

use serde::Deserialize;
use serde_json::Value;

/// All answers but completions.
#[derive(Debug, Deserialize)]
pub(super) struct Data<T> {
    pub data: T,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireModel {
    pub id: String,
    pub name: Option<String>,
    pub context_length: Option<u64>,
    pub architecture: Option<Architecture>,
    pub pricing: Option<Pricing>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Architecture {
    pub output_modalities: Option<Vec<String>>,
}

/// Texts of decimals: US dollars for one token. Negative where it is known only afterwards.
#[derive(Debug, Deserialize)]
pub(super) struct Pricing {
    pub prompt: Option<Value>,
    pub completion: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Key {
    pub label: Option<String>,
    /// US dollars; null where there is no limit.
    pub limit: Option<Value>,
    pub limit_remaining: Option<Value>,
    pub usage: Option<Value>,
    pub is_free_tier: Option<bool>,
    pub expires_at: Option<String>,
}
