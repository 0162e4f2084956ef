//! Metrics in the Prometheus format: their names, what they mean, and the page that shows them.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Requests answered; labels `method`, `route` (the pattern, never the path) and `status`.
pub const HTTP_REQUESTS: &str = "leadline_http_requests_total";
/// Seconds until the answer began; labels `method` and `route`.
pub const HTTP_DURATION: &str = "leadline_http_request_duration_seconds";
/// GraphQL operations ended; labels `kind` (query, mutation, subscription) and `outcome` (ok, error).
pub const GRAPHQL_OPERATIONS: &str = "leadline_graphql_operations_total";
/// Seconds a query or mutation took; label `kind`.
pub const GRAPHQL_DURATION: &str = "leadline_graphql_operation_duration_seconds";
/// SQL statements run; label `pool` (writer, reader).
pub const SQL_STATEMENTS: &str = "leadline_sql_statements_total";
/// Seconds a SQL statement took; label `pool`.
pub const SQL_DURATION: &str = "leadline_sql_statement_duration_seconds";
/// Events written to the event log.
pub const EVENTS_APPENDED: &str = "leadline_events_appended_total";
/// Events given their position and handed on.
pub const EVENTS_RELAYED: &str = "leadline_events_relayed_total";
/// Age in seconds of the oldest event not yet handed on; 0 when there is none.
pub const EVENTS_LAG: &str = "leadline_events_relay_lag_seconds";
/// Subscriptions open now.
pub const SUBSCRIPTIONS_OPEN: &str = "leadline_subscriptions_open";
/// Jobs ended; labels `kind` and `state` (done, failed, cancelled).
pub const JOBS: &str = "leadline_jobs_total";
/// Jobs that run now; label `kind`.
pub const JOBS_RUNNING: &str = "leadline_jobs_running";
/// Seconds a job took; label `kind`.
pub const JOB_DURATION: &str = "leadline_job_duration_seconds";
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

fn describe() {
    describe_counter!(HTTP_REQUESTS, "Requests answered, by method, route and status.");
    describe_histogram!(
        HTTP_DURATION,
        Unit::Seconds,
        "Time until the answer began, by method and route."
    );
    describe_counter!(
        GRAPHQL_OPERATIONS,
        "GraphQL operations ended, by kind and outcome."
    );
    describe_histogram!(
        GRAPHQL_DURATION,
        Unit::Seconds,
        "Time a query or mutation took, by kind."
    );
    describe_counter!(SQL_STATEMENTS, "SQL statements run, by pool.");
    describe_histogram!(SQL_DURATION, Unit::Seconds, "Time a SQL statement took, by pool.");
    describe_counter!(EVENTS_APPENDED, "Events written to the event log.");
    describe_counter!(EVENTS_RELAYED, "Events given their position and handed on.");
    describe_gauge!(
        EVENTS_LAG,
        Unit::Seconds,
        "Age of the oldest event not yet handed on."
    );
    describe_gauge!(SUBSCRIPTIONS_OPEN, "Subscriptions open now.");
    describe_counter!(JOBS, "Jobs ended, by kind and state.");
    describe_gauge!(JOBS_RUNNING, "Jobs that run now, by kind.");
    describe_histogram!(JOB_DURATION, Unit::Seconds, "Time a job took, by kind.");
    describe_gauge!(RESIDENT_MEMORY, Unit::Bytes, "Memory of the process.");
    describe_gauge!(OPEN_FILES, "Files and sockets the process holds open.");
    describe_gauge!(UPTIME, Unit::Seconds, "Time since the process started.");
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
