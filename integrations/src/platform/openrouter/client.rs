//! Requests to OpenRouter, and what its errors mean.

use http::Method;
use serde_json::{Map, Value, json};

use super::wire::{Data, Key, WireModel};
use super::{DataCollection, Secrets, Settings, convert};
use crate::facet::{Model, TextRequest};
use crate::text_generation::chat_completions::{ChatJudge, Speaker};
use crate::text_generation::{BaseUrl, Deadlines, ErrorTable, Prices};
use crate::transport::{Answer, Pace, Request};
use crate::{Account, Context, Kind, Result, Retry, Secret};

/// After the platform's documentation of errors: its stable names first, then the numbers.
static ERRORS: ErrorTable = ErrorTable {
    names: &[
        ("authentication", Kind::Unauthorised, Retry::Never),
        ("payment_required", Kind::OutOfFunds, Retry::Never),
        ("permission_denied", Kind::Forbidden, Retry::Never),
        ("content_policy_violation", Kind::Refused, Retry::Never),
        ("refusal", Kind::Refused, Retry::Never),
        ("not_found", Kind::NotFound, Retry::Never),
        ("context_length_exceeded", Kind::Refused, Retry::Never),
        ("max_tokens_exceeded", Kind::Refused, Retry::Never),
        ("token_limit_exceeded", Kind::Refused, Retry::Never),
        ("string_too_long", Kind::Refused, Retry::Never),
        ("invalid_request", Kind::Refused, Retry::Never),
        ("invalid_prompt", Kind::Refused, Retry::Never),
        ("precondition_failed", Kind::Refused, Retry::Never),
        ("payload_too_large", Kind::Refused, Retry::Never),
        ("unprocessable", Kind::Refused, Retry::Never),
        ("rate_limit_exceeded", Kind::Throttled, Retry::BackOff),
        ("provider_overloaded", Kind::Unavailable, Retry::BackOff),
        ("provider_unavailable", Kind::Unavailable, Retry::BackOff),
        ("server", Kind::Unavailable, Retry::BackOff),
        ("timeout", Kind::TimedOut, Retry::BackOff),
    ],
    statuses: &[
        (401, Kind::Unauthorised, Retry::Never),
        (402, Kind::OutOfFunds, Retry::Never),
        (403, Kind::Forbidden, Retry::Never),
        (404, Kind::NotFound, Retry::Never),
        (408, Kind::TimedOut, Retry::BackOff),
        (429, Kind::Throttled, Retry::BackOff),
        (504, Kind::TimedOut, Retry::BackOff),
        (524, Kind::TimedOut, Retry::BackOff),
    ],
};

/// What is needed for requests.
pub(super) struct Client {
    base: BaseUrl,
    key: Secret,
    settings: Settings,
}

impl Client {
    pub(super) fn of(context: &Context) -> Result<Self> {
        let settings: Settings = context.settings.read()?;
        let Secrets { api_key } = context.secrets.read()?;
        let base = settings.base_url.clone();
        Ok(Self {
            base: base.unwrap_or_else(|| BaseUrl::known("https://openrouter.ai/api/v1")),
            key: api_key,
            settings,
        })
    }

    pub(super) async fn account(&self, context: &Context) -> Result<Account> {
        let answer = self
            .request(context, Method::GET, "/key")
            .send(&ChatJudge::of(self))
            .await?;
        let Data { data } = answer.json::<Data<Key>>()?;
        Ok(convert::account(data))
    }

    pub(super) async fn models(&self, context: &Context) -> Result<Vec<Model>> {
        // Asked for without a page, it gives all.
        let answer = self
            .request(context, Method::GET, "/models")
            .send(&ChatJudge::of(self))
            .await?;
        let Data { data } = answer.json::<Data<Vec<WireModel>>>()?;
        Ok(data.into_iter().filter_map(convert::model).collect())
    }
}

impl Speaker for Client {
    fn errors(&self) -> &'static ErrorTable {
        &ERRORS
    }

    fn request_id(&self) -> &'static str {
        "x-generation-id"
    }

    fn request(&self, context: &Context, method: Method, path: &str) -> Request {
        let mut request = context
            .http
            .request(method, &self.base.at(path))
            .bearer(&self.key);
        if let Some(url) = &self.settings.app_url {
            request = request.header("http-referer", url);
        }
        if let Some(name) = &self.settings.app_name {
            request = request.header("x-openrouter-title", name);
        }
        request
    }

    fn complete(&self, request: &TextRequest, body: &mut Map<String, Value>) {
        body.insert("max_completion_tokens".to_owned(), json!(request.max_tokens));
        if let Some(user) = &request.user {
            body.insert("user".to_owned(), json!(user));
        }
        let mut provider = Map::new();
        let collection = match self.settings.data_collection {
            DataCollection::Deny => "deny",
            DataCollection::Allow => "allow",
        };
        provider.insert("data_collection".to_owned(), json!(collection));
        if request.json_schema.is_some() {
            // Providers that do not know schemas would leave it out and say nothing.
            provider.insert("require_parameters".to_owned(), json!(true));
        }
        body.insert("provider".to_owned(), Value::Object(provider));
    }

    fn prices(&self) -> &Prices {
        &self.settings.prices
    }

    fn deadlines(&self) -> &Deadlines {
        &self.settings.deadlines
    }

    fn empty_is_fault(&self) -> bool {
        true
    }

    fn pace(_: &Answer) -> Option<Pace> {
        // There is no number of requests that a key has; what is too much is told by 429.
        None
    }
}
