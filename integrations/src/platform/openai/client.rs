//! Requests to OpenAI and compatible servers, and what their errors mean.

use http::Method;
use serde_json::{Map, Value, json};

use super::wire::List;
use super::{LimitParameter, Secrets, Settings, UserParameter, convert};
use crate::facet::{Model, TextRequest};
use crate::text_generation::chat_completions::{ChatJudge, Speaker};
use crate::text_generation::{BaseUrl, Deadlines, ErrorTable, Prices};
use crate::transport::{Answer, Pace, Request};
use crate::{Account, Context, Kind, Result, Retry, Secret};

/// A longer name of a user is not accepted.
const LONGEST_USER: usize = 128;

/// After the platform's documentation of errors.
static ERRORS: ErrorTable = ErrorTable {
    names: &[
        ("insufficient_quota", Kind::OutOfFunds, Retry::Never),
        ("billing_hard_limit_reached", Kind::OutOfFunds, Retry::Never),
        ("rate_limit_exceeded", Kind::Throttled, Retry::BackOff),
        ("invalid_api_key", Kind::Unauthorised, Retry::Never),
        ("model_not_found", Kind::NotFound, Retry::Never),
        ("context_length_exceeded", Kind::Refused, Retry::Never),
        ("content_policy_violation", Kind::Refused, Retry::Never),
        ("server_error", Kind::Unavailable, Retry::BackOff),
    ],
    statuses: &[
        (401, Kind::Unauthorised, Retry::Never),
        (402, Kind::OutOfFunds, Retry::Never),
        (403, Kind::Forbidden, Retry::Never),
        (404, Kind::NotFound, Retry::Never),
        (408, Kind::TimedOut, Retry::BackOff),
        (409, Kind::Unavailable, Retry::BackOff),
        (429, Kind::Throttled, Retry::BackOff),
        (504, Kind::TimedOut, Retry::BackOff),
    ],
};

/// What is needed for requests.
pub(super) struct Client {
    base: BaseUrl,
    key: Option<Secret>,
    settings: Settings,
}

impl Client {
    pub(super) fn of(context: &Context) -> Result<Self> {
        let settings: Settings = context.settings.read()?;
        let Secrets { api_key } = context.secrets.read()?;
        let base = settings.base_url.clone();
        Ok(Self {
            base: base.unwrap_or_else(|| BaseUrl::known("https://api.openai.com/v1")),
            key: api_key.filter(|key| !key.is_empty()),
            settings,
        })
    }

    /// The platform does not say whose a key is: where it is good for, and the organisation where it is named.
    pub(super) async fn account(&self, context: &Context) -> Result<Account> {
        let answer = self
            .request(context, Method::GET, "/models")
            .send(&ChatJudge::of(self))
            .await?;
        let models = answer.json::<List>()?.data.unwrap_or_default().len();
        let organization = answer.header("openai-organization").map(str::to_owned);
        let authority = self.base.authority().to_owned();
        Ok(Account {
            id: organization.clone().unwrap_or_else(|| authority.clone()),
            name: organization.unwrap_or(authority),
            url: None,
            scopes: None,
            details: vec![("models", models.to_string())],
        })
    }

    pub(super) async fn models(&self, context: &Context) -> Result<Vec<Model>> {
        let answer = self
            .request(context, Method::GET, "/models")
            .send(&ChatJudge::of(self))
            .await?;
        let found = answer.json::<List>()?.data.unwrap_or_default();
        let prices = &self.settings.prices;
        Ok(found
            .into_iter()
            .map(|model| convert::model(model, prices))
            .collect())
    }
}

impl Speaker for Client {
    fn errors(&self) -> &'static ErrorTable {
        &ERRORS
    }

    fn request_id(&self) -> &'static str {
        "x-request-id"
    }

    fn request(&self, context: &Context, method: Method, path: &str) -> Request {
        let mut request = context.http.request(method, &self.base.at(path));
        if let Some(key) = &self.key {
            request = request.bearer(key);
        }
        if let Some(organization) = &self.settings.organization {
            request = request.header("openai-organization", organization);
        }
        if let Some(project) = &self.settings.project {
            request = request.header("openai-project", project);
        }
        request
    }

    fn complete(&self, request: &TextRequest, body: &mut Map<String, Value>) {
        let limit = match self.settings.limit_parameter {
            LimitParameter::MaxCompletionTokens => "max_completion_tokens",
            LimitParameter::MaxTokens => "max_tokens",
        };
        body.insert(limit.to_owned(), json!(request.max_tokens));
        // Without this a stream never tells what it took.
        body.insert("stream_options".to_owned(), json!({ "include_usage": true }));
        let name = match self.settings.user_parameter {
            UserParameter::SafetyIdentifier => "safety_identifier",
            UserParameter::User => "user",
            UserParameter::None => return,
        };
        if let Some(user) = request.user.as_ref().filter(|user| user.len() <= LONGEST_USER) {
            body.insert(name.to_owned(), json!(user));
        }
    }

    fn prices(&self) -> &Prices {
        &self.settings.prices
    }

    fn deadlines(&self) -> &Deadlines {
        &self.settings.deadlines
    }

    fn empty_is_fault(&self) -> bool {
        false
    }

    fn pace(answer: &Answer) -> Option<Pace> {
        convert::pace(answer)
    }
}
