//! Events that are told to the platform. One that is wrong fails the request as a whole.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::reply::{Answered, Fault, Params};

const HASHED: &[&str] = &["em", "ph", "fn", "ln", "db", "ge", "ct", "st", "zp", "country"];
const RAW: &[&str] = &[
    "external_id",
    "client_ip_address",
    "client_user_agent",
    "fbc",
    "fbp",
    "lead_id",
    "subscription_id",
    "fb_login_id",
    "page_id",
    "ctwa_clid",
    "madid",
    "anon_id",
    "ig_account_id",
    "ig_sid",
];
const SOURCES: &[&str] = &[
    "website",
    "app",
    "physical_store",
    "phone_call",
    "email",
    "chat",
    "system_generated",
    "business_messaging",
    "other",
];
const DAY: i64 = 86_400;

/// The events that were taken, each once.
#[derive(Default)]
pub(super) struct Events {
    /// When an event of a name and id was first taken.
    first: BTreeMap<(String, String), DateTime<Utc>>,
    taken: Vec<Value>,
}

pub(super) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn invalid(at: usize, text: impl std::fmt::Display) -> Fault {
    Fault::new(100, format!("Invalid parameter: data[{at}]: {text}")).subcode(2_804_019)
}

impl Events {
    pub(super) fn count(&self) -> usize {
        self.taken.len()
    }

    pub(super) fn receive(&mut self, params: &Params, now: DateTime<Utc>) -> Answered {
        let Some(Value::Array(data)) = params.structure("data") else {
            return Err(Fault::parameter("param data must be an array."));
        };
        if data.is_empty() || data.len() > 1_000 {
            return Err(Fault::parameter("param data must have 1 to 1000 elements."));
        }
        for (at, event) in data.iter().enumerate() {
            check(at, event, now)?;
        }
        let received = data.len();
        for event in data {
            let text = |name: &str| event[name].as_str().map(str::to_owned);
            if let (Some(name), Some(id)) = (text("event_name"), text("event_id")) {
                let known = self.first.get(&(name.clone(), id.clone()));
                if known.is_some_and(|at| now - *at < chrono::Duration::hours(48)) {
                    continue;
                }
                self.first.insert((name, id), now);
            }
            self.taken.push(event);
        }
        Ok(json!({ "events_received": received, "messages": [], "fbtrace_id": "AbCdEfGhIjKlMnOp" }))
    }
}

fn check(at: usize, event: &Value, now: DateTime<Utc>) -> Result<(), Fault> {
    let text = |name: &str| event[name].as_str().filter(|text| !text.is_empty());
    let name = text("event_name").ok_or_else(|| invalid(at, "event_name is required"))?;
    let source = text("action_source")
        .filter(|source| SOURCES.contains(source))
        .ok_or_else(|| invalid(at, "action_source is missing or unknown"))?;
    let time = event["event_time"]
        .as_i64()
        .ok_or_else(|| invalid(at, "event_time must be Unix seconds"))?;
    let oldest = if source == "physical_store" { 62 } else { 7 };
    if time < now.timestamp() - oldest * DAY || time > now.timestamp() {
        let text = format!("Event timestamp too old or in the future: data[{at}].event_time");
        return Err(Fault::new(100, text).subcode(2_804_003));
    }
    let user = event["user_data"]
        .as_object()
        .filter(|user| !user.is_empty())
        .ok_or_else(|| invalid(at, "user_data has no customer information"))?;
    for (key, value) in user {
        check_user(at, key, value)?;
    }
    if source == "website"
        && (text("event_source_url").is_none()
            || !user.get("client_user_agent").is_some_and(Value::is_string))
    {
        return Err(invalid(
            at,
            "website events need event_source_url and client_user_agent",
        ));
    }
    let nothing = Map::new();
    let custom = event["custom_data"].as_object().unwrap_or(&nothing);
    let currency = custom.get("currency").and_then(Value::as_str);
    if currency.is_some_and(|code| code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_alphabetic())) {
        return Err(invalid(at, "currency is no ISO 4217 code"));
    }
    if name == "Purchase" && (currency.is_none() || !custom.get("value").is_some_and(Value::is_number)) {
        return Err(invalid(at, "Purchase needs currency and value"));
    }
    // What the stand-in's owner does not want: a mistake that only the platform sees.
    if custom
        .get("order_id")
        .and_then(Value::as_str)
        .is_some_and(|order| order.contains("refuse-me"))
    {
        return Err(invalid(at, "order_id is not accepted"));
    }
    Ok(())
}

fn check_user(at: usize, key: &str, value: &Value) -> Result<(), Fault> {
    let values: Vec<&Value> = match value {
        Value::Array(values) => values.iter().collect(),
        one => vec![one],
    };
    if HASHED.contains(&key) {
        if values.iter().all(|value| value.as_str().is_some_and(is_hash)) {
            return Ok(());
        }
        return Err(invalid(
            at,
            format!("user_data.{key} must be hashed with SHA-256"),
        ));
    }
    if !RAW.contains(&key) {
        return Err(invalid(at, format!("user_data.{key} is unknown")));
    }
    if key == "lead_id"
        && !value
            .as_u64()
            .is_some_and(|id| (15..=17).contains(&id.to_string().len()))
    {
        return Err(invalid(
            at,
            "user_data.lead_id must be a lead id of 15 to 17 digits",
        ));
    }
    if key != "external_id" && values.iter().any(|value| value.as_str().is_some_and(is_hash)) {
        return Err(invalid(at, format!("user_data.{key} must not be hashed")));
    }
    Ok(())
}
