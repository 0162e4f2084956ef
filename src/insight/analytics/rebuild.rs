//! Looks at all leads anew: after an upgrade, after another score model, and when an operator wants it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use entity::Day;
use entity::id::LeadId;
use serde::{Deserialize, Serialize};

use super::handler::FIRST;
use super::keeping::{self, News, Now};
use super::store;
use crate::app::App;
use crate::error::Error;
use crate::insight::calendar::month_of;
use crate::insight::journeys;
use crate::insight::scoring::{self, ScoresCache};
use crate::jobs::{Counts, JobContext, JobKind, JobOutcome};

/// The kind of the job.
pub(super) const REBUILD: &str = "reports.rebuild";
/// Leads of one transaction.
const BATCH: u64 = 500;
/// How long handlers are waited for at a time.
const PATIENCE: Duration = Duration::from_secs(1);

/// The job.
#[derive(Debug, Default)]
pub struct ReportRebuild {
    scores: ScoresCache,
}

/// Where a later run goes on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Reached {
    /// Which time this is; begun anew where another one is wanted meanwhile.
    wanted: i32,
    lead: Option<LeadId>,
    changed: i64,
    /// All leads were looked at; now it is the turn of the days of the deployment: the last one that was.
    #[serde(default)]
    are_leads_done: bool,
    #[serde(default)]
    are_moves_done: bool,
    #[serde(default)]
    day: Option<Day>,
    /// And after all of them, the last month whose busiest leads were looked for.
    #[serde(default)]
    month: Option<i32>,
}

impl Reached {
    fn counts(&self) -> Counts {
        Counts::from([("changed".to_owned(), self.changed)])
    }
}

#[async_trait]
impl JobKind for ReportRebuild {
    fn kind(&self) -> &'static str {
        REBUILD
    }

    async fn run(&self, app: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        let mut reached: Reached = job.checkpoint()?.unwrap_or_default();
        let mut done = job.done();
        loop {
            if job.is_cancelled().await {
                return Ok(JobOutcome::Stopped);
            }
            // What happened is told from rows that handlers may still be at.
            if reached.are_leads_done && journeys::is_far_behind(app).await? {
                tokio::time::sleep(PATIENCE).await;
                continue;
            }
            let scale = scoring::scale(app, &self.scores).await?;
            let tx = app.db().begin().await?;
            let mut state = store::held(&tx).await?;
            if state.built >= state.wanted {
                tx.rollback().await?;
                return Ok(JobOutcome::Finished);
            }
            if reached.wanted != state.wanted {
                reached = Reached {
                    wanted: state.wanted,
                    ..Reached::default()
                };
                done = 0;
            }
            if state.from_scratch {
                store::forget(&tx).await?;
                state.from_scratch = false;
                reached.lead = None;
                store::store_state(&tx, state.clone()).await?;
            }
            if reached.are_leads_done && !reached.are_moves_done {
                journeys::retell_moves(app, &tx).await?;
                reached.are_moves_done = true;
                job.progress(&tx, done, None, &reached.counts(), &reached).await?;
                tx.commit().await?;
                continue;
            }
            if reached.are_leads_done {
                match journeys::retell_next_day(app, &tx, reached.day).await? {
                    Some(day) => reached.day = Some(day),
                    None => {
                        let between = store::engaged_between(&*tx).await?;
                        let (first, last) = between.map_or((0, -1), |(first, last)| {
                            (month_of(first.day()), month_of(last.day()))
                        });
                        let month = reached.month.map_or(first, |month| month + 1);
                        if month <= last {
                            store::retell_busy(&tx, month).await?;
                            reached.month = Some(month);
                        } else {
                            state.built = state.wanted;
                            state.built_at = Some(app.clock().now());
                            store::store_state(&tx, state).await?;
                        }
                    }
                }
                job.progress(&tx, done, None, &reached.counts(), &reached).await?;
                tx.commit().await?;
                continue;
            }
            let leads = store::leads_after(&*tx, reached.lead, BATCH).await?;
            let count = i64::try_from(leads.len()).expect("a batch is small");
            if let Some(last) = leads.last() {
                reached.lead = Some(*last);
                let waiting = store::waiting(&*tx, &leads, FIRST).await?;
                let now = Now {
                    scale: &scale,
                    at: app.clock().now(),
                    waiting: &waiting,
                    leaves_due: false,
                };
                let all: BTreeMap<LeadId, News> = leads.into_iter().map(|lead| (lead, News::Anew)).collect();
                let changed = keeping::keep(&tx, &now, &all).await?;
                reached.changed += i64::try_from(changed).expect("a batch is small");
            } else {
                reached.are_leads_done = true;
            }
            done += count;
            job.progress(&tx, done, None, &reached.counts(), &reached).await?;
            tx.commit().await?;
        }
    }
}

/// Has all that is kept forgotten, and all leads looked at anew, by the next server or worker that is free. Reports say that
/// they are not complete until that is done.
///
/// # Errors
/// The database's.
pub async fn rebuild(app: &App) -> Result<(), Error> {
    let tx = app.db().begin().await?;
    let mut state = store::held(&tx).await?;
    state.wanted += 1;
    state.from_scratch = true;
    store::store_state(&tx, state).await?;
    tx.commit().await?;
    Ok(())
}
