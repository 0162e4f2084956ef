//! A stand-in of the platform: takes mail, tells what becomes of it, and brings answers.

mod send;
mod settings;
mod signing;
mod webhooks;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use url::Url;

use self::settings::{Hook, Parse};
pub(super) use self::signing::PUBLIC_KEY;
use self::webhooks::{FLAGS, HAPPENINGS};
use crate::facet::{Content, Message};
use crate::sandbox::{
    Cases, Delivery, Failure, MessengerCase, Sandbox, SandboxAnswer, SandboxRequest, Setup, WebhooksCase,
};
use crate::{Clock, Kind, RecipientFault};

/// The key that it takes.
pub(super) const API_KEY: &str = "SG.sandbox-key-0001.of-the-sandbox-and-nowhere-else";
/// How many mails it keeps.
const KEPT: usize = 1_000;
/// Requests a minute.
const PER_MINUTE: u64 = 5_000;
/// Addresses that bounced before.
const SUPPRESSED: usize = 320;
/// What a page of suppressions has at most.
const PAGE: usize = 100;

/// The platform, with the account of somebody who has sent before.
#[derive(Debug)]
pub struct SendGridSandbox {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    mails: VecDeque<Held>,
    taken: usize,
    events: usize,
    received: usize,
    hooks: Vec<Hook>,
    hooks_made: usize,
    parses: Vec<Parse>,
    /// The minute, and how many requests came in it.
    minute: (i64, u64),
}

/// A mail that it took.
#[derive(Clone, Debug)]
struct Held {
    email: String,
    arguments: Map<String, Value>,
    categories: Option<Value>,
    message_id: String,
    smtp_id: Option<String>,
    request: Value,
}

/// What the platform says when it refuses.
fn refusal(status: u16, message: &str, field: Option<&str>) -> SandboxAnswer {
    let errors = json!({ "errors": [{ "message": message, "field": field, "help": null }] });
    SandboxAnswer::json(status, &errors)
}

impl SendGridSandbox {
    /// An account without mails.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// The last requests to send that it took, oldest first, as they came.
    #[must_use]
    pub fn mails(&self) -> Vec<Value> {
        self.state()
            .mails
            .iter()
            .map(|mail| mail.request.clone())
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn route(&self, request: &SandboxRequest) -> SandboxAnswer {
        let Some(path) = request.path.strip_prefix("/v3/") else {
            return refusal(404, "Not Found", None);
        };
        let parts: Vec<_> = path.split('/').collect();
        let method = request.method.as_str();
        match (method, &parts[..]) {
            ("POST", ["mail", "send"]) => self.take(request),
            ("GET", ["scopes"]) => SandboxAnswer::json(
                200,
                &json!({ "scopes": [
                    "mail.send", "user.webhooks.event.settings.read", "user.webhooks.event.settings.update",
                    "user.webhooks.parse.settings.read", "sender_verification_eligible",
                ] }),
            ),
            ("GET", ["suppression", "bounces"]) => bounces(request),
            (_, ["user", "webhooks", "event", "settings", rest @ ..]) => {
                self.event_settings(method, rest, request)
            }
            (_, ["user", "webhooks", "parse", "settings", rest @ ..]) => {
                self.parse_settings(method, rest, request)
            }
            _ => refusal(404, "Not Found", None),
        }
    }

    fn take(&self, request: &SandboxRequest) -> SandboxAnswer {
        let unix = request.at.timestamp();
        let is_json = request
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"));
        if !is_json {
            return refusal(415, "Content-Type should be application/json.", None);
        }
        let accepted = match send::accept(&request.body, unix) {
            Ok(accepted) => accepted,
            Err(answer) => return *answer,
        };
        if accepted.is_trial {
            return SandboxAnswer::empty(200);
        }
        let mut state = self.state();
        state.taken += 1;
        let id = format!("sand{:06}-boxQSCTMdFkRUe", state.taken);
        let mut deliveries = Vec::new();
        for mail in accepted.mails {
            let mail = Held {
                message_id: id.clone(),
                ..mail
            };
            let fate: &[&str] = if is_suppressed(&mail.email) {
                &["dropped"]
            } else {
                webhooks::fate(&mail.email)
            };
            deliveries.extend(state.tell(fate, &mail, unix));
            if state.mails.len() >= KEPT {
                state.mails.pop_front();
            }
            state.mails.push_back(mail);
        }
        SandboxAnswer::empty(202)
            .header("x-message-id", id)
            .deliver(deliveries)
    }

    /// Counts a request; gives the headers that tell of the limit, and whether it is reached.
    fn limit(&self, unix: i64) -> ([(&'static str, String); 3], bool) {
        let minute = unix.div_euclid(60);
        let mut state = self.state();
        if state.minute.0 != minute {
            state.minute = (minute, 0);
        }
        state.minute.1 += 1;
        let left = PER_MINUTE.saturating_sub(state.minute.1);
        let headers = limit_headers(left, (minute + 1) * 60);
        (headers, state.minute.1 > PER_MINUTE)
    }
}

fn limit_headers(left: u64, reset: i64) -> [(&'static str, String); 3] {
    [
        ("x-ratelimit-limit", PER_MINUTE.to_string()),
        ("x-ratelimit-remaining", left.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
    ]
}

fn suppressed(number: usize) -> String {
    format!("bounced{number:03}@example.com")
}

fn is_suppressed(email: &str) -> bool {
    let number = email
        .strip_prefix("bounced")
        .and_then(|rest| rest.strip_suffix("@example.com"))
        .and_then(|number| number.parse().ok());
    number.is_some_and(|number: usize| number < SUPPRESSED && suppressed(number) == email)
}

fn bounces(request: &SandboxRequest) -> SandboxAnswer {
    let number = |name, usual| request.param(name).map_or(Some(usual), |text| text.parse().ok());
    let (Some(limit), Some(offset)) = (number("limit", PAGE), number("offset", 0)) else {
        return refusal(400, "limit and offset are numbers", None);
    };
    let page: Vec<_> = (0..SUPPRESSED)
        .skip(offset)
        .take(limit.min(PAGE))
        .map(|number| {
            json!({
                "created": 1_690_000_000 + number, "email": suppressed(number),
                "reason": "550 5.1.1 unknown user", "status": "5.1.1",
            })
        })
        .collect();
    SandboxAnswer::json(200, &json!(page))
}

#[async_trait]
impl Sandbox for SendGridSandbox {
    fn setup(&self, base: &Url) -> Setup {
        Setup {
            settings: json!({
                "baseUrl": base.as_str(),
                "webhookPublicKey": PUBLIC_KEY,
                "inboundPublicKey": PUBLIC_KEY,
                "inboundHostname": "in.example.org",
            }),
            secrets: json!({ "apiKey": API_KEY }),
            credentials: None,
        }
    }

    async fn answer(&self, request: &SandboxRequest) -> SandboxAnswer {
        let (headers, is_reached) = self.limit(request.at.timestamp());
        let answer = if request.header("authorization") != Some(&format!("Bearer {API_KEY}")) {
            self.failure(Failure::Unauthorised, request)
                .unwrap_or_else(|| SandboxAnswer::empty(401))
        } else if is_reached {
            refusal(429, "too many requests", None)
        } else {
            self.route(request)
        };
        headers
            .into_iter()
            .fold(answer, |answer, (name, value)| answer.header(name, value))
    }

    fn failure(&self, failure: Failure, request: &SandboxRequest) -> Option<SandboxAnswer> {
        match failure {
            Failure::Unauthorised => Some(refusal(
                401,
                "The provided authorization grant is invalid, expired, or revoked",
                None,
            )),
            Failure::Throttled { seconds } => {
                let now = request.at + chrono::Duration::milliseconds(999);
                let headers = limit_headers(0, now.timestamp() + i64::from(seconds));
                let answer = refusal(429, "too many requests", None);
                Some(
                    headers
                        .into_iter()
                        .fold(answer, |answer, (name, value)| answer.header(name, value)),
                )
            }
            Failure::ServerError => Some(refusal(500, "Internal Server Error", None)),
            _ => None,
        }
    }

    fn holds(&self) -> BTreeMap<&'static str, usize> {
        let state = self.state();
        BTreeMap::from([
            ("messages", state.taken),
            ("events", state.events),
            ("webhooks", state.hooks.len()),
            ("parse settings", state.parses.len()),
            ("suppressions", SUPPRESSED),
        ])
    }

    fn cases(&self) -> Cases {
        let refused = |id: &str, to: &str, kind| (letter(id, to), kind);
        let mut foreign = letter("sendgrid-case-5", "lea@example.com");
        foreign.from = "sam@not-verified.example".to_owned();
        let mut injected = letter("sendgrid-case-6", "lea@example.com");
        injected.to_name = Some("Lea\r\nBcc: all@example.com".to_owned());
        Cases {
            messenger: Some(MessengerCase {
                messages: vec![
                    letter("sendgrid-case-1", "alma.becker@example.com"),
                    letter("sendgrid-case-2", "Jürgen Müller <juergen@bücher.example>"),
                ],
                refused: vec![
                    refused(
                        "sendgrid-case-3",
                        "no-domain@localhost",
                        Kind::Recipient(RecipientFault::Unknown),
                    ),
                    refused(
                        "sendgrid-case-4",
                        "nobody",
                        Kind::Recipient(RecipientFault::Unknown),
                    ),
                    (foreign, Kind::Forbidden),
                    (injected, Kind::Refused),
                ],
                held: "messages",
            }),
            webhooks: Some(WebhooksCase {
                topics: FLAGS.iter().map(|(flag, _)| *flag).chain(["inbound"]).collect(),
                ids: false,
                signed: true,
            }),
            ..Cases::default()
        }
    }

    fn point_webhooks(&self, url: &Url) {
        let mut state = self.state();
        state.hooks_made += 1;
        let hook = Hook {
            id: format!("77d4a5da-7015-11ed-a1eb-{:012}", state.hooks_made),
            url: url.clone(),
            enabled: true,
            name: "Leadline".to_owned(),
            flags: FLAGS.iter().map(|(flag, _)| (*flag).to_owned()).collect(),
            signed: true,
        };
        state.hooks = vec![hook];
        state.parses = vec![Parse {
            hostname: "in.example.org".to_owned(),
            url: url.clone(),
            send_raw: true,
        }];
    }

    fn happenings(&self) -> &'static [&'static str] {
        &HAPPENINGS
    }

    fn happen(&self, what: &str) -> Vec<Delivery> {
        self.occur(what)
    }
}

/// A mail to somebody.
pub(super) fn letter(id: &str, to: &str) -> Message {
    Message {
        id: id.to_owned(),
        from: "Sam Sender <sam@example.org>".to_owned(),
        to: to.to_owned(),
        to_name: None,
        content: Content::Email {
            subject: "Grüße aus Köln".to_owned(),
            text: Some("Good day,\n\nhere is your offer.\n".to_owned()),
            html: Some("<p>Good day,</p><p>here is your offer.</p>".to_owned()),
            reply_to: Some("Answers <answers@in.example.org>".to_owned()),
            message_id: format!("{id}@mail.example.org"),
            references: vec![
                "first@mail.example.org".to_owned(),
                "second@mail.example.org".to_owned(),
            ],
            headers: vec![
                (
                    "List-Unsubscribe".to_owned(),
                    "<https://u.example.org/u/9fK3opaque>".to_owned(),
                ),
                (
                    "List-Unsubscribe-Post".to_owned(),
                    "List-Unsubscribe=One-Click".to_owned(),
                ),
            ],
        },
        callback: None,
    }
}
