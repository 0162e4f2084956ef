//! What platforms call their errors, and what follows from them: as tables.

use std::time::Duration;

use http::HeaderMap;

use crate::transport::{Answer, retry_after};
use crate::{Error, Kind, Retry};

/// How much of a platform's own words is kept.
const LONGEST: usize = 600;

/// A platform's errors.
#[derive(Debug)]
pub(crate) struct ErrorTable {
    /// By name. One that begins with `*` is the end of names.
    pub names: &'static [(&'static str, Kind, Retry)],
    /// By status, for what has no name here.
    pub statuses: &'static [(u16, Kind, Retry)],
}

/// An error as a platform told it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// What it is called, the most precise name first.
    pub names: Vec<String>,
    /// The status, where it is known: within a stream it is not.
    pub status: Option<u16>,
    /// In the platform's words.
    pub message: String,
}

impl ErrorTable {
    /// What an error is. One that is not in the table is a fault of the platform's own, unless the status says that it is
    /// ours.
    pub(crate) fn error(&self, told: Told) -> Error {
        let Told {
            names,
            status,
            message,
        } = told;
        let by_name = names.iter().find_map(|name| {
            let fits = |known: &str| match known.strip_prefix('*') {
                Some(end) => name.ends_with(end),
                None => name == known,
            };
            self.names
                .iter()
                .find(|(known, ..)| fits(known))
                .map(|(_, kind, retry)| (*kind, *retry))
        });
        let by_status = || {
            let found = self.statuses.iter().find(|(known, ..)| Some(*known) == status);
            found.map(|(_, kind, retry)| (*kind, *retry))
        };
        let (kind, retry) = by_name.or_else(by_status).unwrap_or(match status {
            Some(400..=499) => (Kind::Refused, Retry::Never),
            _ => (Kind::Unavailable, Retry::BackOff),
        });
        let mut message = message;
        if let Some((end, _)) = message.char_indices().nth(LONGEST) {
            message.truncate(end);
            message.push('…');
        }
        if message.is_empty() {
            "the platform tells no reason".clone_into(&mut message);
        }
        let code = names
            .into_iter()
            .next()
            .or(status.map(|status| status.to_string()));
        let error = Error::new(kind, message).retry(retry);
        match code {
            Some(code) => error.code(code),
            None => error,
        }
    }
}

/// With what the headers of an answer say: whether and when to try again, and the platform's name of the request.
pub(crate) fn with_headers(mut error: Error, answer: &Answer, request_id: &str) -> Error {
    error.request_id = name_of(&answer.headers, request_id);
    // What is used up stays used up, whatever a proxy on the way says.
    if error.kind == Kind::OutOfFunds {
        return error;
    }
    match answer.header("x-should-retry") {
        Some("false") => error.retry = Retry::Never,
        Some("true") if error.retry == Retry::Never => error.retry = Retry::BackOff,
        _ => {}
    }
    let told = answer
        .header("retry-after-ms")
        .and_then(|text| text.trim().parse::<f64>().ok())
        .and_then(|ms| Duration::try_from_secs_f64(ms.max(0.0) / 1000.0).ok())
        .or_else(|| retry_after(answer));
    if let Some(time) = told
        && error.retry != Retry::Never
    {
        error.retry = Retry::After(time);
    }
    error
}

/// The platform's name of a request.
pub(crate) fn name_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::DateTime;
    use http::{HeaderName, HeaderValue, StatusCode};

    use super::*;

    const TABLE: ErrorTable = ErrorTable {
        names: &[
            ("*_limit_reached", Kind::OutOfFunds, Retry::Never),
            ("busy", Kind::Unavailable, Retry::BackOff),
        ],
        statuses: &[(429, Kind::Throttled, Retry::BackOff)],
    };

    fn error(names: &[&str], status: Option<u16>) -> Error {
        TABLE.error(Told {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            status,
            message: "told".to_owned(),
        })
    }

    #[test]
    fn the_first_name_that_is_known_counts_then_the_status() {
        let spent = error(&["team_limit_reached", "busy"], Some(429));
        assert_eq!((spent.kind, spent.retry), (Kind::OutOfFunds, Retry::Never));
        assert_eq!(spent.code.as_deref(), Some("team_limit_reached"));
        assert_eq!(error(&["new", "busy"], Some(429)).kind, Kind::Unavailable);
        assert_eq!(error(&["new"], Some(429)).kind, Kind::Throttled);
        assert_eq!(error(&["new"], Some(418)).kind, Kind::Refused);
        assert_eq!(error(&["new"], None).retry, Retry::BackOff);
    }

    #[test]
    fn headers_say_whether_and_when() {
        let told = |error: Error, headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let answer = Answer {
                status: StatusCode::TOO_MANY_REQUESTS,
                headers: headers.collect(),
                body: Bytes::new(),
                at: DateTime::UNIX_EPOCH,
            };
            with_headers(error, &answer, "request-id")
        };
        let throttled = || error(&[], Some(429));
        let milliseconds = told(throttled(), &[("retry-after-ms", "1500"), ("retry-after", "9")]);
        assert_eq!(milliseconds.retry, Retry::After(Duration::from_millis(1500)));
        let seconds = told(throttled(), &[("retry-after", "9"), ("request-id", "req_1")]);
        assert_eq!(seconds.retry, Retry::After(Duration::from_secs(9)));
        assert_eq!(seconds.request_id.as_deref(), Some("req_1"));
        let never = told(throttled(), &[("x-should-retry", "false"), ("retry-after", "9")]);
        assert_eq!(never.retry, Retry::Never);
        assert_eq!(
            told(error(&[], Some(400)), &[("x-should-retry", "true")]).retry,
            Retry::BackOff
        );
        let spent = told(
            error(&["a_limit_reached"], Some(429)),
            &[("x-should-retry", "true")],
        );
        assert_eq!(spent.retry, Retry::Never);
    }
}
