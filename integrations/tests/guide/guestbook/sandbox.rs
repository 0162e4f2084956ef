//! A stand-in of Guestbook, written from its documentation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::Clock;
use crate::sandbox::{
    Cases, Delivery, Failure, LeadSourceCase, Sandbox, SandboxAnswer, SandboxRequest, Setup, WebhooksCase,
};
use crate::signature::sign_sha256;

const KEY: &str = "gb_live_4dC1b7Zk0sandboxQ9wXn2Vt";
const SIGNING_SECRET: &str = "gb_sign_Ry8LmPe3HfGj5KuTa6sandbox";

/// More than two pages.
const ENTRIES: usize = 230;

/// What can happen there by itself.
const SIGNED: &str = "somebody signs";
const CHANGED: &str = "somebody changes their entry";

/// A stand-in of Guestbook.
pub(super) struct GuestbookSandbox {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Entries with the number of their last change, in the order of these.
    entries: Vec<(usize, Value)>,
    changes: usize,
    hooks: Vec<Value>,
    /// For ids: hooks that were removed do not come back.
    hooks_made: usize,
    deliveries: usize,
}

impl GuestbookSandbox {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let sandbox = Self {
            clock,
            state: Mutex::default(),
        };
        for _ in 0..ENTRIES {
            sandbox.sign();
        }
        sandbox
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> String {
        self.clock.now().to_rfc3339()
    }

    /// Somebody signs a book.
    fn sign(&self) -> Value {
        let now = self.now();
        let mut state = self.state();
        let number = state.entries.len() + 1;
        let entry = json!({
            "id": format!("ent_{number:05}"),
            "created_at": now,
            "updated_at": now,
            "book": { "id": "book_1", "title": "Front desk" },
            "answers": {
                "email": format!("guest.{number}@example.org"),
                "name": format!(" Guest No. {number} "),
                "phone": if number.is_multiple_of(3) { "" } else { "+1 555 0100" },
                "nights": number % 7,
            },
            "consents": [{ "channel": "email", "agreed": number.is_multiple_of(2), "text": "Write to me about offers." }],
            "test": false,
        });
        state.changes += 1;
        let change = state.changes;
        state.entries.push((change, entry.clone()));
        entry
    }

    /// Whoever signed first changes their entry, which thereby becomes the last.
    fn change(&self) -> Value {
        let now = self.now();
        let mut state = self.state();
        let (_, mut entry) = state.entries.remove(0);
        entry["updated_at"] = json!(now);
        entry["answers"]["company"] = json!("Example Ltd");
        state.changes += 1;
        let change = state.changes;
        state.entries.push((change, entry.clone()));
        entry
    }

    fn entries(&self, request: &SandboxRequest) -> SandboxAnswer {
        let limit = request.param("limit").map_or(Ok(20), str::parse);
        let Ok(limit @ 1..=100) = limit else {
            return failure(400, "limit_wrong", "limit is a number from 1 to 100");
        };
        let after = request.param("after").map_or(Some(0), |after| {
            after.strip_prefix("cur_").and_then(|number| number.parse().ok())
        });
        let Some(after) = after else {
            return failure(400, "cursor_unknown", "after is none of our cursors");
        };
        let state = self.state();
        let rest: Vec<_> = state
            .entries
            .iter()
            .filter(|(change, _)| *change > after)
            .collect();
        let page = &rest[..rest.len().min(limit)];
        let data: Vec<&Value> = page.iter().map(|(_, entry)| entry).collect();
        let next = page.last().map_or(after, |(change, _)| *change);
        let page = json!({
            "data": data,
            "next": format!("cur_{next}"),
            "more": rest.len() > limit,
            "total": state.entries.len(),
        });
        SandboxAnswer::json(200, &page)
    }

    fn entry(&self, id: &str) -> SandboxAnswer {
        let state = self.state();
        let found = state.entries.iter().find(|(_, entry)| entry["id"] == id);
        found.map_or_else(not_found, |(_, entry)| SandboxAnswer::json(200, entry))
    }

    /// Each call makes one more, also for an address that has one.
    fn add_hook(&self, request: &SandboxRequest) -> SandboxAnswer {
        let asked = request.json();
        let is_url = asked["url"]
            .as_str()
            .is_some_and(|url| url.starts_with("https://"));
        if !is_url || asked["events"].as_array().is_none_or(Vec::is_empty) {
            return failure(
                400,
                "hook_wrong",
                "url begins with https://, and events is not empty",
            );
        }
        let mut state = self.state();
        state.hooks_made += 1;
        let id = format!("hook_{}", state.hooks_made);
        let hook = json!({ "id": id, "url": asked["url"], "events": asked["events"] });
        state.hooks.push(hook.clone());
        SandboxAnswer::json(201, &hook)
    }

    fn remove_hook(&self, id: &str) -> SandboxAnswer {
        let mut state = self.state();
        let before = state.hooks.len();
        state.hooks.retain(|hook| hook["id"] != id);
        if state.hooks.len() == before {
            not_found()
        } else {
            SandboxAnswer::empty(204)
        }
    }

    /// Tells an event to each hook that wants it.
    fn tell(&self, event: &'static str, notice: &Value) -> Vec<Delivery> {
        let at = self.clock.now().timestamp();
        let body = notice.to_string();
        let tag = sign_sha256(SIGNING_SECRET.as_bytes(), format!("{at}.{body}").as_bytes());
        let mut state = self.state();
        let hooks = state.hooks.iter();
        let wanted = hooks.filter(|hook| {
            hook["events"]
                .as_array()
                .is_some_and(|all| all.contains(&json!(event)))
        });
        let urls: Vec<Url> = wanted
            .filter_map(|hook| hook["url"].as_str()?.parse().ok())
            .collect();
        let mut deliveries = Vec::new();
        for url in urls {
            state.deliveries += 1;
            deliveries.push(Delivery {
                after: Duration::ZERO,
                method: Method::POST,
                url,
                headers: vec![
                    ("content-type", "application/json".to_owned()),
                    ("guestbook-event", event.to_owned()),
                    ("guestbook-delivery", format!("dlv_{}", state.deliveries)),
                    ("guestbook-signature", format!("t={at},v1={}", hex::encode(&tag))),
                ],
                body: body.clone().into(),
            });
        }
        deliveries
    }
}

#[async_trait]
impl Sandbox for GuestbookSandbox {
    fn setup(&self, base: &Url) -> Setup {
        Setup {
            settings: json!({ "baseUrl": base.as_str() }),
            secrets: json!({ "apiKey": KEY, "signingSecret": SIGNING_SECRET }),
            credentials: None,
        }
    }

    async fn answer(&self, request: &SandboxRequest) -> SandboxAnswer {
        if request.header("authorization") != Some(&format!("Bearer {KEY}")) {
            return failure(401, "key_unknown", "no such key");
        }
        let path: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        let answer = match (request.method.as_str(), &path[..]) {
            ("GET", ["v1", "account"]) => {
                SandboxAnswer::json(200, &json!({ "id": "acc_1", "name": "Sandbox of Example Ltd" }))
            }
            ("GET", ["v1", "books"]) => SandboxAnswer::json(200, &books()),
            ("GET", ["v1", "entries"]) => self.entries(request),
            ("GET", ["v1", "entries", id]) => self.entry(id),
            ("GET", ["v1", "hooks"]) => SandboxAnswer::json(200, &json!({ "data": self.state().hooks })),
            ("POST", ["v1", "hooks"]) => self.add_hook(request),
            ("DELETE", ["v1", "hooks", id]) => self.remove_hook(id),
            _ => not_found(),
        };
        answer
            .header("x-quota-remaining", 599)
            .header("x-quota-reset", 60)
    }

    fn failure(&self, ordered: Failure, _: &SandboxRequest) -> Option<SandboxAnswer> {
        Some(match ordered {
            Failure::Unauthorised => failure(401, "key_unknown", "no such key"),
            Failure::Throttled { seconds } => {
                failure(429, "too_fast", "slow down").header("retry-after", seconds)
            }
            Failure::ServerError => failure(500, "internal", "our fault"),
            Failure::BodyError => failure(200, "maintenance", "back in a moment"),
            Failure::Cut | Failure::CutWithin | Failure::Slow(_) | Failure::Malformed => return None,
        })
    }

    fn holds(&self) -> BTreeMap<&'static str, usize> {
        let state = self.state();
        BTreeMap::from([("entries", state.entries.len()), ("hooks", state.hooks.len())])
    }

    fn cases(&self) -> Cases {
        Cases {
            lead_source: Some(LeadSourceCase {
                leads: ENTRIES,
                lead: "ent_00042".to_owned(),
                another: SIGNED,
            }),
            webhooks: Some(WebhooksCase {
                topics: vec!["entry.created", "entry.changed"],
                ids: true,
                signed: true,
            }),
            ..Cases::default()
        }
    }

    fn happenings(&self) -> &'static [&'static str] {
        &[SIGNED, CHANGED]
    }

    fn happen(&self, what: &str) -> Vec<Delivery> {
        match what {
            SIGNED => {
                let notice = json!({ "event": "entry.created", "entry": self.sign() });
                self.tell("entry.created", &notice)
            }
            CHANGED => {
                let notice = json!({ "event": "entry.changed", "entry_id": self.change()["id"] });
                self.tell("entry.changed", &notice)
            }
            _ => Vec::new(),
        }
    }
}

fn books() -> Value {
    let question = |key: &str, label: &str| json!({ "key": key, "label": label });
    let questions = [
        question("email", "Your e-mail address"),
        question("name", "Your name"),
        question("phone", "Your telephone number"),
        question("nights", "How many nights did you stay?"),
    ];
    json!({ "data": [
        { "id": "book_1", "title": "Front desk", "open": true, "questions": questions },
        { "id": "book_2", "title": "Last summer", "open": false, "questions": [] },
    ] })
}

fn not_found() -> SandboxAnswer {
    failure(404, "not_found", "there is nothing here")
}

fn failure(status: u16, code: &str, message: &str) -> SandboxAnswer {
    let error = json!({ "code": code, "message": message, "request_id": "req_1" });
    SandboxAnswer::json(status, &json!({ "error": error }))
}
