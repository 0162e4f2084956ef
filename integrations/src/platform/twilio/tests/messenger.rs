//! Messages and calls, handed over and looked for.

use std::time::Duration;

use serde_json::json;

use super::super::Twilio;
use super::super::sandbox::{ACCOUNT, KEY_SECRET, SERVICE, TEMPLATE, TOKEN, number};
use super::{Rig, rig, rig_changed, rig_with, sms, value, voice, with};
use crate::facet::{Channel, Content, DeliveryState, Message, Messenger as _, Receipt, Reconciled};
use crate::sandbox::Failure;
use crate::transport::Policy;
use crate::{Clock as _, Integration as _, Kind, RecipientFault, Retry};

async fn unknown(rig: &Rig, message: &Message) -> Reconciled {
    let sent_at = rig.clock.now();
    let receipt = Twilio.send(&rig.context, message).await;
    assert!(matches!(receipt, Ok(Receipt::Unknown { .. })), "{receipt:?}");
    Twilio
        .reconcile(&rig.context, message, sent_at)
        .await
        .expect("an answer")
}

#[tokio::test]
async fn the_account_is_whose_credentials_they_are() {
    let rig = rig().await;
    let account = Twilio.check(&rig.context).await.unwrap();
    assert_eq!(
        (account.id.as_str(), account.name.as_str()),
        (ACCOUNT, "Sandbox of Example Ltd")
    );
    assert_eq!(
        account.details,
        [("status", "active".to_owned()), ("type", "Full".to_owned())]
    );
    rig.running.faults.next(Failure::BodyError, 1);
    let error = Twilio.check(&rig.context).await.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (Kind::Forbidden, "the account is suspended")
    );
}

#[tokio::test]
async fn wrong_credentials_are_told_and_shown_nowhere() {
    for (field, wrong) in [
        ("authToken", "wrong-auth-token"),
        ("apiKeySecret", "wrong-key-secret"),
    ] {
        let rig = rig_changed(Policy::default(), |setup| setup.secrets[field] = wrong.into()).await;
        let error = Twilio.check(&rig.context).await.unwrap_err();
        assert_eq!(error.kind, Kind::Unauthorised, "{field}");
        assert_eq!(error.code.as_deref(), Some("20003"));
        let shown = format!("{error:?}{error}{:?}", rig.context);
        for secret in [TOKEN, KEY_SECRET, wrong] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[tokio::test]
async fn faults_of_the_platform_are_waited_out_and_then_told() {
    let rig = rig().await;
    rig.running.faults.next(Failure::ServerError, 2);
    Twilio.check(&rig.context).await.unwrap();
    let waits = rig.clock.waits();
    assert!(
        waits.len() == 2 && waits[0] <= Duration::from_millis(500) && waits[1] >= waits[0],
        "{waits:?}"
    );
    rig.running.faults.next(Failure::ServerError, 9);
    let error = Twilio.check(&rig.context).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Unavailable, Retry::Exhausted));
    rig.running.faults.clear();
    assert!(!rig.clock.waits().is_empty());
    rig.running.faults.next(Failure::Throttled { seconds: 7 }, 1);
    Twilio.check(&rig.context).await.unwrap();
    assert_eq!(rig.clock.waits(), [Duration::from_secs(7)]);
    rig.running.faults.next(Failure::Malformed, 1);
    assert_eq!(
        Twilio.check(&rig.context).await.unwrap_err().kind,
        Kind::Malformed
    );
}

#[tokio::test]
async fn messages_are_taken_once_by_each_channel() {
    let rig = rig().await;
    let case = rig.running.sandbox().cases().messenger.unwrap();
    for (at, message) in case.messages.iter().enumerate() {
        let receipt = Twilio.send(&rig.context, message).await.unwrap();
        let Receipt::Taken { id, state, segments } = receipt else {
            panic!("{receipt:?}");
        };
        assert!(id.is_some_and(|id| id.len() == 34), "{message:?}");
        assert_eq!(state, DeliveryState::Queued);
        assert_eq!(segments.is_some(), message.content.channel() != Channel::Voice);
        assert_eq!(rig.held("sent"), at + 1);
        let form = rig.last_form();
        let to = value(&form, "To").unwrap();
        let expected = if message.content.channel() == Channel::WhatsApp {
            "whatsapp:"
        } else {
            ""
        };
        assert_eq!(to, format!("{expected}{}", message.to));
    }
    for (message, kind) in &case.refused {
        let error = Twilio.send(&rig.context, message).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (*kind, Retry::Never), "{}", message.to);
    }
    assert_eq!(rig.held("sent"), case.messages.len());
}

#[tokio::test]
async fn what_the_settings_say_goes_along() {
    let settings = json!({
        "validitySeconds": 3600, "smartEncoded": true, "voice": "Polly.Amy", "ringSeconds": 25, "machineDetection": true,
    });
    let rig = rig_with(settings, Policy::default()).await;
    let callback = "https://leadline.example.org/hooks/7?tenant=a".parse().unwrap();
    let message = Message {
        callback: Some(callback),
        ..sms("+15550107001", "Hello + goodbye")
    };
    Twilio.send(&rig.context, &message).await.unwrap();
    let form = rig.last_form();
    assert_eq!(value(&form, "Body"), Some("Hello + goodbye"));
    assert_eq!(value(&form, "ValidityPeriod"), Some("3600"));
    assert_eq!(value(&form, "SmartEncoded"), Some("true"));
    assert_eq!(
        value(&form, "StatusCallback"),
        Some("https://leadline.example.org/hooks/7?tenant=a&message=m-1")
    );
    Twilio.send(&rig.context, &voice("+15550107001")).await.unwrap();
    let form = rig.last_form();
    assert_eq!(value(&form, "Timeout"), Some("25"));
    assert_eq!(value(&form, "MachineDetection"), Some("Enable"));
    assert!(
        value(&form, "Twiml")
            .unwrap()
            .contains("<Say voice=\"Polly.Amy\">Good morning.</Say>")
    );
    let template = with(Content::WhatsAppTemplate {
        template: TEMPLATE.to_owned(),
        variables: vec![("1".to_owned(), "\"Lea\" \\ Co".to_owned())],
    });
    Twilio.send(&rig.context, &template).await.unwrap();
    let form = rig.last_form();
    assert_eq!(value(&form, "ContentVariables"), Some(r#"{"1":"\"Lea\" \\ Co"}"#));
    assert_eq!(value(&form, "SmartEncoded"), None);
}

#[tokio::test]
async fn a_service_chooses_the_sender() {
    let rig = rig_with(json!({ "messagingServiceSid": SERVICE }), Policy::default()).await;
    let from_nobody = Message {
        from: String::new(),
        ..sms("+15550107001", "Hello")
    };
    let receipt = Twilio.send(&rig.context, &from_nobody).await.unwrap();
    let Receipt::Taken { state, segments, .. } = receipt else {
        panic!("{receipt:?}");
    };
    assert_eq!(
        (state, segments),
        (DeliveryState::Queued, None),
        "the parts are not known yet"
    );
    assert_eq!(value(&rig.last_form(), "From"), None);
    rig.running.faults.next(Failure::CutWithin, 1);
    assert!(matches!(
        unknown(&rig, &from_nobody).await,
        Reconciled::Found { .. }
    ));
    let plain = super::rig().await;
    let error = Twilio.send(&plain.context, &from_nobody).await.unwrap_err();
    assert_eq!(error.kind, Kind::Settings);
    assert_eq!(plain.posts(), 0);
}

#[tokio::test]
async fn what_may_have_arrived_is_said_and_found_again() {
    let rig = rig().await;
    let template = with(Content::WhatsAppTemplate {
        template: TEMPLATE.to_owned(),
        variables: vec![("1".to_owned(), "Lea".to_owned())],
    });
    let messages = [
        sms("+15550107003", "It’s “Lea”…"),
        template,
        voice("+15550107003"),
    ];
    for (at, message) in messages.iter().enumerate() {
        rig.running.faults.next(Failure::Cut, 1);
        assert_eq!(unknown(&rig, message).await, Reconciled::Absent);
        assert_eq!(rig.held("sent"), at);
        rig.running.faults.next(Failure::CutWithin, 1);
        let Reconciled::Found { id, state } = unknown(&rig, message).await else {
            panic!("{message:?}");
        };
        assert_eq!(id.len(), 34);
        assert_eq!(
            state,
            DeliveryState::Queued,
            "it has no day yet, and is found all the same"
        );
        assert_eq!(rig.held("sent"), at + 1);
        let sent_at = rig.clock.now();
        rig.clock.advance(Duration::from_secs(20));
        let again = Twilio.reconcile(&rig.context, message, sent_at).await.unwrap();
        let Reconciled::Found { id: same, state } = again else {
            panic!("{message:?}");
        };
        assert_eq!(same, id);
        assert!(matches!(state, DeliveryState::Delivered | DeliveryState::Opened));
        rig.clock.advance(Duration::from_hours(1));
    }
}

#[tokio::test]
async fn no_fault_makes_a_message_go_out_twice() {
    let policy = Policy {
        answer: Duration::from_secs(2),
        ..Policy::default()
    };
    let rig = rig_with(json!({}), policy).await;
    for failure in [Failure::ServerError, Failure::Malformed] {
        rig.running.faults.next(failure, 1);
        let message = sms("+15550107003", "One");
        assert_eq!(unknown(&rig, &message).await, Reconciled::Absent, "{failure:?}");
    }
    assert_eq!((rig.held("sent"), rig.posts()), (0, 2));
    rig.running.faults.next(Failure::Slow(Duration::from_secs(3)), 1);
    let receipt = Twilio
        .send(&rig.context, &sms("+15550107003", "Two"))
        .await
        .unwrap();
    let Receipt::Unknown { reason } = receipt else {
        panic!("{receipt:?}");
    };
    assert!(reason.contains("no answer"), "{reason}");
    assert_eq!(rig.posts(), 3);
}

#[tokio::test]
async fn what_was_throttled_was_not_taken_and_is_sent_again() {
    let rig = rig().await;
    rig.running.faults.next(Failure::Throttled { seconds: 3 }, 2);
    let receipt = Twilio
        .send(&rig.context, &sms("+15550107003", "Hello"))
        .await
        .unwrap();
    assert!(matches!(receipt, Receipt::Taken { .. }));
    assert_eq!(
        rig.clock.waits(),
        [Duration::from_secs(3), Duration::from_secs(3)]
    );
    assert_eq!(rig.held("sent"), 1);
    rig.running.faults.next(Failure::Throttled { seconds: 3 }, 9);
    let error = Twilio
        .send(&rig.context, &sms("+15550107003", "Hello"))
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Throttled, Retry::Exhausted));
    rig.running.faults.clear();
    rig.clock.advance(Duration::from_mins(1));
    assert!(!rig.clock.waits().is_empty());
    let full = Twilio
        .send(&rig.context, &sms("+15550121611", "Hello"))
        .await
        .unwrap_err();
    assert_eq!(
        (full.kind, full.code.as_deref()),
        (Kind::Throttled, Some("21611"))
    );
    assert_eq!(rig.clock.waits().len(), 3, "the queue may have emptied");
    assert_eq!(rig.held("sent"), 1);
}

#[tokio::test]
async fn a_long_history_is_read_to_its_end_and_older_messages_of_the_same_text_are_others() {
    let rig = rig().await;
    let repeated = sms("+15550107000", "Your appointment is confirmed.");
    rig.running.faults.next(Failure::Cut, 1);
    assert_eq!(unknown(&rig, &repeated).await, Reconciled::Absent);
    let requests = rig.running.requests();
    let listings = requests.iter().filter(|request| request.method == "GET");
    assert!(
        listings
            .filter(|request| request.param("PageToken").is_some())
            .count()
            >= 1
    );
    // One of another day, with as much behind it as fills a page.
    let sent_at = rig.clock.now() - chrono::TimeDelta::hours(256);
    let old = Message {
        from: number(1),
        ..repeated
    };
    let found = Twilio.reconcile(&rig.context, &old, sent_at).await.unwrap();
    assert!(
        matches!(
            found,
            Reconciled::Found {
                state: DeliveryState::Delivered,
                ..
            }
        ),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_message_that_has_failed_at_once_is_an_error() {
    let rig = rig().await;
    rig.running.faults.next(Failure::BodyError, 1);
    let error = Twilio
        .send(&rig.context, &sms("+15550107003", "Hello"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Forbidden, Some("30034"))
    );
}

#[tokio::test]
async fn who_asks_to_be_left_alone_is() {
    let rig = rig().await;
    rig.running.sandbox().point_webhooks(&rig.running.base);
    let hello = sms("+15550107001", "Hello");
    Twilio.send(&rig.context, &hello).await.unwrap();
    rig.running.happen("stop").await;
    assert_eq!(rig.held("optedOut"), 1);
    let error = Twilio.send(&rig.context, &hello).await.unwrap_err();
    assert_eq!(error.kind, Kind::Recipient(RecipientFault::OptedOut));
    assert_eq!(error.code.as_deref(), Some("21610"));
    rig.running.happen("start").await;
    Twilio.send(&rig.context, &hello).await.unwrap();
    assert_eq!(rig.held("sent"), 2);
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    let rig = rig().await;
    let mail = with(Content::Email {
        subject: "Hello".to_owned(),
        text: Some("Hello".to_owned()),
        html: None,
        reply_to: None,
        message_id: "m-1@example.org".to_owned(),
        references: Vec::new(),
        headers: Vec::new(),
    });
    assert_eq!(
        Twilio.send(&rig.context, &mail).await.unwrap_err().kind,
        Kind::Unsupported
    );
    let endless = with(Content::Voice {
        text: "a".repeat(4000),
        language: None,
    });
    assert_eq!(
        Twilio.send(&rig.context, &endless).await.unwrap_err().kind,
        Kind::Refused
    );
    assert_eq!(rig.posts(), 0);
    let long = Twilio
        .send(&rig.context, &sms("+15550107003", &"a".repeat(1601)))
        .await
        .unwrap_err();
    assert_eq!((long.kind, long.code.as_deref()), (Kind::Refused, Some("21617")));
    let stranger = Message {
        from: "+15559999999".to_owned(),
        ..sms("+15550107003", "Hello")
    };
    assert_eq!(
        Twilio.send(&rig.context, &stranger).await.unwrap_err().kind,
        Kind::Settings
    );
}
