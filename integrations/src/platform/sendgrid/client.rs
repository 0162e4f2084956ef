//! Requests to the platform, and how its answers are read.

use std::time::Duration;

use chrono::DateTime;
use http::Method;

use super::settings::{Secrets, Settings};
use super::wire::{Failure, Failures};
use crate::transport::{Answer, Judge, Pace, Request, retry_after};
use crate::{Context, Error, Kind, RecipientFault, Result, Retry};

/// What is known of an account.
pub struct Client<'a> {
    context: &'a Context,
    pub settings: Settings,
    secrets: Secrets,
}

impl<'a> Client<'a> {
    /// Reads settings and secrets.
    pub fn of(context: &'a Context) -> Result<Self> {
        Ok(Self {
            context,
            settings: context.settings.read()?,
            secrets: context.secrets.read()?,
        })
    }

    /// A request to a path below the version.
    pub fn request(&self, method: Method, path: &str) -> Request {
        let request = self
            .context
            .http
            .request(method, &self.settings.url(path))
            .bearer(&self.secrets.api_key);
        match &self.settings.subuser {
            Some(subuser) => request.header("on-behalf-of", subuser),
            None => request,
        }
    }
}

/// Reads the platform's answers.
#[derive(Clone, Copy, Debug)]
pub struct SendGridJudge {
    /// Whether a mail is sent: a gateway that does not hear of it does not know whether it went.
    pub sends: bool,
}

/// What a status says.
const BY_STATUS: [(u16, Kind); 10] = [
    (400, Kind::Refused),
    (401, Kind::Unauthorised),
    (402, Kind::OutOfFunds),
    (403, Kind::Forbidden),
    (404, Kind::NotFound),
    (405, Kind::Refused),
    (408, Kind::TimedOut),
    (413, Kind::Refused),
    (429, Kind::Throttled),
    (504, Kind::TimedOut),
];

/// What a failure says beyond its status: the status, how the field begins, words of the message in lower case.
const BY_MESSAGE: [(u16, &str, &str, Kind); 4] = [
    (
        400,
        "personalizations.",
        "valid address",
        Kind::Recipient(RecipientFault::Unknown),
    ),
    (401, "", "maximum credits exceeded", Kind::OutOfFunds),
    (403, "", "maximum credits exceeded", Kind::OutOfFunds),
    (400, "", "maximum credits exceeded", Kind::OutOfFunds),
];

impl Judge for SendGridJudge {
    fn judge(&self, answer: &Answer) -> Result<()> {
        if answer.status.is_success() {
            return Ok(());
        }
        let status = answer.status.as_u16();
        let told: Failures = serde_json::from_slice(&answer.body).unwrap_or_default();
        let by_message = told.errors.iter().find_map(|failure| meaning(status, failure));
        let by_status = BY_STATUS
            .iter()
            .find(|(known, _)| *known == status)
            .map(|(_, kind)| *kind);
        let kind = by_message.or(by_status).unwrap_or(match status {
            500.. => Kind::Unavailable,
            _ => Kind::Refused,
        });
        // Behind a gateway that has lost the answer the mail may have been taken.
        let kind = if self.sends && matches!(status, 408 | 502 | 504) {
            Kind::OutcomeUnknown
        } else {
            kind
        };
        let mut error = Error::new(kind, words(status, &told.errors)).code(status);
        error.request_id = told
            .id
            .or_else(|| told.errors.into_iter().find_map(|failure| failure.error_id));
        let wait = match kind {
            Kind::Throttled => reset(answer).or_else(|| retry_after(answer)),
            Kind::Unavailable => retry_after(answer),
            _ => None,
        };
        Err(match wait {
            Some(time) => error.retry(Retry::After(time)),
            None => error,
        })
    }

    fn pace(&self, answer: &Answer) -> Option<Pace> {
        Some(Pace::Window {
            remaining: answer.header("x-ratelimit-remaining")?.trim().parse().ok()?,
            left: reset(answer)?,
        })
    }
}

/// The time until the limit begins anew.
fn reset(answer: &Answer) -> Option<Duration> {
    let unix = answer.header("x-ratelimit-reset")?.trim().parse().ok()?;
    let at = DateTime::from_timestamp(unix, 0)?;
    Some((at - answer.at).to_std().unwrap_or_default())
}

fn meaning(status: u16, failure: &Failure) -> Option<Kind> {
    let message = failure.message.to_lowercase();
    let field = failure.field.as_deref().unwrap_or_default();
    BY_MESSAGE
        .iter()
        .find(|(known, begins, words, _)| {
            *known == status && field.starts_with(begins) && message.contains(words)
        })
        .map(|(.., kind)| *kind)
}

fn words(status: u16, failures: &[Failure]) -> String {
    let told: Vec<_> = failures
        .iter()
        .filter(|failure| !failure.message.is_empty())
        .take(5)
        .map(|failure| match &failure.field {
            Some(field) => format!("{} (`{field}`)", failure.message),
            None => failure.message.clone(),
        })
        .collect();
    if told.is_empty() {
        format!("SendGrid answered {status}")
    } else {
        format!("SendGrid said: {}", told.join("; "))
    }
}
