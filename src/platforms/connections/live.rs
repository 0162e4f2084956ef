//! Connections as they are used: rows with their secrets opened, kept in memory for a moment.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use entity::id::ConnectionId;
use entity::{ConnectionState, Timestamp};
use integrations::facet::Facets;
use integrations::transport::Lane;
use integrations::{Context, Credentials, Integration, Secret, Secrets, Settings, StaticToken, TokenSource};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::refreshing::Refreshing;
use super::{Connection, Mapping, model, store};
use crate::app::App;
use crate::db::{ConnectionTrait, Tx};
use crate::error::Error;
use crate::vault::Place;

/// For how long a row is believed without looking again.
const BELIEVED: Duration = Duration::from_secs(2);
/// Requests of one connection that are on their way at a time.
const AT_ONCE: usize = 4;
/// The secret that holds an access token made by hand, in the forms of platforms that have one.
const TOKEN_BY_HAND: &str = "accessToken";

/// A connection, ready to be used; cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {
    /// Its row.
    pub row: Arc<Connection>,
    secrets: Arc<BTreeMap<String, Secret>>,
    settings: Settings,
    pub(super) credentials: Option<Arc<Credentials>>,
    lane: Arc<Lane>,
}

impl Live {
    /// Its platform; `None` when that is switched off or was removed from this version.
    #[must_use]
    pub fn integration<'a>(&self, app: &'a App) -> Option<&'a dyn Integration> {
        app.platforms().registry.get(&self.row.platform)
    }

    /// What its platform can do; nothing when it is switched off.
    #[must_use]
    pub fn facets<'a>(&self, app: &'a App) -> Facets<'a> {
        self.integration(app).map(Integration::facets).unwrap_or_default()
    }

    /// What a facet gets.
    #[must_use]
    pub fn context(&self, app: &App) -> Context {
        let token: Arc<dyn TokenSource> = match &self.credentials {
            Some(_) => Arc::new(Refreshing::new(app, &self.row)),
            None => Arc::new(StaticToken(self.secrets.get(TOKEN_BY_HAND).cloned())),
        };
        self.with_secrets(app, Arc::clone(&self.secrets), token, Arc::clone(&self.lane))
    }

    /// What a facet gets, with an access token that is not kept (yet).
    pub(super) fn with_token(
        &self,
        app: &App,
        secrets: &serde_json::Map<String, Value>,
        token: &Secret,
    ) -> Context {
        let token = Arc::new(StaticToken(Some(token.clone())));
        self.with_secrets(app, Arc::new(entered(secrets)), token, Lane::new(1))
    }

    /// What a facet gets that asks with a token as it is.
    pub(super) fn with_fixed_token(&self, app: &App, token: &Secret) -> Context {
        let token = Arc::new(StaticToken(Some(token.clone())));
        self.with_secrets(app, Arc::clone(&self.secrets), token, Lane::new(1))
    }

    fn with_secrets(
        &self,
        app: &App,
        secrets: Arc<BTreeMap<String, Secret>>,
        token: Arc<dyn TokenSource>,
        lane: Arc<Lane>,
    ) -> Context {
        let clock: Arc<dyn integrations::Clock> = Arc::new(PlatformClock(app.clone()));
        let secrets = Secrets::shared(secrets, token);
        let platform = self
            .integration(app)
            .map_or("unknown", |integration| integration.manifest().key);
        let transport = &app.platforms().transport;
        Context {
            http: transport.connection(platform, lane, secrets.clone(), Arc::clone(&clock)),
            secrets,
            settings: self.settings.clone(),
            clock,
        }
    }

    /// Which of their fields feed which of ours.
    #[must_use]
    pub fn mapping(&self, app: &App) -> Mapping {
        let own: Option<Mapping> = self
            .row
            .mapping
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok());
        self.integration(app)
            .map(|integration| model::mapping_in_force(integration, own.as_ref()))
            .unwrap_or_default()
    }

    /// Whose external ids its people have: the account's, so that they are known again by another connection to it.
    #[must_use]
    pub fn namespace(&self) -> String {
        let account = self
            .row
            .account_id
            .clone()
            .filter(|account| !account.is_empty())
            .unwrap_or_else(|| self.row.id.to_string());
        format!("{}:{account}", self.row.platform).to_lowercase()
    }

    /// Whether it may be used.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.row.deleted_at.is_none() && self.row.state == ConnectionState::Active
    }

    /// As a facet would see it, before it is stored: what was entered, tried out.
    pub(super) fn trial(row: Connection, secrets: &serde_json::Map<String, Value>) -> Result<Self, Error> {
        let settings = serde_json::from_str(&row.settings)?;
        Ok(Self {
            row: Arc::new(row),
            secrets: Arc::new(entered(secrets)),
            settings: Settings::new(settings),
            credentials: None,
            lane: Lane::new(AT_ONCE),
        })
    }
}

fn entered(secrets: &serde_json::Map<String, Value>) -> BTreeMap<String, Secret> {
    secrets
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), Secret::new(value.as_str()?))))
        .collect()
}

/// The clock of the application, as platforms see it.
#[derive(Clone, Debug)]
struct PlatformClock(App);

#[async_trait]
impl integrations::Clock for PlatformClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.clock().now().to_chrono()
    }

    async fn sleep(&self, time: Duration) {
        integrations::SystemClock.sleep(time).await;
    }
}

/// Connections that were used lately.
#[derive(Default)]
struct Known(Mutex<HashMap<ConnectionId, Entry>>);

struct Entry {
    live: Option<Live>,
    looked: Instant,
    lane: Arc<Lane>,
    /// Who refreshes its access token in this process.
    refreshing: Arc<tokio::sync::Mutex<()>>,
}

impl Known {
    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<ConnectionId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection; `None` when there is none, or it was removed. What another process changed is seen within two seconds.
///
/// # Errors
/// The database's and the vault's.
pub async fn live(app: &App, id: ConnectionId) -> Result<Option<Live>, Error> {
    if let Some(entry) = app.memory::<Known>().entries().get(&id)
        && entry.looked.elapsed() < BELIEVED
    {
        return Ok(entry.live.clone());
    }
    look(app, id).await
}

/// Where what was committed a moment ago is read: on SQLite by any reader, so that nobody waits for the writer.
#[must_use]
pub fn primary(app: &App) -> &impl ConnectionTrait {
    if app.db().file().is_some() {
        app.db().read()
    } else {
        app.db().write()
    }
}

/// The same, looked at now.
pub(super) async fn look(app: &App, id: ConnectionId) -> Result<Option<Live>, Error> {
    let known = app.memory::<Known>();
    let looked = Instant::now();
    let row = store::find(primary(app), id).await?;
    let Some(row) = row else {
        // Not remembered: whoever makes up ids must not fill the memory.
        known.entries().remove(&id);
        return Ok(None);
    };
    let before = {
        let mut entries = known.entries();
        let entry = entries.get_mut(&id);
        match entry {
            Some(entry) => {
                let same = entry
                    .live
                    .as_ref()
                    .is_some_and(|live| live.row.version == row.version);
                if same {
                    entry.looked = looked;
                    if let Some(live) = &mut entry.live {
                        // What does not raise the version, e.g. when it was checked last.
                        live.row = Arc::new(row);
                    }
                    return Ok(entry.live.clone());
                }
                Some((Arc::clone(&entry.lane), Arc::clone(&entry.refreshing)))
            }
            None => None,
        }
    };
    let (lane, refreshing) = before.unwrap_or_else(|| (Lane::new(AT_ONCE), Arc::default()));
    let secrets = opened(app, primary(app), &row).await?;
    let credentials = opened_credentials(app, primary(app), &row).await?;
    let settings = serde_json::from_str(&row.settings)?;
    let live = Live {
        row: Arc::new(row),
        secrets: Arc::new(entered(&secrets)),
        settings: Settings::new(settings),
        credentials: credentials.map(Arc::new),
        lane: Arc::clone(&lane),
    };
    known.entries().insert(
        id,
        Entry {
            live: Some(live.clone()),
            looked,
            lane,
            refreshing,
        },
    );
    Ok(Some(live))
}

/// Has a connection looked at again by whoever uses it next in this process.
pub(super) fn forget(app: &App, id: ConnectionId) {
    if let Some(entry) = app.memory::<Known>().entries().get_mut(&id) {
        entry.looked = Instant::now().checked_sub(BELIEVED * 2).unwrap_or(entry.looked);
    }
}

/// Whoever holds it refreshes the access token of a connection in this process.
pub(super) fn turn(app: &App, id: ConnectionId) -> Arc<tokio::sync::Mutex<()>> {
    let known = app.memory::<Known>();
    let entries = known.entries();
    let turn = entries.get(&id).map(|entry| Arc::clone(&entry.refreshing));
    turn.unwrap_or_default()
}

/// The secrets that were entered.
pub(super) async fn opened(
    app: &App,
    db: &impl ConnectionTrait,
    row: &Connection,
) -> Result<serde_json::Map<String, Value>, Error> {
    let Some(sealed) = &row.secrets else {
        return Ok(serde_json::Map::new());
    };
    let plain = app
        .vault()
        .open(db, Place::CONNECTION_SECRETS, row.id.0, sealed)
        .await?;
    Ok(serde_json::from_slice(&plain)?)
}

/// Credentials as they are kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    access_token: String,
    refresh_token: Option<String>,
    expires_at: Option<DateTime<Utc>>,
    refresh_expires_at: Option<DateTime<Utc>>,
    scopes: Vec<String>,
}

async fn opened_credentials(
    app: &App,
    db: &impl ConnectionTrait,
    row: &Connection,
) -> Result<Option<Credentials>, Error> {
    let Some(sealed) = &row.credentials else {
        return Ok(None);
    };
    let plain = app
        .vault()
        .open(db, Place::CONNECTION_CREDENTIALS, row.id.0, sealed)
        .await?;
    let Kept {
        access_token,
        refresh_token,
        expires_at,
        refresh_expires_at,
        scopes,
    } = serde_json::from_slice(&plain)?;
    Ok(Some(Credentials {
        access_token: Secret::new(access_token),
        refresh_token: refresh_token.map(Secret::new),
        expires_at,
        refresh_expires_at,
        scopes,
    }))
}

/// Puts credentials into a row, sealed.
pub(super) async fn seal_credentials(
    app: &App,
    tx: &Tx,
    now: Timestamp,
    row: &mut Connection,
    credentials: &Credentials,
) -> Result<(), Error> {
    let Credentials {
        access_token,
        refresh_token,
        expires_at,
        refresh_expires_at,
        scopes,
    } = credentials;
    let kept = Kept {
        access_token: access_token.expose().to_owned(),
        refresh_token: refresh_token.as_ref().map(|token| token.expose().to_owned()),
        expires_at: *expires_at,
        refresh_expires_at: *refresh_expires_at,
        scopes: scopes.clone(),
    };
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(&kept)?);
    let sealed = app
        .vault()
        .seal(tx, now, Place::CONNECTION_CREDENTIALS, row.id.0, &plain)
        .await?;
    row.credentials = Some(sealed);
    row.credentials_until = expires_at.map(Timestamp::from);
    if !scopes.is_empty() {
        row.scopes = Some(scopes.join(" "));
    }
    Ok(())
}
