//! The runtime that a command runs on.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::failure::Failure;
use crate::app::App;
use crate::assembly::{self, StartError};
use crate::config::Settings;
use crate::db::OpenError;
use crate::error;
use crate::origin;
use crate::telemetry;

/// Runs a command to its end.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::new(format!("cannot start the runtime: {error}")))?;
    let outcome = runtime.block_on(work);
    // What is still running after the shutdown's own grace is cut off.
    runtime.shutdown_timeout(Duration::from_millis(500));
    outcome
}

/// Runs a command that needs the application but serves nothing; closes the database behind it.
pub(super) fn with_app<T>(
    settings: &Settings,
    work: impl AsyncFnOnce(&App) -> Result<T, Failure>,
) -> Result<T, Failure> {
    block_on(async {
        telemetry::start_logging(settings)?;
        let app = assembly::app(settings).await?;
        // The command line is where it comes from.
        let outcome = origin::within(Arc::default(), work(&app)).await;
        // Commands are short: what they wrote is committed, closing only tidies up.
        let _ = app.db().close().await;
        outcome
    })
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(error.to_string()).with_hint(error.hint())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Settings(error) => error.into(),
            error => Self::new(error.to_string()).with_hint(error.hint()),
        }
    }
}

impl From<error::Error> for Failure {
    fn from(error: error::Error) -> Self {
        match error {
            // The operator is whom the detail is for.
            error::Error::Internal(source) => source.into(),
            error => Self::new(error.to_string()),
        }
    }
}

impl<C> From<error::Failure<C>> for Failure {
    fn from(failure: error::Failure<C>) -> Self {
        match failure {
            error::Failure::Problems(problems) => {
                let messages: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
                Self::usage(messages.join("; "))
            }
            error::Failure::Error(error) => error.into(),
        }
    }
}
