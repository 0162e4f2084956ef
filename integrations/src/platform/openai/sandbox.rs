//! A stand-in of OpenAI.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use url::Url;

use crate::sandbox::{Cases, Failure, Sandbox, SandboxAnswer, SandboxRequest, Setup, TextGeneratorCase};
use crate::text_generation::sandbox::completion::{Completion, messages, schema};
use crate::text_generation::sandbox::{
    Ending, Events, Minute, Order, Orders, SandboxModel, Told, models, words, write,
};

/// The key that it knows.
pub(super) const KEY: &str = "sk-proj-4dC1b7Zk0sandboxQ9wXn2VtRy8LmPe3HfGj5KuTa6";

/// A model that knows `max_tokens` alone, as servers of one's own do.
pub(super) const OLD_MODEL: &str = "legacy-local";

/// So many requests a minute.
const PER_MINUTE: u64 = 500;

/// From so many words on, the beginning of a prompt is cached.
const CACHED_FROM: u64 = 50;

/// All that a request may say.
const FIELDS: [&str; 31] = [
    "audio",
    "frequency_penalty",
    "function_call",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "moderation",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tools",
    "top_p",
    "user",
];

/// A stand-in of OpenAI.
pub(super) struct OpenAiSandbox {
    models: Vec<SandboxModel>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    completions: usize,
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
    param: Option<String>,
    message: String,
}

impl Refusal {
    fn invalid(param: &str, code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code,
            param: Some(param.to_owned()),
            message: message.into(),
        }
    }

    fn other(status: u16, kind: &'static str, code: Option<&'static str>, message: &str) -> Self {
        Self {
            status,
            kind,
            code,
            param: None,
            message: message.to_owned(),
        }
    }

    fn value(&self) -> Value {
        let Self {
            kind,
            code,
            param,
            message,
            ..
        } = self;
        json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
    }

    fn answer(&self) -> SandboxAnswer {
        SandboxAnswer::json(self.status, &self.value())
    }
}

impl OpenAiSandbox {
    pub(super) fn new() -> Self {
        let mut all = models(120, |_| String::new());
        let mut old = all[0].clone();
        OLD_MODEL.clone_into(&mut old.id);
        all.push(old);
        Self {
            models: all,
            state: Mutex::new(State {
                completions: 0,
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

    fn route(&self, request: &SandboxRequest) -> Result<SandboxAnswer, Refusal> {
        let unknown = || Refusal::other(404, "invalid_request_error", None, "Invalid URL");
        let path = request.path.strip_prefix("/v1").ok_or_else(unknown)?;
        match request
            .header("authorization")
            .map(|value| value.strip_prefix("Bearer "))
        {
            Some(Some(KEY)) => {}
            Some(_) => {
                let text = "Incorrect API key provided. You can find your API key in the settings.";
                return Err(Refusal::other(
                    401,
                    "invalid_request_error",
                    Some("invalid_api_key"),
                    text,
                ));
            }
            None => {
                let text = "You didn't provide an API key.";
                return Err(Refusal::other(401, "invalid_request_error", None, text));
            }
        }
        match (request.method.as_str(), path) {
            ("GET", "/models") => {
                let data: Vec<Value> = self.models.iter().map(described).collect();
                Ok(SandboxAnswer::json(
                    200,
                    &json!({ "object": "list", "data": data }),
                ))
            }
            ("GET", path) if path.starts_with("/models/") => {
                let model = self.model(path.trim_start_matches("/models/"))?;
                Ok(SandboxAnswer::json(200, &described(model)))
            }
            ("POST", "/chat/completions") => self.complete(request),
            _ => Err(unknown()),
        }
    }

    fn model(&self, id: &str) -> Result<&SandboxModel, Refusal> {
        self.models.iter().find(|model| model.id == id).ok_or_else(|| {
            let text = format!("The model `{id}` does not exist or you do not have access to it.");
            Refusal {
                param: Some("model".to_owned()),
                ..Refusal::other(404, "invalid_request_error", Some("model_not_found"), &text)
            }
        })
    }

    fn complete(&self, request: &SandboxRequest) -> Result<SandboxAnswer, Refusal> {
        let body = request.json();
        let fields = body.as_object().ok_or_else(|| {
            Refusal::other(
                400,
                "invalid_request_error",
                None,
                "We could not parse the JSON body of your request.",
            )
        })?;
        if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            let text = format!("Unrecognized request argument supplied: {unknown}");
            return Err(Refusal::invalid(unknown, Some("unknown_parameter"), text));
        }
        let id = body["model"]
            .as_str()
            .ok_or_else(|| Refusal::invalid("model", None, "you must provide a model parameter"))?;
        let model = self.model(id)?;
        allowed(model, &body)?;
        let wrong = |(param, text): (&'static str, String)| Refusal::invalid(param, None, text);
        let (system, said) = messages(&body).map_err(wrong)?;
        let schema = schema(&body).map_err(wrong)?;
        let limit = body["max_completion_tokens"]
            .as_u64()
            .or(body["max_tokens"].as_u64());
        let before = self.state().orders.count(&request.body);
        let order = Order {
            model,
            system,
            messages: said,
            limit,
            schema,
            before,
        };
        if order.read() > model.context {
            let text = "This model's maximum context length is exceeded.";
            return Err(Refusal::invalid(
                "messages",
                Some("context_length_exceeded"),
                text,
            ));
        }
        if order
            .messages
            .iter()
            .any(|(_, text)| text.contains("[[no quota]]"))
        {
            let text = "You exceeded your current quota, please check your plan and billing details.";
            return Err(Refusal::other(
                429,
                "insufficient_quota",
                Some("insufficient_quota"),
                text,
            ));
        }
        let told = write(&order);
        let id = {
            let mut state = self.state();
            state.completions += 1;
            format!("chatcmpl-{:024x}", state.completions)
        };
        let completion = Completion {
            id: &id,
            created: request.at.timestamp(),
            model: &model.id,
            told: &told,
            usage: self.usage(&order, &told),
            extra: Map::from_iter([
                ("service_tier".to_owned(), json!("default")),
                ("system_fingerprint".to_owned(), Value::Null),
            ]),
            choice: Map::from_iter([("logprobs".to_owned(), Value::Null)]),
            refused: "stop",
        };
        if body["stream"] == json!(true) {
            let with_usage = body["stream_options"]["include_usage"] == json!(true);
            return Ok(streamed(&completion, with_usage));
        }
        if told.ending == Ending::Failed {
            return Err(broken());
        }
        Ok(SandboxAnswer::json(200, &completion.whole()))
    }

    fn usage(&self, order: &Order<'_>, told: &Told) -> Value {
        let (read, written) = (order.read(), told.count());
        let of_system = words(&order.system);
        let known = of_system >= CACHED_FROM && !self.state().cached.insert(order.system.clone());
        let cached = if known { of_system } else { 0 };
        json!({
            "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
            "prompt_tokens_details": { "cached_tokens": cached, "audio_tokens": 0 },
            "completion_tokens_details": {
                "reasoning_tokens": told.thoughts, "audio_tokens": 0, "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        })
    }

    /// Counts a request: how many are left of this minute, and how many seconds of it.
    fn count(&self, now: DateTime<Utc>) -> (Option<u64>, i64) {
        let mut state = self.state();
        state.requests += 1;
        let (left, over) = state.minute.count(now);
        (left, (over - now).num_seconds())
    }
}

/// What a model does not take.
fn allowed(model: &SandboxModel, body: &Value) -> Result<(), Refusal> {
    let unsupported =
        |param: &str, text: String| Err(Refusal::invalid(param, Some("unsupported_parameter"), text));
    let given = |name: &str| !body[name].is_null();
    if model.thinks && given("max_tokens") {
        let text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                    'max_completion_tokens' instead.";
        return unsupported("max_tokens", text.to_owned());
    }
    if model.id == OLD_MODEL && given("max_completion_tokens") {
        let text = "Unsupported parameter: 'max_completion_tokens' is not supported with this model.";
        return unsupported("max_completion_tokens", text.to_owned());
    }
    if model.thinks && given("stop") {
        return unsupported(
            "stop",
            "Unsupported parameter: 'stop' is not supported with this model.".to_owned(),
        );
    }
    let temperature = &body["temperature"];
    if model.thinks && given("temperature") && temperature.as_f64() != Some(1.0) {
        let text = "Unsupported value: 'temperature' does not support this value with this model. Only the default \
                    (1) value is supported.";
        return Err(Refusal::invalid("temperature", Some("unsupported_value"), text));
    }
    if given("temperature") && !temperature.as_f64().is_some_and(|t| (0.0..=2.0).contains(&t)) {
        let text = "Invalid 'temperature': expected a value between 0 and 2.";
        return Err(Refusal::invalid(
            "temperature",
            Some("decimal_above_max_value"),
            text,
        ));
    }
    for name in ["max_completion_tokens", "max_tokens"] {
        let limit = &body[name];
        if !limit.is_null()
            && !limit
                .as_u64()
                .is_some_and(|limit| (1..=model.output).contains(&limit))
        {
            let text = format!(
                "Invalid '{name}': this model writes 1 to {} tokens.",
                model.output
            );
            return Err(Refusal::invalid(name, Some("invalid_value"), text));
        }
    }
    let identifier = body["safety_identifier"].as_str().unwrap_or_default();
    if identifier.len() > 128 {
        let text = "Invalid 'safety_identifier': string too long. Expected a maximum length of 128.";
        return Err(Refusal::invalid(
            "safety_identifier",
            Some("string_above_max_length"),
            text,
        ));
    }
    if given("stream_options") && body["stream"] != json!(true) {
        let text = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Refusal::invalid("stream_options", None, text));
    }
    Ok(())
}

#[async_trait]
impl Sandbox for OpenAiSandbox {
    fn setup(&self, base: &Url) -> Setup {
        let prices: Map<String, Value> = self.models.iter().map(SandboxModel::setting).collect();
        Setup {
            settings: json!({
                "baseUrl": format!("{base}v1"),
                "prices": prices,
                "deadlines": { "firstTokenSeconds": 5, "betweenTokensSeconds": 5 },
            }),
            secrets: json!({ "apiKey": KEY }),
            credentials: None,
        }
    }

    async fn answer(&self, request: &SandboxRequest) -> SandboxAnswer {
        let (left, seconds) = self.count(request.at);
        let answer = match left {
            Some(_) => self.route(request).unwrap_or_else(|refusal| refusal.answer()),
            None => throttled(u32::try_from(seconds).unwrap_or(60)),
        };
        answer
            .header("x-request-id", format!("req_{:032x}", self.state().requests))
            .header("openai-processing-ms", 12)
            .header("x-ratelimit-limit-requests", PER_MINUTE)
            .header("x-ratelimit-remaining-requests", left.unwrap_or(0))
            .header(
                "x-ratelimit-reset-requests",
                format!("{}m{}s", seconds / 60, seconds % 60),
            )
    }

    fn failure(&self, failure: Failure, request: &SandboxRequest) -> Option<SandboxAnswer> {
        Some(match failure {
            Failure::Unauthorised => {
                let text = "Incorrect API key provided.";
                Refusal::other(401, "invalid_request_error", Some("invalid_api_key"), text).answer()
            }
            Failure::Throttled { seconds } => throttled(seconds),
            Failure::ServerError => {
                let text = "The server had an error while processing your request. Sorry about that!";
                Refusal::other(500, "server_error", None, text).answer()
            }
            // Once a stream has begun its status is decided.
            Failure::BodyError if request.json()["stream"] == json!(true) => {
                let text = "The request was found to violate a policy.";
                let refusal = Refusal::other(
                    400,
                    "invalid_request_error",
                    Some("content_policy_violation"),
                    text,
                );
                let mut events = Events::default();
                events.data(&refusal.value());
                events.answer()
            }
            _ => return None,
        })
    }

    fn holds(&self) -> BTreeMap<&'static str, usize> {
        BTreeMap::from([
            ("models", self.models.len()),
            ("completions", self.state().completions),
        ])
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

fn throttled(seconds: u32) -> SandboxAnswer {
    let text = "Rate limit reached for requests. Please try again later.";
    Refusal::other(429, "requests", Some("rate_limit_exceeded"), text)
        .answer()
        .header("retry-after", seconds)
        .header("retry-after-ms", u64::from(seconds) * 1000)
}

fn broken() -> Refusal {
    let text = "The server had an error while processing your request. Sorry about that!";
    Refusal::other(500, "server_error", Some("server_error"), text)
}

fn described(model: &SandboxModel) -> Value {
    json!({ "id": model.id, "object": "model", "created": 1_760_000_000, "owned_by": "system" })
}

fn streamed(completion: &Completion<'_>, with_usage: bool) -> SandboxAnswer {
    let mut events = Events::default();
    completion.chunks(&mut events, |events, at| {
        if at % 11 == 7 {
            // Padding, so that the lengths of pieces tell nothing.
            let mut chunk = completion.chunk(&json!({}), None);
            chunk["obfuscation"] = json!("k3Jx9");
            chunk["usage"] = Value::Null;
            events.data(&chunk);
        }
    });
    if completion.told.ending == Ending::Failed {
        events.data(&broken().value());
    } else {
        if with_usage {
            events.data(&completion.usage_chunk());
        }
        events.word("[DONE]");
    }
    events.answer()
}
