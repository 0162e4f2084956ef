//! Messenger and webhooks against the sandbox and recorded exchanges.

mod inbound;

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use url::Url;

use super::sandbox::{API_KEY, PUBLIC_KEY, SendGridSandbox, letter};
use super::{SendGrid, TOPICS};
use crate::facet::{
    DeliveryState, Inbound, Message, MessageEvent, Messenger as _, Receipt, Reconciled, WebhookEvent,
    Webhooks as _,
};
use crate::sandbox::{Delivery, Failure, Running, Sandbox as _, Setup, start};
use crate::transport::{Egress, HttpTransport, Policy, Recording};
use crate::{Context, Integration as _, Kind, ManualClock, RecipientFault, Retry};

const HOOK: &str = "https://leadline.example.org/hooks/abc";

struct Ground {
    sandbox: Arc<SendGridSandbox>,
    running: Running,
    context: Context,
    clock: Arc<ManualClock>,
}

fn clock() -> Arc<ManualClock> {
    let moment = DateTime::from_timestamp(1_700_000_000, 0).expect("a moment");
    Arc::new(ManualClock::at(moment))
}

async fn ground_with(answer: Duration, change: impl FnOnce(&mut Setup)) -> Ground {
    let clock = clock();
    let sandbox = Arc::new(SendGridSandbox::new(clock.clone()));
    let running = start(sandbox.clone(), clock.clone()).await.expect("a sandbox");
    let mut setup = sandbox.setup(&running.base);
    change(&mut setup);
    let policy = Policy {
        answer,
        ..Policy::default()
    };
    let transport = HttpTransport::new(Egress::Anywhere, policy).expect("a transport");
    let context = setup.context(&SendGrid, &transport, clock.clone());
    Ground {
        sandbox,
        running,
        context,
        clock,
    }
}

async fn ground() -> Ground {
    ground_with(Duration::from_secs(10), |_| {}).await
}

impl Ground {
    async fn send(&self, message: &Message) -> crate::Result<Receipt> {
        SendGrid.send(&self.context, message).await
    }

    fn held(&self) -> usize {
        self.sandbox.holds()["messages"]
    }

    /// What is delivered for a happening, verified and read.
    fn told(&self, what: &str) -> Vec<WebhookEvent> {
        let deliveries = self.sandbox.happen(what);
        assert!(!deliveries.is_empty(), "{what}");
        deliveries
            .iter()
            .flat_map(|delivery| {
                let request = inbound(delivery);
                SendGrid.verify(&self.context, &request).expect("signed");
                assert!(SendGrid.topic(&request).is_some());
                SendGrid.parse(&self.context, &request).expect("readable")
            })
            .collect()
    }

    fn one(&self, what: &str) -> MessageEvent {
        match &self.told(what)[..] {
            [WebhookEvent::Message(event)] => event.clone(),
            other => panic!("{other:?}"),
        }
    }
}

fn inbound(delivery: &Delivery) -> Inbound {
    let headers = delivery.headers.iter().map(|(name, value)| {
        let value = HeaderValue::from_str(value).expect("a value");
        (HeaderName::from_static(name), value)
    });
    Inbound {
        method: delivery.method.clone(),
        url: delivery.url.clone(),
        headers: headers.collect::<HeaderMap>(),
        body: delivery.body.clone(),
        received_at: DateTime::from_timestamp(1_700_000_005, 0).expect("a moment"),
    }
}

fn hook() -> Url {
    Url::parse(HOOK).expect("an address")
}

fn recorded(files: &[&str], settings: Value) -> (Arc<Recording>, Context) {
    let recording = Arc::new(Recording::of(files));
    let transport = HttpTransport::over(recording.clone(), Policy::default());
    let setup = Setup {
        settings,
        secrets: json!({ "apiKey": "SG.recorded.key" }),
        credentials: None,
    };
    let context = setup.context(&SendGrid, &transport, clock());
    (recording, context)
}

#[tokio::test]
async fn a_mail_is_sent_as_documented_and_errors_are_read() {
    let settings = json!({
        "baseUrl": "https://api.eu.sendgrid.com/", "subuser": "shop-de", "unsubscribeGroup": 10, "ipPool": "main",
        "categories": ["campaign-9"],
    });
    let (recording, context) = recorded(&[include_str!("exchanges/mail_send.json")], settings);
    let message = letter("m-1", "Léa <lea@bücher.example>");
    let receipt = SendGrid.send(&context, &message).await.unwrap();
    assert_eq!(
        receipt,
        Receipt::Taken {
            id: Some("QSCTMdFkRUeuzDeB7ipxBA".to_owned()),
            state: DeliveryState::Queued,
            segments: None,
        }
    );
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let error = SendGrid.send(&context, &message).await.unwrap_err();
        kinds.push((error.kind, error.code, error.request_id));
    }
    assert_eq!(
        kinds,
        [
            (
                Kind::Recipient(RecipientFault::Unknown),
                Some("400".to_owned()),
                None
            ),
            (Kind::OutOfFunds, Some("401".to_owned()), None),
            (Kind::Forbidden, Some("403".to_owned()), Some("rq-17".to_owned())),
        ]
    );
    for _ in 0..2 {
        let receipt = SendGrid.send(&context, &message).await.unwrap();
        assert!(matches!(receipt, Receipt::Unknown { .. }), "{receipt:?}");
    }
    assert_eq!(recording.left(), 0);
}

#[tokio::test]
async fn a_check_tells_what_the_key_may_do() {
    let (recording, context) = recorded(&[include_str!("exchanges/check.json")], json!({}));
    let account = SendGrid.check(&context).await.unwrap();
    assert_eq!(
        account.scopes,
        Some(vec!["alerts.read".to_owned(), "mail.send".to_owned()])
    );
    assert_eq!(SendGrid.check(&context).await.unwrap_err().kind, Kind::Forbidden);
    let account = SendGrid.check(&context).await.unwrap();
    assert_eq!(account.scopes, None, "a key that cannot ask is a key");
    assert_eq!(recording.left(), 0);
}

#[tokio::test]
async fn mails_go_and_their_events_come_back() {
    let ground = ground().await;
    let all: Vec<_> = TOPICS.iter().map(|topic| topic.name).collect();
    SendGrid.subscribe(&ground.context, &hook(), &all).await.unwrap();
    for message in ground.sandbox.cases().messenger.unwrap().messages {
        let receipt = ground.send(&message).await.unwrap();
        let Receipt::Taken { id: Some(id), .. } = receipt else {
            panic!("{receipt:?}")
        };
        let event = ground.one("delivered");
        assert_eq!(event.message.as_deref(), Some(message.id.as_str()));
        assert_eq!(event.platform_message, Some(id));
        assert_eq!(event.state, DeliveryState::Delivered);
        assert_eq!(event.at, DateTime::from_timestamp(1_700_000_000, 0));
    }
    assert_eq!(ground.held(), 2);
    let expected = [
        ("deferred", DeliveryState::Deferred, None),
        ("bounce", DeliveryState::Bounced, Some(RecipientFault::Unknown)),
        ("blocked", DeliveryState::Blocked, Some(RecipientFault::Blocked)),
        ("dropped", DeliveryState::Failed, Some(RecipientFault::Unknown)),
        ("open", DeliveryState::Opened, None),
        ("machine open", DeliveryState::Opened, None),
        ("click", DeliveryState::Clicked, None),
        (
            "spam report",
            DeliveryState::Complained,
            Some(RecipientFault::OptedOut),
        ),
        (
            "unsubscribe",
            DeliveryState::Unsubscribed,
            Some(RecipientFault::OptedOut),
        ),
        (
            "group unsubscribe",
            DeliveryState::Unsubscribed,
            Some(RecipientFault::OptedOut),
        ),
        ("group resubscribe", DeliveryState::Resubscribed, None),
        (
            "bounce report",
            DeliveryState::Bounced,
            Some(RecipientFault::Unknown),
        ),
    ];
    for (what, state, fault) in expected {
        let event = ground.one(what);
        assert_eq!((event.state, event.fault), (state, fault), "{what}");
        assert_eq!(event.machine, what == "machine open");
        assert_eq!(event.message.as_deref(), Some("sendgrid-case-2"), "{what}");
    }
    let batch = ground.told("batch");
    let ids: std::collections::HashSet<_> = batch
        .iter()
        .map(|event| match event {
            WebhookEvent::Message(event) => event.id.clone().expect("an id"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids.len(), 4, "each event has an id of its own");
    assert!(matches!(
        &ground.told("unknown event")[..],
        [WebhookEvent::Ignored { .. }]
    ));
}

#[tokio::test]
async fn what_is_not_signed_is_not_taken() {
    let ground = ground().await;
    ground.sandbox.point_webhooks(&hook());
    for what in ["bounce", "reply"] {
        let right = inbound(&ground.sandbox.happen(what)[0]);
        assert_eq!(SendGrid.verify(&ground.context, &right), Ok(()));
        let mut changed = right.clone();
        let mut bytes = changed.body.to_vec();
        bytes[20] ^= 1;
        changed.body = bytes.into();
        let mut without = right.clone();
        without.headers.remove("x-twilio-email-event-webhook-signature");
        let mut other_time = right.clone();
        other_time.headers.insert(
            "x-twilio-email-event-webhook-timestamp",
            HeaderValue::from_static("1700000001"),
        );
        for request in [changed, without, other_time] {
            let refused = SendGrid.verify(&ground.context, &request).unwrap_err();
            assert_eq!(refused.kind, Kind::Signature);
        }
    }
}

#[tokio::test]
async fn subscriptions_are_made_once_and_taken_back() {
    let ground = ground().await;
    let context = &ground.context;
    SendGrid
        .subscribe(context, &hook(), &["bounce", "inbound"])
        .await
        .unwrap();
    SendGrid
        .subscribe(context, &hook(), &["bounce", "inbound"])
        .await
        .unwrap();
    SendGrid.subscribe(context, &hook(), &["open"]).await.unwrap();
    assert_eq!(ground.sandbox.holds()["webhooks"], 1);
    let mut topics: Vec<_> = SendGrid
        .subscriptions(context)
        .await
        .unwrap()
        .into_iter()
        .map(|one| {
            assert_eq!(one.url.as_deref(), Some(HOOK));
            one.topic
        })
        .collect();
    topics.sort();
    assert_eq!(topics, ["bounce", "inbound", "open"]);
    let settings = SendGrid.subscription_settings(context, &hook()).await.unwrap();
    assert_eq!(Value::Object(settings), json!({ "webhookPublicKey": PUBLIC_KEY }));

    let unknown = SendGrid
        .subscribe(context, &hook(), &["pigeon"])
        .await
        .unwrap_err();
    assert_eq!(unknown.kind, Kind::Unsupported);
    let elsewhere = Url::parse("https://other.example.org/").unwrap();
    let taken = SendGrid
        .subscribe(context, &elsewhere, &["inbound"])
        .await
        .unwrap_err();
    assert_eq!(
        taken.kind,
        Kind::Refused,
        "mail that goes elsewhere is not led away"
    );
    SendGrid.unsubscribe(context, &elsewhere).await.unwrap();
    SendGrid.unsubscribe(context, &hook()).await.unwrap();
    SendGrid.unsubscribe(context, &hook()).await.unwrap();
    assert_eq!(SendGrid.subscriptions(context).await.unwrap(), []);
    assert!(
        SendGrid
            .subscription_settings(context, &hook())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn refused_mails_are_told_apart() {
    let ground = ground().await;
    for (message, kind) in ground.sandbox.cases().messenger.unwrap().refused {
        let error = ground.send(&message).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
    assert_eq!(ground.held(), 0);
}

#[tokio::test]
async fn an_outcome_that_is_not_known_is_told_as_such() {
    let ground = ground_with(Duration::from_millis(300), |_| {}).await;
    for failure in [
        Failure::Cut,
        Failure::Malformed,
        Failure::Slow(Duration::from_secs(5)),
    ] {
        ground.running.faults.on("/mail/send", failure, 1);
        let message = letter("m-1", "lea@example.com");
        let receipt = ground.send(&message).await.unwrap();
        assert!(
            matches!(receipt, Receipt::Unknown { .. }),
            "{failure:?}: {receipt:?}"
        );
        let found = SendGrid
            .reconcile(&ground.context, &message, DateTime::UNIX_EPOCH)
            .await;
        assert_eq!(found, Ok(Reconciled::CannotTell));
    }
    assert_eq!(ground.running.requests().len(), 3, "nothing was sent again");
    assert_eq!(ground.held(), 0);
}

#[tokio::test]
async fn limits_and_failures_are_kept_to() {
    let ground = ground().await;
    ground.running.faults.next(Failure::Throttled { seconds: 7 }, 1);
    ground.send(&letter("m-1", "lea@example.com")).await.unwrap();
    assert_eq!(ground.clock.waits(), [Duration::from_secs(7)]);

    ground.running.faults.next(Failure::ServerError, 1);
    let error = ground.send(&letter("m-2", "lea@example.com")).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    assert_eq!(ground.held(), 1, "a mail is not sent again after a failure");

    ground.running.faults.next(Failure::ServerError, 9);
    let error = SendGrid.check(&ground.context).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Unavailable, Retry::Exhausted));
    let waits = ground.clock.waits();
    assert_eq!(waits.len(), 3);
    assert!(waits[2] > waits[0], "{waits:?}");
    ground.running.faults.clear();

    ground.running.faults.next(Failure::CutWithin, 1);
    let account = SendGrid.check(&ground.context).await.unwrap();
    assert!(account.scopes.unwrap().contains(&"mail.send".to_owned()));
    ground.running.faults.next(Failure::Malformed, 9);
    let error = SendGrid.check(&ground.context).await.unwrap_err();
    assert_eq!(error.kind, Kind::Malformed);
}

#[tokio::test]
async fn a_wrong_key_is_told_and_not_shown() {
    let ground = ground_with(Duration::from_secs(10), |setup| {
        setup.secrets["apiKey"] = "SG.wrong.not-a-key".into();
    })
    .await;
    let checked = SendGrid.check(&ground.context).await.unwrap_err();
    let sent = ground.send(&letter("m-1", "lea@example.com")).await.unwrap_err();
    for error in [&checked, &sent] {
        assert_eq!(error.kind, Kind::Unauthorised);
        let shown = format!("{error:?} {error} {:?}", ground.context);
        assert!(
            !shown.contains("not-a-key") && !shown.contains(API_KEY),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn in_sandbox_mode_nothing_is_sent() {
    let ground = ground_with(Duration::from_secs(10), |setup| {
        setup.settings["sandboxMode"] = true.into();
    })
    .await;
    let receipt = ground.send(&letter("m-1", "lea@example.com")).await.unwrap();
    assert!(matches!(receipt, Receipt::Taken { id: None, .. }), "{receipt:?}");
    assert_eq!(ground.held(), 0);
}

#[test]
fn settings_are_told_what_is_wrong() {
    let form = &SendGrid.manifest().settings;
    assert!(form.check(&json!({})).is_ok());
    for (settings, path) in [
        (json!({ "baseUrl": "ftp://x.example" }), "baseUrl"),
        (json!({ "apiVersion": "3" }), "apiVersion"),
        (json!({ "webhookPublicKey": "x" }), "webhookPublicKey"),
        (json!({ "categories": ["a", "a"] }), "categories"),
        (json!({ "apiKey": "x" }), "apiKey"),
    ] {
        let problem = form.check(&settings).unwrap_err();
        assert_eq!(problem.path, [path], "{problem}");
    }
}
