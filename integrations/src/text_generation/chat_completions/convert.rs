//! Between the dialect and ours.

use serde_json::{Map, Value, json};

use super::wire::WireUsage;
use crate::facet::{Finish, Role, TextRequest, Usage};
use crate::text_generation::{Told, decimal};

/// What a request says in all variants of the dialect.
pub(super) fn body(request: &TextRequest) -> Map<String, Value> {
    let system = request
        .system
        .iter()
        .map(|text| json!({ "role": "system", "content": text }));
    let said = request.messages.iter().map(|message| {
        let role = match message.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        json!({ "role": role, "content": message.text })
    });
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(request.model));
    body.insert("messages".to_owned(), system.chain(said).collect());
    body.insert("stream".to_owned(), json!(true));
    if let Some(temperature) = request.temperature {
        body.insert("temperature".to_owned(), json!(temperature));
    }
    if let Some((name, schema)) = &request.json_schema {
        let format = json!({
            "type": "json_schema",
            "json_schema": { "name": schema_name(name), "strict": is_strict(schema), "schema": schema },
        });
        body.insert("response_format".to_owned(), format);
    }
    body
}

/// Takes a parameter out that the model does not know; whether there is something to be tried without it.
pub(super) fn without(body: &mut Map<String, Value>, name: &str) -> bool {
    match name {
        "temperature" | "stream_options" | "safety_identifier" | "user" => body.remove(name).is_some(),
        "max_tokens" | "max_completion_tokens" => {
            let other = if name == "max_tokens" {
                "max_completion_tokens"
            } else {
                "max_tokens"
            };
            match body.remove(name) {
                Some(limit) => body.insert(other.to_owned(), limit).is_none(),
                None => false,
            }
        }
        // All else changes what is written.
        _ => false,
    }
}

/// A name of at most 64 letters, digits, `_` and `-`.
fn schema_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let name: String = name
        .chars()
        .take(64)
        .map(|c| if allowed(c) { c } else { '_' })
        .collect();
    if name.is_empty() {
        "answer".to_owned()
    } else {
        name
    }
}

/// Whether a schema is one that the platforms hold a model to strictly: each object names all its fields as required, and
/// allows no others. Others are refused when they are sent as strict.
fn is_strict(schema: &Value) -> bool {
    match schema {
        Value::Object(schema) => {
            let here = match schema.get("properties").and_then(Value::as_object) {
                Some(fields) => {
                    let required = schema.get("required").and_then(Value::as_array);
                    schema.get("additionalProperties") == Some(&Value::Bool(false))
                        && required
                            .is_some_and(|names| fields.keys().all(|name| names.contains(&json!(name))))
                }
                // An object of anything.
                None => schema.get("type") != Some(&json!("object")),
            };
            let below = schema.iter().all(|(key, value)| match (key.as_str(), value) {
                // The keys of these are names, not words of JSON Schema.
                ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                    named.values().all(is_strict)
                }
                ("enum" | "const" | "default" | "examples", _) => true,
                _ => is_strict(value),
            });
            here && below
        }
        Value::Array(list) => list.iter().all(is_strict),
        _ => true,
    }
}

/// Why a model stopped; `None` for an error. A word that we do not know ends a text as any other.
pub(super) fn finish(reason: &str) -> Option<Finish> {
    match reason {
        "error" => None,
        "length" => Some(Finish::Truncated),
        "content_filter" => Some(Finish::Refused),
        "tool_calls" | "function_call" => Some(Finish::ToolCall),
        _ => Some(Finish::Complete),
    }
}

/// What it took; the cost as the platform says it. With a key of the owner's own at the provider, that is the platform's
/// fee and the provider's bill together.
pub(super) fn usage(told: &WireUsage) -> Usage {
    let prompt = told.prompt_tokens_details.as_ref();
    let cache_read = prompt.and_then(|details| details.cached_tokens).unwrap_or(0);
    let cache_write = prompt.and_then(|details| details.cache_write_tokens).unwrap_or(0);
    let reasoning = told.completion_tokens_details.as_ref();
    let cost = told.cost.as_ref().and_then(decimal);
    let upstream = told
        .cost_details
        .as_ref()
        .filter(|_| told.is_byok == Some(true))
        .and_then(|details| details.upstream_inference_cost.as_ref())
        .and_then(decimal);
    let cost = match (cost, upstream) {
        (Some(fee), Some(bill)) => fee.checked_add(bill),
        (cost, upstream) => cost.or(upstream),
    };
    Usage {
        input: told
            .prompt_tokens
            .unwrap_or(0)
            .saturating_sub(cache_read)
            .saturating_sub(cache_write),
        cache_read,
        cache_write,
        output: told.completion_tokens.unwrap_or(0),
        reasoning: reasoning
            .and_then(|details| details.reasoning_tokens)
            .unwrap_or(0),
        cost: cost.map(|cost| cost.normalize()),
    }
}

/// An error as it was told: an object with a code that is a number or a word, or only a text.
pub(super) fn told(error: &Value, status: Option<u16>) -> Told {
    let word = |value: &Value| value.as_str().filter(|word| !word.is_empty()).map(str::to_owned);
    let code = &error["code"];
    let number = code.as_u64().or_else(|| code.as_str()?.parse().ok());
    let metadata = &error["metadata"];
    let names = [
        word(&metadata["error_type"]),
        word(code).filter(|_| number.is_none()),
        word(&error["type"]),
    ];
    let mut message = word(&error["message"])
        .or_else(|| word(error))
        .unwrap_or_default();
    let reasons: Vec<&str> = metadata["reasons"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !reasons.is_empty() {
        message = format!("{message} ({})", reasons.join(", "));
    }
    if let Some(provider) = word(&metadata["provider_name"]) {
        message = format!("{provider}: {message}");
    }
    Told {
        names: names.into_iter().flatten().collect(),
        // A number is the status that it would have been.
        status: number.and_then(|code| u16::try_from(code).ok()).or(status),
        message,
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;

    fn usage_of(value: Value) -> Usage {
        usage(&serde_json::from_value(value).unwrap())
    }

    #[test]
    fn what_is_cached_is_not_counted_twice() {
        let usage = usage_of(json!({
            "prompt_tokens": 1200, "completion_tokens": 300, "total_tokens": 1500, "cost": 0.00123, "is_byok": false,
            "prompt_tokens_details": { "cached_tokens": 1000, "cache_write_tokens": 50 },
            "completion_tokens_details": { "reasoning_tokens": 128 },
        }));
        let expected = Usage {
            input: 150,
            cache_read: 1000,
            cache_write: 50,
            output: 300,
            reasoning: 128,
            cost: Some(Decimal::new(123, 5)),
        };
        assert_eq!(usage, expected);
        let bare =
            usage_of(json!({ "prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": null }));
        assert_eq!((bare.input, bare.output, bare.cost), (7, 2, None));
        let odd = usage_of(json!({ "prompt_tokens": 7, "prompt_tokens_details": { "cached_tokens": 9 } }));
        assert_eq!(odd.input, 0);
    }

    #[test]
    fn with_a_key_of_ones_own_the_bill_of_the_provider_is_added() {
        let own = json!({
            "prompt_tokens": 1, "completion_tokens": 1, "cost": 0.0001, "is_byok": true,
            "cost_details": { "upstream_inference_cost": 0.002 },
        });
        assert_eq!(usage_of(own).cost, Some(Decimal::new(21, 4)));
        let theirs = json!({
            "cost": 0.0001, "is_byok": false, "cost_details": { "upstream_inference_cost": 0.002 },
        });
        assert_eq!(usage_of(theirs).cost, Some(Decimal::new(1, 4)));
        let untold =
            json!({ "cost": null, "is_byok": true, "cost_details": { "upstream_inference_cost": null } });
        assert_eq!(usage_of(untold).cost, None);
    }

    #[test]
    fn codes_are_numbers_here_and_words_there() {
        let number = told(
            &json!({ "code": 502, "message": "m", "metadata": { "error_type": "server" } }),
            Some(200),
        );
        assert_eq!(
            (number.status, number.names),
            (Some(502), vec!["server".to_owned()])
        );
        let word = told(
            &json!({ "code": "insufficient_quota", "type": "insufficient_quota", "message": "m", "param": null }),
            Some(429),
        );
        assert_eq!(word.status, Some(429));
        assert_eq!(word.names[0], "insufficient_quota");
        let text = told(&json!("model not loaded"), Some(404));
        assert_eq!(
            (text.message.as_str(), text.status),
            ("model not loaded", Some(404))
        );
        let flagged = json!({
            "code": 403, "message": "flagged", "metadata": { "reasons": ["violence"], "provider_name": "P" },
        });
        assert_eq!(told(&flagged, None).message, "P: flagged (violence)");
    }

    #[test]
    fn a_schema_is_sent_as_strict_only_where_it_is() {
        let strict = json!({
            "type": "object", "additionalProperties": false, "required": ["properties", "list"],
            "properties": {
                "properties": { "type": "string", "enum": [{ "type": "object" }] },
                "list": { "type": "array", "items": {
                    "type": "object", "additionalProperties": false, "required": [], "properties": {},
                } },
            },
        });
        assert!(is_strict(&strict));
        let mut open = strict.clone();
        open["properties"]["list"]["items"]["additionalProperties"] = json!(true);
        assert!(!is_strict(&open));
        let mut optional = strict;
        optional["required"] = json!(["list"]);
        assert!(!is_strict(&optional));
        assert!(!is_strict(&json!({ "type": "object" })));
        assert_eq!(schema_name("Follow-up mail №1"), "Follow-up_mail__1");
        assert_eq!(schema_name(&"x".repeat(80)).len(), 64);
    }

    #[test]
    fn parameters_are_dropped_or_go_by_their_other_name() {
        let mut body = Map::from_iter([
            ("temperature".to_owned(), json!(0.7)),
            ("max_completion_tokens".to_owned(), json!(50)),
        ]);
        assert!(without(&mut body, "temperature"));
        assert!(!without(&mut body, "temperature"));
        assert!(!without(&mut body, "response_format"));
        assert!(without(&mut body, "max_completion_tokens"));
        assert_eq!(body, Map::from_iter([("max_tokens".to_owned(), json!(50))]));
    }
}
