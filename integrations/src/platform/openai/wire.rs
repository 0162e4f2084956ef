//! The list of models; completions are in the dialect's JSON.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(super) struct List {
    /// Null at some servers that have none.
    pub data: Option<Vec<WireModel>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireModel {
    pub id: String,
    /// What vLLM tells of it.
    pub max_model_len: Option<u64>,
}
