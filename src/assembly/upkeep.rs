//! Removes what is past its time, once an hour in one process of all.

use std::time::Duration;

use async_trait::async_trait;

use crate::app::App;
use crate::db::{forget_outcomes, take_lease};
use crate::error::Error;
use crate::events;
use crate::identity::{account, audit, mail, session};
use crate::jobs::Chore;

/// How often there is upkeep, in seconds.
const INTERVAL_SECONDS: i64 = 3600;
/// How often a process asks whether it is its turn.
const ASK: Duration = Duration::from_secs(300);
/// Days that the outcome of a call with an idempotency key is kept.
const OUTCOME_DAYS: i64 = 7;
/// Days that mails to users are kept: they tell whether somebody was written to.
const MAIL_DAYS: i64 = 30;

/// Removes old events, outcomes, mails, audit, sessions, codes.
pub(super) struct Upkeep {
    /// Days that events are kept.
    pub(super) event_days: u32,
    /// Days that the audit log is kept.
    pub(super) audit_days: u32,
}

#[async_trait]
impl Chore for Upkeep {
    fn name(&self) -> &'static str {
        "upkeep"
    }

    fn every(&self) -> Duration {
        ASK
    }

    async fn run(&self, app: &App) -> Result<(), Error> {
        let now = app.clock().now();
        let holder = format!("process {}", std::process::id());
        if !take_lease(app.db(), self.name(), &holder, now, INTERVAL_SECONDS).await? {
            return Ok(());
        }
        let mut events = 0;
        loop {
            let tx = app.db().begin().await?;
            let removed = events::prune(&tx, now.plus_days(-i64::from(self.event_days))).await?;
            tx.commit().await?;
            events += removed;
            if removed == 0 {
                break;
            }
        }
        let outcomes = forget_outcomes(app.db(), now.plus_days(-OUTCOME_DAYS)).await?;
        let mails = mail::prune(app, now.plus_days(-MAIL_DAYS)).await?;
        let audit = audit::prune(app, now.plus_days(-i64::from(self.audit_days))).await?;
        let sessions = session::prune(app).await?;
        let codes = account::prune(app).await?;
        if events + outcomes + mails + audit + sessions + codes > 0 {
            tracing::info!(
                events,
                outcomes,
                mails,
                sessions,
                codes,
                "removed what is past its time"
            );
        }
        Ok(())
    }
}
