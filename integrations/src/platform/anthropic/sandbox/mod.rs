//! A stand-in of Anthropic's Messages API.

mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use url::Url;

use self::stream::streamed;
use crate::sandbox::{Cases, Failure, Sandbox, SandboxAnswer, SandboxRequest, Setup, TextGeneratorCase};
use crate::text_generation::sandbox::{
    Ending, Events, Minute, Order, Orders, SandboxModel, Told, models, words, write,
};

/// The key that it knows.
pub(super) const KEY: &str = "sk-ant-api03-sandbox-5kQ2vXw8Zr1TnB7yLc4MdH6pJ9fGs3Ea";

/// The versions that it serves, the current one first.
const VERSIONS: [&str; 2] = ["2026-10-21", "2023-06-01"];

/// So many requests a minute.
const PER_MINUTE: u64 = 500;

/// All that a request may say.
const FIELDS: [&str; 19] = [
    "cache_control",
    "inference_geo",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "output_config",
    "service_tier",
    "speed",
    "stop_sequences",
    "stream",
    "system",
    "thinking",
    "tool_choice",
    "tools",
    "container",
    "temperature",
    "top_p",
    "top_k",
];

/// A stand-in of Anthropic's Messages API.
pub(super) struct AnthropicSandbox {
    models: Vec<SandboxModel>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    messages: usize,
    requests: usize,
    orders: Orders,
    cached: BTreeSet<String>,
    minute: Minute,
}

/// An error in the platform's shape.
struct Refusal {
    status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
}

impl Refusal {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            code: None,
            message: message.into(),
        }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    fn value(&self, request: &str) -> Value {
        let mut error = json!({ "type": self.kind, "message": self.message });
        if let Some(code) = self.code {
            error["details"] = json!({ "error_code": code });
        }
        json!({ "type": "error", "error": error, "request_id": request })
    }
}

impl AnthropicSandbox {
    pub(super) fn new() -> Self {
        Self {
            models: models(130, |_| String::new()),
            state: Mutex::new(State {
                messages: 0,
                requests: 0,
                orders: Orders::default(),
                cached: BTreeSet::new(),
                minute: Minute::of(PER_MINUTE),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn route(&self, request: &SandboxRequest, id: &str) -> Result<SandboxAnswer, Refusal> {
        let bearer = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        if request.header("x-api-key").or(bearer) != Some(KEY) {
            return Err(Refusal::new(401, "authentication_error", "invalid x-api-key"));
        }
        let version = match request.header("anthropic-version") {
            Some(version) if VERSIONS.contains(&version) => version,
            Some(version) => {
                let text = format!("anthropic-version: \"{version}\" is not a valid version");
                return Err(Refusal::invalid(text));
            }
            None => return Err(Refusal::invalid("anthropic-version: header is required")),
        };
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/v1/models") => self.list(request),
            ("GET", path) if path.starts_with("/v1/models/") => Ok(SandboxAnswer::json(
                200,
                &described(self.model(path.trim_start_matches("/v1/models/"))?),
            )),
            ("POST", "/v1/messages/count_tokens") => {
                let body = request.json();
                let (_, order) = self.order(&body, request, false)?;
                Ok(SandboxAnswer::json(200, &json!({ "input_tokens": order.read() })))
            }
            ("POST", "/v1/messages") => self.message(request, version, id),
            _ => Err(Refusal::new(404, "not_found_error", "Not found")),
        }
    }

    fn list(&self, request: &SandboxRequest) -> Result<SandboxAnswer, Refusal> {
        let limit = match request.param("limit").map(str::parse::<usize>) {
            None => 20,
            Some(Ok(limit @ 1..=1000)) => limit,
            Some(_) => return Err(Refusal::invalid("limit: 1 to 1000")),
        };
        let at = |id: &str| {
            let found = self.models.iter().position(|model| model.id == id);
            found.ok_or_else(|| Refusal::invalid("after_id, before_id: unknown model"))
        };
        let (page, has_more) = match (request.param("after_id"), request.param("before_id")) {
            (Some(after), None) => self.page(at(after)? + 1, limit),
            (None, Some(before)) => {
                let end = at(before)?;
                let begin = end.saturating_sub(limit);
                (&self.models[begin..end], begin > 0)
            }
            (None, None) => self.page(0, limit),
            (Some(_), Some(_)) => return Err(Refusal::invalid("after_id, before_id: one of them")),
        };
        let id = |model: Option<&SandboxModel>| model.map(|model| model.id.clone());
        Ok(SandboxAnswer::json(
            200,
            &json!({
                "data": page.iter().map(described).collect::<Vec<_>>(), "has_more": has_more,
                "first_id": id(page.first()), "last_id": id(page.last()),
            }),
        ))
    }

    fn page(&self, begin: usize, limit: usize) -> (&[SandboxModel], bool) {
        let end = (begin + limit).min(self.models.len());
        (&self.models[begin.min(end)..end], end < self.models.len())
    }

    fn model(&self, id: &str) -> Result<&SandboxModel, Refusal> {
        let found = self.models.iter().find(|model| model.id == id);
        found.ok_or_else(|| Refusal::new(404, "not_found_error", format!("model: {id}")))
    }

    fn order(
        &self,
        body: &Value,
        request: &SandboxRequest,
        with_limit: bool,
    ) -> Result<(&SandboxModel, Order<'_>), Refusal> {
        let fields = body
            .as_object()
            .ok_or_else(|| Refusal::invalid("The request body is not valid JSON"))?;
        if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(Refusal::invalid(format!(
                "{unknown}: Extra inputs are not permitted"
            )));
        }
        let id = body["model"]
            .as_str()
            .ok_or_else(|| Refusal::invalid("model: Field required"))?;
        let model = self.model(id)?;
        let limit = body["max_tokens"].as_u64();
        if with_limit && limit.is_none() {
            return Err(Refusal::invalid("max_tokens: Field required"));
        }
        if limit.is_some_and(|limit| limit > model.output) {
            let text = format!(
                "max_tokens: {} > {}, the maximum of this model",
                limit.unwrap_or(0),
                model.output
            );
            return Err(Refusal::invalid(text));
        }
        let list = body["messages"]
            .as_array()
            .ok_or_else(|| Refusal::invalid("messages: Field required"))?;
        if list.is_empty() {
            return Err(Refusal::invalid("messages: at least one message is required"));
        }
        let mut said = Vec::new();
        for message in list {
            let Some(role @ ("user" | "assistant")) = message["role"].as_str() else {
                return Err(Refusal::invalid(
                    "messages.0.role: Input should be 'user' or 'assistant'",
                ));
            };
            let text = text_of(&message["content"])
                .filter(|text| !text.is_empty())
                .ok_or_else(|| Refusal::invalid("messages.0.content: Field required"))?;
            said.push((role.to_owned(), text));
        }
        let system = text_of(&body["system"]).unwrap_or_default();
        let format = &body["output_config"]["format"];
        let schema = match format["type"].as_str() {
            Some("json_schema") if format["schema"].is_object() => Some(format["schema"].clone()),
            None if format.is_null() => None,
            _ => {
                return Err(Refusal::invalid(
                    "output_config.format: Input should be a JSON schema",
                ));
            }
        };
        let before = self.state().orders.count(&request.body);
        let order = Order {
            model,
            system,
            messages: said,
            limit,
            schema,
            before,
        };
        Ok((model, order))
    }

    fn message(&self, request: &SandboxRequest, version: &str, id: &str) -> Result<SandboxAnswer, Refusal> {
        let body = request.json();
        let (model, order) = self.order(&body, request, true)?;
        for name in ["temperature", "top_p", "top_k"] {
            if version == VERSIONS[0] && !body[name].is_null() {
                return Err(Refusal::invalid(format!(
                    "{name}: not supported in version {version}"
                )));
            }
        }
        let temperature = &body["temperature"];
        if !temperature.is_null() && !temperature.as_f64().is_some_and(|t| (0.0..=1.0).contains(&t)) {
            return Err(Refusal::invalid("temperature: range: 0..1"));
        }
        let asks = |trigger| order.messages.iter().any(|(_, text)| text.contains(trigger));
        if asks("[[spend limit]]") {
            let text = "You have reached your specified API usage limits.";
            return Err(Refusal::new(429, "rate_limit_error", text).code("workspace_spend_limit_reached"));
        }
        if asks("[[overloaded]]") && order.before == 0 {
            return Err(Refusal::new(529, "overloaded_error", "Overloaded"));
        }
        let told = write(&order);
        let number = {
            let mut state = self.state();
            state.messages += 1;
            state.messages
        };
        let usage = self.usage(&body, &order, &told);
        let message = json!({
            "id": format!("msg_01{number:022}"), "type": "message", "role": "assistant", "model": model.id,
            "content": [], "stop_reason": null, "stop_sequence": null, "stop_details": null, "usage": usage,
        });
        if body["stream"] == json!(true) {
            return Ok(streamed(message, &told, id));
        }
        if told.ending == Ending::Failed {
            return Err(Refusal::new(529, "overloaded_error", "Overloaded"));
        }
        let mut message = message;
        if !told.tokens.is_empty() {
            message["content"] = json!([{ "type": "text", "text": told.text() }]);
        }
        message["stop_reason"] = json!(reason(told.ending));
        message["stop_details"] = details(told.ending);
        Ok(SandboxAnswer::json(200, &message))
    }

    /// The input is told without what was cached.
    fn usage(&self, body: &Value, order: &Order<'_>, told: &Told) -> Value {
        let of_system = words(&order.system);
        let asked = !body["cache_control"].is_null() || body["system"].to_string().contains("cache_control");
        let (written, read) = match asked {
            true if self.state().cached.insert(order.system.clone()) => (of_system, 0),
            true => (0, of_system),
            false => (0, 0),
        };
        json!({
            "input_tokens": order.read() - written - read,
            "cache_creation_input_tokens": written, "cache_read_input_tokens": read,
            "cache_creation": { "ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0 },
            "output_tokens": told.count(), "service_tier": "standard",
        })
    }

    fn count(&self, now: DateTime<Utc>) -> (Option<u64>, DateTime<Utc>, String) {
        let mut state = self.state();
        state.requests += 1;
        let id = format!("req_011{:021}", state.requests);
        let (left, over) = state.minute.count(now);
        (left, over, id)
    }
}

#[async_trait]
impl Sandbox for AnthropicSandbox {
    fn setup(&self, base: &Url) -> Setup {
        let prices: Map<String, Value> = self.models.iter().map(SandboxModel::setting).collect();
        Setup {
            settings: json!({
                "baseUrl": base.as_str(),
                "prices": prices,
                "deadlines": { "firstTokenSeconds": 5, "betweenTokensSeconds": 5 },
            }),
            secrets: json!({ "apiKey": KEY }),
            credentials: None,
        }
    }

    async fn answer(&self, request: &SandboxRequest) -> SandboxAnswer {
        let (left, reset, id) = self.count(request.at);
        let answer = match left {
            Some(_) => self.route(request, &id),
            None => Err(Refusal::new(
                429,
                "rate_limit_error",
                "Number of requests has exceeded your rate limit",
            )),
        };
        let answer = answer.unwrap_or_else(|refusal| {
            let answer = SandboxAnswer::json(refusal.status, &refusal.value(&id));
            match refusal.status {
                // What is permanent says so.
                429 if refusal.code.is_some() => answer.header("x-should-retry", false),
                429 => answer.header("retry-after", (reset - request.at).num_seconds().max(1)),
                529 => answer.header("x-should-retry", true),
                _ => answer,
            }
        });
        answer
            .header("request-id", id)
            .header("anthropic-ratelimit-requests-limit", PER_MINUTE)
            .header("anthropic-ratelimit-requests-remaining", left.unwrap_or(0))
            .header(
                "anthropic-ratelimit-requests-reset",
                reset.to_rfc3339_opts(SecondsFormat::Secs, true),
            )
    }

    fn failure(&self, failure: Failure, request: &SandboxRequest) -> Option<SandboxAnswer> {
        let id = "req_011failure";
        let refused = |status, kind, text: &str| {
            let refusal = Refusal::new(status, kind, text);
            SandboxAnswer::json(status, &refusal.value(id)).header("request-id", id)
        };
        Some(match failure {
            Failure::Unauthorised => refused(401, "authentication_error", "invalid x-api-key"),
            Failure::Throttled { seconds } => {
                let text = "Number of requests has exceeded your rate limit";
                refused(429, "rate_limit_error", text).header("retry-after", seconds)
            }
            Failure::ServerError => refused(500, "api_error", "Internal server error"),
            // Once a stream has begun its status is decided.
            Failure::BodyError if request.json()["stream"] == json!(true) => {
                let mut events = Events::default();
                let refusal = Refusal::new(400, "invalid_request_error", "The request cannot be served");
                events.event("error", &refusal.value(id));
                events.answer()
            }
            _ => return None,
        })
    }

    fn holds(&self) -> BTreeMap<&'static str, usize> {
        BTreeMap::from([("models", self.models.len()), ("messages", self.state().messages)])
    }

    fn cases(&self) -> Cases {
        Cases {
            text_generator: Some(TextGeneratorCase {
                model: self.models[0].id.clone(),
                cost: true,
            }),
            ..Cases::default()
        }
    }
}

/// The text of a content: a string, or blocks.
fn text_of(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(blocks) => Some(blocks.iter().filter_map(|block| block["text"].as_str()).collect()),
        _ => None,
    }
}

fn described(model: &SandboxModel) -> Value {
    json!({
        "type": "model", "id": model.id, "display_name": model.name, "created_at": "2026-02-04T00:00:00Z",
        "lifecycle": if model.id.contains("-1") { "deprecated" } else { "active" },
        "max_input_tokens": model.context, "max_tokens": model.output, "capabilities": {},
    })
}

fn reason(ending: Ending) -> &'static str {
    match ending {
        Ending::Cut => "max_tokens",
        Ending::Refused => "refusal",
        Ending::Paused => "pause_turn",
        Ending::Done | Ending::Empty | Ending::Failed => "end_turn",
    }
}

fn details(ending: Ending) -> Value {
    if ending == Ending::Refused {
        json!({ "type": "refusal", "category": "other", "explanation": "This is not something to be written." })
    } else {
        Value::Null
    }
}
