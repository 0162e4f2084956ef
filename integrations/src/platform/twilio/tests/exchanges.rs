//! What the platform's documentation shows, played back.

use std::sync::Arc;

use serde_json::json;

use super::super::Twilio;
use super::voice;
use crate::facet::{Content, DeliveryState, Message, Messenger as _, Receipt, Reconciled, Webhooks as _};
use crate::sandbox::Setup;
use crate::transport::{HttpTransport, Policy, Recording};
use crate::{Context, Integration as _, Kind, ManualClock, RecipientFault};

fn context(files: &[&str]) -> (Context, Arc<Recording>) {
    let recording = Arc::new(Recording::of(files));
    let setup = Setup {
        settings: json!({ "accountSid": "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "messagingServiceSid": "MG00000000000000000000000000000001" }),
        secrets: json!({ "authToken": "test_token_0123456789abcdef" }),
        credentials: None,
    };
    let now = "2025-03-14T10:00:30Z".parse().expect("a moment");
    let transport = HttpTransport::over(recording.clone(), Policy::default());
    (
        setup.context(&Twilio, &transport, Arc::new(ManualClock::at(now))),
        recording,
    )
}

fn message() -> Message {
    Message {
        id: "m-1".to_owned(),
        from: "+15557122661".to_owned(),
        to: "+15558675310".to_owned(),
        to_name: None,
        content: Content::Sms {
            text: "Hi there".to_owned(),
            media: vec!["https://files.example.org/owl.png".parse().expect("an address")],
        },
        callback: Some("https://hooks.example.org/t?c=7".parse().expect("an address")),
    }
}

#[tokio::test]
async fn messages_and_calls_are_as_documented() {
    let (context, recording) = context(&[
        include_str!("../exchanges/account.json"),
        include_str!("../exchanges/messages.json"),
        include_str!("../exchanges/calls.json"),
    ]);
    let account = Twilio.check(&context).await.unwrap();
    assert_eq!(account.name, "My Account");
    let sent = Twilio.send(&context, &message()).await.unwrap();
    let expected = Receipt::Taken {
        id: Some("MM00000000000000000000000000000001".to_owned()),
        state: DeliveryState::Queued,
        segments: None,
    };
    assert_eq!(sent, expected);
    let error = Twilio.send(&context, &message()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Recipient(RecipientFault::OptedOut));
    assert_eq!(
        error.request_id.as_deref(),
        Some("RQ00000000000000000000000000000001")
    );
    let unknown = Twilio.send(&context, &message()).await.unwrap();
    assert!(matches!(unknown, Receipt::Unknown { .. }), "{unknown:?}");
    let sent_at = "2025-03-14T10:00:00Z".parse().unwrap();
    let found = Twilio.reconcile(&context, &message(), sent_at).await.unwrap();
    let expected = Reconciled::Found {
        id: "MM00000000000000000000000000000002".to_owned(),
        state: DeliveryState::Bounced,
    };
    assert_eq!(found, expected);
    let call = Message {
        from: "+15557122661".to_owned(),
        callback: message().callback,
        ..voice("+15558675310")
    };
    let taken = Twilio.send(&context, &call).await.unwrap();
    assert!(matches!(
        taken,
        Receipt::Taken {
            state: DeliveryState::Queued,
            ..
        }
    ));
    assert_eq!(recording.left(), 0);
}

#[tokio::test]
async fn a_service_is_as_documented() {
    let (context, recording) = context(&[include_str!("../exchanges/service.json")]);
    let url = "https://hooks.example.org/t?c=7".parse().unwrap();
    Twilio
        .subscribe(&context, &url, &["incoming-message"])
        .await
        .unwrap();
    assert_eq!(recording.left(), 0);
}

#[tokio::test]
async fn a_next_page_elsewhere_is_not_followed() {
    let (context, _) = context(&[include_str!("../exchanges/page_elsewhere.json")]);
    let sent_at = "2025-03-14T10:00:00Z".parse().unwrap();
    let error = Twilio.reconcile(&context, &message(), sent_at).await.unwrap_err();
    assert_eq!(error.kind, Kind::Malformed);
    assert!(error.message.contains("same host"), "{error}");
}
