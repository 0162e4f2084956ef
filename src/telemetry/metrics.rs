//! Metrics in the Prometheus format: their names, what they mean, and the page that shows them.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Requests answered; labels `method`, `route` (the pattern, never the path) and `status`.
pub const HTTP_REQUESTS: &str = "leadline_http_requests_total";
/// Seconds until the answer began; labels `method` and `route`.
pub const HTTP_DURATION: &str = "leadline_http_request_duration_seconds";
/// Memory of the process in bytes (Linux only).
pub const RESIDENT_MEMORY: &str = "process_resident_memory_bytes";
/// Files and sockets the process holds open (Linux only).
pub const OPEN_FILES: &str = "process_open_fds";
/// Seconds since the process set up its metrics.
pub const UPTIME: &str = "process_uptime_seconds";

/// Upper bounds of the histograms in seconds: from a read in memory to a long job.
const BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

/// How often recorded durations are folded into their histograms when nobody asks for the page.
const UPKEEP: Duration = Duration::from_secs(5);

/// The metrics of the process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    started: Instant,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics")
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}

impl Metrics {
    /// Installs the metrics of the process; later calls give the same ones.
    pub fn install() -> Self {
        static INSTALLED: OnceLock<Metrics> = OnceLock::new();
        let metrics = INSTALLED.get_or_init(|| {
            let recorder = builder().build_recorder();
            let handle = recorder.handle();
            // Fails only where the process embeds Leadline and records its own metrics: those stay.
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another metrics recorder is installed: /metrics stays empty");
            }
            describe();
            upkeep(handle.clone());
            Self {
                handle,
                started: Instant::now(),
            }
        });
        metrics.clone()
    }

    /// The page for `/metrics`, in the Prometheus text format.
    pub fn render(&self) -> String {
        gauge!(UPTIME).set(self.started.elapsed().as_secs_f64());
        if let Some(bytes) = resident_memory() {
            gauge!(RESIDENT_MEMORY).set(bytes as f64);
        }
        if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
            gauge!(OPEN_FILES).set(entries.count() as f64);
        }
        self.handle.render()
    }
}

fn builder() -> PrometheusBuilder {
    PrometheusBuilder::new()
        .set_buckets(BUCKETS)
        .expect("the list of buckets is not empty")
}

/// Without it every duration recorded would be kept until somebody reads `/metrics`.
fn upkeep(handle: PrometheusHandle) {
    let run = move || {
        loop {
            std::thread::sleep(UPKEEP);
            handle.run_upkeep();
        }
    };
    if let Err(error) = std::thread::Builder::new().name("metrics".to_owned()).spawn(run) {
        tracing::warn!(%error, "cannot start the upkeep of the metrics; memory grows until /metrics is read");
    }
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    /// Of seconds.
    Histogram,
}

/// All metrics: what the page says of them. Most are set where things happen, by their name.
const METRICS: &[(Kind, &str, &str)] = &[
    (
        Kind::Counter,
        HTTP_REQUESTS,
        "Requests answered, by method, route and status.",
    ),
    (
        Kind::Histogram,
        HTTP_DURATION,
        "Time until the answer began, by method and route.",
    ),
    (
        Kind::Histogram,
        "leadline_graphql_request_duration_seconds",
        "Time a query or mutation took, by outcome: ok, or error where there is a top-level one.",
    ),
    (
        Kind::Counter,
        "leadline_platform_requests_total",
        "Requests to outside platforms, repeated ones each, by platform and outcome: OK or the kind of the error.",
    ),
    (
        Kind::Histogram,
        "leadline_platform_request_seconds",
        "Time a request to an outside platform took, by platform.",
    ),
    (Kind::Gauge, "leadline_graphql_sockets", "WebSockets open now."),
    (
        Kind::Gauge,
        "leadline_graphql_streams",
        "Streams of server-sent events open now.",
    ),
    (
        Kind::Counter,
        "leadline_graphql_socket_closes_total",
        "WebSockets closed by the server, by close code.",
    ),
    (
        Kind::Counter,
        "leadline_graphql_subscriptions_lagged_total",
        "Subscriptions that fell behind the live events and read on from the log.",
    ),
    (
        Kind::Counter,
        "leadline_graphql_throttled_total",
        "Operations refused because the budget of their caller was spent.",
    ),
    (
        Kind::Counter,
        "leadline_graphql_outside_safelist_total",
        "Documents that the manifest does not have, by outcome: run or refused.",
    ),
    (
        Kind::Histogram,
        "leadline_sql_seconds",
        "Time an SQL statement took, by what it was for: graphql or other.",
    ),
    (
        Kind::Counter,
        "leadline_sql_failures_total",
        "SQL statements that failed.",
    ),
    (
        Kind::Counter,
        "leadline_events_handled_total",
        "Events that a handler of this process is done with, by handler.",
    ),
    (
        Kind::Counter,
        "leadline_handler_failures_total",
        "Failed tries to handle events, by handler.",
    ),
    (
        Kind::Counter,
        "leadline_job_runs_total",
        "Runs of jobs that ended in this process, by state.",
    ),
    (
        Kind::Counter,
        "leadline_engagements_recorded_total",
        "Engagements recorded, repeated ones left out.",
    ),
    (
        Kind::Counter,
        "leadline_exports_total",
        "Exports ended, by format and outcome.",
    ),
    (
        Kind::Counter,
        "leadline_exported_leads_total",
        "Leads read for exports.",
    ),
    (
        Kind::Counter,
        "leadline_upload_bytes_total",
        "Bytes of uploads stored.",
    ),
    (
        Kind::Counter,
        "leadline_webhooks_total",
        "Webhooks of platforms that were verified, by whether they were kept.",
    ),
    (
        Kind::Counter,
        "leadline_webhooks_refused_total",
        "Webhooks that were not taken, by why: NOT_FOUND, UNSIGNED, TOO_LARGE, SLOW, BUSY (more than can be kept), FAULT.",
    ),
    (
        Kind::Counter,
        "leadline_conversion_deliveries_total",
        "Conversions that were to be told to platforms, by what became of them.",
    ),
    (
        Kind::Counter,
        "leadline_messages_handed_over_total",
        "Messages handed over to platforms, by platform, channel and what came of it: TAKEN, UNKNOWN, or the kind of failure.",
    ),
    (
        Kind::Counter,
        "leadline_farewells_total",
        "Withdrawals of consent that shops were to be told, by what became of them: TOLD, NOT_THERE, REFUSED, TAKEN_BACK.",
    ),
    (
        Kind::Counter,
        "leadline_texts_total",
        "Texts asked of models, by platform and what became of them.",
    ),
    (Kind::Gauge, RESIDENT_MEMORY, "Memory of the process in bytes."),
    (
        Kind::Gauge,
        OPEN_FILES,
        "Files and sockets the process holds open.",
    ),
    (Kind::Gauge, UPTIME, "Seconds since the process started."),
];

fn describe() {
    for &(kind, name, help) in METRICS {
        match kind {
            Kind::Counter => describe_counter!(name, help),
            Kind::Gauge => describe_gauge!(name, help),
            Kind::Histogram => describe_histogram!(name, Unit::Seconds, help),
        }
    }
}

/// Resident memory in bytes, where the system tells it.
fn resident_memory() -> Option<u64> {
    parse_resident_memory(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_resident_memory(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use metrics::{counter, histogram};

    #[test]
    fn the_page_shows_counts_histograms_and_the_process() {
        let metrics = Metrics::install();
        counter!(HTTP_REQUESTS, "method" => "GET", "route" => "/telemetry-test", "status" => "200")
            .increment(3);
        histogram!(HTTP_DURATION, "method" => "GET", "route" => "/telemetry-test").record(0.002);
        let page = metrics.render();
        for line in [
            "# TYPE leadline_http_requests_total counter",
            "leadline_http_requests_total{method=\"GET\",route=\"/telemetry-test\",status=\"200\"} 3",
            "leadline_http_request_duration_seconds_bucket{method=\"GET\",route=\"/telemetry-test\",le=\"0.001\"} 0",
            "leadline_http_request_duration_seconds_bucket{method=\"GET\",route=\"/telemetry-test\",le=\"0.0025\"} 1",
            "leadline_http_request_duration_seconds_count{method=\"GET\",route=\"/telemetry-test\"} 1",
            "# HELP leadline_http_requests_total Requests answered, by method, route and status.",
        ] {
            assert!(
                page.lines().any(|found| found == line),
                "{line} is missing in\n{page}"
            );
        }
        assert!(page.contains("\nprocess_uptime_seconds "), "{page}");
    }

    /// The sources below a folder without their tests.
    fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.file_name().is_some_and(|name| name != "tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push(text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
            }
        }
    }

    #[test]
    fn every_metric_that_is_set_is_described_and_the_other_way_round() {
        let mut files = Vec::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["src", "integrations/src"] {
            sources(&root.join(folder), &mut files);
        }
        let constant = |name: &str| {
            let declaration = format!("pub const {name}: &str = \"");
            let rest = files.iter().find_map(|text| text.split(&declaration).nth(1));
            let rest = rest.unwrap_or_else(|| panic!("{name} is not declared"));
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        let mut set = BTreeSet::new();
        for text in &files {
            for (word, kind) in [
                ("counter", "Counter"),
                ("gauge", "Gauge"),
                ("histogram", "Histogram"),
            ] {
                let call = format!("{word}!(");
                for (at, _) in text.match_indices(&call) {
                    if text[..at].ends_with("describe_") {
                        continue;
                    }
                    let name = text[at + call.len()..]
                        .split([',', ')'])
                        .next()
                        .unwrap_or_default()
                        .trim();
                    let name = match name.strip_prefix('"') {
                        Some(literal) => literal.trim_end_matches('"').to_owned(),
                        None => constant(name),
                    };
                    set.insert((name, kind.to_owned()));
                }
            }
        }
        let described = METRICS
            .iter()
            .map(|(kind, name, _)| ((*name).to_owned(), format!("{kind:?}")));
        assert_eq!(described.collect::<BTreeSet<_>>(), set);
        assert_eq!(set.len(), METRICS.len(), "none is described twice");
    }

    #[test]
    fn a_second_install_gives_the_same_metrics() {
        counter!("leadline_install_test_total").increment(0);
        assert_eq!(Metrics::install().started, Metrics::install().started);
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(
            parse_resident_memory("VmPeak:\t 10 kB\nVmRSS:\t   2048 kB\nThreads: 1\n"),
            Some(2_097_152)
        );
        assert_eq!(parse_resident_memory("VmPeak: 10 kB\n"), None);
    }
}
