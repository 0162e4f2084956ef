//! Anthropic against its sandbox and against recorded exchanges.

use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Anthropic;
use super::sandbox::KEY;
use crate::facet::{Finish, TextGenerator as _};
use crate::sandbox::Failure;
use crate::text_generation::trial::{Trial, asked, bill, collect, recorded};
use crate::transport::Recording;
use crate::{Kind, Retry};

#[tokio::test]
async fn a_text_comes_in_pieces_and_costs_what_the_prices_say() {
    let trial = Trial::of(Anthropic).await;
    let mut request = asked(&trial.model(), "Tell our regulars about the new rye bread.");
    request.temperature = Some(0.7);
    let outcome = trial.generate(request).await;
    let end = outcome.done();
    assert!(outcome.pieces.len() > 10, "{outcome:?}");
    assert!(outcome.text().contains("new rye bread") && !outcome.text().contains('\u{fffd}'));
    assert_eq!((end.finish, end.model.as_str()), (Finish::Complete, "scribe-1"));
    assert!(end.id.as_ref().is_some_and(|id| id.starts_with("msg_")));
    assert_eq!(
        (end.usage.input, end.usage.output),
        (14, outcome.pieces.len() as u64)
    );
    let sent = trial.running.requests().pop().unwrap();
    assert_eq!(sent.header("anthropic-version"), Some("2026-10-21"));
    let expected = json!({
        "model": "scribe-1", "max_tokens": 400, "system": "You write outreach for a bakery.", "stream": true,
        "messages": [{ "role": "user", "content": "Tell our regulars about the new rye bread." }],
        "metadata": { "user_id": "tenant-42" },
    });
    assert_eq!(sent.json(), expected, "no temperature");
    let models = trial.models().await;
    let model = models.iter().find(|model| model.id == end.model).unwrap();
    assert_eq!(end.usage.cost, Some(bill(model, &end.usage)));
}

#[tokio::test]
async fn the_list_of_models_is_read_to_its_end() {
    let trial = Trial::of(Anthropic).await;
    let models = trial.models().await;
    assert_eq!(models.len(), 130);
    let mut ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 130);
    assert_eq!(
        (models[0].name.as_str(), models[0].input_price),
        ("Scribe 1", Some(Decimal::from(3)))
    );
    assert_eq!(trial.running.requests().len(), 2);
}

#[tokio::test]
async fn an_old_version_takes_a_temperature() {
    let trial = Trial::with(Anthropic, &json!({ "version": "2023-06-01" }), None).await;
    let mut request = asked(&trial.model(), "Two lines.");
    request.temperature = Some(1.4);
    assert_eq!(trial.generate(request).await.done().finish, Finish::Complete);
    assert_eq!(trial.bodies()[0]["temperature"], json!(1.0));
    let trial = Trial::with(Anthropic, &json!({ "version": "2020-01-01" }), None).await;
    assert_eq!(trial.write("Two lines.").await.kind(), Some(Kind::Refused));
}

#[tokio::test]
async fn who_pauses_is_asked_to_go_on() {
    let trial = Trial::of(Anthropic).await;
    let paused = trial.write("Two lines. [[pause]]").await;
    assert_eq!(paused.done().finish, Finish::Complete);
    assert_eq!(trial.bodies().len(), 2);
    let messages = trial.bodies()[1]["messages"].clone();
    assert_eq!(messages[1]["role"], json!("assistant"));
    let half = messages[1]["content"].as_str().unwrap();
    assert!(paused.text().starts_with(half) && paused.text().len() > half.len());
    assert_eq!(
        paused.done().usage.output,
        paused.pieces.len() as u64,
        "both parts are counted"
    );
}

#[tokio::test]
async fn json_is_as_the_schema_wants_it() {
    let trial = Trial::of(Anthropic).await;
    let mut request = asked(&trial.model(), "A mail about rye bread.");
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["subject"],
        "properties": { "subject": { "type": "string" } },
    });
    request.json_schema = Some(("mail".to_owned(), schema));
    let outcome = trial.generate(request).await;
    let value: Value = serde_json::from_str(&outcome.text()).unwrap();
    assert!(value["subject"].is_string(), "{value}");
}

#[tokio::test]
async fn ends_are_told_apart() {
    let trial = Trial::of(Anthropic).await;
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
    let thinks = trial.generate(asked("scribe-1-think", "Two lines.")).await;
    assert_eq!(thinks.done().usage.output, thinks.pieces.len() as u64 + 12);
    let failed = trial.write("[[fail]] Two lines.").await;
    let error = failed.end.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Unavailable, Some("overloaded_error"))
    );
    assert!(!failed.pieces.is_empty() && error.request_id.is_some());
    assert!(trial.clock.waits().is_empty());
}

#[tokio::test]
async fn what_is_overloaded_is_given_time_and_what_is_spent_is_not_asked_again() {
    let trial = Trial::of(Anthropic).await;
    assert_eq!(
        trial.write("[[overloaded]] Two lines.").await.done().finish,
        Finish::Complete
    );
    assert_eq!(trial.clock.waits(), [Duration::from_secs(10)]);
    assert_eq!(
        trial.write("[[busy]] Two lines.").await.done().finish,
        Finish::Complete
    );
    assert_eq!(
        trial.clock.waits(),
        [Duration::from_secs(10)],
        "also where it is told within a stream"
    );
    let error = trial.write("[[spend limit]]").await.end.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::OutOfFunds, Retry::Never));
    assert_eq!(error.code.as_deref(), Some("workspace_spend_limit_reached"));
    assert!(trial.clock.waits().is_empty());
}

#[tokio::test]
async fn failures_are_what_they_are() {
    let trial = Trial::of(Anthropic).await;
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
async fn the_key_is_checked_and_shown_nowhere() {
    let trial = Trial::of(Anthropic).await;
    let account = trial.platform().check(&trial.context).await.unwrap();
    assert_eq!(account.details, [("version", "2026-10-21".to_owned())]);
    assert!(!format!("{:?}", trial.context).contains(KEY));
    let wrong = Trial::with(Anthropic, &json!({}), Some(json!({ "apiKey": "sk-ant-wrong" }))).await;
    let error = wrong.platform().check(&wrong.context).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unauthorised);
    assert!(!format!("{error:?} {error}").contains("sk-ant-wrong"));
}

#[tokio::test]
async fn the_sandbox_refuses_what_the_platform_refuses() {
    let trial = Trial::of(Anthropic).await;
    trial.write("Two lines.").await.done();
    let said = json!([{ "role": "user", "content": "Two lines." }]);
    let system = json!([{ "role": "system", "content": "You write." }]);
    let refused = [
        (
            json!({ "model": "scribe-1", "messages": said }),
            "max_tokens: Field required",
        ),
        (
            json!({ "model": "scribe-1", "max_tokens": 9, "messages": said, "temperature": 1.0 }),
            "temperature",
        ),
        (
            json!({ "model": "scribe-1", "max_tokens": 9, "messages": said, "top_k": 5 }),
            "top_k",
        ),
        (
            json!({ "model": "scribe-1", "max_tokens": 9, "messages": said, "user": "x" }),
            "Extra inputs",
        ),
        (
            json!({ "model": "scribe-1", "max_tokens": 9, "messages": system }),
            "role",
        ),
        (
            json!({ "model": "scribe-1", "max_tokens": 999_999, "messages": said }),
            "maximum",
        ),
    ];
    for (body, why) in refused {
        let (status, text) = trial.posted(&body).await;
        assert_eq!(status, 400, "{body}");
        assert!(text.contains(why), "{text}");
    }
    let body = json!({ "model": "scribe-1", "max_tokens": 9, "messages": said });
    let (status, text) = trial.posted(&body).await;
    assert_eq!(status, 200, "{text}");
    // Once a message is no stream, a failure has a status.
    let failing = json!([{ "role": "user", "content": "[[fail]] Two lines." }]);
    let body = json!({ "model": "scribe-1", "max_tokens": 9, "messages": failing });
    assert_eq!(trial.posted(&body).await.0, 529);
}

#[tokio::test]
async fn exchanges_as_documented() {
    let recording = Arc::new(Recording::of(&[include_str!("exchanges/messages.json")]));
    let prices = json!({
        "writer": { "inputPerMillion": 3, "outputPerMillion": 15, "cacheReadPerMillion": 0.3, "cacheWritePerMillion": 3.75 },
    });
    let (context, clock) = recorded(&Anthropic, &recording, json!({ "prices": prices }));
    let outcome = collect(&Anthropic, &context, asked("writer", "Write two lines.")).await;
    let end = outcome.done();
    assert_eq!(outcome.pieces, ["Fresh rye — ", "baked at dawn."]);
    assert_eq!(
        (end.finish, end.id.as_deref()),
        (Finish::Complete, Some("msg_01"))
    );
    let usage = &end.usage;
    let counted = (usage.input, usage.cache_read, usage.cache_write, usage.output);
    assert_eq!(
        counted,
        (20, 100, 40, 57),
        "what is told at the end is not on top of what was told before"
    );
    // 60 + 30 + 150 + 855 millionths.
    assert_eq!(usage.cost, Some(Decimal::new(1_095, 6)));
    let refused = collect(&Anthropic, &context, asked("writer", "Write two lines.")).await;
    assert_eq!(
        (refused.done().finish, refused.text().as_str()),
        (Finish::Refused, "")
    );
    assert_eq!(clock.waits(), [Duration::from_secs(3)], "it was throttled before");
    let spent = collect(&Anthropic, &context, asked("writer", "Write two lines.")).await;
    assert_eq!(spent.kind(), Some(Kind::OutOfFunds));
    let cut = collect(&Anthropic, &context, asked("writer", "Write two lines.")).await;
    assert_eq!((cut.kind(), cut.text().as_str()), (Some(Kind::Cut), "Half"));
    let models = Anthropic.models(&context).await.unwrap();
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["Writer"], "one that is retired is not offered");
    assert_eq!(recording.left(), 0);
}
