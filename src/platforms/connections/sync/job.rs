//! The job that reads a platform: kind by kind, page by page, each page in one transaction with where reading goes on.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::NaiveDate;
use entity::id::SyncId;
use entity::{ConnectionState, JobState, SyncKind, Timestamp};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use integrations::Kind;
use integrations::facet::{Cursor, DateRange, Page};
use serde::Deserialize;

use super::model::{Reached, ad_days, count};
use super::{Sync, service};
use crate::app::App;
use crate::db::{Tx, is_transient};
use crate::error::Error;
use crate::jobs::{Counts, JobContext, JobKind, JobOutcome};
use crate::platforms::connections::health::with_account;
use crate::platforms::connections::{Consumers, Items, Live, batches, live, report, store};

/// The name of the kind of job.
pub(super) const KIND: &str = "platforms.sync";
/// What is waited for longer is waited for without a place among the jobs that run.
const SHORT_WAIT: Duration = Duration::from_secs(5);
/// A reading is told to subscribers at most this often.
const TOLD: Duration = Duration::from_millis(250);

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

/// How a reading ended, or broke off.
enum End {
    Finished,
    Stopped,
    Failed(integrations::Error),
    /// The connection is not to be read any more; with why.
    Barred(Kind, &'static str),
    /// The platform is not to be asked for so long.
    Later(Duration),
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
            let barred = End::Barred(Kind::NotFound, "the connection was removed");
            return self.end(app, job, sync, barred).await;
        };
        let mut reading = Reading {
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
        let end = match end {
            // Whoever switched it off had its reading cancelled.
            End::Barred(..) if job.is_cancel_requested().await? => End::Stopped,
            End::Barred(kind, text) => End::Failed(integrations::Error::new(kind, text)),
            // The process ends: another one goes on.
            End::Stopped if !job.is_cancel_requested().await? => return Ok(JobOutcome::Stopped),
            End::Later(time) => return Ok(JobOutcome::Later(time)),
            end => end,
        };
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
            End::Barred(..) | End::Later(_) => return Ok(JobOutcome::Stopped),
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

/// What is kept when a reading breaks off.
#[derive(Clone)]
struct SoFar {
    reached: Reached,
    counts: Counts,
    done: i64,
}

impl Reading<'_> {
    async fn read(&mut self, sync: &mut Sync) -> Result<End, Error> {
        let checkpoint: Option<Reached> = self.job.checkpoint()?;
        let is_begun = checkpoint.is_some();
        let mut so_far = SoFar {
            reached: checkpoint.unwrap_or_default(),
            counts: self.job.counts()?,
            done: self.job.done(),
        };
        let kinds: Vec<SyncKind> = sync
            .kinds
            .split_whitespace()
            .filter_map(|kind| kind.parse().ok())
            .collect();
        // Before anything is written: its people are known by ids of the account.
        let found = tokio::select! {
            found = with_account(self.app, &self.live) => found?,
            () = self.job.stopped() => return Ok(End::Stopped),
        };
        match found {
            Ok(live) => self.live = live,
            Err(error) => {
                return match so_far.reached.failed(&error) {
                    Some(wait) => self.put_off(wait, &error, &so_far).await,
                    None => self.broken(error).await,
                };
            }
        }
        let context = self.live.context(self.app);
        let facets = self.live.facets(self.app);
        let mut left_out: Option<integrations::Error> = None;
        for consumer in self.consumers.iter() {
            if !is_begun && kinds.iter().any(|kind| consumer.kinds().contains(kind)) {
                tokio::select! {
                    begun = consumer.begin(self.app, &self.live, &context) => begun?,
                    () = self.job.stopped() => return Ok(End::Stopped),
                }
            }
        }
        while let Some(kind) = kinds.get(so_far.reached.kinds).copied() {
            let Some(consumer) = self.consumers.of(kind) else {
                so_far.reached.next_kind();
                continue;
            };
            let (since, days) = self.place(kind, sync.is_full, &mut so_far.reached).await?;
            let Some(mut pages) = batches(kind, facets, &context, since, days) else {
                so_far.reached.next_kind();
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
                    so_far.reached.attempts = 0;
                }
                let mut step = Step {
                    kind,
                    consumer,
                    sync: &mut *sync,
                    so_far: &mut so_far,
                };
                // The platform is asked for the next page while this one is written.
                let (written, next) = tokio::join!(self.write(&mut step, page), self.next(&mut pages));
                ahead = next;
                if !written? {
                    let text = "the connection was switched off, removed or changed meanwhile";
                    return Ok(End::Barred(Kind::Settings, text));
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
                so_far.reached.next_kind();
                continue;
            };
            let Some(wait) = so_far.reached.failed(&error) else {
                // Who has set up no account for advertisements did not ask for its results, unless by name.
                if kind == SyncKind::AdResults && error.kind == Kind::Settings && kinds.len() > 1 {
                    tracing::debug!(connection = %self.live.row.id, reason = %error, "results of advertisements are not read");
                    so_far.reached.next_kind();
                    continue;
                }
                // The others may be readable.
                if matches!(
                    error.kind,
                    Kind::Forbidden | Kind::Unsupported | Kind::Refused | Kind::NotFound
                ) {
                    let message = format!("{kind}: {}", error.message);
                    left_out.get_or_insert(integrations::Error { message, ..error });
                    so_far.reached.next_kind();
                    continue;
                }
                return self.broken(error).await;
            };
            if wait > SHORT_WAIT {
                return self.put_off(wait, &error, &so_far).await;
            }
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

    /// What of a failure is the connection's is noted on it.
    async fn broken(&self, error: integrations::Error) -> Result<End, Error> {
        report(self.app, &self.live, Err(&error)).await?;
        Ok(End::Failed(error))
    }

    /// Has the job wait for its platform without a place among those that run.
    async fn put_off(
        &self,
        wait: Duration,
        error: &integrations::Error,
        so_far: &SoFar,
    ) -> Result<End, Error> {
        tracing::info!(connection = %self.live.row.id, wait_ms = wait.as_millis(), reason = %error, "a reading waits for its platform");
        let tx = self.app.db().begin().await?;
        let SoFar {
            reached,
            counts,
            done,
        } = so_far;
        self.job.progress(&tx, *done, None, counts, reached).await?;
        tx.commit().await?;
        Ok(End::Later(wait))
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
        let SoFar {
            mut reached,
            mut counts,
            mut done,
        } = step.so_far.clone();
        for items in page.items.iter().filter(|items| !items.is_empty()) {
            let written = step.consumer.write(self.app, &tx, &self.live, now, items).await?;
            done += i64::try_from(items.len()).expect("a page is small");
            count(&mut counts, step.kind, &written);
            let refused = reached.refusals(step.sync.id, step.kind, written);
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
        *step.so_far = SoFar {
            reached,
            counts,
            done,
        };
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
    so_far: &'a mut SoFar,
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
