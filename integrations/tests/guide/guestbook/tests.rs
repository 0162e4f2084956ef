//! What the platform's documentation shows, played back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use http::{HeaderMap, Method};
use serde_json::json;

use super::Guestbook;
use crate::facet::{
    ConsentState, ContactChannel, Cursor, Inbound, LeadSource as _, WebhookEvent, Webhooks as _,
};
use crate::sandbox::Setup;
use crate::signature::sign_sha256;
use crate::transport::{HttpTransport, Policy, Recording};
use crate::{Clock as _, Context, Integration as _, Kind, ManualClock};

fn context(file: &str) -> (Context, Arc<Recording>, Arc<ManualClock>) {
    let recording = Arc::new(Recording::of(&[file]));
    let transport = HttpTransport::over(recording.clone(), Policy::default());
    let clock = Arc::new(ManualClock::at("2026-03-14T10:00:00Z".parse().expect("a moment")));
    let setup = Setup {
        settings: json!({}),
        secrets: json!({ "apiKey": "gb_live_example", "signingSecret": "gb_sign_example" }),
        credentials: None,
    };
    (
        setup.context(&Guestbook, &transport, clock.clone()),
        recording,
        clock,
    )
}

#[tokio::test]
async fn entries_are_as_documented() {
    let (context, recording, clock) = context(include_str!("exchanges/entries.json"));
    assert_eq!(Guestbook.check(&context).await.unwrap().name, "Seaside Inn");
    let pages: Vec<_> = Guestbook.leads(&context, None).collect().await;
    let [Ok(first), Ok(last)] = &pages[..] else {
        panic!("two pages, not {pages:?}");
    };
    assert_eq!(
        (first.total, &last.cursor),
        (Some(1), &Cursor("cur_19".to_owned()))
    );
    assert!(last.items.is_empty());
    let lead = &first.items[0];
    assert_eq!(lead.created_at, "2026-03-01T07:30:00Z".parse().ok());
    assert_eq!(
        serde_json::Value::Object(lead.fields.clone()),
        json!({ "email": "ada@example.org", "name": "Ada Lovelace", "company": null, "nights": 2 })
    );
    let [consent] = &lead.consents[..] else {
        panic!("one consent, not {:?}", lead.consents);
    };
    assert_eq!(
        (consent.channel, consent.state),
        (ContactChannel::Email, ConsentState::Granted)
    );
    assert_eq!(
        clock.waits(),
        [Duration::from_secs(12)],
        "the quota was used up, so the second page had to wait"
    );
    assert_eq!(recording.left(), 0);
}

#[tokio::test]
async fn errors_are_as_documented() {
    let (context, recording, clock) = context(include_str!("exchanges/errors.json"));
    let error = Guestbook.check(&context).await.unwrap_err();
    assert_eq!(
        (error.kind, error.request_id.as_deref()),
        (Kind::OutOfFunds, Some("req_5f"))
    );
    let pages: Vec<_> = Guestbook.leads(&context, None).collect().await;
    assert_eq!(
        clock.waits(),
        [Duration::from_secs(5)],
        "the maintenance was waited out"
    );
    let [Ok(_), Err(error)] = &pages[..] else {
        panic!("one page and an error, not {pages:?}");
    };
    assert_eq!(error.kind, Kind::Malformed);
    assert_eq!(recording.left(), 0);
}

#[tokio::test]
async fn a_webhook_that_is_old_is_not_taken() {
    let (context, _, clock) = context("[]");
    let at = clock.now().timestamp();
    let body = r#"{ "event": "book.closed" }"#;
    let tag = sign_sha256(b"gb_sign_example", format!("{at}.{body}").as_bytes());
    let signature = format!("t={at},v1={}", hex::encode(tag));
    let mut request = Inbound {
        method: Method::POST,
        url: "https://leads.example.org/webhooks/1".parse().unwrap(),
        headers: HeaderMap::from_iter([("guestbook-signature".parse().unwrap(), signature.parse().unwrap())]),
        body: body.into(),
        received_at: clock.now(),
    };
    Guestbook.verify(&context, &request).unwrap();
    let events = Guestbook.parse(&context, &request).unwrap();
    assert!(
        matches!(&events[..], [WebhookEvent::Ignored { .. }]),
        "{events:?}"
    );
    request.received_at += Duration::from_secs(301);
    let error = Guestbook.verify(&context, &request).unwrap_err();
    assert_eq!(error.kind, Kind::Signature);
}
