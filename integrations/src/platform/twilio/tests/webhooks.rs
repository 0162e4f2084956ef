//! What the platform tells, and where.

use bytes::Bytes;
use serde_json::json;
use url::Url;

use super::super::Twilio;
use super::super::sandbox::{SERVICE, TEMPLATE, TOKEN, number};
use super::{Rig, Told, rig, rig_changed, rig_with, sms, voice, with};
use crate::facet::{
    Channel, Content, DeliveryState, Inbound, InboundMessage, Keyword, Message, MessageEvent, Messenger as _,
    Receipt, WebhookEvent, Webhooks as _,
};
use crate::transport::Policy;
use crate::{Kind, RecipientFault};

/// Sends a message and reads what is told of it until it is over.
async fn told(rig: &Rig, listener: &mut Told, message: Message) -> Vec<MessageEvent> {
    let message = Message {
        callback: Some(listener.url.clone()),
        ..message
    };
    let receipt = Twilio.send(&rig.context, &message).await.expect("taken");
    let Receipt::Taken { id, .. } = receipt else {
        panic!("{receipt:?}");
    };
    let over = match (message.content.channel(), &message.content) {
        (Channel::WhatsApp, Content::WhatsAppTemplate { .. }) => DeliveryState::Opened,
        _ => DeliveryState::Delivered,
    };
    let mut events = Vec::new();
    loop {
        let request = listener.next().await;
        let event = verified(rig, &request);
        assert_eq!(event.message.as_deref(), Some(message.id.as_str()));
        assert_eq!(event.platform_message, id);
        assert_eq!(event.recipient.as_deref(), Some(message.to.as_str()));
        assert_eq!(Twilio.id(&request), event.id);
        let state = event.state;
        events.push(event);
        let on_the_way = matches!(state, DeliveryState::Queued | DeliveryState::Sent)
            || (state == DeliveryState::Delivered && over == DeliveryState::Opened);
        if !on_the_way {
            return events;
        }
    }
}

fn verified(rig: &Rig, request: &Inbound) -> MessageEvent {
    Twilio.verify(&rig.context, request).expect("signed");
    let mut events = Twilio.parse(&rig.context, request).expect("readable");
    match events.pop() {
        Some(WebhookEvent::Message(event)) => event,
        other => panic!("{other:?}"),
    }
}

fn states(events: &[MessageEvent]) -> Vec<DeliveryState> {
    events.iter().map(|event| event.state).collect()
}

#[tokio::test]
async fn what_becomes_of_a_message_is_told_with_our_id() {
    use DeliveryState::{Delivered, Opened, Sent};
    let rig = rig().await;
    let mut listener = Told::new(&rig).await;
    let events = told(&rig, &mut listener, sms("+15550107001", "Hello")).await;
    assert_eq!(states(&events), [Sent, Delivered]);
    assert_ne!(events[0].id, events[1].id);
    let template = with(Content::WhatsAppTemplate {
        template: TEMPLATE.to_owned(),
        variables: vec![("1".to_owned(), "Lea".to_owned())],
    });
    let events = told(&rig, &mut listener, template).await;
    assert_eq!(states(&events), [Sent, Delivered, Opened]);
    let events = told(&rig, &mut listener, voice("+15550107001")).await;
    assert_eq!(states(&events), [Sent, Delivered]);
    assert!(events.iter().all(|event| event.at.is_some() && !event.machine));
}

#[tokio::test]
async fn failures_are_told_later_with_what_they_say_of_the_recipient() {
    use DeliveryState::{Blocked, Bounced, Failed};
    let rig = rig().await;
    let mut listener = Told::new(&rig).await;
    for (code, state, fault) in [
        ("30003", Failed, Some(RecipientFault::Temporary)),
        ("30004", Blocked, Some(RecipientFault::Blocked)),
        ("30005", Bounced, Some(RecipientFault::Unknown)),
        ("30006", Bounced, Some(RecipientFault::NotMobile)),
        ("30007", Blocked, None),
        ("30008", Failed, None),
        ("30034", Blocked, None),
        ("39999", Failed, None),
    ] {
        let events = told(&rig, &mut listener, sms(&format!("+155502{code}"), "Hello")).await;
        let last = events.last().unwrap();
        assert_eq!(
            (last.state, last.fault, last.code.as_deref()),
            (state, fault, Some(code))
        );
        assert!(last.detail.is_some());
    }
}

#[tokio::test]
async fn calls_end_in_many_ways() {
    use DeliveryState::{Busy, Delivered, Failed, NoAnswer};
    let rig = rig_with(json!({ "machineDetection": true }), Policy::default()).await;
    let mut listener = Told::new(&rig).await;
    for (to, state, machine) in [
        ("+15550300001", Busy, false),
        ("+15550300002", NoAnswer, false),
        ("+15550300003", Failed, false),
        ("+15550300004", Failed, false),
        ("+15550300005", Delivered, true),
    ] {
        let events = told(&rig, &mut listener, voice(to)).await;
        let last = events.last().unwrap();
        assert_eq!((last.state, last.machine), (state, machine), "{to}");
    }
}

#[tokio::test]
async fn whatsapp_is_free_for_a_day_after_they_wrote() {
    let rig = rig().await;
    let mut listener = Told::new(&rig).await;
    rig.running.sandbox().point_webhooks(&listener.url);
    let free = || {
        with(Content::WhatsApp {
            text: "Good morning".to_owned(),
        })
    };
    let events = told(&rig, &mut listener, free()).await;
    let last = events.last().unwrap();
    assert_eq!(
        (last.state, last.code.as_deref()),
        (DeliveryState::Failed, Some("63016"))
    );
    rig.running.happen("whatsapp").await;
    listener.next().await;
    let events = told(&rig, &mut listener, free()).await;
    assert_eq!(events.last().unwrap().state, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_service_takes_it_and_fails_later_for_who_opted_out() {
    let rig = rig_with(json!({ "messagingServiceSid": SERVICE }), Policy::default()).await;
    let mut listener = Told::new(&rig).await;
    rig.running.sandbox().point_webhooks(&listener.url);
    rig.running.happen("stop").await;
    listener.next().await;
    let events = told(&rig, &mut listener, sms("+15550107001", "Hello")).await;
    assert_eq!(states(&events), [DeliveryState::Queued, DeliveryState::Failed]);
    assert_eq!(events[1].fault, Some(RecipientFault::OptedOut));
}

#[tokio::test]
async fn nothing_but_what_the_platform_signed_is_taken() {
    let rig = rig().await;
    let mut listener = Told::new(&rig).await;
    rig.running.sandbox().point_webhooks(&listener.url);
    rig.running.happen("sms").await;
    let request = listener.next().await;
    assert_eq!(Twilio.verify(&rig.context, &request), Ok(()));
    let refused = |request: &Inbound| {
        let error = Twilio.verify(&rig.context, request).expect_err("refused");
        assert_eq!(error.kind, Kind::Signature);
        assert!(!error.to_string().contains(TOKEN));
    };
    let mut body = request.body.to_vec();
    body[10] ^= 1;
    refused(&Inbound {
        body: Bytes::from(body),
        ..request.clone()
    });
    let mut url = request.url.clone();
    url.query_pairs_mut().append_pair("message", "m-2");
    refused(&Inbound {
        url,
        ..request.clone()
    });
    let mut unsigned = request.clone();
    unsigned.headers.remove("x-twilio-signature");
    refused(&unsigned);
    let mut bare = request.clone();
    bare.headers.remove("content-type");
    refused(&bare);
    // The parent account's token is not that of the sub-account that owns the number.
    let other = rig_changed(Policy::default(), |setup| {
        setup.secrets["authToken"] = "another-token".into();
    })
    .await;
    let error = Twilio.verify(&other.context, &request).unwrap_err();
    assert_eq!(error.kind, Kind::Signature);
}

#[tokio::test]
async fn what_people_write_is_read() {
    let rig = rig().await;
    let mut listener = Told::new(&rig).await;
    rig.running.sandbox().point_webhooks(&listener.url);
    let mut ids = Vec::new();
    for what in rig
        .running
        .sandbox()
        .happenings()
        .iter()
        .filter(|what| **what != "late_status")
    {
        let delivered = rig.running.happen(what).await;
        assert_eq!(delivered.len(), 1, "{what}");
        assert_eq!(delivered[0].status, Some(200));
        assert_eq!(
            delivered[0].body,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>"
        );
        let request = listener.next().await;
        Twilio.verify(&rig.context, &request).unwrap();
        assert_eq!(Twilio.handshake(&rig.context, &request), Ok(None));
        assert_eq!(Twilio.topic(&request).as_deref(), Some("incoming-message"));
        ids.push(Twilio.id(&request).unwrap());
        let events = Twilio.parse(&rig.context, &request).unwrap();
        let [WebhookEvent::Received(message)] = events.as_slice() else {
            panic!("{events:?}");
        };
        let InboundMessage {
            from,
            to,
            keyword,
            channel,
            media,
            ..
        } = message;
        assert_eq!((from.as_str(), to.as_str()), ("+15550107001", number(0).as_str()));
        let expected = match *what {
            "stop" | "advanced_stop" => Some(Keyword::Stop),
            "start" => Some(Keyword::Start),
            "help" => Some(Keyword::Help),
            _ => None,
        };
        assert_eq!(*keyword, expected, "{what}");
        assert_eq!(*channel == Channel::WhatsApp, what.starts_with("whatsapp"));
        assert_eq!(media.len(), if *what == "mms" { 2 } else { 0 });
        if what.starts_with("whatsapp") {
            assert_eq!(message.from_name.as_deref(), Some("Lea Nowak"));
            assert_eq!(message.answers.len(), usize::from(*what == "whatsapp_button"));
        }
    }
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "each delivery has an id of its own");
}

#[tokio::test]
async fn statuses_out_of_order_are_told_as_they_are() {
    let rig = rig().await;
    let mut listener = Told::new(&rig).await;
    rig.running.sandbox().point_webhooks(&listener.url);
    rig.running.happen("late_status").await;
    let first = verified(&rig, &listener.next().await);
    let second = verified(&rig, &listener.next().await);
    assert_eq!(
        states(&[first.clone(), second.clone()]),
        [DeliveryState::Delivered, DeliveryState::Sent]
    );
    assert_eq!(first.platform_message, second.platform_message);
    assert_ne!(first.id, second.id);
}

#[tokio::test]
async fn numbers_tell_what_is_written_to_them() {
    let rig = rig().await;
    let url: Url = "https://leadline.example.org/hooks/7".parse().unwrap();
    assert_eq!(rig.held("listening"), 0);
    Twilio
        .subscribe(&rig.context, &url, &["incoming-message"])
        .await
        .unwrap();
    let able = rig.held("numbers") - 1;
    assert_eq!(
        (rig.held("listening"), rig.posts()),
        (able, able),
        "the last takes calls alone"
    );
    Twilio
        .subscribe(&rig.context, &url, &["incoming-message"])
        .await
        .unwrap();
    assert_eq!(rig.posts(), able, "a repeat changes nothing");
    let found = Twilio.subscriptions(&rig.context).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].topic.as_str(), found[0].url.as_deref()),
        ("incoming-message", Some(url.as_str()))
    );
    let other: Url = "https://leadline.example.org/hooks/8".parse().unwrap();
    Twilio.unsubscribe(&rig.context, &other).await.unwrap();
    assert_eq!(rig.held("listening"), able, "it told nothing there");
    Twilio.unsubscribe(&rig.context, &url).await.unwrap();
    assert_eq!(rig.held("listening"), 0);
    assert_eq!(Twilio.subscriptions(&rig.context).await.unwrap(), []);
    let error = Twilio
        .subscribe(&rig.context, &url, &["message-status"])
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
    assert!(error.message.contains("incoming-message"), "{error}");
}

#[tokio::test]
async fn only_the_named_numbers_are_touched() {
    let url: Url = "https://leadline.example.org/hooks/7".parse().unwrap();
    let rig = rig_with(json!({ "numbers": [number(0), number(53)] }), Policy::default()).await;
    Twilio
        .subscribe(&rig.context, &url, &["incoming-message"])
        .await
        .unwrap();
    assert_eq!(rig.held("listening"), 2);
    let misspelt = rig_with(json!({ "numbers": ["+15559999999"] }), Policy::default()).await;
    let error = Twilio
        .subscribe(&misspelt.context, &url, &["incoming-message"])
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Settings);
    assert!(error.message.contains("+15559999999"), "{error}");
    assert_eq!(misspelt.posts(), 0);
}

#[tokio::test]
async fn a_service_tells_for_its_numbers() {
    let rig = rig_with(json!({ "messagingServiceSid": SERVICE }), Policy::default()).await;
    let url: Url = "https://leadline.example.org/hooks/7".parse().unwrap();
    for _ in 0..2 {
        Twilio
            .subscribe(&rig.context, &url, &["incoming-message"])
            .await
            .unwrap();
        assert_eq!((rig.held("listening"), rig.posts()), (1, 1));
    }
    let found = Twilio.subscriptions(&rig.context).await.unwrap();
    assert_eq!(found[0].url.as_deref(), Some(url.as_str()));
    Twilio.unsubscribe(&rig.context, &url).await.unwrap();
    assert_eq!(rig.held("listening"), 0);
}
