//! OpenAI, and all servers that speak its chat completions: Ollama, vLLM, llama.cpp, LM Studio, other vendors.

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
use self::sandbox::OpenAiSandbox;
use crate::facet::{Facets, Model, TextGenerator, TextPiece, TextRequest};
use crate::sandbox::Sandbox;
use crate::text_generation::chat_completions::generate;
use crate::text_generation::{BaseUrl, Deadlines, Prices};
use crate::{Account, Authentication, Category, Clock, Context, Form, Integration, Manifest, Result, Secret};

/// OpenAI, and all servers that are compatible.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenAi;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    /// Where requests go; `https://api.openai.com/v1` unless it is given. For a server of your own e.g.
    /// `http://localhost:11434/v1` (Ollama) or `http://localhost:8000/v1` (vLLM).
    base_url: Option<BaseUrl>,
    /// The organisation that is billed, where the key belongs to several.
    organization: Option<String>,
    /// The project that is billed, where the key belongs to several.
    project: Option<String>,
    /// By what name the limit of tokens is sent. Ollama and older servers know `max_tokens` alone.
    #[serde(default)]
    limit_parameter: LimitParameter,
    /// By what name it is sent for whom a text is. Servers that refuse what they do not know need `none`.
    #[serde(default)]
    user_parameter: UserParameter,
    /// Prices by model: answers do not tell what they cost.
    #[serde(default)]
    prices: Prices,
    /// How long to wait for a text. Models that think, and servers that load a model first, need more.
    #[serde(default)]
    deadlines: Deadlines,
}

/// By what name the limit of tokens is sent.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum LimitParameter {
    /// As OpenAI has it now.
    #[default]
    MaxCompletionTokens,
    /// As it was.
    MaxTokens,
}

/// By what name it is sent for whom a text is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum UserParameter {
    /// As OpenAI has it now.
    #[default]
    SafetyIdentifier,
    /// As it was.
    User,
    /// Not at all.
    None,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Secrets {
    /// The key, made at platform.openai.com/api-keys. A server of your own may need none.
    api_key: Option<Secret>,
}

static MANIFEST: Manifest = Manifest {
    key: "openai",
    name: "OpenAI (and compatible)",
    category: Category::TextGeneration,
    summary: "Has texts written by OpenAI's models, or by any server that speaks the same: Ollama, vLLM and others, \
              also without a key.",
    docs: "https://platform.openai.com/docs/api-reference/chat",
    authentication: Authentication::Key,
    settings: Form::of::<Settings>(),
    secrets: Form::of::<Secrets>(),
    addresses: &["baseUrl"],
    scopes: &[],
    topics: &[],
    fields: &[],
};

#[async_trait]
impl Integration for OpenAi {
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
        Arc::new(OpenAiSandbox::new())
    }
}

#[async_trait]
impl TextGenerator for OpenAi {
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
