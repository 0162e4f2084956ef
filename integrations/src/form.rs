//! What an owner fills in to connect a platform: a Rust type, its JSON Schema, and the check that both agree on.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A form, made of the type that the platform reads it as; so the schema that is shown and what is accepted are one.
#[derive(Clone, Copy)]
pub struct Form {
    schema: fn() -> Value,
    check: fn(&Value) -> Result<(), FormProblem>,
}

/// What is wrong with a filled-in form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FormProblem {
    /// Where, e.g. `["shop"]`; empty when it is about the form as a whole.
    pub path: Vec<String>,
    /// What is wrong; never what was filled in.
    pub message: String,
}

/// A form without fields.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Form {
    /// The form of a type. Its fields' doc comments become descriptions; give it `deny_unknown_fields`, so that a
    /// misspelt name is told.
    #[must_use]
    pub const fn of<T: DeserializeOwned + JsonSchema>() -> Self {
        Self {
            schema: schema_of::<T>,
            check: |value| read::<T>(value).map(drop),
        }
    }

    /// A form with nothing to fill in.
    #[must_use]
    pub const fn empty() -> Self {
        Self::of::<Nothing>()
    }

    /// Its JSON Schema (draft 2020-12).
    #[must_use]
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// The names of its fields.
    #[must_use]
    pub fn fields(&self) -> Vec<String> {
        match self.schema().get("properties") {
            Some(Value::Object(fields)) => fields.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether a filled-in form can be read.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self, value: &Value) -> Result<(), FormProblem> {
        (self.check)(value)
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Form").field(&self.fields()).finish()
    }
}

fn schema_of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// Reads a filled-in form.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, FormProblem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error
            .path()
            .iter()
            .filter_map(|part| match part {
                serde_path_to_error::Segment::Seq { index } => Some(index.to_string()),
                serde_path_to_error::Segment::Map { key } => Some(key.clone()),
                serde_path_to_error::Segment::Enum { variant } => Some(variant.clone()),
                serde_path_to_error::Segment::Unknown => None,
            })
            .collect();
        FormProblem {
            path,
            message: error.inner().to_string(),
        }
    })
}
