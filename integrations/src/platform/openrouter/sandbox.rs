//! A stand-in of OpenRouter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use http::Method;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde_json::{Map, Value, json};
use url::Url;

use crate::sandbox::{Cases, Failure, Sandbox, SandboxAnswer, SandboxRequest, Setup, TextGeneratorCase};
use crate::text_generation::sandbox::completion::{Completion, messages, schema};
use crate::text_generation::sandbox::{
    Ending, Events, Order, Orders, SandboxModel, Told, models, words, write,
};

/// The key that it knows.
pub(super) const KEY: &str = "sk-or-v1-0f3c9a7e5b1d48f29c6ea1b2c3d4e5f60718293a4b5c6d7e8f9012345678abcd";

/// A model of which the owner has a key at the provider.
pub(super) const OWN_KEY_MODEL: &str = "byok/scribe-1";

/// What the key may spend, in US dollars.
const LIMIT: i64 = 100;

/// From so many words on, what the model is told to be is kept in the provider's cache.
const CACHED_FROM: u64 = 50;

const VENDORS: [&str; 5] = ["northwind", "contoso", "fabrikam", "tailspin", "litware"];

/// A stand-in of OpenRouter.
pub(super) struct OpenRouterSandbox {
    models: Vec<SandboxModel>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    spent: Decimal,
    /// What was written, by id.
    generations: BTreeMap<String, Value>,
    /// How often a body came.
    orders: Orders,
    /// What is in the provider's cache.
    cached: BTreeSet<String>,
}

impl OpenRouterSandbox {
    pub(super) fn new() -> Self {
        let mut all = models(320, |index| format!("{}/", VENDORS[index % VENDORS.len()]));
        let mut own = all[0].clone();
        OWN_KEY_MODEL.clone_into(&mut own.id);
        all.push(own);
        Self {
            models: all,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self, request: &SandboxRequest) -> SandboxAnswer {
        let number = |name| request.param(name).map(str::parse::<usize>);
        let (offset, limit) = match (number("offset"), number("limit")) {
            (None, None) => (0, usize::MAX),
            (offset, limit) => match (offset.unwrap_or(Ok(0)), limit.unwrap_or(Ok(500))) {
                (Ok(offset), Ok(limit @ 1..=1000)) => (offset, limit),
                _ => return failure(400, "invalid_request", "offset and limit: 0 or more, 1 to 1000"),
            },
        };
        let data: Vec<Value> = self
            .models
            .iter()
            .skip(offset)
            .take(limit)
            .map(described)
            .collect();
        SandboxAnswer::json(200, &json!({ "data": data }))
    }

    fn key(&self) -> SandboxAnswer {
        let spent = self.state().spent;
        let left = (Decimal::from(LIMIT) - spent).max(Decimal::ZERO);
        SandboxAnswer::json(
            200,
            &json!({ "data": {
                "label": "sk-or-v1-0f3...bcd", "limit": LIMIT, "limit_remaining": left.to_f64(), "usage": spent.to_f64(),
                "usage_daily": spent.to_f64(), "is_free_tier": false, "free_model_daily_requests": null,
                "expires_at": null, "rate_limit": { "requests": -1, "interval": "10s" },
            } }),
        )
    }

    fn complete(&self, request: &SandboxRequest) -> SandboxAnswer {
        let body = request.json();
        if !body.is_object() {
            return failure(400, "invalid_request", "the body is not a JSON object");
        }
        let Some(model) = self.model(&body) else {
            let name = body["model"].as_str().unwrap_or_default();
            return failure(404, "not_found", &format!("No endpoints found for {name}."));
        };
        let order = match self.order(model, &body, &request.body) {
            Ok(order) => order,
            Err((parameter, why)) => {
                return failure(400, "invalid_request", &format!("{parameter}: {why}"));
            }
        };
        if order.wants_moderation() {
            let metadata = json!({
                "error_type": "content_policy_violation", "reasons": ["harassment"], "provider_name": "Northwind",
                "flagged_input": "…",
            });
            let error = json!({ "code": 403, "message": "Your input was flagged", "metadata": metadata });
            return SandboxAnswer::json(403, &json!({ "error": error }));
        }
        if self.state().spent >= Decimal::from(LIMIT) {
            return failure(402, "payment_required", "Key limit exceeded (total limit).");
        }
        let told = write(&order);
        let usage = self.usage(model, &order, &told);
        let (id, number) = self.keep(model, &told, &usage, &body);
        let completion = Completion {
            id: &id,
            created: request.at.timestamp(),
            model: &model.id,
            told: &told,
            usage,
            extra: Map::from_iter([("provider".to_owned(), json!("Northwind"))]),
            choice: Map::from_iter([("native_finish_reason".to_owned(), json!("end_turn"))]),
            refused: "content_filter",
        };
        let answer = if body["stream"] == json!(true) {
            streamed(&completion, number)
        } else if told.ending == Ending::Failed {
            // Processing had begun: the status was decided.
            SandboxAnswer::json(
                200,
                &error(502, "provider_unavailable", "Provider returned error"),
            )
        } else {
            SandboxAnswer::json(200, &completion.whole())
        };
        answer.header("x-generation-id", &id)
    }

    fn model(&self, body: &Value) -> Option<&SandboxModel> {
        let fallbacks = body["models"].as_array().into_iter().flatten();
        let mut asked = std::iter::once(&body["model"])
            .chain(fallbacks)
            .filter_map(Value::as_str);
        asked.find_map(|id| self.models.iter().find(|model| model.id == id))
    }

    fn order<'a>(
        &self,
        model: &'a SandboxModel,
        body: &Value,
        bytes: &[u8],
    ) -> Result<Order<'a>, (&'static str, String)> {
        let (system, said) = messages(body)?;
        let temperature = &body["temperature"];
        if !temperature.is_null() && !temperature.as_f64().is_some_and(|t| (0.0..=2.0).contains(&t)) {
            return Err(("temperature", "expected a number between 0 and 2".to_owned()));
        }
        let limit = [&body["max_completion_tokens"], &body["max_tokens"]]
            .into_iter()
            .find(|limit| !limit.is_null());
        let limit = match limit.map(Value::as_u64) {
            Some(None | Some(0)) => return Err(("max_completion_tokens", "expected at least 1".to_owned())),
            Some(limit) => limit,
            None => None,
        };
        let before = self.state().orders.count(bytes);
        Ok(Order {
            model,
            system,
            messages: said,
            limit,
            schema: schema(body)?,
            before,
        })
    }

    fn usage(&self, model: &SandboxModel, order: &Order<'_>, told: &Told) -> Value {
        if matches!(told.ending, Ending::Empty | Ending::Failed) {
            return json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "cost": 0, "is_byok": false });
        }
        let (read, written) = (order.read(), told.count());
        let of_system = words(&order.system);
        let mut state = self.state();
        let (cached, cache_write) = if of_system < CACHED_FROM {
            (0, 0)
        } else if state.cached.insert(order.system.clone()) {
            (0, of_system)
        } else {
            (of_system, 0)
        };
        let (input, output) = model.price;
        let bill = |read: u64| Decimal::from(read) * input;
        // Reading the cache costs a tenth, writing it a quarter more.
        let full = bill(read - cached - cache_write);
        let prompt = full + bill(cached) / Decimal::TEN + bill(cache_write) * Decimal::new(125, 2);
        let completion = Decimal::from(written) * output;
        let upstream = prompt + completion;
        let own = model.id == OWN_KEY_MODEL;
        let cost = if own {
            upstream * Decimal::new(5, 2)
        } else {
            upstream
        };
        state.spent += cost;
        json!({
            "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
            "cost": cost.to_f64(), "is_byok": own,
            "cost_details": {
                "upstream_inference_cost": own.then(|| upstream.to_f64()),
                "upstream_inference_prompt_cost": prompt.to_f64(),
                "upstream_inference_completions_cost": completion.to_f64(),
            },
            "prompt_tokens_details": { "cached_tokens": cached, "cache_write_tokens": cache_write, "audio_tokens": 0 },
            "completion_tokens_details": { "reasoning_tokens": told.thoughts, "audio_tokens": 0 },
        })
    }

    fn keep(&self, model: &SandboxModel, told: &Told, usage: &Value, body: &Value) -> (String, usize) {
        let mut state = self.state();
        let number = state.generations.len();
        let id = format!("gen-{:010}-{number:06}", 1_760_000_000 + number);
        let record = json!({
            "id": id, "model": model.id, "total_cost": usage["cost"], "usage": usage["cost"],
            "is_byok": usage["is_byok"], "provider_name": "Northwind",
            "tokens_prompt": usage["prompt_tokens"], "tokens_completion": usage["completion_tokens"],
            "streamed": body["stream"], "cancelled": false, "finish_reason": match told.ending {
                Ending::Cut => "length",
                Ending::Refused => "content_filter",
                Ending::Failed => "error",
                Ending::Done | Ending::Empty | Ending::Paused => "stop",
            },
        });
        state.generations.insert(id.clone(), record);
        (id, number)
    }

    fn generation(&self, request: &SandboxRequest) -> SandboxAnswer {
        let state = self.state();
        let found = request.param("id").and_then(|id| state.generations.get(id));
        match found {
            Some(found) => SandboxAnswer::json(200, &json!({ "data": found })),
            None => failure(404, "not_found", "Generation not found"),
        }
    }
}

impl Order<'_> {
    /// What the platform's own moderation does not let through.
    fn wants_moderation(&self) -> bool {
        self.messages.iter().any(|(_, text)| text.contains("[[flagged]]"))
    }
}

#[async_trait]
impl Sandbox for OpenRouterSandbox {
    fn setup(&self, base: &Url) -> Setup {
        Setup {
            settings: json!({
                "baseUrl": format!("{base}api/v1"),
                "appUrl": "https://crm.example.com",
                "appName": "Leadline",
                "deadlines": { "firstTokenSeconds": 5, "betweenTokensSeconds": 5 },
            }),
            secrets: json!({ "apiKey": KEY }),
            credentials: None,
        }
    }

    async fn answer(&self, request: &SandboxRequest) -> SandboxAnswer {
        let Some(path) = request.path.strip_prefix("/api/v1") else {
            return failure(404, "not_found", "Not Found");
        };
        // The list of models is open to all.
        if (request.method == Method::GET) && path == "/models" {
            return self.list(request);
        }
        match request
            .header("authorization")
            .map(|value| value.strip_prefix("Bearer "))
        {
            Some(Some(KEY)) => {}
            Some(_) => return failure(401, "authentication", "User not found."),
            None => return failure(401, "authentication", "No auth credentials found"),
        }
        match (request.method.as_str(), path) {
            ("GET", "/key") => self.key(),
            ("GET", "/credits") => {
                let spent = self.state().spent.to_f64();
                SandboxAnswer::json(
                    200,
                    &json!({ "data": { "total_credits": 250, "total_usage": spent } }),
                )
            }
            ("GET", "/generation") => self.generation(request),
            ("POST", "/chat/completions") => self.complete(request),
            _ => failure(404, "not_found", "Not Found"),
        }
    }

    fn failure(&self, failure: Failure, _: &SandboxRequest) -> Option<SandboxAnswer> {
        Some(match failure {
            Failure::Unauthorised => self::failure(401, "authentication", "User not found."),
            Failure::Throttled { seconds } => {
                self::failure(429, "rate_limit_exceeded", "Rate limit exceeded")
                    .header("retry-after", seconds)
            }
            Failure::ServerError => self::failure(500, "server", "Internal Server Error"),
            Failure::BodyError => SandboxAnswer::json(
                200,
                &error(400, "context_length_exceeded", "The context is too long"),
            ),
            _ => return None,
        })
    }

    fn holds(&self) -> BTreeMap<&'static str, usize> {
        BTreeMap::from([
            ("models", self.models.len()),
            ("generations", self.state().generations.len()),
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

fn error(code: u16, error_type: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message, "metadata": { "error_type": error_type } } })
}

fn failure(code: u16, error_type: &str, message: &str) -> SandboxAnswer {
    SandboxAnswer::json(code, &error(code, error_type, message))
}

/// A model as the list describes it: prices are strings, for one token.
fn described(model: &SandboxModel) -> Value {
    let (input, output) = model.price;
    json!({
        "id": model.id, "canonical_slug": model.id, "name": model.name, "created": 1_760_000_000,
        "context_length": model.context,
        "architecture": {
            "input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "Other",
            "instruct_type": null, "modality": "text->text",
        },
        "pricing": {
            "prompt": input.normalize().to_string(), "completion": output.normalize().to_string(), "request": "0",
            "image": "0", "web_search": "0", "internal_reasoning": "0",
            "input_cache_read": (input / Decimal::TEN).normalize().to_string(),
        },
        "top_provider": {
            "context_length": model.context, "max_completion_tokens": model.output, "is_moderated": false,
        },
        "per_request_limits": null,
        "supported_parameters": ["max_tokens", "response_format", "stop", "temperature"],
        "expiration_date": null,
    })
}

fn streamed(completion: &Completion<'_>, number: usize) -> SandboxAnswer {
    let mut events = Events::default();
    // While it is queued, and now and then.
    for _ in 0..=number % 3 {
        events.comment("OPENROUTER PROCESSING");
    }
    completion.chunks(&mut events, |events, at| {
        if at == 1 && completion.told.thoughts > 0 {
            let thought = json!({ "content": "", "reasoning": "What does the reader need? …" });
            events.data(&completion.chunk(&thought, None));
        }
        if at % 9 == 4 {
            events.comment("OPENROUTER PROCESSING");
        }
    });
    if completion.told.ending == Ending::Failed {
        let mut chunk = completion.chunk(&json!({ "content": "" }), Some("error"));
        let told = error(502, "provider_unavailable", "Provider disconnected unexpectedly");
        chunk["error"] = told["error"].clone();
        events.data(&chunk);
    } else {
        events.data(&completion.usage_chunk());
    }
    events.word("[DONE]");
    events.answer()
}
