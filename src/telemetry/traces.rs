//! Traces to an OpenTelemetry collector: OTLP over HTTP.
//!
//! Spans are queued in memory and sent by the SDK's own thread. A collector that is away costs nothing but
//! the spans and one warning a minute.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::config::{SecretUrl, SettingsError};

/// Longest time for one request to the collector.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// Least time between two warnings about the collector.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// A provider that sends to the collector. Must be called within a Tokio runtime, which does the sending.
pub(super) fn provider(endpoint: &SecretUrl) -> Result<SdkTracerProvider, SettingsError> {
    let failed = |error: &dyn std::fmt::Display| {
        SettingsError::new(
            format!("traces cannot be set up: {error}"),
            "check `otlp_endpoint`, or leave it out to send no traces",
        )
    };
    // reqwest is built without a cryptography of its own; another part may have installed this one before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(REQUEST_TIME)
        .build()
        .map_err(|error| failed(&error))?;
    let collector = Collector {
        client,
        runtime: Handle::current(),
        outage: Arc::default(),
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(traces_url(endpoint.expose()))
        .with_timeout(REQUEST_TIME)
        .with_retry_policy(RetryPolicy::disabled())
        .build()
        .map_err(|error| failed(&error))?;
    let resource = Resource::builder()
        .with_service_name("leadline")
        .with_attribute(opentelemetry::KeyValue::new(
            "service.version",
            env!("CARGO_PKG_VERSION"),
        ))
        .build();
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

/// The setting names the collector as OTEL_EXPORTER_OTLP_ENDPOINT does, without the path of the signal.
fn traces_url(endpoint: &str) -> String {
    let (base, query) = endpoint
        .split_once('?')
        .map_or((endpoint, None), |(base, query)| (base, Some(query)));
    let base = base.trim_end_matches('/');
    let path = if base.ends_with("/v1/traces") {
        ""
    } else {
        "/v1/traces"
    };
    match query {
        Some(query) => format!("{base}{path}?{query}"),
        None => format!("{base}{path}"),
    }
}

/// The layer that turns tracing spans into traces.
pub(super) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    // The spans of the sending itself must not become traces to send.
    let quiet = [
        "opentelemetry",
        "hyper",
        "hyper_util",
        "reqwest",
        "h2",
        "rustls",
        "tower",
    ];
    let filter = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_targets(quiet.map(|target| (target, LevelFilter::OFF)));
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("leadline"))
        .with_filter(filter)
}

/// Sends what is still queued, for at most `time`.
pub(super) async fn shutdown(provider: SdkTracerProvider, time: Duration) {
    let flush = move || provider.shutdown_with_timeout(time);
    if let Ok(Err(error)) = tokio::task::spawn_blocking(flush).await {
        tracing::warn!(%error, "the last traces were not sent");
    }
}

/// Sends requests on the server's runtime: the SDK's thread has none of its own.
#[derive(Debug)]
struct Collector {
    client: reqwest::Client,
    runtime: Handle,
    outage: Arc<Mutex<Outage>>,
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let answer = self
            .runtime
            .spawn(async move { client.send_bytes(request).await })
            .await?;
        let failure = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answered {}", answer.status())),
            Err(error) => Some(root_cause(error.as_ref())),
        };
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        match outage.note(Instant::now(), failure.is_none()) {
            Some(Note::Warn { failed }) => {
                let reason = failure.unwrap_or_default();
                tracing::warn!(
                    reason,
                    failed_batches = failed,
                    "the trace collector does not take traces: they are dropped"
                );
            }
            Some(Note::Recovered { failed }) => {
                tracing::info!(failed_batches = failed, "the trace collector takes traces again");
            }
            None => {}
        }
        answer
    }
}

/// The last cause in the chain: the outer ones quote the address, which may hold a secret.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let Some(mut cause) = error.source() else {
        return "the request failed".to_owned();
    };
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// What is worth a log line.
#[derive(Debug, PartialEq, Eq)]
enum Note {
    /// Batches failed since the last warning.
    Warn { failed: u64 },
    /// It works again; so many batches failed since the last warning.
    Recovered { failed: u64 },
}

/// Keeps warnings about the collector to one in a while.
#[derive(Debug, Default)]
struct Outage {
    warned: Option<Instant>,
    failed: u64,
}

impl Outage {
    fn note(&mut self, now: Instant, good: bool) -> Option<Note> {
        if good {
            let was_away = self.warned.take().is_some();
            let failed = std::mem::take(&mut self.failed);
            return was_away.then_some(Note::Recovered { failed });
        }
        self.failed += 1;
        if self
            .warned
            .is_some_and(|warned| now.duration_since(warned) < WARNING_INTERVAL)
        {
            return None;
        }
        self.warned = Some(now);
        Some(Note::Warn {
            failed: std::mem::take(&mut self.failed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::extract::State;
    use axum::http::{HeaderMap, Uri};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tracing_subscriber::layer::SubscriberExt as _;

    type Received = (String, String, Bytes);

    async fn collector() -> (SecretUrl, mpsc::UnboundedReceiver<Received>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let take = async |State(sender): State<mpsc::UnboundedSender<Received>>,
                          uri: Uri,
                          headers: HeaderMap,
                          body: Bytes| {
            let kind = headers["content-type"]
                .to_str()
                .expect("a text header")
                .to_owned();
            sender
                .send((uri.path().to_owned(), kind, body))
                .expect("the test listens");
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(take).with_state(sender);
        tokio::spawn(async move { axum::serve(listener, router).await });
        (SecretUrl::new(format!("http://{address}")), receiver)
    }

    fn contains(body: &[u8], text: &str) -> bool {
        body.windows(text.len()).any(|window| window == text.as_bytes())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn spans_arrive_at_the_collector_at_shutdown() {
        let (endpoint, mut received) = collector().await;
        let provider = provider(&endpoint).expect("it is set up");
        let subscriber = tracing_subscriber::registry().with(layer(&provider));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!("import leads", rows = 8000).in_scope(|| tracing::info!("half way"));
            tracing::info_span!(target: "hyper::client", "unwanted").in_scope(|| {});
        });
        shutdown(provider, Duration::from_secs(10)).await;
        let (path, kind, body) = received.recv().await.expect("one request");
        assert_eq!(
            (path.as_str(), kind.as_str()),
            ("/v1/traces", "application/x-protobuf")
        );
        for text in ["import leads", "rows", "half way", "service.name", "leadline"] {
            assert!(contains(&body, text), "{text} is missing");
        }
        assert!(!contains(&body, "unwanted"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_collector_that_is_away_holds_nothing_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let provider = provider(&SecretUrl::new(format!("http://{address}"))).expect("it is set up");
        let subscriber = tracing_subscriber::registry().with(layer(&provider));
        let begun = Instant::now();
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..10_000 {
                tracing::info_span!("work").in_scope(|| {});
            }
        });
        shutdown(provider, Duration::from_secs(3)).await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }

    #[test]
    fn warnings_come_once_a_minute_with_the_count() {
        let mut outage = Outage::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(outage.note(at(0), true), None);
        assert_eq!(outage.note(at(1), false), Some(Note::Warn { failed: 1 }));
        assert_eq!(outage.note(at(6), false), None);
        assert_eq!(outage.note(at(11), false), None);
        assert_eq!(outage.note(at(61), false), Some(Note::Warn { failed: 3 }));
        assert_eq!(outage.note(at(66), false), None);
        assert_eq!(outage.note(at(71), true), Some(Note::Recovered { failed: 1 }));
        assert_eq!(outage.note(at(72), true), None);
        assert_eq!(outage.note(at(73), false), Some(Note::Warn { failed: 1 }));
    }

    #[test]
    fn the_path_of_the_signal_is_added_once() {
        for (given, url) in [
            ("http://c:4318", "http://c:4318/v1/traces"),
            ("http://c/otlp/", "http://c/otlp/v1/traces"),
            ("http://c/v1/traces", "http://c/v1/traces"),
            ("https://c/otlp?api-key=k", "https://c/otlp/v1/traces?api-key=k"),
        ] {
            assert_eq!(traces_url(given), url);
        }
    }
}
