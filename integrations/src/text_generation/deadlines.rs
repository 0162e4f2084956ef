//! How long to wait for a text.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// How long to wait for a text. What only keeps the connection alive is not waited for: it is no progress.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Deadlines {
    /// For the platform to begin to answer, and then for the first token, in seconds.
    pub first_token_seconds: Seconds,
    /// For the next token, in seconds.
    pub between_tokens_seconds: Seconds,
    /// For the text as a whole, tries that failed included, in seconds.
    pub whole_text_seconds: Seconds,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            first_token_seconds: Seconds(120.0),
            between_tokens_seconds: Seconds(60.0),
            whole_text_seconds: Seconds(600.0),
        }
    }
}

/// A time: more than 0, up to an hour.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(try_from = "f64")]
pub(crate) struct Seconds(f64);

impl Seconds {
    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs_f64(self.0)
    }
}

impl TryFrom<f64> for Seconds {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        if seconds > 0.0 && seconds <= 3600.0 {
            Ok(Self(seconds))
        } else {
            Err("a number of seconds: more than 0, up to 3600")
        }
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> Cow<'static, str> {
        "Seconds".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "exclusiveMinimum": 0, "maximum": 3600 })
    }
}
