//! Use cases of connections themselves: made, changed, tried, looked at.

use std::collections::HashMap;

use entity::id::ConnectionId;
use entity::{Area, ConnectionState, EventKind, Timestamp};
use integrations::{Account, Authentication, Integration, Kind};
use serde_json::{Map, Value, json};

use super::health::note;
use super::live::{self, Live};
use super::model::{self, wrong};
use super::{
    Connection, ConnectionChange, ConnectionDraft, ConnectionProblem, MOST_CONNECTIONS, Mapping, store,
};
use crate::app::App;
use crate::db::{CallKey, Once, Page, PageRequest, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Scope};
use crate::leads::import::check_lead_fields;
use crate::vault::Place;

/// Has everything read anew where the credentials are another account's now: its marks mean nothing there.
pub(super) async fn begin_anew(tx: &Tx, before: Option<&str>, row: &Connection) -> Result<(), Error> {
    if before.is_some() && before != row.account_id.as_deref() {
        store::forget_cursors(tx, row.id).await?;
    }
    Ok(())
}

/// What trying a connection showed.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The connection after it.
    pub connection: Connection,
    /// Whose credentials they are; `None` when it failed.
    pub account: Option<Account>,
    /// What is asked for and was not granted, by the platform's names; empty where the platform does not tell.
    pub missing_scopes: Vec<String>,
    /// Why it failed: kind and words.
    pub problem: Option<(String, String)>,
}

pub(super) fn require_write(caller: &Caller) -> Result<(), Error> {
    caller.require(Scope::Write(Area::Connections))?;
    // What comes in by a connection is outside of any row filter.
    caller.require_all_rows()
}

pub(super) fn require_read(caller: &Caller) -> Result<(), Error> {
    caller.require(Scope::Read(Area::Connections))?;
    caller.require_all_rows()
}

pub(super) fn missing(id: ConnectionId) -> Problem<ConnectionProblem> {
    wrong(
        "id",
        ConnectionProblem::NotFound,
        format!("there is no connection `{id}`"),
    )
}

/// The platform of a key, for a call.
pub(super) fn platform<'a>(
    app: &'a App,
    key: &str,
) -> Result<&'a dyn Integration, Problem<ConnectionProblem>> {
    app.platforms().registry.get(key).ok_or_else(|| {
        let known: Vec<_> = app
            .platforms()
            .registry
            .iter()
            .map(|integration| integration.manifest().key)
            .collect();
        let shown: String = key.chars().take(48).collect();
        wrong(
            "platform",
            ConnectionProblem::UnknownPlatform,
            format!("unknown platform `{shown}`; one of {}", known.join(", ")),
        )
    })
}

/// Tells that a connection changed.
pub(super) async fn tell(
    tx: &Tx,
    actor: &str,
    now: Timestamp,
    row: &Connection,
    change: &str,
) -> Result<(), Error> {
    let event = NewEvent {
        kind: EventKind::ConnectionChanged,
        lead_id: None,
        subject: row.id.to_string(),
        payload: json!({
            "platform": row.platform,
            "change": change,
            "state": row.state,
            "problem": row.problem_kind,
        }),
    };
    Ok(events::append(tx, actor, now, vec![event]).await?)
}

/// Makes a connection; once for a key. Credentials that were entered are tried first: refused ones are a problem, and a
/// platform that cannot be reached is noted on the connection. Where the owner has to consent first, it waits for that.
///
/// # Errors
/// [`ConnectionProblem`]s; a missing scope `connections:write`; a caller who does not see all rows; the database's.
pub async fn create(
    app: &App,
    caller: &Caller,
    draft: ConnectionDraft,
    key: Option<&CallKey>,
) -> Outcome<Connection, ConnectionProblem> {
    require_write(caller)?;
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "connectionCreate")?;
    if let Some(before) = before(app, &once, now).await? {
        return Ok(before);
    }
    let ConnectionDraft {
        platform: name_of,
        name,
        settings,
        secrets,
        mapping,
        sync_every_seconds,
    } = draft;
    let integration = platform(app, &name_of)?;
    let manifest = integration.manifest();
    let settings = model::checked_settings(manifest, settings)?;
    let secrets = model::checked_secrets(manifest, secrets.0)?;
    let mut row = Connection {
        id: ConnectionId::at(now),
        platform: manifest.key.to_owned(),
        name: model::checked_name(&name)?,
        state: ConnectionState::Active,
        settings: settings.to_string(),
        mapping: checked_mapping(app, integration, mapping).await?,
        secrets: None,
        credentials: None,
        credentials_until: None,
        account_id: None,
        account_name: None,
        account_url: None,
        scopes: None,
        problem_kind: None,
        problem: None,
        checked_at: None,
        sync_every_seconds: model::checked_schedule(sync_every_seconds)?,
        next_sync_at: None,
        version: 1,
        access_version: 1,
        created_by: caller.actor.id.clone(),
        created_at: now,
        updated_at: now,
        deleted_at: None,
    };
    if waits_for_consent(integration, &secrets) {
        row.state = ConnectionState::Pending;
    } else {
        let outcome = try_out(app, integration, &row, &secrets).await?;
        if let Err(error) = &outcome
            && matches!(
                error.kind,
                Kind::Unauthorised | Kind::Revoked | Kind::Forbidden | Kind::Settings
            )
        {
            return Err(refused(error).into());
        }
        take_account(&mut row, outcome.as_ref().ok());
        note(&mut row, outcome.as_ref().map(drop), now);
    }
    // Whether it can be read by then is looked at when the time has come.
    row.next_sync_at = row.sync_every_seconds.map(|_| now);
    let tx = app.db().begin().await?;
    if let Some(id) = once.before::<ConnectionId>(&tx, now).await? {
        tx.rollback().await?;
        return Ok(made_before(app, id).await?);
    }
    if store::count(&*tx).await? >= MOST_CONNECTIONS {
        let message = format!("a deployment has at most {MOST_CONNECTIONS} connections");
        return Err(wrong("", ConnectionProblem::TooMany, message).into());
    }
    seal_secrets(app, &tx, now, &mut row, &secrets).await?;
    store::insert(&tx, row.clone()).await?;
    tell(&tx, &caller.actor.id, now, &row, "CREATED").await?;
    once.keep(&tx, &row.id).await?;
    tx.commit().await?;
    Ok(row)
}

async fn before(app: &App, once: &Once<'_>, now: Timestamp) -> Result<Option<Connection>, Error> {
    let tx = app.db().begin().await?;
    let id = once.before::<ConnectionId>(&tx, now).await?;
    tx.rollback().await?;
    match id {
        Some(id) => made_before(app, id).await.map(Some),
        None => Ok(None),
    }
}

async fn made_before(app: &App, id: ConnectionId) -> Result<Connection, Error> {
    let found = store::by_ids(app.db().write(), &[id]).await?.remove(&id);
    found.ok_or_else(|| Error::NotFound(format!("the connection `{id}` of this call is gone")))
}

fn refused(error: &integrations::Error) -> Problem<ConnectionProblem> {
    let (field, code) = if error.kind == Kind::Settings {
        ("settings", ConnectionProblem::InvalidSettings)
    } else {
        ("secrets", ConnectionProblem::CredentialsRefused)
    };
    wrong(field, code, error.message.clone())
}

/// Whether nothing can be done before the owner consents.
pub(super) fn waits_for_consent(integration: &dyn Integration, secrets: &Map<String, Value>) -> bool {
    integration.manifest().authentication == Authentication::OAuth2
        && integration.facets().oauth.is_some()
        && !secrets.contains_key("accessToken")
}

async fn try_out(
    app: &App,
    integration: &dyn Integration,
    row: &Connection,
    secrets: &Map<String, Value>,
) -> Result<integrations::Result<Account>, Error> {
    let trial = Live::trial(row.clone(), secrets)?;
    let context = trial.context(app);
    Ok(integration.check(&context).await)
}

pub(super) fn take_account(row: &mut Connection, account: Option<&Account>) {
    let Some(account) = account else { return };
    row.account_id = Some(account.id.clone()).filter(|id| !id.is_empty());
    row.account_name = Some(account.name.clone()).filter(|name| !name.is_empty());
    row.account_url.clone_from(&account.url);
    if let Some(scopes) = &account.scopes {
        row.scopes = Some(scopes.join(" "));
    }
}

/// Of credentials or settings that are new: whose they are is not known by what was there before.
pub(super) fn take_other_account(row: &mut Connection, account: Option<&Account>) {
    row.account_id = None;
    row.account_name = None;
    row.account_url = None;
    take_account(row, account);
}

async fn seal_secrets(
    app: &App,
    tx: &Tx,
    now: Timestamp,
    row: &mut Connection,
    secrets: &Map<String, Value>,
) -> Result<(), Error> {
    row.secrets = if secrets.is_empty() {
        None
    } else {
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(secrets)?);
        let place = Place::CONNECTION_SECRETS;
        Some(app.vault().seal(tx, now, place, row.id.0, &plain).await?)
    };
    Ok(())
}

/// The mapping as it is kept; its fields are checked as those of an import.
async fn checked_mapping(
    app: &App,
    integration: &dyn Integration,
    mapping: Option<Mapping>,
) -> Outcome<Option<String>, ConnectionProblem> {
    let Some(mapping) = mapping else {
        return Ok(None);
    };
    let in_force = model::mapping_in_force(integration, Some(&mapping));
    if let Err(message) = check_lead_fields(app, &in_force).await? {
        return Err(wrong("mapping", ConnectionProblem::InvalidMapping, message).into());
    }
    Ok(Some(serde_json::to_string(&mapping)?))
}

/// Changes a connection. Settings and secrets that change are tried first.
///
/// # Errors
/// As [`create`]; [`ConnectionProblem::NotFound`].
pub async fn update(
    app: &App,
    caller: &Caller,
    id: ConnectionId,
    change: ConnectionChange,
) -> Outcome<Connection, ConnectionProblem> {
    require_write(caller)?;
    let now = app.clock().now();
    let Some(seen) = store::find(app.db().write(), id).await? else {
        return Err(missing(id).into());
    };
    let integration = platform(app, &seen.platform)?;
    let manifest = integration.manifest();
    let ConnectionChange {
        name,
        settings,
        secrets,
        mapping,
        sync_every_seconds,
    } = change;
    let mut row = seen.clone();
    if let Some(name) = name {
        row.name = model::checked_name(&name)?;
    }
    let mut entered = live::opened(app, app.db().write(), &seen).await?;
    let before = entered.clone();
    let given: Vec<String> = secrets
        .iter()
        .flat_map(|secrets| secrets.0.keys().cloned())
        .collect();
    for (name, value) in secrets.map(|secrets| secrets.0).into_iter().flatten() {
        match value {
            Value::Null => drop(entered.remove(&name)),
            value => drop(entered.insert(name, value)),
        }
    }
    let entered = model::checked_secrets(manifest, entered)?;
    if let Some(settings) = settings {
        row.settings = model::checked_settings(manifest, settings)?.to_string();
        let changed = model::changed_addresses(manifest, &seen.settings, &row.settings);
        if !changed.is_empty() {
            let kept: Vec<_> = before.keys().filter(|name| !given.contains(name)).collect();
            model::checked_for_addresses(&changed, &kept)?;
            // What the owner consented to holds for where they consented.
            row.credentials = None;
            row.credentials_until = None;
            if row.state != ConnectionState::Disabled && waits_for_consent(integration, &entered) {
                row.state = ConnectionState::Pending;
            }
        }
    }
    if let Some(mapping) = mapping {
        row.mapping = checked_mapping(app, integration, mapping).await?;
    }
    if let Some(seconds) = sync_every_seconds {
        row.sync_every_seconds = model::checked_schedule(seconds)?;
        row.next_sync_at = row
            .sync_every_seconds
            .map(|seconds| now.plus_seconds(seconds.into()));
    }
    let has_access_changed = row.settings != seen.settings || entered != before;
    if has_access_changed && row.credentials.is_none() && !waits_for_consent(integration, &entered) {
        let outcome = try_out(app, integration, &row, &entered).await?;
        if let Err(error) = &outcome
            && matches!(
                error.kind,
                Kind::Unauthorised | Kind::Revoked | Kind::Forbidden | Kind::Settings
            )
        {
            return Err(refused(error).into());
        }
        // What was wrong with the old ones is not wrong with these.
        if row.state != ConnectionState::Disabled {
            row.state = ConnectionState::Active;
        }
        take_other_account(&mut row, outcome.as_ref().ok());
        note(&mut row, outcome.as_ref().map(drop), now);
    }
    row.access_version += i64::from(has_access_changed);
    if row == seen && !has_access_changed {
        return Ok(row);
    }
    row.version += 1;
    row.updated_at = now;
    let tx = app.db().begin().await?;
    let held = store::locked(&tx, id).await?;
    if held.as_ref().map(|held| held.version) != Some(seen.version) {
        return Err(changed_meanwhile(id).into());
    }
    seal_secrets(app, &tx, now, &mut row, &entered).await?;
    begin_anew(&tx, seen.account_id.as_deref(), &row).await?;
    store::update(&tx, row.clone()).await?;
    tell(&tx, &caller.actor.id, now, &row, "UPDATED").await?;
    tx.commit().await?;
    live::forget(app, id);
    Ok(row)
}

fn changed_meanwhile(id: ConnectionId) -> Error {
    Error::Conflict(format!(
        "the connection `{id}` was changed by somebody else meanwhile; try again"
    ))
}

/// Tries a connection: whether its credentials work, whose they are, what was granted.
///
/// # Errors
/// [`ConnectionProblem`]s; a missing scope `connections:write`; the database's. That the platform fails is an answer.
pub async fn test(app: &App, caller: &Caller, id: ConnectionId) -> Outcome<Checked, ConnectionProblem> {
    require_write(caller)?;
    let Some(live) = live::look(app, id).await? else {
        return Err(missing(id).into());
    };
    let integration = platform(app, &live.row.platform)?;
    let outcome = integration.check(&live.context(app)).await;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked(&tx, id).await? else {
        return Err(missing(id).into());
    };
    if row.access_version != live.row.access_version {
        return Err(changed_meanwhile(id).into());
    }
    let before = (row.state, row.problem_kind.clone());
    let account = row.account_id.clone();
    take_account(&mut row, outcome.as_ref().ok());
    begin_anew(&tx, account.as_deref(), &row).await?;
    note(&mut row, outcome.as_ref().map(drop), now);
    let change = if (row.state, row.problem_kind.clone()) == before {
        // Told all the same: what rests for a while is tried again by whoever hears that it works.
        "TESTED"
    } else {
        row.version += 1;
        row.updated_at = now;
        row.state.as_str()
    };
    tell(&tx, &caller.actor.id, now, &row, change).await?;
    store::update(&tx, row.clone()).await?;
    if outcome.is_ok() {
        store::wake_deliveries(&tx, id, now).await?;
    }
    tx.commit().await?;
    live::forget(app, id);
    let missing_scopes = missing_scopes(integration, &row);
    Ok(match outcome {
        Ok(account) => Checked {
            connection: row,
            account: Some(account),
            missing_scopes,
            problem: None,
        },
        Err(error) => Checked {
            connection: row,
            account: None,
            missing_scopes: Vec::new(),
            problem: Some((error.kind.name().to_owned(), error.message)),
        },
    })
}

/// What the platform is asked for and has not granted; nothing where it does not tell. To write includes to read, where
/// scopes are called so.
#[must_use]
pub fn missing_scopes(integration: &dyn Integration, row: &Connection) -> Vec<String> {
    let Some(granted) = &row.scopes else {
        return Vec::new();
    };
    let granted: Vec<_> = granted.split_whitespace().collect();
    let has = |name: &str| {
        granted.contains(&name)
            || name
                .strip_prefix("read_")
                .is_some_and(|what| granted.contains(&format!("write_{what}").as_str()))
    };
    integration
        .manifest()
        .scopes
        .iter()
        .filter(|scope| !has(scope.name))
        .map(|scope| scope.name.to_owned())
        .collect()
}

/// The names of the secrets that were entered.
///
/// # Errors
/// The database's and the vault's.
pub async fn secret_names(app: &App, row: &Connection) -> Result<Vec<String>, Error> {
    let secrets = live::opened(app, app.db().read(), row).await?;
    Ok(secrets.into_iter().map(|(name, _)| name).collect())
}

/// A connection; `None` when there is none.
///
/// # Errors
/// A missing scope `connections:read`; a caller who does not see all rows; the database's.
pub async fn find(app: &App, caller: &Caller, id: ConnectionId) -> Result<Option<Connection>, Error> {
    require_read(caller)?;
    Ok(store::find(app.db().read(), id).await?)
}

/// Connections by id, removed ones among them. Whoever calls has made sure that the caller may see them.
///
/// # Errors
/// The database's.
pub async fn get_many(app: &App, ids: &[ConnectionId]) -> Result<HashMap<ConnectionId, Connection>, Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(store::by_ids(app.db().read(), ids).await?)
}

/// Connections, newest first.
///
/// # Errors
/// As [`find`].
pub async fn list(
    app: &App,
    caller: &Caller,
    platform: Option<&str>,
    page: &PageRequest,
) -> Result<Page<Connection>, Error> {
    require_read(caller)?;
    Ok(store::list(app.db().read(), platform, page).await?)
}
