//! Messages: created, listed, read, redacted, cancelled, deleted.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use http::Method;
use serde_json::Value;
use url::Url;

use super::super::segments;
use super::state::{End, SERVICE, State, Stored, TEMPLATE, TEMPLATE_TEXT};
use super::{Answered, Fields, Refusal, callbacks, fields, paging};
use crate::sandbox::{SandboxAnswer, SandboxRequest};

const WHATSAPP: &str = "whatsapp:";

pub(super) fn create(request: &SandboxRequest, state: &mut State, now: DateTime<Utc>) -> Answered {
    let fields = fields(request);
    let to = fields
        .get("To")
        .ok_or_else(|| Refusal::bad(21604, "A 'To' phone number is required."))?;
    let (whatsapp, number) = recipient(to)?;
    let service = fields.get("MessagingServiceSid");
    if service.is_some_and(|service| service != SERVICE) {
        return Err(Refusal::bad(21705, "The 'MessagingServiceSid' is invalid"));
    }
    let from = fields.get("From");
    match from {
        Some(from) => sender(state, from, whatsapp, service.is_some())?,
        None if service.is_none() => return Err(Refusal::bad(21603, "A 'From' phone number is required.")),
        None => {}
    }
    if !whatsapp && let Some(code) = refused_by_number(number) {
        return Err(Refusal::bad(
            code,
            format!("The number {number} is refused with {code}"),
        ));
    }
    let body = text(&fields)?;
    let callback = fields.get("StatusCallback").map(callback_url).transpose()?;
    if let Some(seconds) = fields.get("ValidityPeriod")
        && !seconds
            .parse()
            .is_ok_and(|seconds: u32| (1..=36_000).contains(&seconds))
    {
        return Err(Refusal::bad(20001, "ValidityPeriod must be between 1 and 36000"));
    }
    let send_at = send_at(&fields, service, now)?;
    let opted_out = !whatsapp && state.is_opted_out(number, from.filter(|_| service.is_none()));
    if opted_out && service.is_none() {
        return Err(Refusal::bad(21610, "Attempt to send to unsubscribed recipient"));
    }
    let end = if opted_out {
        ("failed", Some(21610))
    } else if whatsapp {
        whatsapp_end(state, &fields, number, now)
    } else {
        sms_end(number)
    };
    let media = fields.all("MediaUrl").len();
    let message = Stored {
        sid: state.next_sid(if media > 0 { "MM" } else { "SM" }),
        to: to.to_owned(),
        from: from.map(ToOwned::to_owned),
        service: service.map(ToOwned::to_owned),
        segments: segments::count(&body).segments.max(1),
        body,
        media,
        created: now,
        send_at,
        cancelled: false,
        direction: "outbound-api",
        end,
        callback,
        fresh: true,
    };
    let deliveries = if message.send_at.is_some() {
        Vec::new()
    } else {
        callbacks::of_message(&message)
    };
    let answer = SandboxAnswer::json(201, &message.to_json(now)).deliver(deliveries);
    state.messages.push(message);
    Ok(answer)
}

/// Whether it is WhatsApp, and the bare number.
fn recipient(to: &str) -> Result<(bool, &str), Refusal> {
    let (whatsapp, number) = match to.strip_prefix(WHATSAPP) {
        Some(number) => (true, number),
        None => (false, to),
    };
    let digits = number.strip_prefix('+').unwrap_or_default();
    let e164 = (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|digit| digit.is_ascii_digit());
    if e164 {
        Ok((whatsapp, number))
    } else {
        Err(Refusal::bad(
            21211,
            format!("The 'To' number {to} is not a valid phone number."),
        ))
    }
}

fn sender(state: &State, from: &str, whatsapp: bool, service: bool) -> Result<(), Refusal> {
    let bare = match from.strip_prefix(WHATSAPP) {
        Some(_) if !whatsapp => return Err(Refusal::bad(21910, "Invalid 'From' and 'To' pair")),
        Some(bare) => bare,
        None if whatsapp => return Err(Refusal::bad(21910, "Invalid 'From' and 'To' pair")),
        None => from,
    };
    let found = state.numbers.iter().position(|number| number.phone == bare);
    match found {
        Some(at) if whatsapp && at != 0 => Err(Refusal::bad(
            63007,
            "Could not find a Channel with the specified From address",
        )),
        Some(at) if service && at > 2 => Err(Refusal::bad(21712, "The 'From' is not of the service")),
        Some(at) if state.numbers[at].sms => Ok(()),
        Some(_) => Err(not_capable(from)),
        None if whatsapp => Err(Refusal::bad(
            63007,
            "Could not find a Channel with the specified From address",
        )),
        None if bare.starts_with('+') => Err(not_capable(from)),
        None => {
            let named = (1..=11).contains(&bare.len())
                && bare.chars().any(|letter| letter.is_ascii_alphabetic())
                && bare
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || letter == ' ');
            let invalid = Refusal::bad(
                21212,
                format!("The 'From' number {from} is not a valid phone number."),
            );
            if named { Ok(()) } else { Err(invalid) }
        }
    }
}

fn not_capable(from: &str) -> Refusal {
    let text =
        format!("The 'From' phone number provided ({from}) is not a valid message-capable Twilio number.");
    Refusal::bad(21606, text)
}

/// What is written, media and templates looked at too.
fn text(fields: &Fields) -> Result<String, Refusal> {
    let media = fields.all("MediaUrl");
    if media.len() > 10 {
        return Err(Refusal::bad(21623, "Number of media files exceeds allowed limit"));
    }
    if media.iter().any(|url| Url::parse(url).is_err()) {
        return Err(Refusal::bad(21620, "Invalid media URL(s)"));
    }
    if let Some(template) = fields.get("ContentSid") {
        if template != TEMPLATE {
            return Err(Refusal::bad(21655, "The ContentSid is Invalid"));
        }
        let invalid = || Refusal::bad(21656, "The ContentVariables Parameter is invalid");
        let variables: BTreeMap<String, String> =
            serde_json::from_str(fields.get("ContentVariables").unwrap_or("{}")).map_err(|_| invalid())?;
        let first = variables.get("1").ok_or_else(invalid)?;
        return Ok(TEMPLATE_TEXT.replace("{{1}}", first));
    }
    let body = fields.get("Body").unwrap_or_default();
    if body.is_empty() && media.is_empty() {
        return Err(Refusal::bad(21602, "Message body is required."));
    }
    if body.chars().count() > 1600 {
        return Err(Refusal::bad(
            21617,
            "The concatenated message body exceeds the 1600 character limit",
        ));
    }
    Ok(body.to_owned())
}

pub(super) fn callback_url(text: &str) -> Result<Url, Refusal> {
    let invalid = || {
        Refusal::bad(
            21609,
            format!("The StatusCallback URL {text} is not a valid URL."),
        )
    };
    let url = Url::parse(text).map_err(|_| invalid())?;
    if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none_or(|host| host.contains('_')) {
        return Err(invalid());
    }
    Ok(url)
}

fn send_at(
    fields: &Fields,
    service: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Refusal> {
    if fields.get("ScheduleType") != Some("fixed") {
        return Ok(None);
    }
    if service.is_none() {
        return Err(Refusal::bad(
            35118,
            "MessagingServiceSid is required to schedule a message",
        ));
    }
    let at: DateTime<Utc> = fields
        .get("SendAt")
        .and_then(|at| at.parse().ok())
        .ok_or_else(|| Refusal::bad(35111, "SendAt missing or invalid"))?;
    if at < now + TimeDelta::minutes(5) || at > now + TimeDelta::days(35) {
        return Err(Refusal::bad(
            35114,
            "SendAt time must be between 5 minutes and 35 days ahead",
        ));
    }
    Ok(Some(at))
}

/// The code in a magic number.
fn code_after(prefix: &str, number: &str) -> Option<u32> {
    number
        .strip_prefix(prefix)
        .filter(|code| code.len() == 5)?
        .parse()
        .ok()
}

fn refused_by_number(number: &str) -> Option<u32> {
    code_after("+155501", number).filter(|code| (20_000..70_000).contains(code))
}

fn sms_end(number: &str) -> End {
    match code_after("+155502", number).filter(|code| (20_000..70_000).contains(code)) {
        // What never left the platform has failed; the rest was not delivered by a carrier.
        Some(code @ (20_000..30_003 | 30_022 | 30_023 | 30_032 | 30_034)) => ("failed", Some(code)),
        Some(code) => ("undelivered", Some(code)),
        None => ("delivered", None),
    }
}

fn whatsapp_end(state: &State, fields: &Fields, number: &str, now: DateTime<Utc>) -> End {
    let told = code_after("+155502", number).filter(|code| (60_000..70_000).contains(code));
    let open = state
        .windows
        .get(number)
        .is_some_and(|wrote| now - *wrote <= TimeDelta::hours(24));
    match told {
        Some(code) => ("undelivered", Some(code)),
        None if fields.get("ContentSid").is_none() && !open => ("failed", Some(63016)),
        None => ("read", None),
    }
}

pub(super) fn list(request: &SandboxRequest, state: &State, now: DateTime<Utc>) -> Answered {
    let mut rows: Vec<(DateTime<Utc>, Value)> = Vec::new();
    for message in &state.messages {
        let to = request.param("To").is_none_or(|to| message.to == to);
        let from = request
            .param("From")
            .is_none_or(|from| message.from.as_deref() == Some(from));
        if to && from && paging::passes(request, "DateSent", message.date_sent(now))? {
            rows.push((message.created, message.to_json(now)));
        }
    }
    // Those of one moment stay in the order they came in, newest first.
    rows.reverse();
    rows.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
    let rows: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    paging::page(request, "messages", &rows)
}

pub(super) fn one(request: &SandboxRequest, state: &mut State, sid: &str, now: DateTime<Utc>) -> Answered {
    let sid = sid.strip_suffix(".json").unwrap_or_default();
    let at = state
        .messages
        .iter()
        .position(|message| message.sid == sid)
        .ok_or_else(|| Refusal::not_found(&request.path))?;
    match request.method {
        Method::DELETE => {
            state.messages.remove(at);
            return Ok(SandboxAnswer::empty(204));
        }
        Method::POST => {
            let fields = fields(request);
            let message = &mut state.messages[at];
            match (fields.sent("Body"), fields.get("Status")) {
                (Some(""), None) => message.body.clear(),
                (None, Some("canceled")) if message.status(now) == "scheduled" => message.cancelled = true,
                (None, Some("canceled")) => {
                    return Err(Refusal::new(409, 30409, "Message cannot be canceled any more"));
                }
                _ => {
                    return Err(Refusal::bad(
                        20001,
                        "Body must be empty or Status must be canceled",
                    ));
                }
            }
        }
        _ => {}
    }
    Ok(SandboxAnswer::json(200, &state.messages[at].to_json(now)))
}
