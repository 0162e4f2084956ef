//! The job that reads a platform: kind by kind, page by page, each page in one transaction with where reading goes on.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::NaiveDate;
use entity::id::SyncId;
use entity::{ConnectionState, JobState, SyncKind, Timestamp, sync_refusal};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use integrations::facet::{Cursor, DateRange, Page};
use integrations::{Kind, Retry};
use serde::{Deserialize, Serialize};

use super::{Sync, service};
use crate::app::App;
use crate::db::{Tx, is_transient};
use crate::error::Error;
use crate::jobs::{Counts, JobContext, JobKind, JobOutcome};
use crate::platforms::connections::{Consumers, Items, Live, Written, batches, live, report, store};

/// The name of the kind of job.
pub(super) const KIND: &str = "platforms.sync";
/// How long a platform is waited for that says when to come again.
const LONGEST_WAIT: Duration = Duration::from_secs(900);
/// How often a page is tried again that failed by a fault that may pass, when the transport has given up already.
const ATTEMPTS: u32 = 3;
/// Most that a reading writes down of what it could not use.
const MOST_REFUSALS: i32 = 1_000;
/// A reading is told to subscribers at most this often.
const TOLD: Duration = Duration::from_millis(250);
/// Results of advertisements change for so many days after.
const AD_DAYS: i64 = 28;
/// Of a first reading, so many days.
const FIRST_AD_DAYS: i64 = 90;
/// A reading after a long time goes back so many days at most.
const MOST_AD_DAYS: i64 = 400;

/// Reads platforms.
#[derive(Clone, Debug)]
pub struct SyncJob {
    consumers: Consumers,
}

impl SyncJob {
    /// With the rooms that take what is read.
    #[must_use]
    pub fn new(consumers: Consumers) -> Self {
        Self { consumers }
    }
}

#[derive(Deserialize)]
struct Input {
    sync: SyncId,
}

/// How far a reading has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reached {
    /// How many kinds are done.
    kinds: usize,
    /// Where the kind that goes on is.
    cursor: Option<String>,
    /// How much could not be used.
    refusals: i32,
    /// Of which days results are read: those that were chosen when that was begun.
    #[serde(default)]
    days: Option<(NaiveDate, NaiveDate)>,
}

impl Reached {
    fn next_kind(&mut self) {
        self.kinds += 1;
        self.cursor = None;
        self.days = None;
    }
}

/// The days of which results are read: of a first reading 90, later from four weeks before the last day that was read.
fn ad_days(read_until: Option<NaiveDate>, today: NaiveDate) -> DateRange {
    let back = |day: NaiveDate, days| day - chrono::Duration::days(days);
    let from = read_until.map_or_else(|| back(today, FIRST_AD_DAYS), |day| back(day.min(today), AD_DAYS));
    DateRange {
        from: from.max(back(today, MOST_AD_DAYS)),
        to: today,
    }
}

/// How a reading ended.
enum End {
    Finished,
    Stopped,
    Failed(integrations::Error),
}

#[async_trait]
impl JobKind for SyncJob {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn waits_for_others(&self) -> bool {
        true
    }

    async fn run(&self, app: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        let Input { sync: id } = job.input()?;
        let Some(sync) = service::of_job(app, id, job.id()).await? else {
            return Err(Error::NotFound("the sync of this job is gone".into()));
        };
        if sync.ended_at.is_some() {
            // The process died between the end of the reading and that of its job.
            return Ok(JobOutcome::Finished);
        }
        let Some(live) = live(app, sync.connection_id).await? else {
            let error = integrations::Error::new(Kind::NotFound, "the connection was removed");
            return self.end(app, job, sync, End::Failed(error)).await;
        };
        let reading = Reading {
            app,
            job,
            consumers: &self.consumers,
            live,
            told: Mutex::new(None),
        };
        let mut sync = Sync {
            state: JobState::Running,
            ..sync
        };
        match reading.read(&mut sync).await {
            Ok(end) => self.end(app, job, sync, end).await,
            // Of ours: the job is tried again, or fails, and the schedule closes the reading then.
            Err(error) => Err(error),
        }
    }
}

impl SyncJob {
    async fn end(&self, app: &App, job: &JobContext, sync: Sync, end: End) -> Result<JobOutcome, Error> {
        let now = app.clock().now();
        if matches!(end, End::Stopped) && !job.is_cancel_requested().await? {
            // The process ends: another one goes on.
            return Ok(JobOutcome::Stopped);
        }
        let tx = app.db().begin().await?;
        let counts = store::find_sync(&*tx, sync.id).await?;
        let mut row = Sync {
            counts: counts.map_or(sync.counts, |row| row.counts),
            ended_at: Some(now),
            ..sync
        };
        let outcome = match end {
            End::Finished => {
                row.state = JobState::Succeeded;
                Ok(JobOutcome::Finished)
            }
            End::Stopped => {
                row.state = JobState::Cancelled;
                Ok(JobOutcome::Stopped)
            }
            End::Failed(error) => {
                row.state = JobState::Failed;
                row.problem_kind = Some(error.kind.name().to_owned());
                row.problem = Some(error.message.clone());
                Err(Error::BadInput(error.to_string()))
            }
        };
        service::tell(&tx, &row.created_by.clone(), now, &row).await?;
        store::update_sync(&tx, row).await?;
        tx.commit().await?;
        outcome
    }
}

struct Reading<'a> {
    app: &'a App,
    job: &'a JobContext,
    consumers: &'a Consumers,
    live: Live,
    told: Mutex<Option<Instant>>,
}

impl Reading<'_> {
    async fn read(&self, sync: &mut Sync) -> Result<End, Error> {
        let mut reached: Reached = self.job.checkpoint()?.unwrap_or_default();
        let mut counts = self.job.counts()?;
        let mut done = self.job.done();
        let kinds: Vec<SyncKind> = sync
            .kinds
            .split_whitespace()
            .filter_map(|kind| kind.parse().ok())
            .collect();
        let context = self.live.context(self.app);
        let facets = self.live.facets(self.app);
        let mut attempts = 0;
        let mut left_out: Option<integrations::Error> = None;
        for consumer in self.consumers.iter() {
            if reached.kinds == 0 && kinds.iter().any(|kind| consumer.kinds().contains(kind)) {
                consumer.begin(self.app, &self.live, &context).await?;
            }
        }
        while let Some(kind) = kinds.get(reached.kinds).copied() {
            let Some(consumer) = self.consumers.of(kind) else {
                reached.kinds += 1;
                continue;
            };
            let (since, days) = self.place(kind, sync.is_full, &mut reached).await?;
            let Some(mut pages) = batches(kind, facets, &context, since, days) else {
                reached.kinds += 1;
                continue;
            };
            let mut ahead = self.next(&mut pages).await;
            let failed = loop {
                let page = match ahead {
                    None => return Ok(End::Stopped),
                    Some(None) => break None,
                    Some(Some(Ok(page))) => page,
                    Some(Some(Err(error))) => break Some(error),
                };
                if page.items.iter().any(|items| !items.is_empty()) {
                    attempts = 0;
                }
                let mut step = Step {
                    kind,
                    consumer,
                    sync: &mut *sync,
                    reached: &mut reached,
                    counts: &mut counts,
                    done: &mut done,
                };
                // The platform is asked for the next page while this one is written.
                let (written, next) = tokio::join!(self.write(&mut step, page), self.next(&mut pages));
                ahead = next;
                if !written? {
                    let text = "the connection was switched off, removed or changed meanwhile";
                    return Ok(End::Failed(integrations::Error::new(Kind::Settings, text)));
                }
                if self.job.is_cancelled().await {
                    return Ok(End::Stopped);
                }
            };
            let Some(error) = failed else {
                if kind == SyncKind::AdResults {
                    self.keep_day(days.to).await?;
                }
                report(self.app, &self.live, Ok(())).await?;
                reached.next_kind();
                continue;
            };
            attempts += 1;
            let wait = match error.retry {
                Retry::After(time) if time <= LONGEST_WAIT => Some(time),
                Retry::BackOff | Retry::Exhausted if attempts < ATTEMPTS => {
                    Some(Duration::from_secs(5) * 4_u32.pow(attempts))
                }
                _ => None,
            };
            let Some(wait) = wait else {
                // Who has set up no account for advertisements did not ask for its results, unless by name.
                if kind == SyncKind::AdResults && error.kind == Kind::Settings && kinds.len() > 1 {
                    tracing::debug!(connection = %self.live.row.id, reason = %error, "results of advertisements are not read");
                    reached.next_kind();
                    attempts = 0;
                    continue;
                }
                // The others may be readable.
                if matches!(
                    error.kind,
                    Kind::Forbidden | Kind::Unsupported | Kind::Refused | Kind::NotFound
                ) {
                    let message = format!("{kind}: {}", error.message);
                    left_out.get_or_insert(integrations::Error { message, ..error });
                    reached.next_kind();
                    attempts = 0;
                    continue;
                }
                report(self.app, &self.live, Err(&error)).await?;
                return Ok(End::Failed(error));
            };
            tracing::info!(connection = %self.live.row.id, wait_ms = wait.as_millis(), reason = %error, "a reading waits for its platform");
            tokio::select! {
                () = context.clock.sleep(wait) => {}
                () = self.job.stopped() => return Ok(End::Stopped),
            }
        }
        Ok(left_out.map_or(End::Finished, End::Failed))
    }

    /// The next page, if there is one; `None` when the job is to stop.
    async fn next(
        &self,
        pages: &mut BoxStream<'_, integrations::Result<Page<Items>>>,
    ) -> Option<Option<integrations::Result<Page<Items>>>> {
        tokio::select! {
            page = pages.next() => Some(page),
            () = self.job.stopped() => None,
        }
    }

    /// Where reading a kind goes on, and of which days results are read.
    async fn place(
        &self,
        kind: SyncKind,
        is_full: bool,
        reached: &mut Reached,
    ) -> Result<(Option<Cursor>, DateRange), Error> {
        let is_by_day = kind == SyncKind::AdResults;
        let goes_on = reached.cursor.clone().map(Cursor);
        let kept = if is_full || goes_on.is_some() && !is_by_day {
            None
        } else {
            store::cursor(self.app.db().write(), self.live.row.id, kind).await?
        };
        let today = self.app.clock().now().to_chrono().date_naive();
        if !is_by_day {
            return Ok((goes_on.or(kept.map(Cursor)), ad_days(None, today)));
        }
        // What is kept is the last day that was read: the platform's own places do not last until the next reading.
        let read_until = kept.and_then(|day| day.parse().ok());
        let chosen = ad_days(read_until, today);
        let (from, to) = *reached.days.get_or_insert((chosen.from, chosen.to));
        Ok((goes_on, DateRange { from, to }))
    }

    /// Keeps until which day results were read to the end.
    async fn keep_day(&self, day: NaiveDate) -> Result<(), Error> {
        let now = self.app.clock().now();
        let tx = self.app.db().begin().await?;
        if self.is_same(&tx).await? {
            let kind = SyncKind::AdResults;
            store::keep_cursor(&tx, self.live.row.id, kind, &day.to_string(), now).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Whether the connection is the one whose reading was begun.
    async fn is_same(&self, tx: &Tx) -> Result<bool, Error> {
        let held = store::find_in(tx, self.live.row.id).await?;
        Ok(held.is_some_and(|held| {
            held.state == ConnectionState::Active
                && held.settings == self.live.row.settings
                && held.account_id == self.live.row.account_id
        }))
    }

    /// Writes a page; again where others wrote the same rows in another order.
    async fn write(&self, step: &mut Step<'_>, page: Page<Items>) -> Result<bool, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.write_once(step, &page).await {
                Err(error) if attempt < 4 && is_transient(&error) => {}
                outcome => return outcome,
            }
        }
    }

    /// False when the connection is not to be read any more.
    async fn write_once(&self, step: &mut Step<'_>, page: &Page<Items>) -> Result<bool, Error> {
        let now = self.app.clock().now();
        let tx = self.app.db().begin().await?;
        if !self.is_same(&tx).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        let (mut reached, mut counts) = (step.reached.clone(), step.counts.clone());
        let mut done = *step.done;
        for items in page.items.iter().filter(|items| !items.is_empty()) {
            let written = step.consumer.write(self.app, &tx, &self.live, now, items).await?;
            done += i64::try_from(items.len()).expect("a page is small");
            count(&mut counts, step.kind, &written);
            let refused = refusals(step.sync.id, step.kind, &mut reached, written);
            store::add_refusals(&tx, &refused).await?;
        }
        if step.kind != SyncKind::AdResults {
            store::keep_cursor(&tx, self.live.row.id, step.kind, &page.cursor.0, now).await?;
        }
        reached.cursor = Some(page.cursor.0.clone());
        self.job.progress(&tx, done, None, &counts, &reached).await?;
        let sync = Sync {
            counts: serde_json::to_string(&counts)?,
            ..step.sync.clone()
        };
        if self.is_time_to_tell() {
            service::tell(&tx, &sync.created_by, now, &sync).await?;
        }
        store::update_sync(&tx, sync.clone()).await?;
        tx.commit().await?;
        *step.sync = sync;
        *step.reached = reached;
        *step.counts = counts;
        *step.done = done;
        Ok(true)
    }

    fn is_time_to_tell(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.is_none_or(|at| at.elapsed() >= TOLD);
        if due {
            *told = Some(Instant::now());
        }
        due
    }
}

/// What a page is written into.
struct Step<'a> {
    kind: SyncKind,
    consumer: &'a dyn crate::platforms::connections::Consumer,
    sync: &'a mut Sync,
    reached: &'a mut Reached,
    counts: &'a mut Counts,
    done: &'a mut i64,
}

fn count(counts: &mut Counts, kind: SyncKind, written: &Written) {
    let kind = kind.as_str().to_lowercase();
    for (name, value) in [
        ("created", written.created),
        ("updated", written.updated),
        ("unchanged", written.unchanged),
        (
            "refused",
            u64::try_from(written.refused.len()).unwrap_or(u64::MAX),
        ),
    ] {
        if value > 0 {
            *counts.entry(format!("{kind}.{name}")).or_default() += i64::try_from(value).unwrap_or(i64::MAX);
        }
    }
}

/// What is written down of what could not be used.
fn refusals(
    sync: SyncId,
    kind: SyncKind,
    reached: &mut Reached,
    written: Written,
) -> Vec<sync_refusal::Model> {
    let mut rows = Vec::new();
    for refusal in written.refused {
        if reached.refusals >= MOST_REFUSALS {
            break;
        }
        rows.push(sync_refusal::Model {
            sync_id: sync,
            position: reached.refusals,
            kind,
            external_id: refusal.external_id,
            message: refusal.message,
        });
        reached.refusals += 1;
    }
    rows
}

/// Closes a reading whose job has ended without doing so.
pub(super) async fn close(
    app: &App,
    sync: Sync,
    job: &crate::jobs::Job,
    now: Timestamp,
) -> Result<(), Error> {
    let tx = app.db().begin().await?;
    let row = Sync {
        state: job.state,
        problem_kind: sync
            .problem_kind
            .or_else(|| job.error.as_ref().map(|_| "INTERNAL".to_owned())),
        problem: sync.problem.or_else(|| job.error.clone()),
        ended_at: Some(now),
        ..sync
    };
    service::tell(&tx, "system", now, &row).await?;
    store::update_sync(&tx, row).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_days_are_read_again_and_no_day_is_left_out() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let range = |read_until: Option<&str>| {
            let DateRange { from, to } = ad_days(read_until.map(day), day("2026-03-31"));
            (from.to_string(), to.to_string())
        };
        let until = |from: &str| (from.to_owned(), "2026-03-31".to_owned());
        assert_eq!(range(None), until("2025-12-31"));
        assert_eq!(range(Some("2026-03-30")), until("2026-03-02"));
        assert_eq!(range(Some("2026-01-31")), until("2026-01-03"), "after a pause");
        assert_eq!(range(Some("2020-01-01")), until("2025-02-24"), "within bounds");
        assert_eq!(
            range(Some("2030-01-01")),
            until("2026-03-03"),
            "a day that is yet to come"
        );
    }
}
