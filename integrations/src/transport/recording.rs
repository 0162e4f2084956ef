//! Recorded exchanges, played back: what a platform answers to what, kept as files beside its code.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::wire::{Incoming, Outgoing, Wire, WireFault};

/// Exchanges in their order. A request that is not the next one is not answered, so a test sees what was sent that should
/// not have been.
#[derive(Debug)]
pub struct Recording(Mutex<VecDeque<Exchange>>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    /// Where it is from, for readers.
    #[expect(dead_code, reason = "for who reads the file")]
    source: String,
    request: RecordedRequest,
    answer: RecordedAnswer,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedRequest {
    method: String,
    /// Host, path and query, without the scheme.
    url: String,
    /// Those that matter.
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// The body as JSON.
    json: Option<Value>,
    /// The body as text.
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedAnswer {
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    json: Option<Value>,
    text: Option<String>,
}

impl Recording {
    /// Takes the texts of files, each a list of exchanges: `[{ "source": …, "request": { "method", "url", "headers",
    /// "json" | "text" }, "answer": { "status", "headers", "json" | "text" } }]`.
    ///
    /// # Panics
    /// When a file cannot be read: it is part of the sources.
    #[must_use]
    pub fn of(files: &[&str]) -> Self {
        let exchanges = files
            .iter()
            .flat_map(|text| {
                serde_json::from_str::<Vec<Exchange>>(text).expect("a file of exchanges is a list of them")
            })
            .collect();
        Self(Mutex::new(exchanges))
    }

    /// How many exchanges were not asked for (yet).
    #[must_use]
    pub fn left(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[async_trait]
impl Wire for Recording {
    async fn send(&self, request: Outgoing) -> Result<Incoming, WireFault> {
        let mut exchanges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(next) = exchanges.front() else {
            return Err(WireFault::Unreachable(format!(
                "nothing more was recorded, and {} {} was asked for",
                request.method, request.url
            )));
        };
        if let Some(difference) = next.request.differs(&request) {
            return Err(WireFault::Unreachable(format!(
                "not as recorded for {} {}: {difference}",
                next.request.method, next.request.url
            )));
        }
        let answer = exchanges.pop_front().expect("it was looked at").answer;
        drop(exchanges);
        let body = match (answer.json, answer.text) {
            (Some(json), _) => json.to_string(),
            (None, text) => text.unwrap_or_default(),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in answer.headers {
            headers.append(
                name.parse::<HeaderName>().expect("a header's name"),
                HeaderValue::from_str(&value).expect("a header's value"),
            );
        }
        Ok(Incoming {
            status: StatusCode::from_u16(answer.status).expect("a status"),
            headers,
            body: Box::pin(stream::iter([Ok(Bytes::from(body))])),
        })
    }
}

impl RecordedRequest {
    fn differs(&self, request: &Outgoing) -> Option<String> {
        let Outgoing {
            method,
            url,
            headers,
            body,
        } = request;
        let url = &url[url::Position::BeforeHost..];
        if (method.as_str(), url) != (self.method.as_str(), self.url.as_str()) {
            return Some(format!("{method} {url}"));
        }
        for (name, value) in &self.headers {
            if headers.get(name).and_then(|found| found.to_str().ok()) != Some(value) {
                return Some(format!("header `{name}`"));
            }
        }
        if let Some(json) = &self.json {
            let found: Value = serde_json::from_slice(body).unwrap_or_default();
            if found != *json {
                return Some(format!("body {found}"));
            }
        }
        let text = String::from_utf8_lossy(body);
        match &self.text {
            Some(expected) if *expected != text => Some(format!("body {text}")),
            _ => None,
        }
    }
}
