//! Between Anthropic's words and ours.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::wire::{WireModel, WireUsage};
use crate::facet::{Finish, Model, Role, TextRequest, Usage};
use crate::text_generation::{Prices, Stop, Told};
use crate::transport::{Answer, Pace};

/// The version up to which models take a temperature.
const LAST_WITH_TEMPERATURE: &str = "2026-10-20";

/// What is asked. `written` is what the model wrote before it paused.
pub(super) fn body(request: &TextRequest, version: &str, written: &str) -> Value {
    let said = request.messages.iter().map(|message| {
        let role = match message.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        (role, message.text.as_str())
    });
    let messages: Value = said
        .chain((!written.is_empty()).then_some(("assistant", written)))
        .map(|(role, text)| json!({ "role": role, "content": text }))
        .collect();
    let mut body = json!({
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": messages,
        "stream": true,
    });
    if let Some(system) = &request.system {
        body["system"] = json!(system);
    }
    if let Some((_, schema)) = &request.json_schema {
        body["output_config"] = json!({ "format": { "type": "json_schema", "schema": schema } });
    }
    if let Some(user) = &request.user {
        body["metadata"] = json!({ "user_id": user });
    }
    // Versions are dates, so that they can be compared as texts. Here a temperature goes up to 1 only.
    if let Some(temperature) = request.temperature
        && version <= LAST_WITH_TEMPERATURE
    {
        body["temperature"] = json!(temperature.min(1.0));
    }
    body
}

/// Why a model stopped. A word that we do not know ends a text as any other.
pub(super) fn stop(reason: &str) -> Stop {
    match reason {
        "pause_turn" => Stop::Paused,
        "max_tokens" | "model_context_window_exceeded" => Stop::Finish(Finish::Truncated),
        "refusal" => Stop::Finish(Finish::Refused),
        "tool_use" => Stop::Finish(Finish::ToolCall),
        _ => Stop::Finish(Finish::Complete),
    }
}

/// What is told later counts instead of what was told before, not on top of it.
pub(super) fn later(before: WireUsage, now: WireUsage) -> WireUsage {
    WireUsage {
        input_tokens: now.input_tokens.or(before.input_tokens),
        cache_creation_input_tokens: now
            .cache_creation_input_tokens
            .or(before.cache_creation_input_tokens),
        cache_read_input_tokens: now.cache_read_input_tokens.or(before.cache_read_input_tokens),
        output_tokens: now.output_tokens.or(before.output_tokens),
        output_tokens_details: now.output_tokens_details.or(before.output_tokens_details),
    }
}

/// What it took; what it costs is not told.
pub(super) fn usage(told: WireUsage) -> Usage {
    Usage {
        input: told.input_tokens.unwrap_or(0),
        cache_read: told.cache_read_input_tokens.unwrap_or(0),
        cache_write: told.cache_creation_input_tokens.unwrap_or(0),
        output: told.output_tokens.unwrap_or(0),
        reasoning: told
            .output_tokens_details
            .and_then(|details| details.thinking_tokens)
            .unwrap_or(0),
        cost: None,
    }
}

/// What two parts of a text took together.
pub(super) fn sum(one: &Usage, other: &Usage) -> Usage {
    Usage {
        input: one.input + other.input,
        cache_read: one.cache_read + other.cache_read,
        cache_write: one.cache_write + other.cache_write,
        output: one.output + other.output,
        reasoning: one.reasoning + other.reasoning,
        cost: None,
    }
}

/// A model; `None` for one that is no more.
pub(super) fn model(found: WireModel, prices: &Prices) -> Option<Model> {
    if found.lifecycle.as_deref() == Some("retired") {
        return None;
    }
    let price = prices.of(&found.id);
    Some(Model {
        name: found.display_name.unwrap_or_else(|| found.id.clone()),
        context: found.max_input_tokens,
        input_price: price.map(|price| price.input_per_million.0),
        output_price: price.map(|price| price.output_per_million.0),
        id: found.id,
    })
}

/// An error as it was told: by its code where it has one, else by its type; never by its text.
pub(super) fn told(error: &Value, status: Option<u16>) -> Told {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let names = [word(&error["details"]["error_code"]), word(&error["type"])];
    Told {
        names: names.into_iter().flatten().collect(),
        status,
        message: word(&error["message"]).unwrap_or_default(),
    }
}

/// How many requests are left, and for how long; what is not told or cannot be read is no limit.
pub(super) fn pace(answer: &Answer) -> Option<Pace> {
    let remaining = answer
        .header("anthropic-ratelimit-requests-remaining")?
        .trim()
        .parse()
        .ok()?;
    let reset = DateTime::parse_from_rfc3339(answer.header("anthropic-ratelimit-requests-reset")?).ok()?;
    let left: Duration = (reset.with_timezone(&Utc) - answer.at)
        .to_std()
        .unwrap_or_default();
    Some(Pace::Window { remaining, left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facet::TextMessage;

    fn request() -> TextRequest {
        TextRequest {
            model: "quill-1".to_owned(),
            system: Some("You write outreach.".to_owned()),
            messages: vec![TextMessage {
                role: Role::User,
                text: "Two lines.".to_owned(),
            }],
            max_tokens: 400,
            temperature: Some(1.5),
            json_schema: Some(("mail".to_owned(), json!({ "type": "object" }))),
            user: Some("tenant-42".to_owned()),
        }
    }

    #[test]
    fn a_temperature_is_sent_to_old_versions_alone() {
        assert_eq!(body(&request(), "2026-10-21", "")["temperature"], Value::Null);
        assert_eq!(body(&request(), "2027-01-01", "")["temperature"], Value::Null);
        assert_eq!(body(&request(), "2023-06-01", "")["temperature"], json!(1.0));
    }

    #[test]
    fn a_request_is_as_the_platform_describes_it() {
        let expected = json!({
            "model": "quill-1", "max_tokens": 400, "system": "You write outreach.", "stream": true,
            "messages": [
                { "role": "user", "content": "Two lines." }, { "role": "assistant", "content": "Half" },
            ],
            "output_config": { "format": { "type": "json_schema", "schema": { "type": "object" } } },
            "metadata": { "user_id": "tenant-42" },
        });
        assert_eq!(body(&request(), "2026-10-21", "Half"), expected);
    }

    #[test]
    fn usage_that_comes_later_is_told_in_all_not_on_top() {
        let read = |value| serde_json::from_value::<WireUsage>(value).unwrap();
        let start = read(json!({
            "input_tokens": 20, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 30, "output_tokens": 1,
        }));
        let end = read(json!({ "output_tokens": 57, "output_tokens_details": { "thinking_tokens": 12 } }));
        let expected = Usage {
            input: 20,
            cache_read: 900,
            cache_write: 30,
            output: 57,
            reasoning: 12,
            cost: None,
        };
        assert_eq!(usage(later(start, end)), expected);
    }

    #[test]
    fn reasons_are_mapped() {
        let mapped = [
            ("end_turn", Stop::Finish(Finish::Complete)),
            ("stop_sequence", Stop::Finish(Finish::Complete)),
            ("max_tokens", Stop::Finish(Finish::Truncated)),
            ("model_context_window_exceeded", Stop::Finish(Finish::Truncated)),
            ("refusal", Stop::Finish(Finish::Refused)),
            ("tool_use", Stop::Finish(Finish::ToolCall)),
            ("pause_turn", Stop::Paused),
        ];
        for (reason, expected) in mapped {
            assert_eq!(stop(reason), expected, "{reason}");
        }
    }
}
