//! The settings of the GraphQL endpoint.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use entity::Safelist;

use super::layers::Layers;
use super::{SettingsError, check, pick};

/// What the GraphQL endpoint takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphqlSettings {
    /// Whether GET runs queries.
    pub get: bool,
    /// Live connections of one caller, 1 to 100000.
    pub connections: usize,
    /// Bounds of one document.
    pub limits: GraphqlLimits,
    /// Largest request, in bytes.
    pub body_bytes: usize,
    /// Longest time for a query or mutation, in whole seconds.
    pub timeout: Duration,
    /// Whether a name that is unknown is answered with those that are like it.
    pub suggestions: bool,
    /// What happens to documents that the manifest does not have.
    pub safelist: Safelist,
    /// The file of the documents that are expected; there is one unless the safelist is off.
    pub safelist_manifest: Option<PathBuf>,
    /// Points that a caller may spend at once; 0 stands for any number, else there are enough for any one document.
    pub budget: u64,
    /// Points that come back to a caller each second, at least 1.
    pub budget_restore: u64,
}

/// A way to treat documents as settings write it.
fn shown(safelist: Safelist) -> String {
    safelist.as_str().to_lowercase()
}

/// Bounds of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphqlLimits {
    /// Fields within each other, 1 to 50; 12 when not set.
    pub depth: usize,
    /// The same in introspection, which code generators take deeper than any data, 1 to 50; 20 when not set.
    pub introspection_depth: usize,
    /// Points, 1 to 1000000; 5,000 when not set.
    pub cost: usize,
    /// Aliases of one field in one selection, 1 to 1000; 10 when not set.
    pub aliases: usize,
    /// Directives, 1 to 1000; 50 when not set.
    pub directives: usize,
    /// Tokens, 10 to 1000000; 1,000 when not set.
    pub tokens: usize,
    /// Rows of a page of a connection, 1 to 100; 100 when not set.
    pub page: usize,
}

impl Default for GraphqlLimits {
    fn default() -> Self {
        Self {
            depth: 12,
            introspection_depth: 20,
            cost: 5_000,
            aliases: 10,
            directives: 50,
            tokens: 1_000,
            page: 100,
        }
    }
}

impl GraphqlLimits {
    fn read(layers: &Layers) -> Result<Self, SettingsError> {
        let usual = Self::default();
        Ok(Self {
            depth: count(layers, "graphql_max_depth", 1..=50, usual.depth)?,
            introspection_depth: count(
                layers,
                "graphql_max_introspection_depth",
                1..=50,
                usual.introspection_depth,
            )?,
            cost: count(layers, "graphql_max_cost", 1..=1_000_000, usual.cost)?,
            aliases: count(layers, "graphql_max_aliases", 1..=1_000, usual.aliases)?,
            directives: count(layers, "graphql_max_directives", 1..=1_000, usual.directives)?,
            tokens: count(layers, "graphql_max_tokens", 10..=1_000_000, usual.tokens)?,
            page: count(layers, "graphql_max_page", 1..=100, usual.page)?,
        })
    }
}

impl GraphqlSettings {
    pub(super) fn read(layers: &Layers) -> Result<Self, SettingsError> {
        let safelist = pick(layers, "graphql_safelist", check::safelist)?.unwrap_or(Safelist::Off);
        let safelist_manifest = pick(layers, "graphql_safelist_manifest", check::present)?.map(PathBuf::from);
        if safelist != Safelist::Off && safelist_manifest.is_none() {
            return Err(SettingsError::new(
                format!(
                    "setting `graphql_safelist` is {}, but there is no `graphql_safelist_manifest`",
                    shown(safelist)
                ),
                "name the manifest that the build of your clients writes, or set `graphql_safelist` to off",
            ));
        }
        let limits = GraphqlLimits::read(layers)?;
        let points = |key, range, usual| {
            let given = pick(layers, key, |text| check::number(text, range))?;
            Ok(given.unwrap_or(usual))
        };
        let budget = points("graphql_budget", 0..=1_000_000_000, 50_000)?;
        if budget > 0 && budget < limits.cost as u64 {
            return Err(SettingsError::new(
                format!(
                    "setting `graphql_budget` is {budget}, but a document may cost {} by `graphql_max_cost`",
                    limits.cost
                ),
                "set `graphql_budget` to that at least, or to 0 for no budget",
            ));
        }
        Ok(Self {
            budget,
            budget_restore: points("graphql_budget_restore", 1..=1_000_000_000, 1_000)?,
            safelist,
            safelist_manifest,
            get: pick(layers, "graphql_get", check::boolean)?.unwrap_or(false),
            connections: count(layers, "graphql_connections", 1..=100_000, 100)?,
            limits,
            body_bytes: pick(layers, "graphql_max_bytes", check::request_bytes)?.unwrap_or(1 << 20),
            timeout: Duration::from_secs(
                pick(layers, "graphql_timeout_seconds", |text| {
                    check::number(text, 1..=3600)
                })?
                .unwrap_or(30),
            ),
            suggestions: pick(layers, "graphql_suggestions", check::boolean)?.unwrap_or(false),
        })
    }

    /// All of them as text, by their keys.
    pub(super) fn shown(&self) -> Vec<(&'static str, String)> {
        let Self {
            get,
            connections,
            limits,
            body_bytes,
            timeout,
            suggestions,
            safelist,
            safelist_manifest,
            budget,
            budget_restore,
        } = self;
        let manifest = safelist_manifest.as_ref();
        let GraphqlLimits {
            depth,
            introspection_depth,
            cost,
            aliases,
            directives,
            tokens,
            page,
        } = limits;
        vec![
            ("graphql_get", get.to_string()),
            ("graphql_connections", connections.to_string()),
            ("graphql_max_bytes", body_bytes.to_string()),
            ("graphql_max_tokens", tokens.to_string()),
            ("graphql_max_depth", depth.to_string()),
            ("graphql_max_introspection_depth", introspection_depth.to_string()),
            ("graphql_max_cost", cost.to_string()),
            ("graphql_max_aliases", aliases.to_string()),
            ("graphql_max_directives", directives.to_string()),
            ("graphql_max_page", page.to_string()),
            ("graphql_timeout_seconds", timeout.as_secs().to_string()),
            ("graphql_suggestions", suggestions.to_string()),
            ("graphql_budget", budget.to_string()),
            ("graphql_budget_restore", budget_restore.to_string()),
            ("graphql_safelist", shown(*safelist)),
            (
                "graphql_safelist_manifest",
                manifest
                    .map(|path| path.display().to_string())
                    .unwrap_or_default(),
            ),
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
