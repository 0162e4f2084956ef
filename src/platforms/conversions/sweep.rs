//! What was told, and what will not be, is not kept for ever.

use std::time::Duration;

use async_trait::async_trait;

use super::store;
use crate::app::App;
use crate::error::Error;
use crate::jobs::Chore;

/// Deliveries are kept for so many days after they were settled, and after what they tell of has happened; those that wait for
/// their platform for as long as they wait. A delivery is also what knows that its happening was told: so it is kept for longer
/// than any platform takes what is old (see the test below). Whatever brings the happening up again after that, nothing is told
/// of it, as it is too old.
const KEPT_DAYS: i64 = 90;
/// Rows that are removed in one transaction.
const SWEPT: u64 = 5_000;

/// Removes old deliveries.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConversionSweep;

#[async_trait]
impl Chore for ConversionSweep {
    fn name(&self) -> &'static str {
        "old deliveries of conversions"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    async fn run(&self, app: &App) -> Result<(), Error> {
        let before = app.clock().now().plus_days(-KEPT_DAYS);
        loop {
            let tx = app.db().begin().await?;
            let removed = store::prune(&tx, before, SWEPT).await?;
            tx.commit().await?;
            if removed < SWEPT {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_known_for_longer_than_it_could_be_told_again() {
        let mut sinks = 0;
        for platform in integrations::all() {
            if let Some(sink) = platform.facets().conversion_sink {
                sinks += 1;
                assert!(
                    sink.oldest().num_days() < KEPT_DAYS,
                    "{}",
                    platform.manifest().key
                );
            }
        }
        assert!(sinks > 0);
    }
}
