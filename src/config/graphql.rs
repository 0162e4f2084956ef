//! The settings of the GraphQL endpoint.

use std::ops::RangeInclusive;

use super::layers::Layers;
use super::{SettingsError, check, pick};

/// What the GraphQL endpoint takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphqlSettings {
    /// Whether GET runs queries.
    pub get: bool,
    /// Live connections of one caller, 1 to 100000.
    pub connections: usize,
}

impl GraphqlSettings {
    pub(super) fn read(layers: &Layers) -> Result<Self, SettingsError> {
        Ok(Self {
            get: pick(layers, "graphql_get", check::boolean)?.unwrap_or(false),
            connections: count(layers, "graphql_connections", 1..=100_000, 100)?,
        })
    }

    /// All of them as text, by their keys.
    pub(super) fn shown(&self) -> Vec<(&'static str, String)> {
        let Self { get, connections } = self;
        vec![
            ("graphql_get", get.to_string()),
            ("graphql_connections", connections.to_string()),
        ]
    }
}

fn count(
    layers: &Layers,
    key: &'static str,
    range: RangeInclusive<u64>,
    default: usize,
) -> Result<usize, SettingsError> {
    let given = pick(layers, key, |text| check::number(text, range))?;
    Ok(given.map_or(default, |number| {
        usize::try_from(number).expect("its range was checked")
    }))
}
