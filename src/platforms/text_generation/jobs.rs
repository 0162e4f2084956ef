//! Looks after generated texts: closes those that nobody writes any more, removes what was kept long enough.

use std::time::Duration;

use async_trait::async_trait;
use entity::Timestamp;

use super::{store, work};
use crate::app::App;
use crate::error::Error;
use crate::jobs::Chore;

/// What is known of texts is kept so many days; what was spent in a day, too.
const KEPT_DAYS: i64 = 400;
/// Most rows of a step.
const STEP: u64 = 500;

/// The chore.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextUpkeep;

#[async_trait]
impl Chore for TextUpkeep {
    fn name(&self) -> &'static str {
        "generated texts"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(15)
    }

    async fn run(&self, app: &App) -> Result<(), Error> {
        let now = app.clock().now();
        for id in store::abandoned(app.db().write(), now, STEP).await? {
            // The others are closed all the same.
            if let Err(error) = work::give_up(app, id).await {
                tracing::warn!(text = %id, ?error, "a text that nobody writes any more could not be closed");
            }
        }
        prune(app, now).await
    }
}

async fn prune(app: &App, now: Timestamp) -> Result<(), Error> {
    let step = usize::try_from(STEP).unwrap_or(usize::MAX);
    loop {
        let tx = app.db().begin().await?;
        let removed = store::prune_answers(&tx, now, STEP).await?;
        tx.commit().await?;
        if removed < step {
            break;
        }
    }
    let before = now.plus_days(-KEPT_DAYS);
    loop {
        let tx = app.db().begin().await?;
        let removed = store::prune_generations(&tx, before, STEP).await?;
        if removed < step {
            store::prune_spending(&tx, before.day()).await?;
        }
        tx.commit().await?;
        if removed < step {
            return Ok(());
        }
    }
}
