//! How much tokens are used, by day: counted in memory, written every few seconds. What a process that is killed had not
//! written is not counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use entity::id::TokenId;
use entity::{Area, Day};
use tokio_util::sync::CancellationToken;

use super::store;
use crate::app::App;
use crate::error::Error;
use crate::identity::{Caller, Scope};

/// How often it is written.
const ROUND: Duration = Duration::from_secs(5);
/// Tokens written in one transaction.
const BATCH: usize = 200;

/// What was used since it was last written.
#[derive(Debug, Default)]
pub struct Usage(Mutex<HashMap<(TokenId, Day), i64>>);

/// A day on which a token was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayOfUse {
    /// The UTC day.
    pub day: Day,
    /// Requests, live connections counting once.
    pub requests: i64,
}

impl Usage {
    /// Counts a request.
    pub fn count(&self, id: TokenId, day: Day) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *uses.entry((id, day)).or_default() += 1;
    }

    fn take(&self) -> Vec<(TokenId, Day, i64)> {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        uses.drain()
            .map(|((id, day), requests)| (id, day, requests))
            .collect()
    }

    fn give_back(&self, uses: &[(TokenId, Day, i64)]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, day, requests) in uses {
            *kept.entry((*id, *day)).or_default() += requests;
        }
    }

    /// Writes what was used, every few seconds until cancelled, and once more then.
    pub async fn keep(app: App, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(ROUND) => {}
            }
            if let Err(error) = Self::write(&app).await {
                tracing::warn!(%error, "the use of tokens could not be noted; trying again");
            }
            if stop.is_cancelled() {
                return;
            }
        }
    }

    /// Writes what was used.
    ///
    /// # Errors
    /// The database's; what was not written is tried again.
    pub async fn write(app: &App) -> Result<(), Error> {
        let usage = app.memory::<Self>();
        let mut uses = usage.take();
        // In one order, so that servers never wait for each other in a circle.
        uses.sort_unstable();
        for (n, batch) in uses.chunks(BATCH).enumerate() {
            let written = async {
                let tx = app.db().begin().await?;
                store::count(&tx, batch).await?;
                tx.commit().await
            };
            if let Err(error) = written.await {
                usage.give_back(&uses[n * BATCH..]);
                return Err(error.into());
            }
        }
        Ok(())
    }
}

/// The days on which a token was used, newest first, from a day on.
///
/// # Errors
/// A missing scope `tokens:read`; the database's.
pub async fn days(app: &App, caller: &Caller, id: TokenId, from: Day) -> Result<Vec<DayOfUse>, Error> {
    caller.require(Scope::Read(Area::Tokens))?;
    caller.require_all_rows()?;
    let rows = store::days(app.db().read(), id, from).await?;
    Ok(rows
        .into_iter()
        .map(|row| DayOfUse {
            day: row.day,
            requests: row.requests,
        })
        .collect())
}
