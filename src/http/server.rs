//! The router, and what surrounds every request: its id, its log line, its metrics, panics, CORS, headers of protection.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::Instrument;

use super::access::ServerGateway;
use super::consent::Consent;
use super::exports::Exports;
use super::fault::Fault;
use super::gateway::RequestId;
use super::graphql_http::{GraphqlHttp, HttpLimits};
use super::graphql_ws::{GraphqlWs, SocketLimits};
use super::open_id::Callback;
use super::seats::Seats;
use super::uploads::Uploads;
use super::webhooks::Webhooks;
use super::{console, contract, headers, health, preflight};
use crate::api::Api;
use crate::app::App;
use crate::config::GraphqlSettings;
use crate::platforms::connections::WebhookIntake;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{HTTP_DURATION, HTTP_REQUESTS};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The sockets of the server, which outlive the requests they began as.
pub type Sockets = GraphqlWs<Api, ServerGateway>;

/// What the server is made of.
pub struct Parts {
    /// The application.
    pub app: App,
    /// Who may speak.
    pub gateway: ServerGateway,
    /// The metrics of the process.
    pub metrics: Metrics,
    /// The address under which others reach the server, without a slash at the end.
    pub public_url: String,
    /// Web origins that may call from a browser; `*` stands for all.
    pub cors_origins: Vec<String>,
    /// What the GraphQL endpoint takes.
    pub graphql: GraphqlSettings,
    /// What takes webhooks in.
    pub webhooks: WebhookIntake,
}

/// Puts the routes together. Give the sockets their end by [`GraphqlWs::shut_down`].
pub fn router(parts: Parts) -> (Router, Sockets) {
    let Parts {
        app,
        gateway,
        metrics,
        public_url,
        cors_origins,
        graphql,
        webhooks,
    } = parts;
    let api = Api::new(&app, &public_url, &graphql);
    let gateway = Arc::new(gateway);
    let callback = Callback::new(app.clone(), gateway.surroundings(), &public_url);
    let consent = Consent::new(app.clone(), gateway.surroundings(), &public_url);
    let uploads = Uploads::new(app.clone(), Arc::clone(&gateway));
    let exports = Exports::new(app.clone(), Arc::clone(&gateway));
    let contract = contract::route(Arc::clone(&gateway));
    let seats = Seats::new(graphql.connections);
    let limits = SocketLimits {
        message_bytes: graphql.body_bytes,
        query_timeout: graphql.timeout,
        ..SocketLimits::default()
    };
    let sockets = GraphqlWs::new(api.clone(), Arc::clone(&gateway), seats, limits);
    let streams = sockets.streams();
    let limits = HttpLimits {
        get: graphql.get,
        body_bytes: graphql.body_bytes,
        query_timeout: graphql.timeout,
    };
    let graphql = GraphqlHttp::new(api, gateway, limits);
    let tls = public_url.starts_with("https://");
    let own = OwnOrigins {
        public_url: public_url.clone(),
        others: cors_origins.clone(),
    };
    let metrics_page = async move |State(metrics): State<Metrics>| {
        (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
            metrics.render(),
        )
    };
    let mut router = Router::new()
        .route("/graphql", graphql.route())
        .route(
            "/graphql/ws",
            sockets
                .route()
                .layer(from_fn_with_state(Arc::new(own), from_own_origin)),
        )
        .route("/graphql/stream", streams.route())
        .route("/uploads", uploads.route())
        .route("/exports/audit", exports.clone().audit_route())
        .route("/exports/reports", exports.clone().report_link_route())
        .route("/exports/reports/{report}", exports.clone().report_route())
        .route("/exports/leads", exports.route())
        .route("/schema.graphql", contract.layer(CompressionLayer::new()))
        .route("/openid/callback", callback.route())
        .route("/connections/authorize/{code}", consent.clone().begin_route())
        .route("/connections/callback", consent.callback_route())
        .route(
            "/webhooks/{connection}",
            Webhooks::new(webhooks, &public_url).route(),
        )
        .route("/health/live", get(health::live))
        .merge(
            Router::new()
                .route("/health/ready", get(health::ready))
                .with_state(app),
        )
        .merge(
            Router::new()
                .route("/metrics", get(metrics_page))
                .with_state(metrics),
        )
        // The page is large, text, and kept by browsers; answers of GraphQL are small and made anew each time.
        .merge(console::router().layer(CompressionLayer::new()))
        .fallback(async || (StatusCode::NOT_FOUND, "no such page\n"));
    if !cors_origins.is_empty() {
        router = router.layer(cors(&cors_origins));
    }
    let router = router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(tls, surround));
    (router, sockets)
}

fn cors(origins: &[String]) -> CorsLayer {
    let origins = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(
            origins
                .iter()
                .filter_map(|origin| HeaderValue::from_str(origin).ok()),
        )
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(
            preflight::HEADERS
                .iter()
                .map(|name| HeaderName::from_static(name))
                .chain([header::AUTHORIZATION, header::CONTENT_TYPE, REQUEST_ID])
                .collect::<Vec<_>>(),
        )
        .expose_headers([REQUEST_ID, header::CONTENT_DISPOSITION, header::RETRY_AFTER])
        .max_age(std::time::Duration::from_secs(3600))
}

/// The origins whose pages may open sockets with the user's cookies.
struct OwnOrigins {
    public_url: String,
    others: Vec<String>,
}

/// CORS does not hold for sockets, and browsers send cookies with the handshake: a page of another origin is sent away.
async fn from_own_origin(State(own): State<Arc<OwnOrigins>>, request: Request, next: Next) -> Response {
    match preflight::check_origin(request.headers(), &own.public_url, &own.others) {
        Ok(()) => next.run(request).await,
        Err(message) => {
            let fault = Fault::new(StatusCode::FORBIDDEN, "FORBIDDEN", message);
            fault.answer(&RequestId::from_headers(request.headers()))
        }
    }
}

/// Names the request, counts it and logs one sentence about it.
async fn surround(State(tls): State<bool>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = RequestId::from_headers(request.headers());
    let id = HeaderValue::from_str(id.as_str()).expect("an id is printable ASCII");
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let request_id = id.to_str().unwrap_or_default().to_owned();
    let span = tracing::info_span!("request", %method, route, request_id);
    let mut response = next.run(request).instrument(span).await;
    response.headers_mut().insert(REQUEST_ID, id);
    headers::protect(response.headers_mut(), tls);
    let elapsed = begun.elapsed();
    let status = response.status().as_u16();
    let elapsed_ms = elapsed.as_secs_f64() * 1e3;
    tracing::debug!(%method, route, status, elapsed_ms, request_id, "answered a request");
    let method = counted(&method);
    metrics::histogram!(HTTP_DURATION, "method" => method, "route" => route.clone())
        .record(elapsed.as_secs_f64());
    metrics::counter!(HTTP_REQUESTS, "method" => method, "route" => route, "status" => status.to_string())
        .increment(1);
    response
}

/// Methods are a label of metrics, and clients may invent any.
fn counted(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::POST => "POST",
        _ => "OTHER",
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the layer gives the panic away")]
fn panicked(panic: Box<dyn Any + Send>) -> Response<Body> {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(panic = said, "a request panicked");
    let body = r#"{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}"#;
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        [(header::CONTENT_TYPE, "application/json; charset=utf-8")],
        body,
    )
        .into_response()
}
