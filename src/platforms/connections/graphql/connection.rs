//! Connections as clients see them.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Object, Result, SimpleObject};
use entity::id::ConnectionId;
use entity::{ConnectionState, Timestamp};

use super::integration::{FieldMapping, Integration};
use super::sync::Sync;
use crate::api::types::{Access, Json, Listed, Pages, connection, page_request};
use crate::app::App;
use crate::error::Error;
use crate::platforms::connections::sync::{self, SyncOrder};
use crate::platforms::connections::webhook::address;
use crate::platforms::connections::{self as room, Mapping, missing_scopes};
use crate::platforms::conversions::graphql::{ConversionSharing, sharing_of_connection};

/// A platform that the deployment is connected with: an account, a shop, a relay.
pub struct Connection(pub Arc<room::Connection>);

/// Loads connections for all requests together.
pub struct ConnectionLoader(pub App);

impl Loader<ConnectionId> for ConnectionLoader {
    type Value = Arc<room::Connection>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[ConnectionId],
    ) -> std::result::Result<HashMap<ConnectionId, Self::Value>, Arc<Error>> {
        let found = room::get_many(&self.0, keys).await.map_err(Arc::new)?;
        Ok(found.into_iter().map(|(id, row)| (id, Arc::new(row))).collect())
    }
}

/// The last reading of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct LastOf(ConnectionId);

impl Loader<LastOf> for ConnectionLoader {
    type Value = sync::Sync;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[LastOf]) -> std::result::Result<HashMap<LastOf, sync::Sync>, Arc<Error>> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = sync::last_of_each(&self.0, &ids).await.map_err(Arc::new)?;
        Ok(found
            .into_iter()
            .map(|row| (LastOf(row.connection_id), row))
            .collect())
    }
}

/// The connection of an id that the caller may see, removed ones among them.
pub async fn load(ctx: &Context<'_>, id: ConnectionId) -> Result<Option<Connection>> {
    let loader = ctx.data_unchecked::<DataLoader<ConnectionLoader, async_graphql::dataloader::NoCache>>();
    Ok(loader.load_one(id).await?.map(Connection))
}

/// Whose credentials they are.
#[derive(SimpleObject)]
struct ConnectionAccount {
    /// As the platform names the account.
    id: Option<String>,
    /// For people.
    name: Option<String>,
    /// Where it is to be seen.
    url: Option<String>,
}

/// Whether a connection works.
#[derive(SimpleObject)]
struct ConnectionHealth {
    /// Whether nothing is known to be wrong with it.
    ok: bool,
    /// What kind of failure the last one was, e.g. `UNAUTHORISED`, `THROTTLED`; null while it works.
    problem_kind: Option<String>,
    /// The same in words.
    problem: Option<String>,
    /// When that was seen last; null when it was not tried yet.
    checked_at: Option<Timestamp>,
}

#[Object]
impl Connection {
    /// The connection's id.
    async fn id(&self) -> ConnectionId {
        self.0.id
    }
    /// The platform; null when this deployment does not offer it any more.
    async fn integration(&self, ctx: &Context<'_>) -> Option<Integration> {
        let registry = &ctx.app().platforms().registry;
        registry.get(&self.0.platform).map(Integration::new)
    }
    /// The platform's key, e.g. `shopify`.
    async fn platform(&self) -> &str {
        &self.0.platform
    }
    /// What its owner calls it.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// Whether it is used.
    async fn state(&self) -> ConnectionState {
        self.0.state
    }
    /// What was entered, by `integration.settingsSchema`.
    async fn settings(&self) -> Result<Json> {
        Ok(Json(serde_json::from_str(&self.0.settings).map_err(Error::from)?))
    }
    /// The names of the secrets that were entered; they themselves are never shown.
    #[graphql(complexity = 5)]
    async fn secret_names(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        Ok(room::secret_names(ctx.app(), &self.0).await?)
    }
    /// Which of the platform's fields feed which of ours, where that differs from `integration.fieldDefaults`.
    async fn mapping(&self) -> Result<Vec<FieldMapping>> {
        let mapping = match &self.0.mapping {
            Some(text) => serde_json::from_str::<Mapping>(text).map_err(Error::from)?,
            None => Mapping::new(),
        };
        Ok(mapping
            .into_iter()
            .map(|(theirs, ours)| FieldMapping { theirs, ours })
            .collect())
    }
    /// Whose credentials they are; null before they were tried.
    async fn account(&self) -> Option<ConnectionAccount> {
        let row = &self.0;
        (row.account_id.is_some() || row.account_name.is_some()).then(|| ConnectionAccount {
            id: row.account_id.clone(),
            name: row.account_name.clone(),
            url: row.account_url.clone(),
        })
    }
    /// What the owner has consented to; empty where the platform does not tell.
    async fn granted_scopes(&self) -> Vec<&str> {
        let scopes = self.0.scopes.as_deref().unwrap_or_default();
        scopes.split_whitespace().collect()
    }
    /// What is asked for and was not granted; empty where the platform does not tell.
    async fn missing_scopes(&self, ctx: &Context<'_>) -> Vec<String> {
        let registry = &ctx.app().platforms().registry;
        registry
            .get(&self.0.platform)
            .map(|integration| missing_scopes(integration, &self.0))
            .unwrap_or_default()
    }
    /// Whether it works.
    async fn health(&self) -> ConnectionHealth {
        let row = &self.0;
        ConnectionHealth {
            ok: row.problem_kind.is_none() && row.state == ConnectionState::Active,
            problem_kind: row.problem_kind.clone(),
            problem: row.problem.clone(),
            checked_at: row.checked_at,
        }
    }
    /// Until when the access token is good, which is renewed before; null: until it is taken back, or there is none.
    async fn access_token_expires_at(&self) -> Option<Timestamp> {
        self.0.credentials_until
    }
    /// How often it is read, in seconds; null: only when somebody asks.
    async fn sync_every_seconds(&self) -> Option<i32> {
        self.0.sync_every_seconds
    }
    /// When it is read next; null: when somebody asks.
    async fn next_sync_at(&self) -> Option<Timestamp> {
        self.0.next_sync_at
    }
    /// The last reading; null before the first.
    async fn last_sync(&self, ctx: &Context<'_>) -> Result<Option<Sync>> {
        let loader = ctx.data_unchecked::<DataLoader<ConnectionLoader, async_graphql::dataloader::NoCache>>();
        Ok(loader.load_one(LastOf(self.0.id)).await?.map(Sync))
    }
    /// Readings, newest first.
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity + 5")]
    async fn syncs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<Sync>> {
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, SyncOrder::NAME)?;
        let page = sync::list(ctx.app(), ctx.caller()?, self.0.id, &page).await?;
        Ok(connection(page, |row| (SyncOrder::keyset(&row), Sync(row))))
    }
    /// What is told to the platform of what its advertisements brought; null where it takes no conversions.
    async fn conversion_sharing(&self, ctx: &Context<'_>) -> Result<Option<ConversionSharing>> {
        sharing_of_connection(ctx, self.0.id, &self.0.platform).await
    }
    /// Where the platform sends its webhooks; null where it sends none.
    async fn webhook_url(&self, ctx: &Context<'_>) -> Option<String> {
        let registry = &ctx.app().platforms().registry;
        let facets = registry.get(&self.0.platform)?.facets();
        facets.webhooks?;
        address(ctx.public_url(), self.0.id).map(String::from)
    }
    /// Who made it: `user_…`, `token_…`, `operator`.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }
    /// When it was made.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// When it was changed last, or began or ceased to work.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }
    /// When it was removed; null while it is there.
    async fn deleted_at(&self) -> Option<Timestamp> {
        self.0.deleted_at
    }
}
