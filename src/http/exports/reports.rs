//! `GET /exports/reports/{report}`: a report as a file, for a token in the `Authorization` header. The query has `format` (csv,
//! ndjson, xlsx), `table`, `lastDays` or `from` and `to`, `timeZone`, `filter` (JSON), `previous`, `period`, `by`, `model`,
//! `months`. `GET /exports/reports?link=…` with a link of `reportExport`, and nothing else.

use axum::body::Body;
use axum::extract::{Path, Query, Request};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use serde::Deserialize;

use super::{Exports, answered, attachment, compressed, is_get, refused};
use crate::http::access::Beside;
use crate::http::fault::Fault;
use crate::insight::analytics::{self, ReportFile, ReportKind, ReportWords};

/// The query of a link.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByLink {
    link: String,
}

impl Exports {
    /// The route to mount at `/exports/reports/{report}`.
    pub fn report_route<S: Clone + Send + Sync + 'static>(self) -> MethodRouter<S> {
        any(move |Path(report): Path<String>, request: Request| {
            let this = self.clone();
            let (parts, _) = request.into_parts();
            async move { answered(&parts, this.report(&parts, &report).await.map(file)) }
        })
        .layer(compressed())
    }

    /// The route to mount at `/exports/reports`.
    pub fn report_link_route<S: Clone + Send + Sync + 'static>(self) -> MethodRouter<S> {
        any(move |request: Request| {
            let this = self.clone();
            let (parts, _) = request.into_parts();
            async move { answered(&parts, this.report_of_link(&parts).await.map(file)) }
        })
        .layer(compressed())
    }

    async fn report(&self, request: &Parts, report: &str) -> Result<ReportFile, Fault> {
        is_get(request)?;
        let caller = self.gateway.caller(request, Beside::Export).await?;
        let report: ReportKind = report.parse().map_err(Fault::input)?;
        let Query(words) = Query::<ReportWords>::try_from_uri(&request.uri)
            .map_err(|error| Fault::input(format!("the query cannot be read: {}", error.body_text())))?;
        let request = words.request(report)?;
        let file = analytics::report_file(&self.app, &caller, request).await;
        file.map_err(refused)
    }

    async fn report_of_link(&self, request: &Parts) -> Result<ReportFile, Fault> {
        is_get(request)?;
        let Query(ByLink { link }) = Query::<ByLink>::try_from_uri(&request.uri).map_err(|_| {
            let names = ReportKind::ALL.map(ReportKind::as_str).join(", ");
            Fault::input(format!(
                "ask for `/exports/reports/NAME` with a token, NAME being one of {names}; or for a link of `reportExport`"
            ))
        })?;
        analytics::report_of_link(&self.app, &link).await.map_err(refused)
    }
}

fn file(file: ReportFile) -> Response {
    let ReportFile {
        format,
        file_name,
        bytes,
    } = file;
    let length = bytes.len() as u64;
    attachment(Body::from(bytes), format, &file_name, Some(length))
}
