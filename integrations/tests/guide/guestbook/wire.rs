//! The platform's JSON, as its documentation shows it: only what is read. What may be absent has a default; what is not known
//! is passed over, so that a field that the platform adds breaks nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `GET /v1/account`.
#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
}

/// A list that is not paged.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
}

/// One of `GET /v1/books`.
#[derive(Debug, Deserialize)]
pub(super) struct Book {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) open: bool,
    #[serde(default)]
    pub(super) questions: Vec<Question>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Question {
    pub(super) key: String,
    pub(super) label: String,
}

/// `GET /v1/entries`.
#[derive(Debug, Deserialize)]
pub(super) struct Entries {
    pub(super) data: Vec<Entry>,
    /// Where to go on. It is there on the last page too.
    pub(super) next: String,
    pub(super) more: bool,
    pub(super) total: Option<u64>,
}

/// `GET /v1/entries/{id}`, and what a webhook brings.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) created_at: Option<String>,
    pub(super) updated_at: Option<String>,
    pub(super) book: Option<BookName>,
    /// Texts, numbers or null, by the key of the question.
    #[serde(default)]
    pub(super) answers: Map<String, Value>,
    #[serde(default)]
    pub(super) consents: Vec<Consent>,
    #[serde(default)]
    pub(super) test: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct BookName {
    pub(super) id: String,
    pub(super) title: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Consent {
    /// `email` or `sms`.
    pub(super) channel: String,
    pub(super) agreed: bool,
    /// What stood beside the box.
    pub(super) text: Option<String>,
}

/// One of `GET /v1/hooks`.
#[derive(Debug, Deserialize)]
pub(super) struct Hook {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) events: Vec<String>,
}

/// `POST /v1/hooks`.
#[derive(Debug, Serialize)]
pub(super) struct NewHook<'a> {
    pub(super) url: &'a str,
    pub(super) events: &'a [&'a str],
}

/// What a webhook says.
#[derive(Debug, Deserialize)]
#[serde(tag = "event")]
pub(super) enum Notice {
    /// With the whole entry.
    #[serde(rename = "entry.created")]
    Created { entry: Entry },
    /// With its id alone.
    #[serde(rename = "entry.changed")]
    Changed { entry_id: String },
    /// An event that came to be after this was written.
    #[serde(other)]
    Other,
}

/// A failure.
#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    pub(super) error: Told,
}

#[derive(Debug, Deserialize)]
pub(super) struct Told {
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
    pub(super) request_id: Option<String>,
}

/// Whether a text is the id of an entry, e.g. `ent_00042`.
pub(super) fn is_id(text: &str) -> bool {
    let rest = text.strip_prefix("ent_").unwrap_or_default();
    !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
