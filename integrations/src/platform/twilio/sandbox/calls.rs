//! Calls: created, listed, read, ended.

use chrono::{DateTime, Utc};
use http::Method;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

use super::messages::callback_url;
use super::state::{Call, State};
use super::{Answered, Refusal, callbacks, fields, paging};
use crate::sandbox::{SandboxAnswer, SandboxRequest};

const EVENTS: [&str; 4] = ["initiated", "ringing", "answered", "completed"];

pub(super) fn create(request: &SandboxRequest, state: &mut State, now: DateTime<Utc>) -> Answered {
    let fields = fields(request);
    let to = fields
        .get("To")
        .ok_or_else(|| Refusal::bad(21201, "No 'To' number is specified"))?;
    let from = fields
        .get("From")
        .ok_or_else(|| Refusal::bad(21213, "Phone number is required: 'From'"))?;
    let digits = to.strip_prefix('+').unwrap_or_default();
    if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Refusal::bad(
            21211,
            format!("The phone number you are attempting to call, {to}, is not valid."),
        ));
    }
    if let Some(code) = digits.strip_prefix("155501").and_then(|code| code.parse().ok())
        && (13_000..70_000).contains(&code)
    {
        return Err(Refusal::bad(
            code,
            format!("The number {to} is refused with {code}"),
        ));
    }
    if !state.numbers.iter().any(|number| number.phone == from) {
        let text = format!("The source phone number provided, {from}, is not yet verified for your account.");
        return Err(Refusal::bad(21210, text));
    }
    match (
        fields.get("Url"),
        fields.get("Twiml"),
        fields.get("ApplicationSid"),
    ) {
        (Some(_), ..) | (None, None, Some(_)) => {}
        (None, Some(twiml), _) if twiml.chars().count() > 4000 => {
            return Err(Refusal::bad(20001, "Twiml must be at most 4000 characters"));
        }
        // The platform takes it and the call fails; refusing shows the fault sooner.
        (None, Some(twiml), _) => readable(twiml)?,
        (None, None, None) => return Err(Refusal::bad(21205, "Url parameter is required.")),
    }
    let events = fields.all("StatusCallbackEvent");
    if events.iter().any(|event| !EVENTS.contains(event)) {
        return Err(Refusal::bad(21626, "Invalid 'StatusCallbackEvent'"));
    }
    let callback = fields.get("StatusCallback").map(callback_url).transpose()?;
    if let Some(seconds) = fields.get("Timeout")
        && !seconds
            .parse()
            .is_ok_and(|seconds: u32| (1..=600).contains(&seconds))
    {
        return Err(Refusal::bad(20001, "Timeout must be between 1 and 600"));
    }
    let (end, machine) = end(to);
    let detects = fields.get("MachineDetection").is_some();
    let call = Call {
        sid: state.next_sid("CA"),
        to: to.to_owned(),
        from: from.to_owned(),
        created: now,
        ended: None,
        end,
        answered_by: (detects && end == "completed").then_some(if machine {
            "machine_start"
        } else {
            "human"
        }),
        fresh: true,
    };
    let events = if events.is_empty() {
        vec!["completed"]
    } else {
        events
    };
    let deliveries = callback
        .map(|url| callbacks::of_call(&call, &url, &events, now))
        .unwrap_or_default();
    let answer = SandboxAnswer::json(201, &call.to_json(now)).deliver(deliveries);
    state.calls.push(call);
    Ok(answer)
}

/// How a call to a number ends, and whether a machine takes it.
fn end(to: &str) -> (&'static str, bool) {
    match to {
        "+15550300001" => ("busy", false),
        "+15550300002" => ("no-answer", false),
        "+15550300003" => ("failed", false),
        "+15550300004" => ("canceled", false),
        "+15550300005" => ("completed", true),
        _ => ("completed", false),
    }
}

/// That it is one `<Response>` of verbs that there are.
fn readable(twiml: &str) -> Result<(), Refusal> {
    let refuse = |why: String| Refusal::bad(12100, format!("Document parse failure: {why}"));
    let mut reader = Reader::from_str(twiml);
    let mut depth = 0_u32;
    let mut said = false;
    loop {
        let event = reader.read_event().map_err(|error| refuse(error.to_string()))?;
        match event {
            Event::Eof if depth == 0 && said => return Ok(()),
            Event::Eof => return Err(refuse("it ends too soon".to_owned())),
            Event::Start(tag) => {
                for attribute in tag.attributes() {
                    attribute.map_err(|error| refuse(error.to_string()))?;
                }
                let expected: &[&str] = if depth == 0 {
                    &["Response"]
                } else {
                    &["Say", "Pause", "Gather"]
                };
                if !expected.contains(&tag.name().as_ref()) {
                    return Err(refuse("an element that is not known here".to_owned()));
                }
                said |= tag.name().as_ref() == "Say";
                depth += 1;
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
}

pub(super) fn list(request: &SandboxRequest, state: &State, now: DateTime<Utc>) -> Answered {
    let mut rows: Vec<(DateTime<Utc>, Value)> = Vec::new();
    for call in &state.calls {
        let to = request.param("To").is_none_or(|to| call.to == to);
        let from = request.param("From").is_none_or(|from| call.from == from);
        let row = call.to_json(now);
        let started = (!row["start_time"].is_null()).then_some(call.created);
        if to && from && paging::passes(request, "StartTime", started)? {
            rows.push((call.created, row));
        }
    }
    rows.reverse();
    rows.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
    let rows: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    paging::page(request, "calls", &rows)
}

pub(super) fn one(request: &SandboxRequest, state: &mut State, sid: &str, now: DateTime<Utc>) -> Answered {
    let sid = sid.strip_suffix(".json").unwrap_or_default();
    let call = state
        .calls
        .iter_mut()
        .find(|call| call.sid == sid)
        .ok_or_else(|| Refusal::not_found(&request.path))?;
    if request.method == Method::POST {
        let waits = ["queued", "ringing"].contains(&call.status(now));
        call.ended = match fields(request).get("Status") {
            Some("completed") => Some("completed"),
            Some("canceled") if waits => Some("canceled"),
            Some("canceled") => return Err(Refusal::bad(21220, "Call is not in progress. Cannot redirect.")),
            _ => call.ended,
        };
    }
    Ok(SandboxAnswer::json(200, &call.to_json(now)))
}
