//! What the platform tells by itself, signed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::Method;
use url::Url;

use super::VERSION;
use super::state::{ACCOUNT, Call, State, Stored, TOKEN, date, number};
use crate::sandbox::Delivery;
use crate::signature;

/// Names and values, as they are told.
type Fields = Vec<(&'static str, String)>;

/// The base64 of the HMAC-SHA1, under the token, of the address and of all names with their values, sorted.
fn sign(url: &Url, fields: &[(&'static str, String)]) -> String {
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in fields {
        sorted.entry(name).or_default().insert(value);
    }
    let mut text = url.as_str().to_owned();
    for (name, values) in sorted {
        for value in values {
            text.push_str(name);
            text.push_str(value);
        }
    }
    signature::to_base64(&signature::sign_sha1(TOKEN.as_bytes(), text.as_bytes()))
}

fn delivery(url: &Url, token: &str, fields: &[(&'static str, String)]) -> Delivery {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    Delivery {
        after: Duration::from_millis(2),
        method: Method::POST,
        url: url.clone(),
        headers: vec![
            (
                "content-type",
                "application/x-www-form-urlencoded; charset=UTF-8".to_owned(),
            ),
            ("user-agent", "TwilioProxy/1.1".to_owned()),
            ("i-twilio-idempotency-token", token.to_owned()),
            ("x-twilio-signature", sign(url, fields)),
        ],
        body: body.into(),
    }
}

/// What is told of a message on its way: everything but the status that it was taken with.
pub(super) fn of_message(message: &Stored) -> Vec<Delivery> {
    let Some(url) = &message.callback else {
        return Vec::new();
    };
    let mut statuses = Vec::new();
    if message.service.is_some() {
        statuses.push("queued");
    }
    match message.end.0 {
        "failed" => statuses.push("failed"),
        "read" => statuses.extend(["sent", "delivered", "read"]),
        end => statuses.extend(["sent", end]),
    }
    statuses
        .into_iter()
        .map(|status| status_of(message, url, status))
        .collect()
}

fn status_of(message: &Stored, url: &Url, status: &'static str) -> Delivery {
    let from = message.from.clone().unwrap_or_else(|| number(0));
    let mut fields = vec![
        ("MessageSid", message.sid.clone()),
        ("SmsSid", message.sid.clone()),
        ("MessageStatus", status.to_owned()),
        ("SmsStatus", status.to_owned()),
        ("AccountSid", ACCOUNT.to_owned()),
        ("From", from),
        ("To", message.to.clone()),
        ("ApiVersion", VERSION.to_owned()),
    ];
    if let Some(service) = &message.service {
        fields.push(("MessagingServiceSid", service.clone()));
    }
    if status == message.end.0
        && let Some(code) = message.end.1
    {
        fields.push(("ErrorCode", code.to_string()));
        fields.push(("ErrorMessage", format!("Error {code}")));
    }
    if message.to.starts_with("whatsapp:") {
        fields.push(("ChannelPrefix", "whatsapp".to_owned()));
        fields.push(("ChannelToAddress", message.to["whatsapp:".len()..].to_owned()));
        if status == "read" {
            fields.push(("EventType", "READ".to_owned()));
        }
    } else if status == "delivered" {
        fields.push(("RawDlrDoneDate", "2503141559".to_owned()));
    }
    delivery(url, &format!("{}-{status}", message.sid), &fields)
}

/// What is told of a call, as far as it was asked for.
pub(super) fn of_call(call: &Call, url: &Url, events: &[&str], now: DateTime<Utc>) -> Vec<Delivery> {
    let way = [
        ("initiated", "initiated"),
        ("ringing", "ringing"),
        ("answered", "in-progress"),
        ("completed", call.end),
    ];
    way.into_iter()
        .filter(|(event, _)| events.contains(event) && (*event != "answered" || call.end == "completed"))
        .enumerate()
        .map(|(sequence, (event, status))| {
            let mut fields = vec![
                ("CallSid", call.sid.clone()),
                ("AccountSid", ACCOUNT.to_owned()),
                ("From", call.from.clone()),
                ("To", call.to.clone()),
                ("Called", call.to.clone()),
                ("Caller", call.from.clone()),
                ("CallStatus", status.to_owned()),
                ("ApiVersion", VERSION.to_owned()),
                ("Direction", "outbound-api".to_owned()),
                ("Timestamp", date(now)),
                ("CallbackSource", "call-progress-events".to_owned()),
                ("SequenceNumber", sequence.to_string()),
            ];
            if event == "completed" {
                let seconds = if status == "completed" { "8" } else { "0" };
                fields.push(("CallDuration", seconds.to_owned()));
                fields.push((
                    "Duration",
                    if status == "completed" { "1" } else { "0" }.to_owned(),
                ));
                let sip = match status {
                    "busy" => "486",
                    "no-answer" | "canceled" => "487",
                    "failed" => "404",
                    _ => "200",
                };
                fields.push(("SipResponseCode", sip.to_owned()));
                if let Some(answered_by) = call.answered_by {
                    fields.push(("AnsweredBy", answered_by.to_owned()));
                }
            }
            delivery(url, &format!("{}-{sequence}", call.sid), &fields)
        })
        .collect()
}

/// Somebody who writes.
const WRITER: &str = "+15550107001";

/// Lets something happen by itself. Whoever asks to be written to no more, or again, is heard from then on.
pub(super) fn happen(state: &mut State, what: &str, now: DateTime<Utc>) -> Vec<Delivery> {
    let Some(url) = state.inbound_url() else {
        return Vec::new();
    };
    if what == "late_status" {
        return late_status(state, &url);
    }
    let Some((body, more)) = written(state, what) else {
        return Vec::new();
    };
    let pair = (WRITER.to_owned(), number(0));
    match what {
        "stop" | "advanced_stop" => {
            state.opted_out.insert(pair);
        }
        "start" => {
            state.opted_out.remove(&pair);
        }
        "whatsapp" | "whatsapp_button" => {
            state.windows.insert(WRITER.to_owned(), now);
        }
        _ => {}
    }
    let channel = if what.starts_with("whatsapp") {
        "whatsapp:"
    } else {
        ""
    };
    let media = more
        .iter()
        .filter(|(name, _)| name.starts_with("MediaUrl"))
        .count();
    let message = Stored {
        sid: state.next_sid(if media > 0 { "MM" } else { "SM" }),
        to: format!("{channel}{}", number(0)),
        from: Some(format!("{channel}{WRITER}")),
        service: None,
        body: body.to_owned(),
        segments: 1,
        media,
        created: now,
        send_at: None,
        cancelled: false,
        direction: "inbound",
        end: ("received", None),
        callback: None,
        fresh: true,
    };
    let mut fields = inbound(&message);
    fields.extend(more);
    let told = delivery(&url, &format!("{}-received", message.sid), &fields);
    if what.ends_with("stop") {
        // The platform itself confirms.
        let confirmation = Stored {
            sid: state.next_sid("SM"),
            to: WRITER.to_owned(),
            from: Some(number(0)),
            body: "You have successfully been unsubscribed.".to_owned(),
            direction: "outbound-reply",
            end: ("delivered", None),
            ..message.clone()
        };
        state.messages.push(confirmation);
    }
    state.messages.push(message);
    vec![told]
}

/// What is written, and what is told beside what always is.
fn written(state: &State, what: &str) -> Option<(&'static str, Fields)> {
    let profile = || {
        vec![
            ("ProfileName", "Lea Nowak".to_owned()),
            ("WaId", WRITER.trim_start_matches('+').to_owned()),
        ]
    };
    Some(match what {
        "sms" => ("Tuesday is fine. Can we stop by at 5?", vec![]),
        "mms" => {
            let media = vec![
                ("MediaContentType0", "image/jpeg".to_owned()),
                ("MediaUrl0", "https://api.example.org/Media/ME01".to_owned()),
                ("MediaContentType1", "image/png".to_owned()),
                ("MediaUrl1", "https://api.example.org/Media/ME02".to_owned()),
            ];
            ("", media)
        }
        "whatsapp" => ("Hallo, geht Dienstag?", profile()),
        "whatsapp_button" => {
            let mut more = profile();
            more.push(("ButtonText", "Yes, please".to_owned()));
            more.push(("ButtonPayload", "accept".to_owned()));
            more.push(("OriginalRepliedMessageSid", state.messages[1].sid.clone()));
            ("Yes, please", more)
        }
        "stop" => (" Stop ", vec![]),
        "advanced_stop" => ("Arrêt", vec![("OptOutType", "STOP".to_owned())]),
        "start" => ("START", vec![]),
        "help" => ("help", vec![]),
        _ => return None,
    })
}

/// What is told of whatever somebody has written.
fn inbound(message: &Stored) -> Fields {
    vec![
        ("ToCountry", "US".to_owned()),
        ("ToState", String::new()),
        ("SmsMessageSid", message.sid.clone()),
        ("NumMedia", message.media.to_string()),
        ("SmsSid", message.sid.clone()),
        ("SmsStatus", "received".to_owned()),
        ("FromCity", "SPRINGFIELD".to_owned()),
        ("FromCountry", "US".to_owned()),
        ("Body", message.body.clone()),
        ("To", message.to.clone()),
        ("NumSegments", "1".to_owned()),
        ("MessageSid", message.sid.clone()),
        ("AccountSid", ACCOUNT.to_owned()),
        ("From", message.from.clone().unwrap_or_default()),
        ("ApiVersion", VERSION.to_owned()),
    ]
}

/// That a message was delivered, and only then that it was sent.
fn late_status(state: &mut State, url: &Url) -> Vec<Delivery> {
    let ours: Vec<&Stored> = state
        .messages
        .iter()
        .filter(|message| message.direction == "outbound-api" && message.end.0 == "delivered")
        .collect();
    let message = ours[state.late % ours.len()];
    let url = message.callback.as_ref().unwrap_or(url);
    let told = vec![
        status_of(message, url, "delivered"),
        status_of(message, url, "sent"),
    ];
    state.late += 1;
    told
}
