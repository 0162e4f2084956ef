//! What the stand-in holds.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use url::Url;

use super::VERSION;

/// The account.
pub(in crate::platform::twilio) const ACCOUNT: &str = "AC5eed00000000000000000000000000a1";
/// Its token.
pub(in crate::platform::twilio) const TOKEN: &str = "sandbox_auth_token_0123456789abcd";
/// A key of the standard kind.
pub(in crate::platform::twilio) const KEY: &str = "SK5eed00000000000000000000000000b2";
/// Its secret.
pub(in crate::platform::twilio) const KEY_SECRET: &str = "sandbox_key_secret_0123456789abcd";
/// A messaging service; the first three numbers are its senders.
pub(in crate::platform::twilio) const SERVICE: &str = "MG5eed00000000000000000000000000c3";
/// A template for WhatsApp that is approved, with one variable.
pub(in crate::platform::twilio) const TEMPLATE: &str = "HX5eed00000000000000000000000000d4";
/// What the template says.
pub(super) const TEMPLATE_TEXT: &str = "Hi {{1}}, quick question.";

const NUMBERS: usize = 55;
const MESSAGES: usize = 260;
const CALLS: usize = 70;
/// Somebody with whom there is a long history.
pub(super) const CHATTY: &str = "+15550107000";

/// A number of the account. The last one takes calls alone.
pub(in crate::platform::twilio) fn number(index: usize) -> String {
    format!("+1555020{index:04}")
}

pub(super) struct State {
    pub(super) messages: Vec<Stored>,
    pub(super) calls: Vec<Call>,
    pub(super) numbers: Vec<Number>,
    pub(super) service_url: Option<String>,
    /// Recipient, and the sender that they do not want to hear from.
    pub(super) opted_out: BTreeSet<(String, String)>,
    /// When somebody wrote by WhatsApp last.
    pub(super) windows: BTreeMap<String, DateTime<Utc>>,
    counter: u64,
    pub(super) late: usize,
}

pub(super) struct Number {
    pub(super) sid: String,
    pub(super) phone: String,
    pub(super) sms: bool,
    pub(super) sms_url: String,
    pub(super) sms_application: String,
}

/// How it ends: the status, and the code of the failure.
pub(super) type End = (&'static str, Option<u32>);

#[derive(Clone)]
pub(super) struct Stored {
    pub(super) sid: String,
    pub(super) to: String,
    pub(super) from: Option<String>,
    pub(super) service: Option<String>,
    pub(super) body: String,
    pub(super) segments: usize,
    pub(super) media: usize,
    pub(super) created: DateTime<Utc>,
    pub(super) send_at: Option<DateTime<Utc>>,
    pub(super) cancelled: bool,
    pub(super) direction: &'static str,
    pub(super) end: End,
    pub(super) callback: Option<Url>,
    /// Whether it was asked for since the stand-in was started.
    pub(super) fresh: bool,
}

#[derive(Clone)]
pub(super) struct Call {
    pub(super) sid: String,
    pub(super) to: String,
    pub(super) from: String,
    pub(super) created: DateTime<Utc>,
    pub(super) ended: Option<&'static str>,
    pub(super) end: &'static str,
    pub(super) answered_by: Option<&'static str>,
    pub(super) fresh: bool,
}

impl State {
    pub(super) fn seeded(now: DateTime<Utc>) -> Self {
        let mut state = Self {
            messages: Vec::new(),
            calls: Vec::new(),
            numbers: Vec::new(),
            service_url: None,
            opted_out: BTreeSet::new(),
            windows: BTreeMap::new(),
            counter: 0,
            late: 0,
        };
        for index in 0..NUMBERS {
            let sid = state.next_sid("PN");
            state.numbers.push(Number {
                sid,
                phone: number(index),
                sms: index + 1 < NUMBERS,
                // As a number is delivered.
                sms_url: "https://demo.twilio.com/welcome/sms/reply".to_owned(),
                sms_application: String::new(),
            });
        }
        for index in 0..MESSAGES {
            let age = TimeDelta::hours(i64::try_from(MESSAGES - index).unwrap_or_default());
            let message = state.seeded_message(index, now - age);
            state.messages.push(message);
        }
        for index in 0..CALLS {
            let age = TimeDelta::hours(i64::try_from(CALLS - index).unwrap_or_default());
            let sid = state.next_sid("CA");
            state.calls.push(Call {
                sid,
                to: customer(index),
                from: number(index % 3),
                created: now - age,
                ended: None,
                end: ["completed", "no-answer", "busy", "completed"][index % 4],
                answered_by: None,
                fresh: false,
            });
        }
        state
    }

    fn seeded_message(&mut self, index: usize, created: DateTime<Utc>) -> Stored {
        let inbound = index.is_multiple_of(5);
        let (ours, theirs) = (number(index % 3), customer(index));
        let body = if inbound {
            "Thank you, until then."
        } else {
            "Your appointment is confirmed."
        };
        Stored {
            sid: self.next_sid("SM"),
            to: if inbound { ours.clone() } else { theirs.clone() },
            from: Some(if inbound { theirs } else { ours }),
            service: None,
            body: body.to_owned(),
            segments: 1,
            media: 0,
            created,
            send_at: None,
            cancelled: false,
            direction: if inbound { "inbound" } else { "outbound-api" },
            end: if inbound {
                ("received", None)
            } else {
                ("delivered", None)
            },
            callback: None,
            fresh: false,
        }
    }

    pub(super) fn next_sid(&mut self, prefix: &str) -> String {
        self.counter += 1;
        format!("{prefix}5eed{:028x}", self.counter)
    }

    pub(super) fn request_id(&mut self) -> String {
        self.next_sid("RQ")
    }

    pub(super) fn sent(&self) -> usize {
        let messages = self
            .messages
            .iter()
            .filter(|message| message.fresh && message.direction == "outbound-api")
            .count();
        messages + self.calls.iter().filter(|call| call.fresh).count()
    }

    /// How many numbers and services tell an address other than that of the delivery.
    pub(super) fn listening(&self) -> usize {
        let numbers = self
            .numbers
            .iter()
            .filter(|number| !number.sms_url.is_empty() && !number.sms_url.contains("demo.twilio.com"))
            .count();
        numbers + usize::from(self.service_url.is_some())
    }

    pub(super) fn point_webhooks(&mut self, url: &Url) {
        for number in self.numbers.iter_mut().filter(|number| number.sms) {
            url.as_str().clone_into(&mut number.sms_url);
        }
    }

    /// Where it is told that somebody has written.
    pub(super) fn inbound_url(&self) -> Option<Url> {
        let number = self.numbers.first().map(|number| number.sms_url.as_str());
        [self.service_url.as_deref(), number]
            .into_iter()
            .flatten()
            .filter(|url| !url.contains("demo.twilio.com"))
            .find_map(|url| Url::parse(url).ok())
    }

    /// Whether somebody asked not to hear from a sender, or from any of the service's.
    pub(super) fn is_opted_out(&self, to: &str, sender: Option<&str>) -> bool {
        self.opted_out
            .iter()
            .any(|(who, whom)| who == to && sender.is_none_or(|sender| sender == whom))
    }
}

/// Somebody; every other message is with the one with the long history.
fn customer(index: usize) -> String {
    if index.is_multiple_of(2) {
        CHATTY.to_owned()
    } else {
        format!("+15550108{:03}", index % 1000)
    }
}

/// As the platform writes a moment.
pub(super) fn date(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

impl Stored {
    /// It is sent a second after it was taken and arrives a second later.
    pub(super) fn status(&self, now: DateTime<Utc>) -> &'static str {
        let age = (now - self.created).num_seconds();
        match self {
            Self { cancelled: true, .. } => "canceled",
            Self {
                send_at: Some(at), ..
            } if now < *at => "scheduled",
            Self {
                direction: "inbound", ..
            } => "received",
            Self { service: Some(_), .. } if age < 1 => "accepted",
            _ if age < 1 => "queued",
            _ if age < 2 && self.end.0 != "failed" => "sent",
            _ => self.end.0,
        }
    }

    pub(super) fn date_sent(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let waits = ["accepted", "queued", "scheduled", "canceled"].contains(&self.status(now));
        (!waits).then(|| self.created + TimeDelta::seconds(1))
    }

    pub(super) fn to_json(&self, now: DateTime<Utc>) -> Value {
        let status = self.status(now);
        let code = self.end.1.filter(|_| status == self.end.0);
        let uri = format!("/{VERSION}/Accounts/{ACCOUNT}/Messages/{}", self.sid);
        // Through a service the parts are not known before there is a sender.
        let segments = if status == "accepted" { 0 } else { self.segments };
        json!({
            "sid": self.sid,
            "account_sid": ACCOUNT,
            "api_version": VERSION,
            "body": self.body,
            "date_created": date(self.created),
            "date_updated": date(self.created),
            "date_sent": self.date_sent(now).map(date),
            "direction": self.direction,
            "error_code": code,
            "error_message": code.map(|code| format!("Error {code}")),
            "from": self.from.as_deref().filter(|_| status != "accepted"),
            "messaging_service_sid": self.service,
            "num_media": self.media.to_string(),
            "num_segments": segments.to_string(),
            "price": null,
            "price_unit": "USD",
            "status": status,
            "subresource_uris": { "media": format!("{uri}/Media.json") },
            "to": self.to,
            "uri": format!("{uri}.json"),
        })
    }
}

impl Call {
    /// It rings a second after it was taken and is over ten seconds later.
    pub(super) fn status(&self, now: DateTime<Utc>) -> &'static str {
        match (now - self.created).num_seconds() {
            _ if self.ended.is_some() => self.ended.unwrap_or_default(),
            ..1 => "queued",
            1..3 => "ringing",
            3..11 if self.end == "completed" => "in-progress",
            _ => self.end,
        }
    }

    pub(super) fn to_json(&self, now: DateTime<Utc>) -> Value {
        let status = self.status(now);
        let started = !["queued", "ringing"].contains(&status);
        let over = started && status != "in-progress";
        json!({
            "sid": self.sid,
            "account_sid": ACCOUNT,
            "answered_by": self.answered_by.filter(|_| over),
            "api_version": VERSION,
            "date_created": date(self.created),
            "date_updated": date(self.created),
            "direction": "outbound-api",
            "duration": over.then(|| if status == "completed" { "8" } else { "0" }),
            "end_time": over.then(|| date(self.created + TimeDelta::seconds(11))),
            "from": self.from,
            "price": null,
            "price_unit": "USD",
            "start_time": started.then(|| date(self.created + TimeDelta::seconds(3))),
            "status": status,
            "to": self.to,
            "uri": format!("/{VERSION}/Accounts/{ACCOUNT}/Calls/{}.json", self.sid),
        })
    }
}
