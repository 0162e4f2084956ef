//! Shopify: the Admin GraphQL API of a shop, its bulk operations and its webhooks.

mod bulk;
mod client;
mod commerce;
mod convert;
mod cursor;
mod listing;
mod manifest;
mod oauth;
mod resource;
mod sandbox;
mod settings;
#[cfg(test)]
mod tests;
mod webhooks;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;

use self::client::Client;
pub use self::sandbox::SandboxShop;
use crate::facet::Facets;
use crate::sandbox::Sandbox;
use crate::{Account, Clock, Context, Integration, Manifest, Result};

/// Shopify.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shopify;

#[async_trait]
impl Integration for Shopify {
    fn manifest(&self) -> &'static Manifest {
        &manifest::MANIFEST
    }

    fn facets(&self) -> Facets<'_> {
        Facets {
            commerce: Some(self),
            webhooks: Some(self),
            oauth: Some(self),
            ..Facets::default()
        }
    }

    async fn check(&self, context: &Context) -> Result<Account> {
        let found = commerce::shop(&Client::of(context)?).await?;
        let granted = found.current_app_installation.map(|installation| {
            let handles = installation
                .access_scopes
                .iter()
                .map(|scope| scope.handle.as_str());
            convert::scopes_with_implied(handles)
        });
        Ok(Account {
            url: Some(format!("https://{}/admin", found.shop.myshopify_domain)),
            id: found.shop.myshopify_domain,
            name: found.shop.name,
            scopes: granted,
            details: vec![("currency", found.shop.currency_code)],
        })
    }

    fn sandbox(&self, clock: Arc<dyn Clock>) -> Arc<dyn Sandbox> {
        SandboxShop::default().sandbox(clock)
    }
}
