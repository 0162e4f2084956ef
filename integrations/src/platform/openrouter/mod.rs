//! OpenRouter: one key for the models of many providers.

mod client;
mod convert;
mod sandbox;
#[cfg(test)]
mod tests;
mod wire;

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::client::Client;
use self::sandbox::OpenRouterSandbox;
use crate::facet::{Facets, Model, TextGenerator, TextPiece, TextRequest};
use crate::sandbox::Sandbox;
use crate::text_generation::chat_completions::generate;
use crate::text_generation::{BaseUrl, Deadlines, Prices};
use crate::{Account, Authentication, Category, Clock, Context, Form, Integration, Manifest, Result, Secret};

/// OpenRouter.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenRouter;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    /// Where requests go; `https://openrouter.ai/api/v1` unless it is given.
    base_url: Option<BaseUrl>,
    /// The address of your application: OpenRouter shows it in its rankings.
    app_url: Option<String>,
    /// The name of your application: OpenRouter shows it in its rankings.
    app_name: Option<String>,
    /// Whether providers may keep what is sent, e.g. for training. Some free models are not to be had without.
    #[serde(default)]
    data_collection: DataCollection,
    /// Prices by model, for answers that do not tell what they cost.
    #[serde(default)]
    prices: Prices,
    /// How long to wait for a text.
    #[serde(default)]
    deadlines: Deadlines,
}

/// Whether providers may keep what is sent.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum DataCollection {
    /// Only providers that keep nothing.
    #[default]
    Deny,
    /// All providers.
    Allow,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Secrets {
    /// The key, made at openrouter.ai/settings/keys; begins with `sk-or-`.
    api_key: Secret,
}

static MANIFEST: Manifest = Manifest {
    key: "openrouter",
    name: "OpenRouter",
    category: Category::TextGeneration,
    summary: "Has texts written by the models of many providers, with one key and one bill. Answers tell what they cost.",
    docs: "https://openrouter.ai/docs",
    authentication: Authentication::Key,
    settings: Form::of::<Settings>(),
    secrets: Form::of::<Secrets>(),
    addresses: &["baseUrl"],
    scopes: &[],
    topics: &[],
    fields: &[],
};

#[async_trait]
impl Integration for OpenRouter {
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
        Arc::new(OpenRouterSandbox::new())
    }
}

#[async_trait]
impl TextGenerator for OpenRouter {
    async fn models(&self, context: &Context) -> Result<Vec<Model>> {
        Client::of(context)?.models(context).await
    }

    fn generate<'a>(
        &'a self,
        context: &'a Context,
        request: TextRequest,
    ) -> Pin<Box<dyn Stream<Item = Result<TextPiece>> + Send + 'a>> {
        generate(context, Client::of(context), request)
    }
}
