//! GraphQL over HTTP: one POST, or where it is switched on one GET, one operation.
//!
//! By the [GraphQL-over-HTTP specification](https://graphql.github.io/graphql-over-http/draft/) as its audit suite
//! reads it. What is settled here where the specification leaves a choice:
//!
//! | what | answer |
//! | --- | --- |
//! | any method but POST, and GET without [`HttpLimits::get`] | 405 with `Allow` |
//! | GET that would change something | 405 with `Allow: POST`: a GET is repeated, prefetched and logged by others |
//! | GET with a cookie that another site may have had sent | 403, see [`preflight`] |
//! | content type other than `application/json` in UTF-8 | 415; so no page of another origin can send a request without a CORS preflight. Files are uploaded elsewhere |
//! | `Content-Encoding` other than `identity` | 415 |
//! | `Accept` without `application/graphql-response+json`, `application/json` or a wildcard of them | 406 |
//! | body over [`HttpLimits::body_bytes`] | 413 |
//! | body not there within [`HttpLimits::query_timeout`] | 408 |
//! | malformed JSON, a parameter given twice, no `query`, `variables` not an object, an array of operations | 400 |
//! | refused by the [`Gateway`] | 401, 403 or 503 |
//! | the operation never ran (it does not parse, does not fit the schema, is too large) | `application/graphql-response+json`: 400, 401, 403, 500 or 503 by its `extensions.code`; `application/json`: 200 |
//! | the budget of the caller is spent | 429 with `Retry-After`, code `RATE_LIMITED` |
//! | it ran, with or without errors of fields | 200 |
//! | it did not end within [`HttpLimits::query_timeout`] | 504, code `TIMEOUT`; the operation is dropped where it stands and an open transaction rolls back |
//! | a resolver panicked | 500, code `INTERNAL` |
//!
//! GET takes `query`, `operationName`, and `variables` and `extensions` as JSON from the address; its answers are not kept
//! by caches. Without `Accept`, or with `*/*`, the answer is `application/json`. Each error, these included, is shaped as
//! GraphQL does and has `extensions.code` and `extensions.requestId`.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Response as GraphqlResponse, Value};
use axum::body::{Body, Bytes};
use axum::extract::Request as HttpRequest;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use bytes::BytesMut;
use futures_util::{FutureExt, StreamExt};
use tokio::time::timeout;

use super::gateway::{
    Entrance, Gateway, Refusal, RequestId, RequestPayload, ResponseBody, coded_error, complete_errors,
    never_ran, operation_type,
};
use super::preflight;

const JSON: &str = "application/json; charset=utf-8";
const GRAPHQL_RESPONSE: &str = "application/graphql-response+json; charset=utf-8";

/// Bounds of one request.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// Whether GET runs queries. Default no.
    pub get: bool,
    /// Largest body, in bytes. Default 1 MiB.
    pub body_bytes: usize,
    /// Longest time for one operation, and for its body to arrive. Default 30 s.
    pub query_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            get: false,
            body_bytes: 1 << 20,
            query_timeout: Duration::from_secs(30),
        }
    }
}

/// Answers `/graphql` for one executor.
pub struct GraphqlHttp<E, G> {
    executor: E,
    gateway: Arc<G>,
    limits: HttpLimits,
}

impl<E: Executor, G: Gateway> GraphqlHttp<E, G> {
    /// Serves `executor` to whom `gateway` lets in.
    pub fn new(executor: E, gateway: Arc<G>, limits: HttpLimits) -> Self {
        Self {
            executor,
            gateway,
            limits,
        }
    }

    /// The route to mount: all methods, so that the answer to a wrong one is shaped as GraphQL does.
    pub fn route<S: Clone + Send + Sync + 'static>(self) -> MethodRouter<S> {
        let this = Arc::new(self);
        any(move |request: HttpRequest| {
            let this = this.clone();
            async move { this.answer(request).await }
        })
    }

    /// Answers one request; never fails, since failures are answers.
    pub async fn answer(&self, request: HttpRequest) -> Response {
        let (parts, body) = request.into_parts();
        let request_id = RequestId::from_headers(&parts.headers);
        let accepted = accepted(&parts.headers);
        let media = *accepted.as_ref().unwrap_or(&Media::Json);
        let outcome = self.run(&parts, body, accepted.err(), &request_id).await;
        let mut answer = match outcome {
            Ok(mut response) => {
                complete_errors(&mut response, &request_id);
                write(ran_status(&response, media), media, response)
            }
            Err(fault) => fault.answer(media, &request_id),
        };
        let status = answer.status();
        let headers = answer.headers_mut();
        if status == StatusCode::METHOD_NOT_ALLOWED {
            // A GET that is refused although GET is served wanted to change something.
            let allow = if self.limits.get && parts.method != Method::GET {
                "GET, POST"
            } else {
                "POST"
            };
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if parts.method == Method::GET {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        answer
    }

    async fn run(
        &self,
        parts: &Parts,
        body: Body,
        not_acceptable: Option<Fault>,
        request_id: &RequestId,
    ) -> Result<GraphqlResponse, Fault> {
        let get = parts.method == Method::GET && self.limits.get;
        if get {
            preflight::check_cookie(&parts.headers)
                .map_err(|message| Fault::new(StatusCode::FORBIDDEN, "FORBIDDEN", message))?;
        } else if parts.method == Method::POST {
            check_content(&parts.headers)?;
        } else {
            let methods = if self.limits.get { "GET or POST" } else { "POST" };
            return Err(Fault::input(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("method {} is not allowed; send {methods}", parts.method),
            ));
        }
        if let Some(fault) = not_acceptable {
            return Err(fault);
        }
        let admission = self.gateway.admit(parts, Entrance::Http).await?;
        let payload = if get {
            parse_query(parts.uri.query().unwrap_or_default())?
        } else {
            let HttpLimits {
                body_bytes,
                query_timeout,
                ..
            } = self.limits;
            receive(&parts.headers, body, body_bytes, query_timeout).await?
        };
        let work = async {
            let mut request = match self
                .gateway
                .prepare(&admission.caller, &admission.account, payload, request_id)
                .await
            {
                Ok(request) => request,
                Err(error) => return Ok(GraphqlResponse::from_errors(vec![error])),
            };
            if get && matches!(operation_type(&mut request), Ok(Some(OperationType::Mutation))) {
                return Err(Fault::input(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "a mutation is not run by GET; send POST",
                ));
            }
            Ok(self.executor.execute(request).await)
        };
        match timeout(self.limits.query_timeout, AssertUnwindSafe(work).catch_unwind()).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => {
                tracing::error!(request_id = request_id.as_str(), "a resolver panicked");
                Err(Fault::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "INTERNAL",
                    "internal error",
                ))
            }
            Err(_elapsed) => Err(Fault::new(
                StatusCode::GATEWAY_TIMEOUT,
                "TIMEOUT",
                format!(
                    "the operation took longer than {} s",
                    self.limits.query_timeout.as_secs_f32()
                ),
            )),
        }
    }
}

/// Reads the operation out of the body of a POST, which has `limit` bytes at most and arrives in time.
pub(super) async fn receive(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    time: Duration,
) -> Result<async_graphql::Request, Fault> {
    let body = timeout(time, read_body(headers, body, limit)).await;
    let body = body.map_err(|_elapsed| {
        Fault::new(
            StatusCode::REQUEST_TIMEOUT,
            "TIMEOUT",
            "the body did not arrive in time",
        )
    })??;
    parse(&body)
}

/// An answer that is not the executor's.
pub(super) struct Fault {
    pub(super) status: StatusCode,
    code: &'static str,
    message: String,
}

impl Fault {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    pub(super) fn input(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, "BAD_USER_INPUT", message)
    }
}

impl Fault {
    /// The answer itself.
    pub(super) fn answer(self, media: Media, request_id: &RequestId) -> Response {
        let mut response = GraphqlResponse::from_errors(vec![coded_error(self.code, self.message)]);
        complete_errors(&mut response, request_id);
        write(self.status, media, response)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthenticated(message) => {
                Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
            }
            Refusal::Forbidden(message) => Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", message),
            Refusal::Unavailable(message) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
            }
        }
    }
}

/// The media type of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    GraphqlResponse,
}

/// Picks the media type that the client prefers. On a tie `application/graphql-response+json` wins where it is named,
/// and `application/json` stands for the wildcards.
fn accepted(headers: &HeaderMap) -> Result<Media, Fault> {
    let mut offers = headers.get_all(header::ACCEPT).iter().peekable();
    if offers.peek().is_none() {
        return Ok(Media::Json);
    }
    let mut best: Option<(u16, u8, Media)> = None;
    for range in offers
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
    {
        let mut pieces = range.split(';').map(str::trim);
        let name = pieces.next().unwrap_or_default();
        let (rank, media) = if name.eq_ignore_ascii_case("application/graphql-response+json") {
            (2, Media::GraphqlResponse)
        } else if name.eq_ignore_ascii_case("application/json") {
            (1, Media::Json)
        } else if name == "*/*" || name.eq_ignore_ascii_case("application/*") {
            (0, Media::Json)
        } else {
            continue;
        };
        let quality = pieces
            .find_map(|piece| piece.strip_prefix("q=").or_else(|| piece.strip_prefix("Q=")))
            .map_or(1.0, |q| q.trim().parse::<f32>().unwrap_or(0.0));
        let quality = (quality.clamp(0.0, 1.0) * 1000.0) as u16;
        if quality > 0 && best.is_none_or(|(q, r, _)| (quality, rank) > (q, r)) {
            best = Some((quality, rank, media));
        }
    }
    best.map(|(_, _, media)| media).ok_or_else(|| {
        Fault::input(
            StatusCode::NOT_ACCEPTABLE,
            "no media type of `accept` can be served; one of application/graphql-response+json, application/json",
        )
    })
}

/// Lets JSON in UTF-8 pass and nothing else.
pub(super) fn check_content(headers: &HeaderMap) -> Result<(), Fault> {
    let unsupported = |message: String| Fault::input(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut pieces = content_type.split(';').map(str::trim);
    let name = pieces.next().unwrap_or_default();
    if !name.eq_ignore_ascii_case("application/json") {
        return Err(unsupported(format!(
            "content type `{name}` is not accepted; send application/json"
        )));
    }
    for parameter in pieces {
        let Some((key, value)) = parameter.split_once('=') else {
            continue;
        };
        if key.trim().eq_ignore_ascii_case("charset")
            && !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        {
            return Err(unsupported(format!(
                "charset `{}` is not accepted; send utf-8",
                value.trim()
            )));
        }
    }
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => Err(unsupported(
            "a compressed body is not accepted; send it as it is".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Reads the body up to `limit` bytes. A body of one piece is not copied.
async fn read_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Fault> {
    let too_large = || {
        Fault::input(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {limit} bytes"),
        )
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let cut_short = |_error| Fault::input(StatusCode::BAD_REQUEST, "the body was cut short");
    let mut pieces = body.into_data_stream();
    let Some(first) = pieces.next().await.transpose().map_err(cut_short)? else {
        return Ok(Bytes::new());
    };
    if first.len() > limit {
        return Err(too_large());
    }
    let Some(second) = pieces.next().await.transpose().map_err(cut_short)? else {
        return Ok(first);
    };
    let mut whole = BytesMut::with_capacity(announced.unwrap_or(first.len() + second.len()).min(limit));
    whole.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(piece) = next {
        if whole.len() + piece.len() > limit {
            return Err(too_large());
        }
        whole.extend_from_slice(&piece);
        next = pieces.next().await.transpose().map_err(cut_short)?;
    }
    Ok(whole.freeze())
}

/// Reads one operation out of a body.
fn parse(body: &[u8]) -> Result<async_graphql::Request, Fault> {
    let bad = |message: String| Fault::input(StatusCode::BAD_REQUEST, message);
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => {}
        Some(b'[') => {
            return Err(bad(
                "an array of operations is not accepted; send one operation a request".to_owned(),
            ));
        }
        Some(_) => return Err(bad("the body is not a JSON object with `query`".to_owned())),
        None => {
            return Err(bad(
                "the body is empty; send a JSON object with `query`".to_owned()
            ));
        }
    }
    serde_json::from_slice::<RequestPayload>(body)
        .map_err(|error| bad(format!("the body is not a GraphQL request in JSON: {error}")))?
        .into_request()
        .ok_or_else(|| bad("`query` is missing".to_owned()))
}

/// Reads one operation out of the query of an address.
pub(super) fn parse_query(query: &str) -> Result<async_graphql::Request, Fault> {
    let bad = |message: String| Fault::input(StatusCode::BAD_REQUEST, message);
    let mut payload = RequestPayload::default();
    let mut seen = HashSet::new();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if !matches!(&*key, "query" | "operationName" | "variables" | "extensions") {
            continue;
        }
        if !seen.insert(key.clone()) {
            return Err(bad(format!("`{key}` is given twice")));
        }
        let not_json = |error| bad(format!("`{key}` is not an object in JSON: {error}"));
        match &*key {
            "query" => payload.query = Some(value.into_owned()),
            "operationName" => payload.operation_name = Some(value.into_owned()),
            "variables" => payload.variables = serde_json::from_str(&value).map_err(not_json)?,
            _ => payload.extensions = serde_json::from_str(&value).map_err(not_json)?,
        }
    }
    payload
        .into_request()
        .ok_or_else(|| bad("`query` is missing".to_owned()))
}

/// What an error says beside its message.
fn said<'r>(response: &'r GraphqlResponse, name: &str) -> Option<&'r Value> {
    response.errors.first()?.extensions.as_ref()?.get(name)
}

/// The status of an answer of the executor.
fn ran_status(response: &GraphqlResponse, media: Media) -> StatusCode {
    if !never_ran(response) {
        return StatusCode::OK;
    }
    match said(response, "code") {
        // Of no use to those who ask less often only when the status says so.
        Some(Value::String(code)) if code == "RATE_LIMITED" => StatusCode::TOO_MANY_REQUESTS,
        _ if media == Media::Json => StatusCode::OK,
        Some(Value::String(code)) => match code.as_str() {
            "UNAUTHENTICATED" => StatusCode::UNAUTHORIZED,
            "FORBIDDEN" => StatusCode::FORBIDDEN,
            "UNAVAILABLE" => StatusCode::SERVICE_UNAVAILABLE,
            "INTERNAL" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        },
        _ => StatusCode::BAD_REQUEST,
    }
}

fn write(status: StatusCode, media: Media, mut response: GraphqlResponse) -> Response {
    let mut bytes = Vec::with_capacity(1024);
    serde_json::to_writer(&mut bytes, &ResponseBody(&response)).expect("a response is plain JSON in memory");
    let mut answer = Response::new(Body::from(bytes));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    std::mem::swap(headers, &mut response.http_headers);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(match media {
            Media::Json => JSON,
            Media::GraphqlResponse => GRAPHQL_RESPONSE,
        }),
    );
    if let Some(Value::Number(seconds)) = said(&response, "retryAfterSeconds") {
        let seconds = HeaderValue::from_str(&seconds.to_string()).expect("a number is plain");
        headers.insert(header::RETRY_AFTER, seconds);
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

#[cfg(test)]
mod tests;
