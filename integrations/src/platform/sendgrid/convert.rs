//! Ours to theirs, and theirs to ours.

use std::collections::BTreeMap;

use chrono::DateTime;
use lettre::message::Mailbox;
use serde_json::Value;

use super::settings::Settings;
use super::wire::{Address, Event, Group, MailSettings, Part, Personalization, Send, Switch};
use crate::facet::{DeliveryState, MessageEvent, WebhookEvent};
use crate::mail::{Enhanced, Letter, Stage, enhanced, read, verdict};
use crate::{Error, RecipientFault, Result};

/// The name under which our id of a mail goes and comes back. They stand beside the platform's own fields in each event,
/// so that it must be none of theirs.
const ID: &str = "leadline_id";

/// What is posted for a mail.
pub fn send<'a>(letter: &'a Letter<'a>, settings: &'a Settings) -> Result<Send<'a>> {
    let parts = [("text/plain", letter.text), ("text/html", letter.html)];
    Ok(Send {
        personalizations: [Personalization {
            to: [address(&letter.to)],
            custom_args: BTreeMap::from([(ID, letter.id)]),
        }],
        from: address(&letter.from),
        reply_to: letter.reply_to.as_ref().map(address),
        subject: &letter.subject,
        content: parts
            .into_iter()
            .filter_map(|(kind, value)| Some(Part { kind, value: value? }))
            .collect(),
        headers: letter.encoded_headers()?.into_iter().collect(),
        categories: &settings.categories.0,
        asm: settings.unsubscribe_group.map(|group_id| Group { group_id }),
        ip_pool_name: settings.ip_pool.as_deref(),
        mail_settings: settings.sandbox_mode.then_some(MailSettings {
            sandbox_mode: Switch { enable: true },
        }),
    })
}

fn address(mailbox: &Mailbox) -> Address {
    Address {
        email: mailbox.email.to_string(),
        name: mailbox.name.clone(),
    }
}

/// What a batch of events says, each for itself: one that cannot be read does not take the others with it.
pub fn events(body: Value) -> Result<Vec<WebhookEvent>> {
    match body {
        Value::Array(events) => Ok(events.into_iter().map(one).collect()),
        event @ Value::Object(_) => Ok(vec![one(event)]),
        _ => Err(Error::malformed("a list of events was expected")),
    }
}

fn one(value: Value) -> WebhookEvent {
    match serde_json::from_value::<Event>(value) {
        Ok(event) => match outcome(&event) {
            Some((state, fault)) => WebhookEvent::Message(message(event, state, fault)),
            None => ignored(format!("an event of the kind `{}`", event.event)),
        },
        Err(_) => ignored("an event without a kind".to_owned()),
    }
}

fn ignored(reason: String) -> WebhookEvent {
    WebhookEvent::Ignored { reason }
}

fn message(event: Event, state: DeliveryState, fault: Option<RecipientFault>) -> MessageEvent {
    MessageEvent {
        id: event.sg_event_id,
        message: event.leadline_id,
        // What was told when it was sent, and behind a dot how it went.
        platform_message: event
            .sg_message_id
            .as_deref()
            .and_then(|id| id.split('.').next())
            .map(str::to_owned),
        recipient: event.email,
        state,
        fault,
        at: event.timestamp.and_then(|unix| DateTime::from_timestamp(unix, 0)),
        code: event.status,
        detail: event.reason.or(event.response),
        url: event.url,
        user_agent: event.useragent,
        ip: event.ip,
        machine: event.sg_machine_open,
    }
}

/// What an event makes of a mail, and what it says of the recipient; `None` for what does not concern a mail.
fn outcome(event: &Event) -> Option<(DeliveryState, Option<RecipientFault>)> {
    let opted_out = Some(RecipientFault::OptedOut);
    Some(match event.event.as_str() {
        "processed" => (DeliveryState::Queued, None),
        "delivered" => (DeliveryState::Delivered, None),
        "deferred" => (DeliveryState::Deferred, None),
        "bounce" => bounced(event),
        "dropped" => (DeliveryState::Failed, dropped(event)),
        "open" => (DeliveryState::Opened, None),
        "click" => (DeliveryState::Clicked, None),
        "spamreport" => (DeliveryState::Complained, opted_out),
        "unsubscribe" | "group_unsubscribe" => (DeliveryState::Unsubscribed, opted_out),
        "group_resubscribe" => (DeliveryState::Resubscribed, None),
        _ => return None,
    })
}

/// What a classification says, where no code does; lower case.
const BY_CLASS: [(&str, Option<RecipientFault>); 7] = [
    ("invalid address", Some(RecipientFault::Unknown)),
    ("mailbox unavailable", Some(RecipientFault::Temporary)),
    ("technical", Some(RecipientFault::Temporary)),
    ("content", Some(RecipientFault::Blocked)),
    ("reputation", Some(RecipientFault::Blocked)),
    ("frequency or volume too high", Some(RecipientFault::Blocked)),
    ("unclassified", None),
];

/// A bounce is for good; one that is called blocked concerns us or what we wrote, and the address may be good.
fn bounced(event: &Event) -> (DeliveryState, Option<RecipientFault>) {
    let class = event
        .bounce_classification
        .as_deref()
        .unwrap_or_default()
        .to_lowercase();
    let by_class = BY_CLASS
        .iter()
        .find(|(name, _)| *name == class)
        .map(|(_, fault)| *fault);
    let by_code = told(event).map(|(basic, code)| {
        verdict(
            basic,
            code,
            Stage::Recipient,
            event.reason.as_deref().unwrap_or_default(),
        )
        .fault()
    });
    let is_blocked = event
        .kind
        .as_deref()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("blocked"));
    if is_blocked {
        let fault = by_code
            .or(by_class)
            .flatten()
            .filter(|fault| *fault != RecipientFault::Unknown);
        return (
            DeliveryState::Blocked,
            Some(fault.unwrap_or(RecipientFault::Blocked)),
        );
    }
    let fault = by_code.or(by_class).unwrap_or(Some(RecipientFault::Unknown));
    (DeliveryState::Bounced, fault)
}

/// The codes of a bounce: by itself, or in the words of the server.
fn told(event: &Event) -> Option<(Option<u16>, Option<Enhanced>)> {
    let status = event.status.as_deref().and_then(enhanced);
    let (basic, code) = event.reason.as_deref().map(read).unwrap_or_default();
    (basic.is_some() || status.is_some() || code.is_some()).then_some((basic, status.or(code)))
}

/// Why the platform did not even try; lower case.
const BY_REASON: [(&str, RecipientFault); 4] = [
    ("bounced address", RecipientFault::Unknown),
    ("unsubscribed address", RecipientFault::OptedOut),
    ("spam reporting address", RecipientFault::OptedOut),
    ("invalid", RecipientFault::Unknown),
];

fn dropped(event: &Event) -> Option<RecipientFault> {
    let reason = event.reason.as_deref().unwrap_or_default().trim().to_lowercase();
    BY_REASON
        .iter()
        .find(|(words, _)| reason == *words)
        .map(|(_, fault)| *fault)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told_by(fields: Value) -> MessageEvent {
        let events = events(json!([fields])).unwrap();
        match &events[..] {
            [WebhookEvent::Message(event)] => event.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_event_is_read_with_all_that_it_says() {
        let event = told_by(json!({
            "email": "lead@example.com", "timestamp": 1_700_000_000, "event": "bounce", "type": "bounce",
            "status": "5.1.1", "reason": "550 5.1.1 unknown user", "sg_event_id": "ev-1",
            "sg_message_id": "abc123.recvd-1", "category": ["campaign-9"], "leadline_id": "m-42",
            "something": { "new": [1, 2] },
        }));
        assert_eq!(
            event,
            MessageEvent {
                id: Some("ev-1".to_owned()),
                message: Some("m-42".to_owned()),
                platform_message: Some("abc123".to_owned()),
                recipient: Some("lead@example.com".to_owned()),
                state: DeliveryState::Bounced,
                fault: Some(RecipientFault::Unknown),
                at: DateTime::from_timestamp(1_700_000_000, 0),
                code: Some("5.1.1".to_owned()),
                detail: Some("550 5.1.1 unknown user".to_owned()),
                url: None,
                user_agent: None,
                ip: None,
                machine: false,
            }
        );
    }

    #[test]
    fn each_kind_has_its_state() {
        use DeliveryState as State;
        use RecipientFault as Fault;
        let cases = [
            (json!({ "event": "processed" }), State::Queued, None),
            (
                json!({ "event": "delivered", "category": "one" }),
                State::Delivered,
                None,
            ),
            (
                json!({ "event": "deferred", "attempt": "5" }),
                State::Deferred,
                None,
            ),
            (json!({ "event": "bounce" }), State::Bounced, Some(Fault::Unknown)),
            (
                json!({ "event": "bounce", "type": "bounce", "status": "" }),
                State::Bounced,
                Some(Fault::Unknown),
            ),
            (
                json!({ "event": "bounce", "type": "bounce", "status": "5.2.2" }),
                State::Bounced,
                Some(Fault::Temporary),
            ),
            (
                json!({ "event": "bounce", "type": "blocked", "reason": "550 5.7.1 spam" }),
                State::Blocked,
                Some(Fault::Blocked),
            ),
            (
                json!({ "event": "bounce", "type": "blocked" }),
                State::Blocked,
                Some(Fault::Blocked),
            ),
            (
                json!({ "event": "bounce", "type": "blocked", "reason": "452 4.2.2 full" }),
                State::Blocked,
                Some(Fault::Temporary),
            ),
            (
                json!({ "event": "bounce", "type": "bounce", "bounce_classification": "Reputation" }),
                State::Bounced,
                Some(Fault::Blocked),
            ),
            (
                json!({ "event": "bounce", "type": "bounce", "bounce_classification": "Unclassified" }),
                State::Bounced,
                None,
            ),
            (
                json!({ "event": "dropped", "reason": "BOUNCED ADDRESS" }),
                State::Failed,
                Some(Fault::Unknown),
            ),
            (
                json!({ "event": "dropped", "reason": "Unsubscribed Address" }),
                State::Failed,
                Some(Fault::OptedOut),
            ),
            (
                json!({ "event": "dropped", "reason": "Invalid SMTPAPI header" }),
                State::Failed,
                None,
            ),
            (json!({ "event": "dropped" }), State::Failed, None),
            (json!({ "event": "open" }), State::Opened, None),
            (
                json!({ "event": "click", "url": "https://x.example/" }),
                State::Clicked,
                None,
            ),
            (
                json!({ "event": "spamreport" }),
                State::Complained,
                Some(Fault::OptedOut),
            ),
            (
                json!({ "event": "unsubscribe" }),
                State::Unsubscribed,
                Some(Fault::OptedOut),
            ),
            (
                json!({ "event": "group_unsubscribe", "asm_group_id": 10 }),
                State::Unsubscribed,
                Some(Fault::OptedOut),
            ),
            (json!({ "event": "group_resubscribe" }), State::Resubscribed, None),
        ];
        for (fields, state, fault) in cases {
            let event = told_by(fields.clone());
            assert_eq!((event.state, event.fault), (state, fault), "{fields}");
        }
    }

    #[test]
    fn machines_that_open_are_told_in_any_spelling() {
        for (value, machine) in [
            (json!(true), true),
            (json!("true"), true),
            (json!(1), true),
            (json!(false), false),
        ] {
            let event = told_by(json!({ "event": "open", "sg_machine_open": value }));
            assert_eq!(event.machine, machine);
        }
        let event = told_by(json!({ "event": "open", "timestamp": "1700000000.5", "sg_event_id": 7 }));
        assert_eq!(event.at, DateTime::from_timestamp(1_700_000_000, 0));
        assert_eq!(event.id.as_deref(), Some("7"));
    }

    #[test]
    fn what_cannot_be_read_does_not_hide_the_rest() {
        let found = events(json!([
            { "event": "account_status_change", "type": "compromise" },
            { "email": "a@example.com" },
            17,
            { "event": "open" },
        ]))
        .unwrap();
        assert_eq!(found.len(), 4);
        assert!(matches!(found[3], WebhookEvent::Message(_)));
        assert!(
            found[..3]
                .iter()
                .all(|event| matches!(event, WebhookEvent::Ignored { .. }))
        );
        assert!(events(json!("x")).is_err());
    }
}
