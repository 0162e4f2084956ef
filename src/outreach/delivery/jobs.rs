//! The upkeep of messages.

use std::time::Duration;

use async_trait::async_trait;

use super::store;
use crate::app::App;
use crate::error::Error;
use crate::jobs::Chore;

/// For how long something told of a message that nobody knows is kept, in seconds.
const KEPT_SECONDS: i64 = 86_400;

/// Forgets what was told of messages that are not ours.
#[derive(Clone, Copy, Debug)]
pub struct StraySweep;

#[async_trait]
impl Chore for StraySweep {
    fn name(&self) -> &'static str {
        "messages.sweep"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    async fn run(&self, app: &App) -> Result<(), Error> {
        let before = app.clock().now().plus_seconds(-KEPT_SECONDS);
        let tx = app.db().begin().await?;
        store::sweep_strays(&tx, before).await?;
        Ok(tx.commit().await?)
    }
}
