//! What is not kept for ever: webhooks as they came, readings with what they could not use.

use std::time::Duration;

use async_trait::async_trait;

use super::store;
use crate::app::App;
use crate::error::Error;
use crate::jobs::Chore;

/// For how many days webhooks are kept that are done.
const WEBHOOK_DAYS: i64 = 30;
/// For how many days webhooks are kept that failed, and readings.
const HISTORY_DAYS: i64 = 90;
/// Rows that are removed in one transaction.
const SWEPT: i64 = 5_000;

/// Removes old webhooks and readings.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectionSweep;

#[async_trait]
impl Chore for ConnectionSweep {
    fn name(&self) -> &'static str {
        "old webhooks and syncs"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    async fn run(&self, app: &App) -> Result<(), Error> {
        let now = app.clock().now();
        let history = now.plus_days(-HISTORY_DAYS);
        loop {
            let tx = app.db().begin().await?;
            let webhooks = store::prune_deliveries(&tx, now.plus_days(-WEBHOOK_DAYS), history, SWEPT).await?;
            tx.commit().await?;
            if webhooks < SWEPT.unsigned_abs() {
                break;
            }
        }
        loop {
            let tx = app.db().begin().await?;
            let syncs = store::prune_syncs(&tx, history, SWEPT).await?;
            tx.commit().await?;
            if syncs < SWEPT.unsigned_abs() {
                return Ok(());
            }
        }
    }
}
