//! When reports may say something else than before.

use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::events;

/// At most twice a second.
pub const PACE: Duration = Duration::from_millis(500);
/// What no event tells of: that time passes.
const ANYWAY: Duration = Duration::from_secs(60);

/// Says so at once; then whenever something has happened, or has been taken into what is derived, at most twice a second;
/// and once a minute, as decay and midnight are in no log.
pub fn pulses(app: &App) -> impl Stream<Item = ()> + Send + use<> {
    struct Said {
        positions: Option<events::Positions>,
        at: Instant,
    }
    stream::unfold((app.clone(), None::<Said>), async |(app, said)| {
        let mut next = said.as_ref().map(|said| said.at + PACE);
        loop {
            if let Some(next) = next {
                sleep_until(next).await;
            }
            let now = Instant::now();
            let positions = match events::positions(app.db().read()).await {
                Ok(positions) => Some(positions),
                Err(error) => {
                    tracing::debug!(%error, "it cannot be told whether reports have changed");
                    None
                }
            };
            let is_new = said.as_ref().is_none_or(|said| {
                (positions.is_some() && said.positions != positions) || now - said.at >= ANYWAY
            });
            if is_new {
                return Some(((), (app, Some(Said { positions, at: now }))));
            }
            next = Some(now + PACE);
        }
    })
}
