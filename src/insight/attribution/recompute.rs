//! Sums everything up by settings that are not in force yet; when that is done they are, and the sums by the former ones go.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use entity::AttributionState;
use entity::id::LeadId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{keeping, store};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{self, NewEvent};
use crate::identity::Caller;
use crate::jobs::{self, Chore, Counts, JobContext, JobKind, JobOutcome};

/// The kind of the job.
pub(super) const RECOMPUTE: &str = "attribution.recompute";
/// Leads of one transaction whose trails are made from what they did.
const BATCH: u64 = 500;
/// Leads of one transaction whose trails are those by the settings in force.
const COPIED: u64 = 2_000;
/// Rows of a table that are taken away at once.
const FORGOTTEN: u64 = 5_000;

/// The job.
#[derive(Clone, Copy, Debug)]
pub struct Recompute;

/// Where a later run goes on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Reached {
    /// Of which settings the sums are; those of another version are begun anew.
    version: i32,
    lead: Option<LeadId>,
    changed: i64,
}

#[async_trait]
impl JobKind for Recompute {
    fn kind(&self) -> &'static str {
        RECOMPUTE
    }

    async fn run(&self, app: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        let mut reached: Reached = job.checkpoint()?.unwrap_or_default();
        let mut done = job.done();
        loop {
            if job.is_cancelled().await {
                return Ok(JobOutcome::Stopped);
            }
            let tx = app.db().begin().await?;
            let rows = store::held(&tx).await?;
            // The newest one: settings that were replaced before their sums were made are never in force.
            let building = rows
                .iter()
                .rev()
                .find(|row| row.state == AttributionState::Building);
            let Some(building) = building else {
                tx.rollback().await?;
                return Ok(JobOutcome::Finished);
            };
            if reached.version != building.version {
                reached = Reached {
                    version: building.version,
                    ..Reached::default()
                };
                done = 0;
            }
            let settings = store::settings_of(building)?;
            let batch = if building.trails_of.is_some() {
                COPIED
            } else {
                BATCH
            };
            let leads = store::leads_after(&*tx, reached.lead, batch).await?;
            let count = i64::try_from(leads.len()).expect("a batch is small");
            if let Some(last) = leads.last() {
                reached.lead = Some(*last);
                let version = building.version;
                let changed = if let Some(other) = building.trails_of {
                    keeping::keep_those_of(&tx, other, version, &settings, &leads).await?
                } else {
                    let all: BTreeMap<_, _> = leads.into_iter().map(|lead| (lead, keeping::EVER)).collect();
                    keeping::keep_version(&tx, version, &settings, &all).await?
                };
                reached.changed += i64::try_from(changed).expect("a batch is small");
            } else {
                activate(app, &tx, building.version, rows.clone()).await?;
            }
            done += count;
            let counts = Counts::from([("changed".to_owned(), reached.changed)]);
            job.progress(&tx, done, None, &counts, &reached).await?;
            tx.commit().await?;
            if count == 0 {
                break;
            }
        }
        Box::pin(forget_others(app, job)).await
    }
}

/// From now on answers are by this version.
async fn activate(
    app: &App,
    tx: &Tx,
    version: i32,
    mut rows: Vec<store::StoredSettings>,
) -> Result<(), Error> {
    for row in &mut rows {
        row.state = if row.version == version {
            AttributionState::Active
        } else {
            AttributionState::Past
        };
    }
    store::store_settings(tx, &rows).await?;
    let event = NewEvent {
        kind: entity::EventKind::AttributionChanged,
        lead_id: None,
        subject: "attribution".to_owned(),
        payload: json!({ "version": version, "state": AttributionState::Active }),
    };
    events::append(tx, "system", app.clock().now(), vec![event]).await?;
    Ok(())
}

/// Takes away the sums of versions that answer no more.
async fn forget_others(app: &App, job: &JobContext) -> Result<JobOutcome, Error> {
    for version in store::past(app.db().read()).await? {
        loop {
            if job.is_cancelled().await {
                return Ok(JobOutcome::Stopped);
            }
            let tx = app.db().begin().await?;
            store::held(&tx).await?;
            let is_left = store::forget(&tx, version, FORGOTTEN).await?;
            if !is_left {
                store::close(&tx, version).await?;
            }
            tx.commit().await?;
            if !is_left {
                break;
            }
        }
    }
    Ok(JobOutcome::Finished)
}

/// Has sums made that nobody is making: after an upgrade of a database that has conversions already, or a job that was
/// cancelled before a restart.
#[derive(Clone, Copy, Debug)]
pub struct RecomputeChore;

#[async_trait]
impl Chore for RecomputeChore {
    fn name(&self) -> &'static str {
        "attribution"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    async fn run(&self, app: &App) -> Result<(), Error> {
        let rows = store::kept(app.db().read()).await?;
        if rows.iter().all(|row| row.state != AttributionState::Building) {
            return Ok(());
        }
        let caller = Caller::system();
        let tx = app.db().begin().await?;
        store::held(&tx).await?;
        let job = jobs::enqueue_unless_queued(&tx, &caller, app.clock().now(), RECOMPUTE, &json!({})).await?;
        tx.commit().await?;
        if let Some(job) = job {
            jobs::wake(app, job.id).await;
        }
        Ok(())
    }
}
