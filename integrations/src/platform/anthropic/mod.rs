//! Anthropic: its Messages API.

mod client;
mod convert;
mod reader;
mod sandbox;
#[cfg(test)]
mod tests;
mod wire;

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::Stream;
use schemars::JsonSchema;
use serde::Deserialize;

use self::client::Client;
use self::sandbox::AnthropicSandbox;
use crate::facet::{Facets, Model, TextGenerator, TextPiece, TextRequest};
use crate::sandbox::Sandbox;
use crate::text_generation::{BaseUrl, Deadlines, Prices};
use crate::{Account, Authentication, Category, Clock, Context, Form, Integration, Manifest, Result, Secret};

/// Anthropic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anthropic;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    /// Where requests go; `https://api.anthropic.com` unless it is given.
    base_url: Option<BaseUrl>,
    /// The version of the API. From 2026-10-21 on models take no temperature, and none is sent.
    #[serde(default = "current_version")]
    version: String,
    /// Prices by model: answers do not tell what they cost.
    #[serde(default)]
    prices: Prices,
    /// How long to wait for a text.
    #[serde(default)]
    deadlines: Deadlines,
}

fn current_version() -> String {
    "2026-10-21".to_owned()
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Secrets {
    /// The key, made in the console under API keys; begins with `sk-ant-`.
    api_key: Secret,
}

static MANIFEST: Manifest = Manifest {
    key: "anthropic",
    name: "Anthropic",
    category: Category::TextGeneration,
    summary: "Has texts written by Anthropic's models.",
    docs: "https://platform.claude.com/docs/en/api/messages",
    authentication: Authentication::Key,
    settings: Form::of::<Settings>(),
    secrets: Form::of::<Secrets>(),
    addresses: &["baseUrl"],
    scopes: &[],
    topics: &[],
    fields: &[],
};

#[async_trait]
impl Integration for Anthropic {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn facets(&self) -> Facets<'_> {
        Facets {
            text_generator: Some(self),
            ..Facets::default()
        }
    }

    async fn check(&self, context: &Context) -> Result<Account> {
        Client::of(context)?.account(context).await
    }

    fn sandbox(&self, _: Arc<dyn Clock>) -> Arc<dyn Sandbox> {
        Arc::new(AnthropicSandbox::new())
    }
}

#[async_trait]
impl TextGenerator for Anthropic {
    async fn models(&self, context: &Context) -> Result<Vec<Model>> {
        Client::of(context)?.models(context).await
    }

    fn generate<'a>(
        &'a self,
        context: &'a Context,
        request: TextRequest,
    ) -> Pin<Box<dyn Stream<Item = Result<TextPiece>> + Send + 'a>> {
        client::generate(context, Client::of(context), request)
    }
}
