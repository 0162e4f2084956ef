//! The webhooks of the sandbox: events, and mails that came in.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};
use url::Url;

use super::signing;
use super::{Held, Parse, SendGridSandbox, State};
use crate::sandbox::Delivery;

/// What the owner can have told, as the settings call it, and as the events call it.
pub(super) const FLAGS: [(&str, &str); 11] = [
    ("processed", "processed"),
    ("delivered", "delivered"),
    ("deferred", "deferred"),
    ("bounce", "bounce"),
    ("dropped", "dropped"),
    ("open", "open"),
    ("click", "click"),
    ("spam_report", "spamreport"),
    ("unsubscribe", "unsubscribe"),
    ("group_unsubscribe", "group_unsubscribe"),
    ("group_resubscribe", "group_resubscribe"),
];

pub(super) const HAPPENINGS: [&str; 19] = [
    "delivered",
    "deferred",
    "bounce",
    "blocked",
    "dropped",
    "open",
    "machine open",
    "click",
    "spam report",
    "unsubscribe",
    "group unsubscribe",
    "group resubscribe",
    "batch",
    "unknown event",
    "reply",
    "raw reply",
    "reply in another charset",
    "automatic reply",
    "bounce report",
];

/// The further fields of an event.
fn extra(event: &str) -> (&'static str, Value) {
    const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64)";
    match event {
        "delivered" => (
            "delivered",
            json!({ "response": "250 OK", "ip": "192.0.2.10", "tls": 1 }),
        ),
        "deferred" => (
            "deferred",
            json!({ "response": "450 4.2.1 the mailbox receives too much", "attempt": "3" }),
        ),
        "bounce" => (
            "bounce",
            json!({
                "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 unknown user",
                "bounce_classification": "Invalid Address", "ip": "192.0.2.10", "tls": 1,
            }),
        ),
        "blocked" => (
            "bounce",
            json!({
                "type": "blocked", "status": "", "reason": "550 blocked for its content",
                "bounce_classification": "Content", "ip": "192.0.2.10", "tls": 1,
            }),
        ),
        "dropped" => ("dropped", json!({ "reason": "Bounced Address" })),
        "unsubscribed" => ("dropped", json!({ "reason": "Unsubscribed Address" })),
        "open" => (
            "open",
            json!({ "useragent": AGENT, "ip": "198.51.100.7", "sg_machine_open": false }),
        ),
        "machine open" => (
            "open",
            json!({ "useragent": AGENT, "ip": "198.51.100.8", "sg_machine_open": true }),
        ),
        "click" => (
            "click",
            json!({
                "url": "https://shop.example.org/offer?a=1", "url_offset": { "index": 0, "type": "html" },
                "useragent": AGENT, "ip": "198.51.100.7",
            }),
        ),
        "spam report" => ("spamreport", json!({})),
        "unsubscribe" => ("unsubscribe", json!({})),
        "group unsubscribe" | "group resubscribe" => (
            if event == "group unsubscribe" {
                "group_unsubscribe"
            } else {
                "group_resubscribe"
            },
            json!({
                "asm_group_id": 10, "url": "https://u.example.org/", "useragent": AGENT, "ip": "198.51.100.7",
            }),
        ),
        "unknown event" => ("carrier_pigeon", json!({ "pigeon": "grey" })),
        _ => (
            "processed",
            json!({ "send_at": 0, "pool": { "name": "main", "id": 1 } }),
        ),
    }
}

/// What becomes of a mail to an address by itself.
pub(super) fn fate(email: &str) -> &'static [&'static str] {
    match email.split('@').next().unwrap_or_default() {
        "unknown" => &["processed", "bounce"],
        "full" => &["processed", "deferred"],
        "policy" => &["processed", "blocked"],
        "dropped" => &["dropped"],
        "optout" => &["unsubscribed"],
        _ => &["processed", "delivered"],
    }
}

impl State {
    fn event(&mut self, what: &str, mail: &Held, unix: i64) -> Value {
        self.events += 1;
        let (event, further) = extra(what);
        let mut fields = Map::new();
        fields.insert("email".to_owned(), mail.email.clone().into());
        fields.insert("timestamp".to_owned(), unix.into());
        fields.insert("event".to_owned(), event.into());
        fields.insert("sg_event_id".to_owned(), format!("ev-{:06}", self.events).into());
        fields.insert(
            "sg_message_id".to_owned(),
            format!("{}.recvd-5f8-2.0", mail.message_id).into(),
        );
        if let Some(id) = &mail.smtp_id {
            fields.insert("smtp-id".to_owned(), id.clone().into());
        }
        if let Some(categories) = &mail.categories {
            // One category comes as a string, several as a list.
            let category = match categories.as_array().map(Vec::as_slice) {
                Some([one]) => one.clone(),
                _ => categories.clone(),
            };
            fields.insert("category".to_owned(), category);
        }
        if let Value::Object(further) = further {
            fields.extend(further);
        }
        // They go flat into the event, and over what stands there.
        fields.extend(mail.arguments.clone());
        Value::Object(fields)
    }

    /// The webhooks that tell what happened to a mail.
    pub(super) fn tell(&mut self, happened: &[&str], mail: &Held, unix: i64) -> Vec<Delivery> {
        let events: Vec<Value> = happened.iter().map(|what| self.event(what, mail, unix)).collect();
        let hooks = self.hooks.clone();
        hooks
            .iter()
            .filter(|hook| hook.enabled)
            .filter_map(|hook| {
                let wanted: Vec<_> = events
                    .iter()
                    .filter(|event| {
                        let flag = FLAGS.iter().find(|(_, name)| event["event"] == *name);
                        // What has no flag is told to all.
                        flag.is_none_or(|(flag, _)| hook.flags.contains(*flag))
                    })
                    .collect();
                if wanted.is_empty() {
                    return None;
                }
                let body = format!("{}\r\n", json!(wanted));
                Some(delivery(
                    &hook.url,
                    "application/json",
                    body.into_bytes(),
                    hook.signed,
                    unix,
                ))
            })
            .collect()
    }

    /// The webhooks that bring a mail that came in.
    pub(super) fn bring(&mut self, what: &str, mail: &Held, unix: i64) -> Vec<Delivery> {
        self.received += 1;
        let number = self.received;
        let parses = self.parses.clone();
        parses
            .iter()
            .map(|parse| {
                let body = form(what, number, mail, parse);
                delivery(
                    &parse.url,
                    "multipart/form-data; boundary=xYzZY",
                    body,
                    true,
                    unix,
                )
            })
            .collect()
    }
}

fn delivery(url: &Url, content_type: &str, body: Vec<u8>, signed: bool, unix: i64) -> Delivery {
    let mut headers = vec![("content-type", content_type.to_owned())];
    if signed {
        headers.extend(signing::headers(unix, &body));
    }
    Delivery {
        after: Duration::ZERO,
        method: Method::POST,
        url: url.clone(),
        headers,
        body: Bytes::from(body),
    }
}

/// A mail that came in, as a form.
fn form(what: &str, number: usize, mail: &Held, parse: &Parse) -> Vec<u8> {
    let answered = mail
        .smtp_id
        .clone()
        .unwrap_or_else(|| "<m-1@mail.example.org>".to_owned());
    let to = format!("answers@{}", parse.hostname);
    let sender = if what == "bounce report" { "" } else { &mail.email };
    let mut header = format!(
        "Received: by mx.sendgrid.example with SMTP\nDate: Tue, 14 Nov 2023 22:13:20 +0000\n\
         From: \"Lea Lead\" <{}>\nTo: {to}\nMessage-ID: <reply-{number}@mail.example.com>\n\
         In-Reply-To: {answered}\nReferences: {answered}\n",
        if sender.is_empty() {
            "mailer-daemon@mx.example.com"
        } else {
            sender
        },
    );
    let mut fields: Vec<(&str, Vec<u8>)> = Vec::new();
    let mut charsets = json!({ "to": "UTF-8", "from": "UTF-8", "subject": "UTF-8", "text": "UTF-8" });
    match what {
        "raw reply" => {
            let mime = format!(
                "{header}Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nContent-Type: text/plain; charset=utf-8\n\
                 Content-Transfer-Encoding: 8bit\n\nYes, gerne. Grüße\n"
            );
            fields.push(("email", crlf(&mime)));
        }
        "bounce report" => {
            let id = mail
                .arguments
                .get("leadline_id")
                .and_then(Value::as_str)
                .unwrap_or("m-1");
            let _ = write!(
                header,
                "Subject: Undelivered Mail\nMIME-Version: 1.0\n\
                 Content-Type: multipart/report; report-type=delivery-status; boundary=\"rEp\"\n\n\
                 --rEp\nContent-Type: text/plain\n\nSorry.\n\n\
                 --rEp\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.com\n\n\
                 Final-Recipient: rfc822; {0}\nAction: failed\nStatus: 5.1.1\n\
                 Diagnostic-Code: smtp; 550 5.1.1 User unknown\n\n\
                 --rEp\nContent-Type: text/rfc822-headers\n\nTo: {0}\nMessage-ID: {answered}\nX-Leadline-Id: {id}\n\n\
                 --rEp--\n",
                mail.email
            );
            fields.push(("email", crlf(&header)));
        }
        _ => {
            let text = match what {
                "automatic reply" => {
                    header.push_str("Auto-Submitted: auto-replied\n");
                    "I am away until Monday."
                }
                _ => "Ja, schöne Grüße.",
            };
            header.push_str("Subject: Re: Angebot\n");
            let text = if what == "reply in another charset" {
                charsets["text"] = "iso-8859-1".into();
                encoding_rs::WINDOWS_1252.encode(text).0.into_owned()
            } else {
                text.as_bytes().to_vec()
            };
            fields.push(("headers", crlf(&header)));
            fields.push(("subject", b"Re: Angebot".to_vec()));
            fields.push(("text", text));
            fields.push(("html", b"<p>Ja</p>".to_vec()));
            fields.push(("attachments", b"0".to_vec()));
        }
    }
    fields.push(("from", format!("Lea Lead <{sender}>").into_bytes()));
    fields.push(("to", to.clone().into_bytes()));
    fields.push((
        "envelope",
        json!({ "to": [to], "from": sender }).to_string().into_bytes(),
    ));
    fields.push(("charsets", charsets.to_string().into_bytes()));
    fields.push(("SPF", b"pass".to_vec()));
    fields.push(("dkim", b"{@example.com : pass}".to_vec()));
    fields.push(("sender_ip", b"203.0.113.5".to_vec()));
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend_from_slice(
            format!("--xYzZY\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes(),
        );
        body.extend_from_slice(&value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--xYzZY--\r\n");
    body
}

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

impl SendGridSandbox {
    /// Lets something happen to the last mail, or to one that was sent elsewhere.
    pub(super) fn occur(&self, what: &str) -> Vec<Delivery> {
        let unix = self.clock.now().timestamp();
        let mut state = self.state();
        let mail = state.mails.back().cloned().unwrap_or_else(|| Held {
            email: "lead@example.com".to_owned(),
            arguments: Map::new(),
            categories: Some(json!(["campaign-9"])),
            message_id: "bGVhZGxpbmUtc2FuZGJveA".to_owned(),
            smtp_id: Some("<m-1@mail.example.org>".to_owned()),
            request: Value::Null,
        });
        match what {
            "reply" | "raw reply" | "reply in another charset" | "automatic reply" | "bounce report" => {
                state.bring(what, &mail, unix)
            }
            "batch" => state.tell(&["processed", "delivered", "open", "click"], &mail, unix),
            one if HAPPENINGS.contains(&one) => state.tell(&[one], &mail, unix),
            _ => Vec::new(),
        }
    }
}
