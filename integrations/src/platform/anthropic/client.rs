//! Requests to Anthropic, and what its errors mean.

use std::pin::Pin;
use std::time::Duration;

use async_stream::try_stream;
use futures_util::Stream;
use http::Method;
use tokio::time::Instant;

use super::reader::MessageReader;
use super::wire::ModelPage;
use super::{Secrets, Settings, convert};
use crate::facet::{Finish, Model, TextPiece, TextRequest, Usage};
use crate::text_generation::{BaseUrl, ErrorTable, Step, Stop, name_of, open, with_headers, within};
use crate::transport::{Answer, Judge, Pace, Request};
use crate::{Account, Context, Error, Kind, Result, Retry, Secret};

/// What is overloaded needs longer than what has a fault.
const OVERLOADED: Retry = Retry::After(Duration::from_secs(10));

/// How often a model that pauses is asked to go on.
const PAUSES: usize = 5;

/// How many models one page holds.
const PAGE: &str = "100";

/// After the platform's documentation of errors.
pub(super) static ERRORS: ErrorTable = ErrorTable {
    names: &[
        // Codes, which are more precise than types.
        ("*_spend_limit_reached", Kind::OutOfFunds, Retry::Never),
        ("organization_on_hold", Kind::Forbidden, Retry::Never),
        ("invalid_request_error", Kind::Refused, Retry::Never),
        ("authentication_error", Kind::Unauthorised, Retry::Never),
        ("billing_error", Kind::OutOfFunds, Retry::Never),
        ("permission_error", Kind::Forbidden, Retry::Never),
        ("not_found_error", Kind::NotFound, Retry::Never),
        ("conflict_error", Kind::Unavailable, Retry::BackOff),
        ("rate_limit_error", Kind::Throttled, Retry::BackOff),
        ("api_error", Kind::Unavailable, Retry::BackOff),
        ("timeout_error", Kind::TimedOut, Retry::BackOff),
        ("overloaded_error", Kind::Unavailable, OVERLOADED),
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
        (529, Kind::Unavailable, OVERLOADED),
    ],
};

/// Reads the platform's errors.
struct AnthropicJudge;

impl Judge for AnthropicJudge {
    fn judge(&self, answer: &Answer) -> Result<()> {
        let value = answer.value();
        let error = &value["error"];
        let success = answer.status.is_success();
        if success && error.is_null() {
            return Ok(());
        }
        let mut told = convert::told(error, (!success).then(|| answer.status.as_u16()));
        if told.message.is_empty() {
            told.message = format!("the platform answered {}", answer.status);
        }
        Err(with_headers(ERRORS.error(told), answer, "request-id"))
    }

    fn pace(&self, answer: &Answer) -> Option<Pace> {
        convert::pace(answer)
    }
}

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
            base: base.unwrap_or_else(|| BaseUrl::known("https://api.anthropic.com")),
            key: api_key,
            settings,
        })
    }

    /// The platform does not say whose a key is, unless a header names the organisation.
    pub(super) async fn account(&self, context: &Context) -> Result<Account> {
        let request = self
            .request(context, Method::GET, "/v1/models")
            .query([("limit", "1")]);
        let answer = request.send(&AnthropicJudge).await?;
        answer.json::<ModelPage>()?;
        let organization = name_of(&answer.headers, "anthropic-organization-id");
        let authority = self.base.authority().to_owned();
        Ok(Account {
            id: organization.clone().unwrap_or_else(|| authority.clone()),
            name: organization.unwrap_or(authority),
            url: None,
            scopes: None,
            details: vec![("version", self.settings.version.clone())],
        })
    }

    pub(super) async fn models(&self, context: &Context) -> Result<Vec<Model>> {
        let mut models = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut request = self
                .request(context, Method::GET, "/v1/models")
                .query([("limit", PAGE)]);
            if let Some(after) = &after {
                request = request.query([("after_id", after)]);
            }
            let ModelPage {
                data,
                has_more,
                last_id,
            } = request.send(&AnthropicJudge).await?.json()?;
            let prices = &self.settings.prices;
            models.extend(data.into_iter().filter_map(|model| convert::model(model, prices)));
            // One that does not move would go on for ever.
            if !has_more || last_id.is_none() || last_id == after {
                return Ok(models);
            }
            after = last_id;
        }
    }

    fn request(&self, context: &Context, method: Method, path: &str) -> Request {
        context
            .http
            .request(method, &self.base.at(path))
            .secret_header("x-api-key", &self.key)
            .header("anthropic-version", &self.settings.version)
    }

    fn end(
        &self,
        request: &TextRequest,
        finish: Finish,
        model: Option<String>,
        id: Option<String>,
        mut usage: Usage,
    ) -> TextPiece {
        let model = model.unwrap_or_else(|| request.model.clone());
        usage.cost = self.settings.prices.cost(&request.model, &model, &usage);
        TextPiece::End {
            finish,
            model,
            id,
            usage,
        }
    }
}

/// Writes, as [`TextGenerator::generate`](crate::facet::TextGenerator::generate) promises.
pub(super) fn generate<'a>(
    context: &'a Context,
    client: Result<Client>,
    request: TextRequest,
) -> Pin<Box<dyn Stream<Item = Result<TextPiece>> + Send + 'a>> {
    Box::pin(try_stream! {
        let client = client?;
        let deadlines = &client.settings.deadlines;
        let until = Instant::now() + deadlines.whole_text_seconds.duration();
        let redacted = |error: Error| Error { message: context.http.redact(&error.message), ..error };
        let mut written = String::new();
        let mut usage = Usage::default();
        let mut pauses = 0;
        'parts: loop {
            let body = convert::body(&request, &client.settings.version, &written);
            let asked = client.request(context, Method::POST, "/v1/messages").json(&body);
            let opening = open(asked, &AnthropicJudge, &context.http, deadlines, MessageReader::default);
            let mut opened = within(until, opening).await?;
            loop {
                match within(until, opened.next()).await.map_err(redacted)? {
                    Step::Text(text) => {
                        written.push_str(&text);
                        yield TextPiece::Text(text);
                    }
                    Step::End(ended) => {
                        usage = convert::sum(&usage, &ended.usage);
                        match ended.stop {
                            Stop::Finish(finish) => {
                                yield client.end(&request, finish, ended.model, ended.id, usage);
                                break 'parts;
                            }
                            // What it wrote is sent back to it, and it goes on behind that.
                            Stop::Paused if pauses < PAUSES => {
                                pauses += 1;
                                continue 'parts;
                            }
                            Stop::Paused => {
                                let text = format!("the model paused {PAUSES} times and came to no end");
                                Err(Error::new(Kind::Unavailable, text))?;
                            }
                        }
                    }
                    Step::Nothing | Step::Progress => {}
                }
            }
        }
    })
}
