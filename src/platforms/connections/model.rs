//! What a connection may be: pure rules.

use std::collections::BTreeMap;

use entity::SyncKind;
use integrations::facet::Facets;
use integrations::{Form, FormProblem, Integration, Manifest};
use serde_json::{Map, Value};

use super::Connection;
use crate::db::{Keyset, SortValue};
use crate::error::Problem;

/// Most connections of a deployment.
pub const MOST_CONNECTIONS: u64 = 1_000;
const MOST_NAME_CHARS: usize = 100;
/// How often a platform may be read: every 5 minutes to every 30 days.
const SYNC_SECONDS: std::ops::RangeInclusive<i32> = 300..=30 * 86_400;
const MOST_SETTINGS_BYTES: usize = 64 * 1024;

/// What can be wrong with a call about connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, async_graphql::Enum)]
#[graphql(name = "ConnectionErrorCode")]
pub enum ConnectionProblem {
    /// There is no such connection.
    NotFound,
    /// There is no such platform, or it is switched off.
    UnknownPlatform,
    /// A name that is empty or too long.
    InvalidName,
    /// Settings that do not fit the platform's form.
    InvalidSettings,
    /// Secrets that do not fit the platform's form.
    InvalidSecrets,
    /// A mapping of fields that cannot be.
    InvalidMapping,
    /// A schedule that cannot be.
    InvalidSchedule,
    /// The platform does not accept the credentials.
    CredentialsRefused,
    /// The platform has no such thing.
    Unsupported,
    /// The connection is switched off or waits for consent.
    NotActive,
    /// A reading of it goes on already.
    SyncRunning,
    /// More connections than a deployment has.
    TooMany,
    /// The way back was taken before, too late or by somebody else.
    InvalidState,
    /// The platform failed.
    PlatformFault,
    /// It cannot be replayed, as it was processed or still waits.
    NotFailed,
}

/// A connection that is about to be made.
#[derive(Clone, Debug)]
pub struct ConnectionDraft {
    /// The key of the platform.
    pub platform: String,
    /// What its owner calls it.
    pub name: String,
    /// By the platform's form.
    pub settings: Value,
    /// By the platform's form of secrets.
    pub secrets: SecretValues,
    /// Which of their fields feed which of ours, where that differs from the platform's defaults.
    pub mapping: Option<Mapping>,
    /// How often it is read.
    pub sync_every_seconds: Option<i32>,
}

/// A change of a connection; `None` leaves as is.
#[derive(Clone, Debug, Default)]
pub struct ConnectionChange {
    /// What its owner calls it.
    pub name: Option<String>,
    /// All settings anew.
    pub settings: Option<Value>,
    /// Those secrets that change; null removes one.
    pub secrets: Option<SecretValues>,
    /// The mapping; none: the platform's defaults.
    pub mapping: Option<Option<Mapping>>,
    /// The schedule; none: only when somebody asks.
    pub sync_every_seconds: Option<Option<i32>>,
}

/// Secrets as they were entered. They show themselves nowhere.
#[derive(Clone, Default)]
pub struct SecretValues(pub Map<String, Value>);

impl std::fmt::Debug for SecretValues {
    /// Idempotency keys compare inputs by this: a digest, so that another secret is another input.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = Value::Object(self.0.clone()).to_string();
        write!(f, "[secrets {}]", blake3::hash(text.as_bytes()).to_hex())
    }
}

/// Which field of the platform feeds which of ours, by the name of theirs. An empty name of ours: none.
pub type Mapping = BTreeMap<String, String>;

/// The one ordering of connections, newest first.
#[derive(Debug)]
pub struct ConnectionOrder;

impl ConnectionOrder {
    /// Its name, that cursors are bound to.
    pub const NAME: &'static str = "connection CREATED_AT DESC";

    /// The place of a connection in it.
    #[must_use]
    pub fn keyset(connection: &Connection) -> Keyset {
        Keyset {
            order: Self::NAME.to_owned(),
            value: SortValue::Int(connection.created_at.micros()),
            id: connection.id.0,
        }
    }
}

pub(super) fn wrong(
    field: &str,
    code: ConnectionProblem,
    message: impl Into<String>,
) -> Problem<ConnectionProblem> {
    Problem::new(field, code, message)
}

pub(super) fn checked_name(name: &str) -> Result<String, Problem<ConnectionProblem>> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MOST_NAME_CHARS || name.chars().any(char::is_control) {
        let message = format!("a name has 1 to {MOST_NAME_CHARS} characters");
        return Err(wrong("name", ConnectionProblem::InvalidName, message));
    }
    Ok(name.to_owned())
}

pub(super) fn checked_schedule(seconds: Option<i32>) -> Result<Option<i32>, Problem<ConnectionProblem>> {
    match seconds {
        Some(seconds) if !SYNC_SECONDS.contains(&seconds) => {
            let message = format!(
                "a platform is read every {} to {} seconds, or never by itself",
                SYNC_SECONDS.start(),
                SYNC_SECONDS.end()
            );
            Err(wrong(
                "syncEverySeconds",
                ConnectionProblem::InvalidSchedule,
                message,
            ))
        }
        seconds => Ok(seconds),
    }
}

/// Settings as the platform's form has them.
pub(super) fn checked_settings(
    manifest: &Manifest,
    settings: Value,
) -> Result<Value, Problem<ConnectionProblem>> {
    let settings = if settings.is_null() {
        Value::Object(Map::new())
    } else {
        settings
    };
    if settings.to_string().len() > MOST_SETTINGS_BYTES {
        let message = format!("settings have at most {MOST_SETTINGS_BYTES} bytes");
        return Err(wrong("settings", ConnectionProblem::InvalidSettings, message));
    }
    fits(
        "settings",
        ConnectionProblem::InvalidSettings,
        manifest.settings,
        &settings,
    )?;
    Ok(settings)
}

/// Secrets as the platform's form has them.
pub(super) fn checked_secrets(
    manifest: &Manifest,
    secrets: Map<String, Value>,
) -> Result<Map<String, Value>, Problem<ConnectionProblem>> {
    let is_text = |value: &Value| matches!(value, Value::String(text) if text.len() <= 16 * 1024);
    if let Some((name, _)) = secrets.iter().find(|(_, value)| !is_text(value)) {
        let message = "a secret is a text of at most 16 KiB";
        let path = format!("secrets.{name}");
        return Err(wrong(&path, ConnectionProblem::InvalidSecrets, message));
    }
    let value = Value::Object(secrets);
    fits(
        "secrets",
        ConnectionProblem::InvalidSecrets,
        manifest.secrets,
        &value,
    )?;
    match value {
        Value::Object(secrets) => Ok(secrets),
        _ => Ok(Map::new()),
    }
}

/// The settings that decide where secrets are sent, and that differ between two states of a connection.
pub(super) fn changed_addresses(manifest: &Manifest, before: &str, after: &str) -> Vec<&'static str> {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let (before, after) = (read(before), read(after));
    let of = |settings: &Value, name: &str| settings.get(name).filter(|value| !value.is_null()).cloned();
    manifest
        .addresses
        .iter()
        .copied()
        .filter(|name| of(&before, name) != of(&after, name))
        .collect()
}

/// Whoever changes where secrets are sent has to know them: else a stored secret could be had by naming a server of one's own.
pub(super) fn checked_for_addresses(
    changed: &[&str],
    kept: &[&String],
) -> Result<(), Problem<ConnectionProblem>> {
    if kept.is_empty() {
        return Ok(());
    }
    let quoted = |name: &str| format!("`{name}`");
    let changed: Vec<_> = changed.iter().map(|name| quoted(name)).collect();
    let kept: Vec<_> = kept.iter().map(|name| quoted(name)).collect();
    let message = format!(
        "with another {} the secrets have to be entered again: {}",
        changed.join(", "),
        kept.join(", ")
    );
    Err(wrong("secrets", ConnectionProblem::InvalidSecrets, message))
}

fn fits(
    field: &str,
    code: ConnectionProblem,
    form: Form,
    value: &Value,
) -> Result<(), Problem<ConnectionProblem>> {
    form.check(value).map_err(|FormProblem { path, message }| {
        let known = form.fields().join(", ");
        let path = std::iter::once(field.to_owned())
            .chain(path)
            .collect::<Vec<_>>()
            .join(".");
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known
        };
        wrong(&path, code, format!("{message} (fields: {known})"))
    })
}

/// What can be read of a platform, in the order in which it is read: who bought before what was bought.
pub(super) fn sync_kinds(facets: &Facets<'_>) -> Vec<SyncKind> {
    let mut kinds = Vec::new();
    if facets.lead_source.is_some() {
        kinds.push(SyncKind::Leads);
    }
    if facets.commerce.is_some() {
        kinds.extend([
            SyncKind::Customers,
            SyncKind::Products,
            SyncKind::Orders,
            SyncKind::AbandonedCheckouts,
        ]);
    }
    if facets.ad_reporting.is_some() {
        kinds.push(SyncKind::AdResults);
    }
    kinds
}

/// The mapping in force: the platform's defaults, and what the connection says instead.
pub(super) fn mapping_in_force(integration: &dyn Integration, own: Option<&Mapping>) -> Mapping {
    let defaults = integration
        .manifest()
        .fields
        .iter()
        .map(|field| (field.theirs.to_owned(), field.ours.to_owned()));
    let mut mapping: Mapping = defaults.collect();
    mapping.extend(
        own.into_iter()
            .flatten()
            .map(|(theirs, ours)| (theirs.clone(), ours.clone())),
    );
    mapping.retain(|_, ours| !ours.is_empty());
    mapping
}
