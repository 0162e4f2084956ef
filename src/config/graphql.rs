//! The settings of the GraphQL endpoint.

use super::layers::Layers;
use super::{SettingsError, check, pick};

/// What the GraphQL endpoint takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphqlSettings {
    /// Whether GET runs queries.
    pub get: bool,
}

impl GraphqlSettings {
    pub(super) fn read(layers: &Layers) -> Result<Self, SettingsError> {
        Ok(Self {
            get: pick(layers, "graphql_get", check::boolean)?.unwrap_or(false),
        })
    }

    /// All of them as text, by their keys.
    pub(super) fn shown(&self) -> Vec<(&'static str, String)> {
        let Self { get } = self;
        vec![("graphql_get", get.to_string())]
    }
}
