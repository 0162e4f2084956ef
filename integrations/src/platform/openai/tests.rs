//! OpenAI against its sandbox and against recorded exchanges.

use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::OpenAi;
use super::sandbox::{KEY, OLD_MODEL};
use crate::facet::{Finish, TextGenerator as _};
use crate::sandbox::Failure;
use crate::text_generation::trial::{Trial, asked, bill, collect, recorded};
use crate::transport::Recording;
use crate::{Kind, Retry};

#[tokio::test]
async fn a_text_comes_in_pieces_and_costs_what_the_prices_say() {
    let trial = Trial::of(OpenAi).await;
    let outcome = trial.write("Tell our regulars about the new rye bread.").await;
    let end = outcome.done();
    assert!(outcome.pieces.len() > 10, "{outcome:?}");
    assert!(outcome.text().contains("new rye bread") && !outcome.text().contains('\u{fffd}'));
    assert_eq!((end.finish, end.model.as_str()), (Finish::Complete, "scribe-1"));
    assert!(end.id.as_ref().is_some_and(|id| id.starts_with("chatcmpl-")));
    assert_eq!(
        (end.usage.input, end.usage.output),
        (14, outcome.pieces.len() as u64)
    );
    let models = trial.models().await;
    assert_eq!(models.len(), 121);
    let model = models.iter().find(|model| model.id == end.model).unwrap();
    assert_eq!(model.output_price, Some(Decimal::from(15)));
    assert_eq!(end.usage.cost, Some(bill(model, &end.usage)));
    let expected = json!({
        "model": "scribe-1", "stream": true, "stream_options": { "include_usage": true },
        "max_completion_tokens": 400, "safety_identifier": "tenant-42",
        "messages": [
            { "role": "system", "content": "You write outreach for a bakery." },
            { "role": "user", "content": "Tell our regulars about the new rye bread." },
        ],
    });
    assert_eq!(trial.bodies(), [expected]);
}

#[tokio::test]
async fn without_prices_the_cost_is_not_known() {
    let trial = Trial::with(OpenAi, &json!({ "prices": {} }), None).await;
    assert_eq!(trial.write("Two lines.").await.done().usage.cost, None);
    assert!(
        trial
            .models()
            .await
            .iter()
            .all(|model| model.input_price.is_none())
    );
}

#[tokio::test]
async fn what_is_read_from_the_cache_is_cheaper() {
    let trial = Trial::of(OpenAi).await;
    let mut request = asked(&trial.model(), "Two lines.");
    request.system = Some("word ".repeat(60));
    let first = trial.generate(request.clone()).await.done().usage.clone();
    let second = trial.generate(request).await.done().usage.clone();
    assert_eq!((first.input, first.cache_read), (62, 0));
    assert_eq!((second.input, second.cache_read), (2, 60));
    // 60 tokens at 3 dollars for a million, for a tenth of that.
    assert_eq!(first.cost.unwrap() - second.cost.unwrap(), Decimal::new(162, 6));
}

#[tokio::test]
async fn a_parameter_that_a_model_does_not_take_is_dropped_once() {
    let trial = Trial::of(OpenAi).await;
    let mut request = asked("scribe-1-think", "Two lines.");
    request.temperature = Some(0.3);
    let outcome = trial.generate(request).await;
    assert_eq!(outcome.done().finish, Finish::Complete);
    assert_eq!(outcome.done().usage.reasoning, 12);
    let sent: Vec<Value> = trial
        .bodies()
        .iter()
        .map(|body| body["temperature"].clone())
        .collect();
    assert_eq!(sent, [json!(0.3), Value::Null]);

    let outcome = trial.generate(asked(OLD_MODEL, "Two lines.")).await;
    assert_eq!(outcome.done().finish, Finish::Complete);
    let last = trial.bodies().pop().unwrap();
    assert_eq!(
        (&last["max_tokens"], &last["max_completion_tokens"]),
        (&json!(400), &Value::Null)
    );
}

#[tokio::test]
async fn what_is_no_parameter_to_be_dropped_is_refused() {
    let trial = Trial::of(OpenAi).await;
    let mut request = asked(&trial.model(), "Two lines.");
    request.temperature = Some(3.0);
    let error = trial.generate(request).await.end.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Refused, Some("decimal_above_max_value"))
    );
    let mut request = asked(&trial.model(), "Two lines.");
    request.max_tokens = 1_000_000;
    assert_eq!(trial.generate(request).await.kind(), Some(Kind::Refused));
    assert_eq!(trial.bodies().len(), 2);
}

#[tokio::test]
async fn a_server_of_ones_own_needs_no_key_and_has_its_own_names() {
    let settings = json!({ "limitParameter": "max_tokens", "userParameter": "none" });
    let trial = Trial::with(OpenAi, &settings, Some(json!({}))).await;
    // The sandbox wants a key all the same: what counts is what was sent.
    let error = trial.write("Two lines.").await.end.unwrap_err();
    assert_eq!(error.kind, Kind::Unauthorised);
    let sent = trial.running.requests().pop().unwrap();
    assert_eq!(sent.header("authorization"), None);
    let body = sent.json();
    assert_eq!(
        (&body["max_tokens"], &body["max_completion_tokens"]),
        (&json!(400), &Value::Null)
    );
    assert_eq!(
        (&body["user"], &body["safety_identifier"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn json_is_as_the_schema_wants_it() {
    let trial = Trial::of(OpenAi).await;
    let mut request = asked(&trial.model(), "A mail about rye bread.");
    let schema = json!({
        "type": "object", "required": ["subject"],
        "properties": { "subject": { "type": "string" }, "words": { "type": "array", "items": { "type": "string" } } },
    });
    request.json_schema = Some(("Mail no. 1".to_owned(), schema));
    let outcome = trial.generate(request).await;
    let value: Value = serde_json::from_str(&outcome.text()).unwrap();
    assert!(
        value["subject"].is_string() && value["words"][1].is_string(),
        "{value}"
    );
    let format = &trial.bodies()[0]["response_format"]["json_schema"];
    assert_eq!(
        (&format["name"], &format["strict"]),
        (&json!("Mail_no__1"), &json!(false))
    );
}

#[tokio::test]
async fn ends_are_told_apart() {
    let trial = Trial::of(OpenAi).await;
    let mut short = asked(&trial.model(), "Two lines.");
    short.max_tokens = 5;
    let outcome = trial.generate(short).await;
    assert_eq!(
        (outcome.done().finish, outcome.pieces.len()),
        (Finish::Truncated, 5)
    );
    let refused = trial.write("[[refuse]] Say something bad.").await;
    assert_eq!(
        (refused.done().finish, refused.text().as_str()),
        (Finish::Refused, "")
    );
    // Thinking eats all there is room for.
    let mut thinks = asked("scribe-1-think", "Two lines.");
    thinks.max_tokens = 8;
    let outcome = trial.generate(thinks).await;
    assert_eq!(
        (outcome.text().as_str(), outcome.done().finish),
        ("", Finish::Truncated)
    );
    let failed = trial.write("[[fail]] Two lines.").await;
    assert_eq!(
        (failed.kind(), failed.pieces.is_empty()),
        (Some(Kind::Unavailable), false)
    );
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_no_throttle() {
    let trial = Trial::of(OpenAi).await;
    let error = trial.write("[[no quota]]").await.end.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::OutOfFunds, Retry::Never));
    assert!(error.request_id.is_some_and(|id| id.starts_with("req_")));
    assert_eq!((trial.bodies().len(), trial.clock.waits().len()), (1, 0));
}

#[tokio::test]
async fn failures_are_what_they_are() {
    let trial = Trial::of(OpenAi).await;
    let faults = &trial.running.faults;
    faults.next(Failure::Unauthorised, 1);
    assert_eq!(trial.write("Two lines.").await.kind(), Some(Kind::Unauthorised));
    faults.next(Failure::BodyError, 1);
    assert_eq!(trial.write("Two lines.").await.kind(), Some(Kind::Refused));
    faults.next(Failure::Malformed, 1);
    assert_eq!(trial.write("Two lines.").await.kind(), Some(Kind::Malformed));
    assert!(trial.clock.waits().is_empty());
    faults.next(Failure::Throttled { seconds: 7 }, 1);
    assert_eq!(trial.write("Two lines.").await.done().finish, Finish::Complete);
    assert_eq!(trial.clock.waits(), [Duration::from_secs(7)]);
    faults.next(Failure::ServerError, 4);
    let error = trial.write("Two lines.").await.end.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Unavailable, Retry::Exhausted));
    let waits = trial.clock.waits();
    assert!(
        waits.len() == 3 && waits[0] < waits[1] && waits[1] < waits[2],
        "{waits:?}"
    );
    faults.next(Failure::CutWithin, 1);
    let outcome = trial.write("Two lines.").await;
    assert_eq!(
        (outcome.kind(), outcome.pieces.is_empty()),
        (Some(Kind::Cut), false)
    );
}

#[tokio::test]
async fn the_minutes_limit_is_kept_to_as_the_headers_tell() {
    let trial = Trial::of(OpenAi).await;
    trial.platform().check(&trial.context).await.unwrap();
    // Others use the same key.
    let request = trial.running.requests().pop().unwrap();
    for _ in 0..498 {
        assert_eq!(trial.running.sandbox().answer(&request).await.status, 200);
    }
    trial.platform().check(&trial.context).await.unwrap();
    assert!(trial.clock.waits().is_empty());
    trial.platform().check(&trial.context).await.unwrap();
    assert_eq!(trial.clock.waits(), [Duration::from_mins(1)]);
    assert!(trial.running.requests().len() == 3, "none was sent in vain");
}

#[tokio::test]
async fn the_key_is_checked_and_shown_nowhere() {
    let trial = Trial::of(OpenAi).await;
    let account = trial.platform().check(&trial.context).await.unwrap();
    assert_eq!(
        Some(account.name.as_str()),
        trial
            .running
            .base
            .as_str()
            .strip_prefix("http://")
            .map(|a| a.trim_end_matches('/'))
    );
    assert_eq!(account.details, [("models", "121".to_owned())]);
    assert!(!format!("{:?}", trial.context).contains(KEY));
    let wrong = Trial::with(OpenAi, &json!({}), Some(json!({ "apiKey": "sk-wrong-key" }))).await;
    let error = wrong.platform().check(&wrong.context).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Unauthorised, Some("invalid_api_key"))
    );
    assert!(!format!("{error:?} {error}").contains("sk-wrong-key"));
}

#[tokio::test]
async fn the_sandbox_refuses_what_the_platform_refuses() {
    let trial = Trial::of(OpenAi).await;
    trial.write("Two lines.").await.done();
    let said = json!([{ "role": "user", "content": "Two lines." }]);
    let refused = [
        (
            json!({ "model": "scribe-1-think", "messages": said, "max_tokens": 9 }),
            "unsupported_parameter",
        ),
        (
            json!({ "model": "scribe-1-think", "messages": said, "stop": ["."] }),
            "unsupported_parameter",
        ),
        (
            json!({ "model": "scribe-1", "messages": said, "tempurature": 1 }),
            "unknown_parameter",
        ),
        (
            json!({ "model": "scribe-1", "messages": said, "max_completion_tokens": 0 }),
            "invalid_value",
        ),
        (json!({ "model": "scribe-1", "messages": [] }), "empty array"),
        (
            json!({ "model": "scribe-1", "messages": said, "stream_options": {} }),
            "stream_options",
        ),
        (
            json!({ "model": "scribe-1", "messages": said, "response_format": { "type": "json_schema", "json_schema": {
            "name": "a", "strict": true, "schema": { "type": "object", "properties": { "x": { "type": "string" } } },
        } } }),
            "additionalProperties",
        ),
    ];
    for (body, why) in refused {
        let (status, text) = trial.posted(&body).await;
        assert_eq!(status, 400, "{body}");
        assert!(text.contains(why), "{text}");
    }
    let (status, text) = trial
        .posted(&json!({ "model": "scribe-1", "messages": said }))
        .await;
    assert_eq!(status, 200, "{text}");
}

#[tokio::test]
async fn exchanges_as_documented() {
    let recording = Arc::new(Recording::of(&[
        include_str!("exchanges/openai.json"),
        include_str!("exchanges/compatible.json"),
    ]));
    let prices =
        json!({ "gpt-x": { "inputPerMillion": 2, "outputPerMillion": 8, "cacheReadPerMillion": 0.5 } });
    let settings = json!({ "prices": prices, "organization": "org-1" });
    let (context, clock) = recorded(&OpenAi, &recording, settings);
    let outcome = collect(&OpenAi, &context, asked("gpt-x", "Write two lines.")).await;
    let end = outcome.done();
    assert_eq!(outcome.pieces, ["Fresh rye — ", "baked at dawn."]);
    assert_eq!(
        (end.model.as_str(), end.finish),
        ("gpt-x-2026-09-01", Finish::Complete)
    );
    let usage = &end.usage;
    assert_eq!(
        (usage.input, usage.cache_read, usage.output, usage.reasoning),
        (20, 100, 9, 3)
    );
    assert_eq!(usage.cost, Some(Decimal::new(162, 6)));
    let outcome = collect(&OpenAi, &context, asked("gpt-x", "Write two lines.")).await;
    assert_eq!(outcome.done().finish, Finish::Refused);
    assert_eq!(
        clock.waits(),
        [Duration::from_millis(1500)],
        "it was throttled before"
    );
    let outcome = collect(&OpenAi, &context, asked("gpt-x", "Write two lines.")).await;
    assert_eq!(outcome.kind(), Some(Kind::OutOfFunds));

    // Servers of one's own: no last word, a limit that goes by its old name, errors that are a text.
    let local = json!({
        "baseUrl": "http://localhost:11434/v1/", "limitParameter": "max_tokens", "userParameter": "none",
    });
    let (context, _) = recorded(&OpenAi, &recording, local);
    let outcome = collect(&OpenAi, &context, asked("tiny", "Write two lines.")).await;
    assert_eq!(
        (outcome.text().as_str(), outcome.done().finish),
        ("Hello there", Finish::Complete)
    );
    assert_eq!(outcome.done().usage.cost, None);
    let error = collect(&OpenAi, &context, asked("tiny", "Write two lines."))
        .await
        .end
        .unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (Kind::NotFound, "model 'tiny' not found")
    );
    let models = OpenAi.models(&context).await.unwrap();
    assert_eq!((models[0].id.as_str(), models[0].context), ("tiny", Some(8192)));
    assert_eq!(recording.left(), 0);
}
