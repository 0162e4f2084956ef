//! Connections in GraphQL.

mod connection;
mod delivery;
mod integration;
mod mutation;
mod subscription;
mod sync;

use async_graphql::{Context, Object, Result};
use entity::WebhookState;
use entity::id::{ConnectionId, SyncId, WebhookDeliveryId};

pub use self::connection::{Connection, ConnectionLoader, load as load_connection};
pub use self::delivery::WebhookDelivery;
pub use self::integration::Integration;
pub use self::mutation::{ConnectionMutation, ConnectionUserError};
pub use self::subscription::ConnectionSubscription;
pub use self::sync::Sync;
use super::sync as readings;
use super::webhook::{self, DeliveryFilter};
use super::{ConnectionOrder, service};
use crate::api::types::{Access, Listed, Pages, connection as listed, page_request, scoped};

/// Queries about connections.
#[derive(Default)]
pub struct ConnectionQuery;

#[scoped]
#[Object]
impl ConnectionQuery {
    /// The platforms that this deployment can be connected with, by key.
    #[scope("connections:read", all_rows)]
    #[graphql(complexity = "5 + 10 * child_complexity")]
    async fn integrations(&self, ctx: &Context<'_>) -> Result<Vec<Integration>> {
        let registry = &ctx.app().platforms().registry;
        Ok(registry.iter().map(Integration::new).collect())
    }

    /// Connections to platforms, newest first.
    #[scope("connections:read", all_rows)]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn connections(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only those of a platform, e.g. `shopify`.")] platform: Option<String>,
    ) -> Result<Listed<Connection>> {
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, ConnectionOrder::NAME)?;
        let page = service::list(ctx.app(), ctx.caller()?, platform.as_deref(), &page).await?;
        Ok(listed(page, |row| {
            (ConnectionOrder::keyset(&row), Connection(row.into()))
        }))
    }

    /// A connection; null when there is none with this id.
    #[scope("connections:read", all_rows)]
    #[graphql(complexity = "2 + child_complexity")]
    async fn connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The connection's id, `conn_…`.")] id: ConnectionId,
    ) -> Result<Option<Connection>> {
        let found = service::find(ctx.app(), ctx.caller()?, id).await?;
        Ok(found.map(|row| Connection(row.into())))
    }

    /// A reading of a platform; null when there is none with this id.
    #[scope("connections:read", all_rows)]
    #[graphql(complexity = "2 + child_complexity")]
    async fn sync(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The reading's id, `sync_…`.")] id: SyncId,
    ) -> Result<Option<Sync>> {
        Ok(readings::find(ctx.app(), ctx.caller()?, id).await?.map(Sync))
    }

    /// Webhooks as they came, newest first. Those that are done are kept 30 days.
    #[scope("connections:read", all_rows)]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a connection and a filter"
    )]
    async fn webhook_deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only those to a connection.")] connection_id: Option<ConnectionId>,
        #[graphql(desc = "Only those in one of these states.")] states: Option<Vec<WebhookState>>,
    ) -> Result<Listed<WebhookDelivery>> {
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, DeliveryFilter::ORDER)?;
        let filter = DeliveryFilter {
            connection: connection_id,
            states: states.unwrap_or_default(),
        };
        let page = webhook::list(ctx.app(), ctx.caller()?, &filter, &page).await?;
        Ok(listed(page, |row| {
            (DeliveryFilter::keyset(&row), WebhookDelivery(row))
        }))
    }

    /// A webhook as it came; null when there is none with this id.
    #[scope("connections:read", all_rows)]
    #[graphql(complexity = "2 + child_complexity")]
    async fn webhook_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The delivery's id, `hook_…`.")] id: WebhookDeliveryId,
    ) -> Result<Option<WebhookDelivery>> {
        Ok(webhook::find(ctx.app(), ctx.caller()?, id)
            .await?
            .map(WebhookDelivery))
    }
}
