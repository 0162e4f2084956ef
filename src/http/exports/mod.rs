//! `GET /exports/leads`: leads as a file, made as it is read; the audit log; `reports`.
//!
//! Either with a token in `Authorization` and the query `format` (csv, ndjson, xlsx), `filter` (JSON), `columns` (names
//! between commas), all of which may be left out; or with `link`, as `leadsExport` answers it, and nothing else.
//! Failures are shaped as GraphQL's errors: 400, 401, 403, 405, 503. What fails after the first byte breaks the answer
//! off: its end is missing, which every client tells from a whole file.

mod reports;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use entity::Timestamp;
use futures_util::TryStreamExt as _;
use serde::Deserialize;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, DefaultPredicate, NotForContentType, Predicate as _};

use super::access::{Beside, ServerGateway};
use super::fault::Fault;
use super::gateway::RequestId;
use crate::app::App;
use crate::error::{Error, Failure};
use crate::identity::audit::{self, AuditFilter, AuditFormat};
use crate::insight::scoring::ExportScores;
use crate::leads::export::{self, Content, ExportFormat, ExportRequest, ScoreSource};

/// Gives leads out as files.
#[derive(Clone)]
pub struct Exports {
    app: App,
    gateway: Arc<ServerGateway>,
    scores: Arc<dyn ScoreSource>,
}

/// The query of an export.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    format: Option<String>,
    filter: Option<String>,
    columns: Option<String>,
    link: Option<String>,
}

impl Exports {
    /// Gives out leads of an application to whom the gateway knows, and to holders of links.
    #[must_use]
    pub fn new(app: App, gateway: Arc<ServerGateway>) -> Self {
        Self {
            app,
            gateway,
            scores: Arc::new(ExportScores::default()),
        }
    }

    /// The route of the audit log: `format` (csv, ndjson) and what `auditEntries` filters by: `actor`, `action`, `subject`,
    /// `since`, `until`.
    pub fn audit_route<S: Clone + Send + Sync + 'static>(self) -> MethodRouter<S> {
        axum::routing::get(async move |request: Request| {
            let (parts, _) = request.into_parts();
            match self.audit(&parts).await {
                Ok(response) => response,
                Err(fault) => fault.answer(&RequestId::from_headers(&parts.headers)),
            }
        })
    }

    async fn audit(&self, parts: &Parts) -> Result<Response, Fault> {
        let caller = self.gateway.caller(parts, Beside::Export).await?;
        let Query(AuditAsked {
            format,
            actor,
            action,
            subject,
            since,
            until,
        }) = Query::<AuditAsked>::try_from_uri(&parts.uri)
            .map_err(|error| Fault::input(format!("the query cannot be read: {}", error.body_text())))?;
        let (format, media, end) = match format.as_deref() {
            None | Some("csv") => (AuditFormat::Csv, "text/csv; charset=utf-8", "csv"),
            Some("ndjson") => (AuditFormat::Ndjson, "application/x-ndjson", "ndjson"),
            Some(other) => {
                let shown: String = other.chars().take(20).collect();
                return Err(Fault::input(format!(
                    "unknown format `{shown}`; one of csv, ndjson"
                )));
            }
        };
        let moment = |text: Option<String>, name: &str| {
            text.map(|text| {
                Timestamp::parse_rfc3339(&text).map_err(|_| {
                    Fault::input(format!("`{name}` is not a moment such as 2026-01-31T12:00:00Z"))
                })
            })
            .transpose()
        };
        let filter = AuditFilter {
            actor,
            action,
            subject,
            since: moment(since, "since")?,
            until: moment(until, "until")?,
        };
        let chunks = audit::export(&self.app, &caller, format, filter).await?;
        let mut response = Response::new(Body::from_stream(chunks));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        let name = format!("attachment; filename=\"audit.{end}\"");
        headers.insert(
            header::CONTENT_DISPOSITION,
            HeaderValue::from_str(&name).expect("plain ASCII"),
        );
        Ok(response)
    }

    /// The route to mount at `/exports/leads`.
    pub fn route<S: Clone + Send + Sync + 'static>(self) -> MethodRouter<S> {
        any(move |request: Request| {
            let this = self.clone();
            let (parts, _) = request.into_parts();
            async move { this.answer(&parts).await }
        })
        .layer(compressed())
    }

    async fn answer(&self, request: &Parts) -> Response {
        answered(request, self.open(request).await.map(file))
    }

    async fn open(&self, request: &Parts) -> Result<Content, Fault> {
        is_get(request)?;
        let asked = Query::<Asked>::try_from_uri(&request.uri);
        if let Ok(Query(Asked {
            format,
            filter,
            columns,
            link: Some(link),
        })) = &asked
        {
            if format.is_some() || filter.is_some() || columns.is_some() {
                return Err(Fault::input(
                    "a link says all: leave `format`, `filter` and `columns` out beside `link`".into(),
                ));
            }
            let content = export::open_link(&self.app, link, Arc::clone(&self.scores)).await;
            return content.map_err(refused);
        }
        let caller = self.gateway.caller(request, Beside::Export).await?;
        let Query(Asked {
            format,
            filter,
            columns,
            link: _,
        }) = asked
            .map_err(|error| Fault::input(format!("the query cannot be read: {}", error.body_text())))?;
        let request = ExportRequest::read(format.as_deref(), filter.as_deref(), columns.as_deref())?;
        let content = export::open(&self.app, &caller, request, Arc::clone(&self.scores)).await;
        content.map_err(refused)
    }
}

/// Compresses lines; a workbook is compressed already.
fn compressed() -> CompressionLayer<And<DefaultPredicate, NotForContentType>> {
    let text = DefaultPredicate::new().and(NotForContentType::const_new(ExportFormat::Xlsx.media_type()));
    CompressionLayer::new().compress_when(text)
}

/// Refuses what is no GET.
fn is_get(request: &Parts) -> Result<(), Fault> {
    if request.method == Method::GET {
        return Ok(());
    }
    Err(Fault::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "BAD_USER_INPUT",
        format!("method {} is not allowed; send GET", request.method),
    ))
}

fn answered(request: &Parts, outcome: Result<Response, Fault>) -> Response {
    outcome.unwrap_or_else(|fault| {
        let is_method = fault.status == StatusCode::METHOD_NOT_ALLOWED;
        let mut response = fault.answer(&RequestId::from_headers(&request.headers));
        if is_method {
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("GET"));
        }
        response
    })
}

/// The query of an export of the audit log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditAsked {
    format: Option<String>,
    actor: Option<String>,
    action: Option<String>,
    subject: Option<String>,
    since: Option<String>,
    until: Option<String>,
}

fn refused<C>(failure: Failure<C>) -> Fault {
    match failure {
        Failure::Error(error) => error.into(),
        Failure::Problems(problems) => {
            let messages: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
            Fault::input(messages.join("; "))
        }
    }
}

fn file(content: Content) -> Response {
    let Content {
        format,
        file_name,
        length,
        leads,
        chunks,
    } = content;
    let chunks = chunks.inspect_err(move |error| {
        if let Error::Internal(source) = error {
            let leads = leads.load(std::sync::atomic::Ordering::Relaxed);
            tracing::error!(?source, leads, "an export broke off half-way");
        }
    });
    attachment(Body::from_stream(chunks), format, &file_name, length)
}

fn attachment(body: Body, format: ExportFormat, file_name: &str, length: Option<u64>) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let disposition = format!("attachment; filename=\"{file_name}\"");
    let text: [(HeaderName, &'static str); 4] = [
        (header::CONTENT_TYPE, format.media_type()),
        // Nobody but who asked may keep it, and nobody may guess what it is or learn of the link.
        (header::CACHE_CONTROL, "private, no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in text {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_str(&disposition).expect("a name of ours is printable ASCII"),
    );
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}
