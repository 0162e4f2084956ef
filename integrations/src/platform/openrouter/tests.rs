//! OpenRouter against its sandbox and against recorded exchanges.

use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::json;

use super::OpenRouter;
use super::sandbox::{KEY, OWN_KEY_MODEL};
use crate::facet::{Finish, TextGenerator as _};
use crate::sandbox::Failure;
use crate::text_generation::trial::{Trial, asked, bill, collect, recorded};
use crate::transport::Recording;
use crate::{Integration as _, Kind, Retry};

#[tokio::test]
async fn a_text_comes_in_pieces_and_says_what_it_cost() {
    let trial = Trial::of(OpenRouter).await;
    let outcome = trial.write("Tell our regulars about the new rye bread.").await;
    let end = outcome.done();
    assert!(outcome.pieces.len() > 10, "{outcome:?}");
    assert!(outcome.text().contains("new rye bread"), "{outcome:?}");
    assert!(!outcome.text().is_ascii());
    assert!(
        !outcome.text().contains('\u{fffd}'),
        "characters were cut on the way"
    );
    assert_eq!(
        (end.finish, end.model.as_str()),
        (Finish::Complete, "northwind/scribe-1")
    );
    assert!(end.id.as_ref().is_some_and(|id| id.starts_with("gen-")));
    assert_eq!(end.usage.output, outcome.pieces.len() as u64);
    let models = trial.models().await;
    assert_eq!(models.len(), 321);
    let model = models.iter().find(|model| model.id == end.model).unwrap();
    assert_eq!(model.input_price, Some(Decimal::from(3)));
    assert_eq!(end.usage.cost, Some(bill(model, &end.usage)));
}

#[tokio::test]
async fn a_request_says_who_asks_and_how_it_may_be_routed() {
    let trial = Trial::of(OpenRouter).await;
    let mut request = asked(&trial.model(), "Two lines.");
    request.temperature = Some(0.7);
    trial.generate(request).await.done();
    let sent = trial.running.requests().pop().unwrap();
    assert_eq!(sent.header("http-referer"), Some("https://crm.example.com"));
    assert_eq!(sent.header("x-openrouter-title"), Some("Leadline"));
    let expected = json!({
        "model": "northwind/scribe-1", "stream": true, "temperature": 0.7, "max_completion_tokens": 400,
        "user": "tenant-42", "provider": { "data_collection": "deny" },
        "messages": [
            { "role": "system", "content": "You write outreach for a bakery." },
            { "role": "user", "content": "Two lines." },
        ],
    });
    assert_eq!(sent.json(), expected);
}

#[tokio::test]
async fn json_is_as_the_schema_wants_it() {
    let trial = Trial::of(OpenRouter).await;
    let mut request = asked(&trial.model(), "A mail about rye bread.");
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["subject", "body"],
        "properties": { "subject": { "type": "string" }, "body": { "type": "string" } },
    });
    request.json_schema = Some(("mail".to_owned(), schema));
    let outcome = trial.generate(request).await;
    let value: serde_json::Value = serde_json::from_str(&outcome.text()).unwrap();
    assert!(
        value["subject"].is_string() && value["body"].is_string(),
        "{value}"
    );
    let body = trial.bodies().pop().unwrap();
    assert_eq!(body["provider"]["require_parameters"], json!(true));
    assert_eq!(body["response_format"]["json_schema"]["strict"], json!(true));
}

#[tokio::test]
async fn ends_are_told_apart() {
    let trial = Trial::of(OpenRouter).await;
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
    assert_eq!(trial.write("[[flagged]]").await.kind(), Some(Kind::Refused));
    let unknown = trial.generate(asked("nobody/nothing", "Two lines.")).await;
    assert_eq!(unknown.kind(), Some(Kind::NotFound));
}

#[tokio::test]
async fn a_failure_within_the_text_ends_it_and_is_not_tried_again() {
    let trial = Trial::of(OpenRouter).await;
    let outcome = trial.write("[[fail]] Two lines.").await;
    assert!(!outcome.pieces.is_empty());
    let error = outcome.end.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Unavailable, Some("provider_unavailable"))
    );
    assert_eq!(trial.bodies().len(), 1);
    assert!(trial.clock.waits().is_empty());
}

#[tokio::test]
async fn a_failure_before_the_text_is_tried_again_also_within_a_success() {
    let trial = Trial::of(OpenRouter).await;
    let outcome = trial.write("[[busy]] Two lines.").await;
    assert_eq!(outcome.done().finish, Finish::Complete);
    assert_eq!(trial.bodies().len(), 2);
    assert_eq!(trial.clock.waits().len(), 1);
    let outcome = trial.write("[[fail early]] Two lines.").await;
    assert_eq!(outcome.end.unwrap_err().retry, Retry::Exhausted);
    assert_eq!(trial.bodies().len(), 6);
}

#[tokio::test]
async fn an_empty_answer_is_asked_for_once_more() {
    let trial = Trial::of(OpenRouter).await;
    assert_eq!(
        trial.write("[[cold]] Two lines.").await.done().finish,
        Finish::Complete
    );
    assert_eq!(trial.bodies().len(), 2);
    let outcome = trial.write("[[empty]]").await;
    let error = outcome.end.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Unavailable, Retry::Exhausted));
    assert_eq!(trial.bodies().len(), 4);
}

#[tokio::test]
async fn thinking_and_the_cache_are_counted_apart() {
    let trial = Trial::of(OpenRouter).await;
    let mut request = asked("contoso/scribe-1-think", "Two lines.");
    request.system = Some("word ".repeat(60));
    let first = trial.generate(request.clone()).await.done().usage.clone();
    let second = trial.generate(request).await.done().usage.clone();
    assert_eq!((first.input, first.cache_write, first.cache_read), (2, 60, 0));
    assert_eq!((second.input, second.cache_write, second.cache_read), (2, 0, 60));
    assert_eq!((second.reasoning, second.output > 12), (12, true));
    assert!(second.cost < first.cost, "{second:?}");
}

#[tokio::test]
async fn with_a_key_at_the_provider_its_bill_and_the_fee_are_told_together() {
    let trial = Trial::of(OpenRouter).await;
    let usage = trial
        .generate(asked(OWN_KEY_MODEL, "Two lines."))
        .await
        .done()
        .usage
        .clone();
    let models = trial.models().await;
    let model = models.iter().find(|model| model.id == OWN_KEY_MODEL).unwrap();
    assert_eq!(
        usage.cost,
        Some((bill(model, &usage) * Decimal::new(105, 2)).normalize())
    );
}

#[tokio::test]
async fn failures_are_what_they_are() {
    let trial = Trial::of(OpenRouter).await;
    let faults = &trial.running.faults;
    faults.next(Failure::Unauthorised, 1);
    assert_eq!(trial.write("Two lines.").await.kind(), Some(Kind::Unauthorised));
    faults.next(Failure::BodyError, 1);
    let error = trial.write("Two lines.").await.end.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Refused, Some("context_length_exceeded"))
    );
    faults.next(Failure::Malformed, 1);
    assert_eq!(trial.write("Two lines.").await.kind(), Some(Kind::Malformed));
    assert!(trial.clock.waits().is_empty());

    faults.next(Failure::Throttled { seconds: 7 }, 1);
    assert_eq!(trial.write("Two lines.").await.done().finish, Finish::Complete);
    assert_eq!(trial.clock.waits(), [Duration::from_secs(7)]);
    faults.next(Failure::Cut, 1);
    assert_eq!(trial.write("Two lines.").await.done().finish, Finish::Complete);
    assert_eq!(trial.clock.waits().len(), 1);
    faults.next(Failure::ServerError, 9);
    let error = trial.write("Two lines.").await.end.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Unavailable, Retry::Exhausted));
    let waits = trial.clock.waits();
    assert!(
        waits.len() == 3 && waits[0] < waits[1] && waits[1] < waits[2],
        "{waits:?}"
    );
    faults.clear();

    faults.next(Failure::CutWithin, 1);
    let outcome = trial.write("Two lines.").await;
    assert_eq!(outcome.kind(), Some(Kind::Cut));
    assert!(!outcome.pieces.is_empty());
}

#[tokio::test]
async fn who_is_too_slow_is_not_waited_for() {
    let settings = json!({ "deadlines": { "firstTokenSeconds": 0.2, "wholeTextSeconds": 0.3 } });
    let trial = Trial::with(OpenRouter, &settings, None).await;
    trial
        .running
        .faults
        .next(Failure::Slow(Duration::from_mins(1)), 9);
    assert_eq!(trial.write("Two lines.").await.kind(), Some(Kind::TimedOut));
}

#[tokio::test]
async fn the_key_is_checked_and_shown_nowhere() {
    let trial = Trial::of(OpenRouter).await;
    trial.write("Two lines.").await.done();
    let account = trial.platform().check(&trial.context).await.unwrap();
    assert_eq!(account.id, "sk-or-v1-0f3...bcd");
    let left = account
        .details
        .iter()
        .find(|(name, _)| *name == "limit remaining")
        .unwrap();
    let left: Decimal = left.1.parse().unwrap();
    assert!(left < Decimal::from(100) && left > Decimal::from(99), "{left}");
    assert!(!format!("{:?}", trial.context).contains(KEY));

    let wrong = Trial::with(
        OpenRouter,
        &json!({}),
        Some(json!({ "apiKey": "sk-or-v1-wrong" })),
    )
    .await;
    let error = wrong.platform().check(&wrong.context).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unauthorised);
    assert!(!format!("{error:?} {error}").contains("sk-or-v1-wrong"));
}

#[tokio::test]
async fn the_sandbox_answers_as_the_platform_does() {
    let trial = Trial::of(OpenRouter).await;
    trial.write("Two lines.").await.done();
    let said = json!([{ "role": "user", "content": "Two lines." }]);
    let fallback = json!({ "model": "none/none", "models": ["northwind/scribe-1"], "messages": said });
    let (status, text) = trial.posted(&fallback).await;
    assert!(
        status == 200 && text.contains("\"model\":\"northwind/scribe-1\""),
        "{text}"
    );
    let refused = json!({ "model": "northwind/scribe-1", "messages": said, "temperature": 2.5 });
    assert_eq!(trial.posted(&refused).await.0, 400);
    let failing = json!([{ "role": "user", "content": "[[fail]] Two lines." }]);
    let (status, text) = trial
        .posted(&json!({ "model": "northwind/scribe-1", "messages": failing }))
        .await;
    assert_eq!(status, 200, "it had begun");
    assert!(text.contains("\"code\":502"), "{text}");
}

#[tokio::test]
async fn exchanges_as_documented() {
    let recording = Arc::new(Recording::of(&[
        include_str!("exchanges/chat.json"),
        include_str!("exchanges/key.json"),
    ]));
    let (context, clock) = recorded(&OpenRouter, &recording, json!({}));
    let outcome = collect(&OpenRouter, &context, asked("vendor/model", "Write two lines.")).await;
    let end = outcome.done();
    assert_eq!(outcome.pieces, ["Fresh rye — ", "baked at dawn."]);
    assert_eq!(
        (end.model.as_str(), end.id.as_deref()),
        ("vendor/model-2026-09", Some("gen-1761-abc"))
    );
    assert_eq!(
        (end.usage.input, end.usage.cache_read, end.usage.output),
        (20, 100, 9)
    );
    assert_eq!(end.usage.cost, Some(Decimal::new(95, 6)));

    let outcome = collect(&OpenRouter, &context, asked("vendor/model", "Write two lines.")).await;
    assert_eq!(outcome.pieces, ["Fresh "]);
    assert_eq!(outcome.kind(), Some(Kind::Unavailable));

    let outcome = collect(&OpenRouter, &context, asked("vendor/model", "Write two lines.")).await;
    assert_eq!(outcome.kind(), Some(Kind::OutOfFunds));

    let outcome = collect(&OpenRouter, &context, asked("vendor/model", "Write two lines.")).await;
    assert_eq!(
        (outcome.text().as_str(), outcome.done().finish),
        ("Late, but whole.", Finish::Truncated)
    );
    assert_eq!(
        clock.waits().len(),
        1,
        "one error within a success was tried again"
    );

    let account = OpenRouter.check(&context).await.unwrap();
    assert_eq!(account.name, "Marketing");
    assert!(
        account.details.contains(&("limit remaining", "12.5".to_owned())),
        "{account:?}"
    );
    let models = OpenRouter.models(&context).await.unwrap();
    assert_eq!(models.len(), 1);
    assert_eq!(models[0].input_price, Some(Decimal::new(15, 2)));
    assert_eq!(recording.left(), 0);
}
