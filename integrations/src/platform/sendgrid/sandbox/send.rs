//! `POST /v3/mail/send`: what is refused, and what becomes of what is taken.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Held, refusal};
use crate::sandbox::SandboxAnswer;

/// What a request may have.
const LARGEST: usize = 30 << 20;
const RESERVED: [&str; 12] = [
    "x-sg-id",
    "x-sg-eid",
    "received",
    "dkim-signature",
    "content-type",
    "content-transfer-encoding",
    "to",
    "from",
    "subject",
    "reply-to",
    "cc",
    "bcc",
];

type Refused = Box<SandboxAnswer>;

fn no(message: &str, field: &str) -> Refused {
    Box::new(refusal(400, message, Some(field)))
}

/// What the platform says to a value of a wrong type.
fn bad_request() -> Refused {
    Box::new(refusal(400, "Bad Request", None))
}

/// A mail that is in order.
pub(super) struct Accepted {
    pub(super) mails: Vec<Held>,
    pub(super) is_trial: bool,
}

/// Looks at a request.
pub(super) fn accept(body: &[u8], unix: i64) -> Result<Accepted, Refused> {
    if body.len() > LARGEST {
        return Err(Box::new(refusal(413, "Payload Too Large", None)));
    }
    let Ok(Value::Object(request)) = serde_json::from_slice::<Value>(body) else {
        return Err(bad_request());
    };
    let from = request
        .get("from")
        .ok_or_else(|| no("The from object must be provided for every email send.", "from"))?;
    address(from, "from.email")?;
    if from["email"]
        .as_str()
        .is_some_and(|email| email.ends_with("@not-verified.example"))
    {
        let message = "The from address does not match a verified Sender Identity. Mail cannot be sent until this error \
                       is resolved.";
        return Err(Box::new(refusal(403, message, Some("from"))));
    }
    answers_to(&request)?;
    content(&request)?;
    let headers = strings(request.get("headers"))?;
    if let Some(name) = headers
        .keys()
        .find(|name| RESERVED.contains(&name.to_lowercase().as_str()))
    {
        return Err(no(
            &format!("The header {name} is reserved and cannot be set."),
            &format!("headers.{name}"),
        ));
    }
    let is_one_line = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| text.is_ascii() && !text.contains(['\r', '\n']))
    };
    if !headers.values().all(is_one_line) {
        return Err(bad_request());
    }
    categories(&request)?;
    options(&request, unix)?;
    Ok(Accepted {
        mails: personalizations(&request)?,
        is_trial: request
            .get("mail_settings")
            .is_some_and(|settings| settings["sandbox_mode"]["enable"] == Value::Bool(true)),
    })
}

fn personalizations(request: &Map<String, Value>) -> Result<Vec<Held>, Refused> {
    let list = request.get("personalizations").and_then(Value::as_array);
    let list = list
        .filter(|list| (1..=1000).contains(&list.len()))
        .ok_or_else(|| {
            no(
                "The personalizations field is required and must have at least one personalization.",
                "personalizations",
            )
        })?;
    let mut mails = Vec::new();
    for (at, one) in list.iter().enumerate() {
        let one = one.as_object().ok_or_else(bad_request)?;
        let arguments = strings(one.get("custom_args"))?
            .into_iter()
            .chain(strings(request.get("custom_args"))?);
        let arguments: Map<String, Value> = arguments.collect();
        if Value::Object(arguments.clone()).to_string().len() > 10_000 {
            return Err(no("custom_args must be less than 10000 bytes", "custom_args"));
        }
        strings(one.get("headers"))?;
        strings(one.get("substitutions"))?;
        let mut seen = HashSet::new();
        for kind in ["to", "cc", "bcc"] {
            let recipients = one
                .get(kind)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            if kind == "to" && recipients.is_empty() {
                return Err(no(
                    "The to array is required for all personalization objects.",
                    &format!("personalizations.{at}.to"),
                ));
            }
            for (number, recipient) in recipients.iter().enumerate() {
                let field = format!("personalizations.{at}.{kind}.{number}.email");
                let email = address(recipient, &field)?;
                if !seen.insert(email.to_lowercase()) {
                    return Err(no(
                        "Each email address in the personalization block should be unique between to, cc, and bcc.",
                        &format!("personalizations.{at}"),
                    ));
                }
                mails.push(Held {
                    email,
                    arguments: arguments.clone(),
                    categories: request.get("categories").cloned(),
                    message_id: String::new(),
                    smtp_id: request
                        .get("headers")
                        .and_then(|headers| headers["Message-ID"].as_str().map(str::to_owned)),
                    request: Value::Object(request.clone()),
                });
            }
        }
    }
    if mails.len() > 1000 {
        return Err(no(
            "The number of recipients is limited to 1000.",
            "personalizations",
        ));
    }
    Ok(mails)
}

fn address(value: &Value, field: &str) -> Result<String, Refused> {
    let email = value["email"].as_str().unwrap_or_default();
    let is_address = email.is_ascii()
        && !email.contains([' ', '<', '>', ',', '\r', '\n'])
        && email.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && domain.contains('.') && !domain.contains('@')
        });
    if !value["name"].is_null() && !value["name"].is_string() {
        return Err(bad_request());
    }
    if is_address {
        Ok(email.to_owned())
    } else {
        Err(no("Does not contain a valid address.", field))
    }
}

fn answers_to(request: &Map<String, Value>) -> Result<(), Refused> {
    match (request.get("reply_to"), request.get("reply_to_list")) {
        (Some(_), Some(_)) => Err(no(
            "The reply_to_list parameter must not be used with reply_to parameter. Only one of the two may be used.",
            "reply_to_list",
        )),
        (Some(reply_to), None) => address(reply_to, "reply_to.email").map(drop),
        _ => Ok(()),
    }
}

fn content(request: &Map<String, Value>) -> Result<(), Refused> {
    if request.contains_key("template_id") {
        return Ok(());
    }
    let subject = request.get("subject").and_then(Value::as_str).unwrap_or_default();
    if subject.is_empty() {
        return Err(no(
            "The subject is required. You can get around this requirement if you use a template with a subject defined.",
            "subject",
        ));
    }
    let parts = request
        .get("content")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if parts.is_empty() {
        return Err(no(
            "Unless a valid template_id is provided, the content parameter is required. There must be at least one \
             defined content block.",
            "content",
        ));
    }
    let rank = |part: &Value| match part["type"].as_str() {
        Some("text/plain") => 0,
        Some("text/html") => 1,
        _ => 2,
    };
    if !parts.is_sorted_by_key(rank) {
        let message = "If present, text/plain and text/html may only be provided once, and in this order.";
        return Err(no(message, "content"));
    }
    for (at, part) in parts.iter().enumerate() {
        if part["value"].as_str().is_none_or(str::is_empty) {
            return Err(no(
                "The content value must be a string at least one character in length.",
                &format!("content.{at}.value"),
            ));
        }
    }
    Ok(())
}

fn categories(request: &Map<String, Value>) -> Result<(), Refused> {
    let Some(categories) = request.get("categories") else {
        return Ok(());
    };
    let categories = categories.as_array().ok_or_else(bad_request)?;
    let names: HashSet<_> = categories.iter().filter_map(Value::as_str).collect();
    if names.len() != categories.len() || names.len() > 10 || names.iter().any(|name| name.len() > 255) {
        return Err(no(
            "There may be up to 10 unique categories of at most 255 characters.",
            "categories",
        ));
    }
    Ok(())
}

fn options(request: &Map<String, Value>, unix: i64) -> Result<(), Refused> {
    let at = request.get("send_at").and_then(Value::as_i64).unwrap_or(unix);
    if at > unix + 72 * 3_600 {
        return Err(no(
            "Scheduling more than 72 hours in advance is forbidden",
            "send_at",
        ));
    }
    if let Some(asm) = request.get("asm") {
        if !asm["group_id"].is_u64() {
            return Err(no("The asm group_id must be an integer.", "asm.group_id"));
        }
        if asm["groups_to_display"]
            .as_array()
            .is_some_and(|groups| groups.len() > 25)
        {
            return Err(no(
                "There may be at most 25 groups to display.",
                "asm.groups_to_display",
            ));
        }
    }
    let pool = request.get("ip_pool_name").and_then(Value::as_str);
    if pool.is_some_and(|pool| pool.is_empty() || pool.len() > 64) {
        return Err(no("The ip_pool_name has 1 to 64 characters.", "ip_pool_name"));
    }
    let bypasses = request
        .get("mail_settings")
        .and_then(Value::as_object)
        .map(|settings| {
            settings
                .iter()
                .filter(|(name, on)| name.starts_with("bypass_") && on["enable"] == Value::Bool(true))
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>()
        })
        .unwrap_or_default();
    if bypasses.len() > 1 && bypasses.contains(&"bypass_list_management") {
        let message = "bypass_list_management cannot be combined with other bypass filters.";
        return Err(no(message, "mail_settings"));
    }
    Ok(())
}

/// An object of strings alone.
fn strings(value: Option<&Value>) -> Result<Map<String, Value>, Refused> {
    match value {
        None => Ok(Map::new()),
        Some(Value::Object(fields)) if fields.values().all(Value::is_string) => Ok(fields.clone()),
        Some(_) => Err(bad_request()),
    }
}
