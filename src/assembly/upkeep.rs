//! Removes what is past its time, once an hour in one process of all.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::db::{forget_outcomes, take_lease};
use crate::error::Error;
use crate::events;

/// How often there is upkeep, in seconds.
const INTERVAL_SECONDS: i64 = 3600;
/// How often a process asks whether it is its turn.
const ASK: Duration = Duration::from_secs(300);
/// Days that the outcome of a call with an idempotency key is kept.
const OUTCOME_DAYS: i64 = 7;

/// Runs the upkeep until cancelled.
pub(super) async fn run(app: App, event_days: i64, stop: CancellationToken) {
    let holder = format!("process {}", std::process::id());
    loop {
        if let Err(error) = turn(&app, &holder, event_days).await {
            tracing::warn!(?error, "the upkeep failed; it is tried again in its time");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ASK) => {}
        }
    }
}

/// Does the upkeep if it is due; answers whether it did.
async fn turn(app: &App, holder: &str, event_days: i64) -> Result<bool, Error> {
    let now = app.clock().now();
    if !take_lease(app.db(), "upkeep", holder, now, INTERVAL_SECONDS).await? {
        return Ok(false);
    }
    let tx = app.db().begin().await?;
    let events = events::prune(&tx, now.plus_days(-event_days)).await?;
    tx.commit().await?;
    let outcomes = forget_outcomes(app.db(), now.plus_days(-OUTCOME_DAYS)).await?;
    if events + outcomes > 0 {
        tracing::info!(events, outcomes, "removed what is past its time");
    }
    Ok(true)
}
