//! What the process tells about itself: log lines, metrics, traces.

pub mod metrics;
mod traces;

use std::io::{self, IsTerminal};
use std::time::Duration;

use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogFormat, Settings, SettingsError};

pub use self::metrics::Metrics;

/// How long the traces still in memory get to be sent at shutdown.
const FLUSH_TIME: Duration = Duration::from_secs(3);

/// The running telemetry of a server process. Dropping it leaves unsent traces behind: call
/// [`Telemetry::shutdown`].
#[derive(Debug)]
pub struct Telemetry {
    /// The metrics, for `/metrics`.
    pub metrics: Metrics,
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Starts logging to standard error, the metrics, and the traces when a collector is set.
    /// Must be called within the Tokio runtime that outlives it, once in a process.
    ///
    /// # Errors
    /// A setting that telemetry cannot work with.
    pub fn start(settings: &Settings) -> Result<Self, SettingsError> {
        let traces = settings
            .otlp_endpoint
            .as_ref()
            .map(traces::provider)
            .transpose()?;
        // A list, since an absent layer put onto another by `and_then` switches both off.
        let mut layers = vec![log_layer(settings)?];
        layers.extend(traces.as_ref().map(|provider| traces::layer(provider).boxed()));
        if Registry::default().with(layers).try_init().is_err() {
            tracing::warn!("logging is already set up in this process and stays as it is");
        }
        Ok(Self {
            metrics: Metrics::install(),
            traces,
        })
    }

    /// Sends the traces that are still in memory, for at most three seconds.
    pub async fn shutdown(self) {
        if let Some(provider) = self.traces {
            traces::shutdown(provider, FLUSH_TIME).await;
        }
    }
}

/// Logging alone, for commands that do not serve. The first call in a process holds.
///
/// # Errors
/// As [`Telemetry::start`].
pub fn start_logging(settings: &Settings) -> Result<(), SettingsError> {
    // A second call, in a test, finds the first one's logging in place: that is what is wanted.
    let _ = Registry::default().with(log_layer(settings)?).try_init();
    Ok(())
}

fn log_layer(settings: &Settings) -> Result<Box<dyn Layer<Registry> + Send + Sync>, SettingsError> {
    let filter = EnvFilter::try_new(&settings.log).map_err(|error| {
        SettingsError::new(format!("setting `log`: {error}"), "write a level, such as `info`")
    })?;
    Ok(match settings.log_format {
        LogFormat::Text => fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .with_filter(filter)
            .boxed(),
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(io::stderr)
            .with_filter(filter)
            .boxed(),
    })
}
