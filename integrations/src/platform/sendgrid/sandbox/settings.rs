//! The settings of webhooks: what is told of mails, and where mails that come in go.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use url::Url;

use super::signing::PUBLIC_KEY;
use super::webhooks::FLAGS;
use super::{SendGridSandbox, refusal};
use crate::sandbox::{SandboxAnswer, SandboxRequest};

#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub(super) id: String,
    pub(super) url: Url,
    pub(super) enabled: bool,
    pub(super) name: String,
    pub(super) flags: BTreeSet<String>,
    pub(super) signed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Parse {
    pub(super) hostname: String,
    pub(super) url: Url,
    pub(super) send_raw: bool,
}

impl SendGridSandbox {
    pub(super) fn event_settings(
        &self,
        method: &str,
        rest: &[&str],
        request: &SandboxRequest,
    ) -> SandboxAnswer {
        let mut state = self.state();
        let body = request.json();
        match (method, rest) {
            ("GET", ["all"]) => {
                let all: Vec<_> = state.hooks.iter().map(Hook::shown).collect();
                SandboxAnswer::json(200, &json!({ "max_allowed": 5, "webhooks": all }))
            }
            ("POST", []) => {
                let Some(url) = url_of(&body) else {
                    return refusal(400, "url is required", Some("url"));
                };
                if state.hooks.len() >= 5 {
                    return refusal(400, "maximum number of webhooks reached", None);
                }
                state.hooks_made += 1;
                let mut hook = Hook {
                    id: format!("77d4a5da-7015-11ed-a1eb-{:012}", state.hooks_made),
                    url,
                    enabled: false,
                    name: String::new(),
                    flags: BTreeSet::new(),
                    signed: false,
                };
                hook.change(&body);
                let shown = hook.shown();
                state.hooks.push(hook);
                SandboxAnswer::json(201, &shown)
            }
            (_, ["signed", id]) => match state.hooks.iter_mut().find(|hook| hook.id == *id) {
                None => refusal(404, "webhook not found", None),
                Some(hook) => {
                    if method == "PATCH" {
                        let Some(enabled) = body["enabled"].as_bool() else {
                            return refusal(400, "enabled is required", Some("enabled"));
                        };
                        hook.signed = enabled;
                    }
                    let key = if hook.signed { PUBLIC_KEY } else { "" };
                    SandboxAnswer::json(200, &json!({ "id": id, "public_key": key }))
                }
            },
            (_, [id]) => {
                let Some(at) = state.hooks.iter().position(|hook| hook.id == *id) else {
                    return refusal(404, "webhook not found", None);
                };
                match method {
                    "GET" => SandboxAnswer::json(200, &state.hooks[at].shown()),
                    "PATCH" => {
                        state.hooks[at].change(&body);
                        SandboxAnswer::json(200, &state.hooks[at].shown())
                    }
                    "DELETE" => {
                        state.hooks.remove(at);
                        SandboxAnswer::empty(204)
                    }
                    _ => refusal(405, "Method Not Allowed", None),
                }
            }
            _ => refusal(405, "Method Not Allowed", None),
        }
    }

    pub(super) fn parse_settings(
        &self,
        method: &str,
        rest: &[&str],
        request: &SandboxRequest,
    ) -> SandboxAnswer {
        let mut state = self.state();
        let body = request.json();
        let at = rest
            .first()
            .map(|hostname| state.parses.iter().position(|parse| parse.hostname == *hostname));
        match (method, at) {
            ("GET", None) => {
                let all: Vec<_> = state.parses.iter().map(Parse::shown).collect();
                SandboxAnswer::json(200, &json!({ "result": all }))
            }
            ("POST", None) => {
                let (Some(hostname), Some(url)) = (body["hostname"].as_str(), url_of(&body)) else {
                    return refusal(400, "hostname and url are required", Some("hostname"));
                };
                if state.parses.iter().any(|parse| parse.hostname == hostname) {
                    return refusal(400, "hostname is already in use", Some("hostname"));
                }
                let parse = Parse {
                    hostname: hostname.to_owned(),
                    url,
                    send_raw: body["send_raw"] == Value::Bool(true),
                };
                let shown = parse.shown();
                state.parses.push(parse);
                SandboxAnswer::json(201, &shown)
            }
            (_, Some(None)) => refusal(404, "parse setting not found", None),
            ("PATCH", Some(Some(at))) => {
                if let Some(url) = url_of(&body) {
                    state.parses[at].url = url;
                }
                SandboxAnswer::json(200, &state.parses[at].shown())
            }
            ("DELETE", Some(Some(at))) => {
                state.parses.remove(at);
                SandboxAnswer::empty(204)
            }
            _ => refusal(405, "Method Not Allowed", None),
        }
    }
}

fn url_of(body: &Value) -> Option<Url> {
    Url::parse(body["url"].as_str()?).ok()
}

impl Hook {
    fn change(&mut self, body: &Value) {
        if let Some(url) = url_of(body) {
            self.url = url;
        }
        if let Some(enabled) = body["enabled"].as_bool() {
            self.enabled = enabled;
        }
        if let Some(name) = body["friendly_name"].as_str() {
            name.clone_into(&mut self.name);
        }
        for (flag, _) in FLAGS {
            match body[flag].as_bool() {
                Some(true) => drop(self.flags.insert(flag.to_owned())),
                Some(false) => drop(self.flags.remove(flag)),
                None => {}
            }
        }
    }

    fn shown(&self) -> Value {
        let mut shown = json!({
            "id": self.id, "url": self.url.as_str(), "enabled": self.enabled, "friendly_name": self.name,
            "created_date": "2023-01-01T12:30:00Z", "updated_date": null,
            "public_key": if self.signed { PUBLIC_KEY } else { "" },
        });
        for (flag, _) in FLAGS {
            shown[flag] = self.flags.contains(flag).into();
        }
        shown
    }
}

impl Parse {
    fn shown(&self) -> Value {
        json!({ "hostname": self.hostname, "url": self.url.as_str(), "spam_check": false, "send_raw": self.send_raw })
    }
}
