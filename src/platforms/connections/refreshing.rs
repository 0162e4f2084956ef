//! Access tokens that are refreshed before they expire, and when they are refused: by one process at a time, in a task of its
//! own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use entity::Timestamp;
use entity::id::ConnectionId;
use integrations::{Credentials, Kind, Secret, TokenSource};

use super::health::report;
use super::live::{Live, forget, live, look, seal_credentials, turn};
use super::{Connection, model, store};
use crate::app::App;
use crate::db::{end_lease, take_lease};
use crate::error::Error;

/// An access token is refreshed so long before it expires, in seconds.
const EARLY_SECONDS: i64 = 300;
/// For how long one process refreshes an access token without others doing so, in seconds.
const LEASE_SECONDS: i64 = 180;
/// How often another process is waited for, a second each.
const WAITS: usize = 60;

/// The access token of a connection whose owner has consented.
pub(super) struct Refreshing {
    app: App,
    id: ConnectionId,
    /// As it was when the request was made up: its token goes to no other address.
    row: Arc<Connection>,
}

#[async_trait]
impl TokenSource for Refreshing {
    async fn token(&self) -> integrations::Result<Secret> {
        let credentials = self.credentials().await?;
        if is_fresh(&credentials, self.app.clock().now()) {
            return Ok(credentials.access_token);
        }
        match self.in_its_own_time(&credentials.access_token).await {
            Ok(Some(token)) => {
                self.credentials().await?;
                Ok(token)
            }
            Ok(None) => Ok(credentials.access_token),
            // It is still good for a few minutes; the next one tries again.
            Err(error) if error.kind != Kind::Revoked && is_good(&credentials, self.app.clock().now()) => {
                tracing::warn!(connection = %self.id, %error, "an access token could not be refreshed early");
                Ok(credentials.access_token)
            }
            Err(error) => Err(error),
        }
    }

    async fn refused(&self, token: &Secret) -> integrations::Result<Option<Secret>> {
        let other = self.in_its_own_time(token).await?;
        self.credentials().await?;
        Ok(other)
    }
}

fn is_fresh(credentials: &Credentials, now: Timestamp) -> bool {
    credentials
        .expires_at
        .is_none_or(|at| Timestamp::from(at) > now.plus_seconds(EARLY_SECONDS))
}

fn is_good(credentials: &Credentials, now: Timestamp) -> bool {
    credentials.expires_at.is_none_or(|at| Timestamp::from(at) > now)
}

fn own_fault(error: &Error) -> integrations::Error {
    // The details are the log's, not the platform's.
    tracing::error!(?error, "the credentials of a connection cannot be read");
    integrations::Error::new(Kind::Unavailable, "the credentials cannot be read at the moment")
}

impl Refreshing {
    pub(super) fn new(app: &App, row: &Arc<Connection>) -> Self {
        Self {
            app: app.clone(),
            id: row.id,
            row: Arc::clone(row),
        }
    }

    async fn credentials(&self) -> integrations::Result<Credentials> {
        let found = live(&self.app, self.id)
            .await
            .map_err(|error| own_fault(&error))?;
        if let Some(live) = &found
            && let Some(integration) = live.integration(&self.app)
            && !model::changed_addresses(integration.manifest(), &self.row.settings, &live.row.settings)
                .is_empty()
        {
            let message = "the connection has another address by now";
            return Err(integrations::Error::new(Kind::Unauthorised, message));
        }
        found
            .and_then(|live| live.credentials)
            .map(|credentials| (*credentials).clone())
            .ok_or_else(|| integrations::Error::new(Kind::Unauthorised, "the connection waits for consent"))
    }

    /// As a task of its own: what the platform has handed out is kept also where whoever asked has gone.
    async fn in_its_own_time(&self, old: &Secret) -> integrations::Result<Option<Secret>> {
        let this = Self::new(&self.app, &self.row);
        let old = old.clone();
        let task = tokio::spawn(async move { this.refreshed(&old).await });
        task.await
            .unwrap_or_else(|error| Err(integrations::Error::new(Kind::Unavailable, error.to_string())))
    }

    /// Another token than the given one: what somebody else has fetched meanwhile, or one fetched now. `None` where the
    /// platform gives no other.
    async fn refreshed(&self, old: &Secret) -> integrations::Result<Option<Secret>> {
        let turn = turn(&self.app, self.id);
        let _turn = turn.lock().await;
        // A token that can be used once must not be used by two processes.
        let name = format!("credentials:{}", self.id);
        let holder = format!("{:016x}", rand::random::<u64>());
        for _ in 0..WAITS {
            let found = look(&self.app, self.id)
                .await
                .map_err(|error| own_fault(&error))?;
            let Some((live, credentials)) =
                found.and_then(|live| Some((live.clone(), live.credentials.clone()?)))
            else {
                return Ok(None);
            };
            if credentials.access_token != *old {
                return Ok(Some(credentials.access_token.clone()));
            }
            let now = self.app.clock().now();
            let taken = take_lease(self.app.db(), &name, &holder, now, LEASE_SECONDS)
                .await
                .map_err(|error| own_fault(&error.into()))?;
            if taken {
                let outcome = self.fetch(&live, &credentials).await;
                let done = end_lease(self.app.db(), &name, &holder).await;
                done.map_err(|error| own_fault(&error.into()))?;
                return outcome;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Err(integrations::Error::new(
            Kind::Unavailable,
            "another process does not get on with refreshing the access token",
        ))
    }

    async fn fetch(&self, live: &Live, old: &Credentials) -> integrations::Result<Option<Secret>> {
        let Some(oauth) = live.facets(&self.app).oauth else {
            return Ok(None);
        };
        // With the token that there is: whoever refreshes must not ask for one.
        let context = live.with_fixed_token(&self.app, &old.access_token);
        let fresh = match oauth.refresh(&context, old).await {
            Ok(fresh) => fresh,
            Err(error) => {
                let told = report(&self.app, live, Err(&error)).await;
                told.map_err(|error| own_fault(&error))?;
                return match error.kind {
                    Kind::Unsupported => Ok(None),
                    _ => Err(error),
                };
            }
        };
        let mut stored = self.store(live, &fresh).await;
        for _ in 0..5 {
            // The old ones may be used up: what there is now must not be lost to a moment's trouble.
            if stored.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            stored = self.store(live, &fresh).await;
        }
        stored.map_err(|error| own_fault(&error))?;
        Ok(Some(fresh.access_token))
    }

    async fn store(&self, live: &Live, fresh: &Credentials) -> Result<(), Error> {
        let now = self.app.clock().now();
        let tx = self.app.db().begin().await?;
        let Some(mut row) = store::locked(&tx, self.id).await? else {
            return Ok(());
        };
        if row.credentials != live.row.credentials {
            // The owner has consented anew, or taken it back, in between.
            return Ok(());
        }
        seal_credentials(&self.app, &tx, now, &mut row, fresh).await?;
        row.version += 1;
        store::update(&tx, row).await?;
        tx.commit().await?;
        forget(&self.app, self.id);
        Ok(())
    }
}
