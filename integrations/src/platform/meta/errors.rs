//! What the platform's errors mean, and what its headers tell about limits.

use std::time::Duration;

use serde_json::Value;

use super::wire::{Failed, Fault};
use crate::transport::{Answer, Judge, Pace, by_status};
use crate::{Error, Kind, Result, Retry};

/// What is waited for a limit where no time is named.
const USUAL: Duration = Duration::from_mins(5);
const LONG: Duration = Duration::from_hours(1);
/// Above so many per cent of a limit requests are slowed down.
const SLOW_ABOVE: f64 = 75.0;

/// A row of the table: from code, to code, subcodes (all, if none), kind, and the wait for limits.
type Row = (u32, u32, &'static [u32], Kind, Option<Duration>);

/// The first row that fits counts.
const CODES: &[Row] = &[
    (1, 2, &[], Kind::Unavailable, None),
    (3, 3, &[], Kind::Forbidden, None),
    (4, 4, &[], Kind::Throttled, Some(USUAL)),
    (10, 10, &[], Kind::Forbidden, None),
    (17, 17, &[], Kind::Throttled, Some(USUAL)),
    (32, 32, &[], Kind::Throttled, Some(USUAL)),
    // The object is not there or not to be seen; the platform does not tell which.
    (100, 100, &[33], Kind::NotFound, None),
    (100, 100, &[], Kind::Refused, None),
    // The app is removed, the owner must confirm who they are, the password changed: only they can mend it.
    (190, 190, &[458, 459, 460], Kind::Revoked, None),
    (190, 190, &[], Kind::Unauthorised, None),
    (200, 299, &[], Kind::Forbidden, None),
    (341, 341, &[], Kind::Throttled, Some(USUAL)),
    // Blocked for a while for what was done.
    (368, 368, &[], Kind::Throttled, Some(LONG)),
    (613, 613, &[], Kind::Throttled, Some(USUAL)),
    (2635, 2635, &[], Kind::Settings, None),
    (2654, 2654, &[], Kind::Refused, None),
    (80_000, 80_014, &[], Kind::Throttled, Some(USUAL)),
];

/// Reads answers of the Graph API. Their status is mostly 400, whatever failed: the code counts.
pub(super) struct Graph;

impl Judge for Graph {
    fn judge(&self, answer: &Answer) -> Result<()> {
        match serde_json::from_slice::<Failed>(&answer.body) {
            Ok(Failed { error: Some(fault) }) => Err(error(&fault, answer)),
            _ => by_status(answer),
        }
    }

    fn pace(&self, answer: &Answer) -> Option<Pace> {
        let usage = Usage::of(answer);
        if !usage.regain.is_zero() {
            return Some(Pace::Pause(usage.regain));
        }
        let above = (usage.percent - SLOW_ABOVE).min(25.0);
        // Up to ten seconds between two requests, the nearer the limit the longer.
        (above > 0.0).then(|| Pace::Pause(Duration::from_secs_f64(above * 0.4)))
    }
}

fn error(fault: &Fault, answer: &Answer) -> Error {
    let subcode = fault.error_subcode.unwrap_or_default();
    let row = CODES.iter().find(|(from, to, subcodes, ..)| {
        (*from..=*to).contains(&fault.code) && (subcodes.is_empty() || subcodes.contains(&subcode))
    });
    let (mut kind, wait) = match row {
        Some((_, _, _, kind, wait)) => (*kind, *wait),
        None if answer.status.is_server_error() => (Kind::Unavailable, None),
        None => (Kind::Refused, None),
    };
    // Told with the code for wrong parameters, but about the connection.
    if kind == Kind::Refused && fault.message.contains("appsecret_proof") {
        kind = Kind::Settings;
    }
    if fault.is_transient && wait.is_none() {
        kind = Kind::Unavailable;
    }
    let mut error = Error::new(kind, words(fault));
    error.code = Some(match fault.error_subcode {
        Some(subcode) => format!("{}/{subcode}", fault.code),
        None => fault.code.to_string(),
    });
    error.request_id.clone_from(&fault.fbtrace_id);
    if let Some(usual) = wait {
        let named = Usage::of(answer).regain;
        let time = if named.is_zero() { usual } else { named };
        error = error.retry(Retry::After(time));
    }
    error
}

/// The platform's words, and those it has for people.
fn words(fault: &Fault) -> String {
    let prefix = format!("(#{}) ", fault.code);
    let message = fault.message.strip_prefix(&prefix).unwrap_or(&fault.message);
    match &fault.error_user_msg {
        Some(more) if !more.is_empty() && more != message => format!("{message}: {more}"),
        _ if message.is_empty() => "the platform gave no reason".to_owned(),
        _ => message.to_owned(),
    }
}

/// How much of the limits is used up.
#[derive(Debug, Default, PartialEq)]
struct Usage {
    /// Of the limit that is nearest.
    percent: f64,
    /// How long nothing is taken any more.
    regain: Duration,
}

impl Usage {
    fn of(answer: &Answer) -> Self {
        let mut usage = Self::default();
        let names = ["x-app-usage", "x-business-use-case-usage", "x-ad-account-usage"];
        for text in names.into_iter().filter_map(|name| answer.header(name)) {
            usage.add(&serde_json::from_str(text).unwrap_or_default());
        }
        usage
    }

    /// Takes in whatever is named as the platform names its figures, wherever it stands.
    fn add(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    let number = value
                        .as_f64()
                        .filter(|number| number.is_finite() && *number >= 0.0);
                    match (name.as_str(), number) {
                        (
                            "call_count" | "total_time" | "total_cputime" | "acc_id_util_pct",
                            Some(percent),
                        ) => {
                            self.percent = self.percent.max(percent);
                        }
                        ("estimated_time_to_regain_access", Some(minutes)) => {
                            let time = Duration::try_from_secs_f64(minutes * 60.0).unwrap_or(LONG);
                            self.regain = self.regain.max(time);
                        }
                        _ => self.add(value),
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::DateTime;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use serde_json::json;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &Value) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).expect("a header"));
        }
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: map,
            body: Bytes::from(body.to_string()),
            at: DateTime::UNIX_EPOCH,
        }
    }

    fn judged(status: u16, code: u32, subcode: Option<u32>) -> Error {
        let body = json!({ "error": { "message": format!("(#{code}) words"), "code": code, "error_subcode": subcode,
                                      "fbtrace_id": "A1" } });
        Graph.judge(&answer(status, &[], &body)).unwrap_err()
    }

    #[test]
    fn the_code_counts_and_not_the_status() {
        for (code, subcode, kind, retry) in [
            (1, None, Kind::Unavailable, Retry::BackOff),
            (4, None, Kind::Throttled, Retry::After(USUAL)),
            (10, None, Kind::Forbidden, Retry::Never),
            (100, None, Kind::Refused, Retry::Never),
            (100, Some(33), Kind::NotFound, Retry::Never),
            (190, None, Kind::Unauthorised, Retry::Never),
            (190, Some(463), Kind::Unauthorised, Retry::Never),
            (190, Some(460), Kind::Revoked, Retry::Never),
            (275, None, Kind::Forbidden, Retry::Never),
            (368, None, Kind::Throttled, Retry::After(LONG)),
            (613, None, Kind::Throttled, Retry::After(USUAL)),
            (2635, None, Kind::Settings, Retry::Never),
            (80_014, None, Kind::Throttled, Retry::After(USUAL)),
            (9_999, None, Kind::Refused, Retry::Never),
        ] {
            for status in [200, 400] {
                let error = judged(status, code, subcode);
                assert_eq!((error.kind, error.retry), (kind, retry), "{code} {subcode:?}");
                assert_eq!(
                    (error.message.as_str(), error.request_id.as_deref()),
                    ("words", Some("A1"))
                );
            }
        }
        assert_eq!(judged(400, 190, Some(463)).code.as_deref(), Some("190/463"));
        assert_eq!(judged(500, 9_999, None).kind, Kind::Unavailable);
    }

    #[test]
    fn what_passes_by_itself_is_tried_again() {
        let body = json!({ "error": { "message": "m", "code": 100, "is_transient": true } });
        let error = Graph.judge(&answer(400, &[], &body)).unwrap_err();
        assert_eq!((error.kind, error.retry), (Kind::Unavailable, Retry::BackOff));
    }

    #[test]
    fn a_limit_waits_as_long_as_the_platform_says() {
        let usage = json!({ "17": [{ "type": "leadgen", "call_count": 101, "estimated_time_to_regain_access": 12 }] });
        let headers = [("x-business-use-case-usage", usage.to_string())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let body = json!({ "error": { "message": "m", "code": 80_005 } });
        let limited = answer(400, &headers, &body);
        let wait = Duration::from_mins(12);
        assert_eq!(Graph.judge(&limited).unwrap_err().retry, Retry::After(wait));
        assert_eq!(Graph.pace(&limited), Some(Pace::Pause(wait)));
    }

    #[test]
    fn near_a_limit_requests_are_slowed_down() {
        let pace = |name: &'static str, text: &str| Graph.pace(&answer(200, &[(name, text)], &json!({})));
        let app = r#"{"call_count":28,"total_time":75,"total_cputime":25}"#;
        assert_eq!(pace("x-app-usage", app), None);
        let app = r#"{"call_count":28,"total_time":85,"total_cputime":25}"#;
        assert_eq!(
            pace("x-app-usage", app),
            Some(Pace::Pause(Duration::from_secs(4)))
        );
        let account = r#"{"acc_id_util_pct":180.0}"#;
        assert_eq!(
            pace("x-ad-account-usage", account),
            Some(Pace::Pause(Duration::from_secs(10)))
        );
        assert_eq!(pace("x-ad-account-usage", "no JSON"), None);
    }
}
