//! The platform's JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// What is posted to send a mail.
#[derive(Clone, Debug, Serialize)]
pub struct Send<'a> {
    pub personalizations: [Personalization<'a>; 1],
    pub from: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Address>,
    pub subject: &'a str,
    pub content: Vec<Part<'a>>,
    pub headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub categories: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asm: Option<Group>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_pool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_settings: Option<MailSettings>,
}

/// Who gets it, and what comes back with what is told of it.
#[derive(Clone, Debug, Serialize)]
pub struct Personalization<'a> {
    pub to: [Address; 1],
    pub custom_args: BTreeMap<&'static str, &'a str>,
}

/// An address.
#[derive(Clone, Debug, Serialize)]
pub struct Address {
    pub email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What it says, in one form.
#[derive(Clone, Debug, Serialize)]
pub struct Part<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub value: &'a str,
}

/// An unsubscribe group.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Group {
    pub group_id: u64,
}

/// Settings of one mail.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MailSettings {
    pub sandbox_mode: Switch,
}

/// On or off.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Switch {
    pub enable: bool,
}

/// What is wrong.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Failures {
    #[serde(default)]
    pub errors: Vec<Failure>,
    #[serde(default)]
    pub id: Option<String>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Deserialize)]
pub struct Failure {
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub field: Option<String>,
    #[serde(default)]
    pub error_id: Option<String>,
}

/// What a key may do.
#[derive(Clone, Debug, Deserialize)]
pub struct Scopes {
    pub scopes: Vec<String>,
}

/// The Event Webhooks of an account.
#[derive(Clone, Debug, Deserialize)]
pub struct Hooks {
    #[serde(default)]
    pub webhooks: Vec<Hook>,
}

/// An Event Webhook.
#[derive(Clone, Debug, Deserialize)]
pub struct Hook {
    pub id: String,
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub enabled: bool,
    /// What it tells, among others.
    #[serde(flatten)]
    pub flags: Map<String, Value>,
}

/// The key that a webhook is signed with.
#[derive(Clone, Debug, Deserialize)]
pub struct Signing {
    #[serde(default)]
    pub public_key: Option<String>,
}

/// The hosts whose mails come in.
#[derive(Clone, Debug, Deserialize)]
pub struct Parses {
    #[serde(default)]
    pub result: Vec<Parse>,
}

/// A host whose mails come in.
#[derive(Clone, Debug, Deserialize)]
pub struct Parse {
    pub hostname: String,
    #[serde(default)]
    pub url: Option<String>,
}

/// An event of a mail.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Event {
    pub event: String,
    #[serde(default, deserialize_with = "lenient_text")]
    pub email: Option<String>,
    #[serde(default, deserialize_with = "lenient_number")]
    pub timestamp: Option<i64>,
    #[serde(default, deserialize_with = "lenient_text")]
    pub sg_event_id: Option<String>,
    #[serde(default, deserialize_with = "lenient_text")]
    pub sg_message_id: Option<String>,
    #[serde(default, deserialize_with = "lenient_text")]
    pub leadline_id: Option<String>,
    #[serde(default, deserialize_with = "lenient_text")]
    pub reason: Option<String>,
    #[serde(default, deserialize_with = "lenient_text")]
    pub response: Option<String>,
    #[serde(default, deserialize_with = "lenient_text")]
    pub status: Option<String>,
    #[serde(default, deserialize_with = "lenient_text", rename = "type")]
    pub kind: Option<String>,
    #[serde(default, deserialize_with = "lenient_text")]
    pub bounce_classification: Option<String>,
    #[serde(default, deserialize_with = "lenient_text")]
    pub useragent: Option<String>,
    #[serde(default, deserialize_with = "lenient_text")]
    pub ip: Option<String>,
    #[serde(default, deserialize_with = "lenient_text")]
    pub url: Option<String>,
    #[serde(default, deserialize_with = "lenient_flag")]
    pub sg_machine_open: bool,
}

/// A text, or a number as one; nothing for what is neither or empty.
fn lenient_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// A whole number, also as a text or with a fraction.
fn lenient_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => return Ok(None),
    };
    let whole = text.trim().split('.').next().unwrap_or_default();
    Ok(whole.parse().ok())
}

/// Yes or no, also as a text or a number.
fn lenient_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(flag) => flag,
        Value::String(text) => text.eq_ignore_ascii_case("true") || text == "1",
        Value::Number(number) => number.as_i64() == Some(1),
        _ => false,
    })
}
