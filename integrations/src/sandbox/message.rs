//! What is asked of a sandbox and what it answers.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, Method};
use serde_json::Value;
use url::Url;

/// A request to a sandbox.
#[derive(Clone, Debug)]
pub struct SandboxRequest {
    /// `GET`, `POST`, …
    pub method: Method,
    /// Its path, e.g. `/v25.0/me`.
    pub path: String,
    /// Its query, decoded.
    pub query: Vec<(String, String)>,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its bytes.
    pub body: Bytes,
    /// The address the sandbox is reached at.
    pub base: Url,
    /// The address as it was asked for, whole.
    pub url: Url,
    /// When it came.
    pub at: DateTime<Utc>,
}

impl SandboxRequest {
    /// A parameter of the query.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The fields of a form.
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// What a sandbox answers.
#[derive(Clone, Debug)]
pub struct SandboxAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body: pieces, and how long after the one before each is sent.
    pub body: Vec<(Duration, Bytes)>,
    /// The webhooks that it sends for what it was asked, in this order.
    pub deliveries: Vec<Delivery>,
}

impl SandboxAnswer {
    /// With JSON.
    #[must_use]
    pub fn json(status: u16, value: &Value) -> Self {
        Self::text(status, "application/json", value.to_string())
    }

    /// With text.
    #[must_use]
    pub fn text(status: u16, content_type: &str, text: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: vec![(Duration::ZERO, text.into())],
            deliveries: Vec::new(),
        }
    }

    /// Without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            deliveries: Vec::new(),
        }
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// With webhooks to be sent behind it.
    #[must_use]
    pub fn deliver(mut self, deliveries: impl IntoIterator<Item = Delivery>) -> Self {
        self.deliveries.extend(deliveries);
        self
    }
}

/// An answer whose body is made while it is sent.
pub struct LongAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The pieces of the body.
    pub body: Box<dyn Iterator<Item = Bytes> + Send>,
}

/// A webhook that a sandbox sends.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// How long after the one before.
    pub after: Duration,
    /// `GET` or `POST`.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Its headers, the signature among them.
    pub headers: Vec<(&'static str, String)>,
    /// Its bytes.
    pub body: Bytes,
}
