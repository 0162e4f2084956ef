//! Background work of scoring: recalculation of all scores, back-tests of drafts.

use async_trait::async_trait;
use entity::id::{JobId, LeadId, ScoreModelId};
use entity::{Area, Grade, ScoreCause, Temperature, Timestamp};
use serde::{Deserialize, Serialize};

use super::facts::take_row;
use super::model::{Change, Moves, Score, ScoreFacts, ScoreModel, compare};
use super::models::{self, ScoringProblem};
use super::service::{ModelCache, Writing};
use super::store::LeadRow;
use super::{StoredScore, store};
use crate::app::App;
use crate::db::{CallKey, Once, Tx};
use crate::error::{Error, Outcome};
use crate::identity::{Caller, Scope};
use crate::jobs::{self, Counts, Job, JobContext, JobKind, JobOutcome};

const RECALCULATE: &str = "scoring.recalculate";
const BACKTEST: &str = "scoring.backtest";
/// Leads of one transaction: long enough to be fast, short enough to let others write.
const BATCH: u64 = 4_000;
/// Leads that a back-test names.
const SAMPLES: usize = 20;

/// Why and how all scores are computed anew.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recalculation {
    cause: ScoreCause,
    /// Whether the leads' own rows are read again.
    gather: bool,
}

impl Recalculation {
    pub(super) const fn of_model(gather: bool) -> Self {
        Self {
            cause: ScoreCause::Model,
            gather,
        }
    }
}

/// How far a recalculation has come.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Reached {
    after: Option<LeadId>,
    changed: i64,
}

pub(super) async fn enqueue_recalculation(
    tx: &Tx,
    caller: &Caller,
    now: Timestamp,
    input: Recalculation,
) -> Result<Job, Error> {
    let total = store::count(&**tx).await?;
    jobs::enqueue(tx, caller, now, RECALCULATE, &input, Some(total)).await
}

/// Queues the recalculation of all scores from the leads' rows and the stored facts; once for a key.
///
/// # Errors
/// A missing scope `scoring:write`; a key used for another call; the database's.
pub async fn recalculate(app: &App, caller: &Caller, key: Option<&CallKey>) -> Result<Job, Error> {
    caller.require(Scope::Write(Area::Scoring))?;
    caller.require_all_rows()?;
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "scoresRecalculate")?;
    let tx = app.db().begin().await?;
    if let Some(id) = once.before(&tx, now).await? {
        tx.rollback().await?;
        return jobs::queued_before(app, id).await;
    }
    let input = Recalculation {
        cause: ScoreCause::Recalculation,
        gather: true,
    };
    let job = enqueue_recalculation(&tx, caller, now, input).await?;
    once.keep(&tx, &job.id).await?;
    tx.commit().await?;
    jobs::wake(app, job.id).await;
    Ok(job)
}

/// Computes all scores anew, in the order of the leads' ids.
#[derive(Debug, Default)]
pub struct RecalculateKind {
    cache: ModelCache,
}

fn counts(changed: i64) -> Counts {
    Counts::from([("changed".to_owned(), changed)])
}

#[async_trait]
impl JobKind for RecalculateKind {
    fn kind(&self) -> &'static str {
        RECALCULATE
    }

    async fn run(&self, app: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        let Recalculation { cause, gather } = job.input()?;
        let mut reached: Reached = job.checkpoint()?.unwrap_or_default();
        let mut done = job.done();
        loop {
            if job.is_cancelled().await {
                return Ok(JobOutcome::Stopped);
            }
            let now = app.clock().now();
            let tx = app.db().begin().await?;
            let rows = store::next_locked(&tx, reached.after, BATCH).await?;
            let Some(last) = rows.last().map(|row| row.lead_id) else {
                return Ok(JobOutcome::Finished);
            };
            // The model in force now, not the one of the job's beginning: scores are never written by a retired one.
            let in_force = models::in_force_in(&tx, &self.cache, now).await?;
            let mut facts = read_facts(&rows)?;
            if gather {
                take_rows(
                    &mut facts,
                    store::leads(&*tx, tx.backend(), &ids(&rows)).await?,
                    &in_force.model,
                );
            }
            let mut writing = Writing::new(in_force, now);
            for (before, (id, facts)) in rows.iter().zip(&mut facts) {
                let text = (!gather).then_some(before.facts.as_str());
                writing.score(*id, Some(before), facts, text, cause);
            }
            reached.changed += writing.write(&tx).await?;
            reached.after = Some(last);
            done += i64::try_from(rows.len()).expect("a batch is small");
            job.progress(&tx, done, None, &counts(reached.changed), &reached)
                .await?;
            tx.commit().await?;
        }
    }
}

fn read_facts(rows: &[StoredScore]) -> Result<Vec<(LeadId, ScoreFacts)>, Error> {
    rows.iter()
        .map(|row| Ok((row.lead_id, ScoreFacts::from_json(&row.facts)?)))
        .collect()
}

fn ids(rows: &[StoredScore]) -> Vec<LeadId> {
    rows.iter().map(|row| row.lead_id).collect()
}

/// Takes the leads' own rows into facts, which are in the order of the leads.
fn take_rows(facts: &mut [(LeadId, ScoreFacts)], rows: Vec<LeadRow>, model: &ScoreModel) {
    for row in rows {
        if let Ok(place) = facts.binary_search_by_key(&row.id, |(id, _)| *id) {
            take_row(&mut facts[place].1, &row, model);
        }
    }
}

/// What a back-test compares: kept in the job, so that later edits and publications do not mix in.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Trial {
    draft_id: ScoreModelId,
    before_version: i32,
    before: ScoreModel,
    after_version: i32,
    after: ScoreModel,
    as_of: Timestamp,
}

/// One side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Score before decay.
    pub base: i32,
    /// Score after decay.
    pub current: f64,
    /// By the current score.
    pub grade: Grade,
    /// By the current score.
    pub temperature: Temperature,
}

impl From<&Score> for Side {
    fn from(score: &Score) -> Self {
        Self {
            base: score.base,
            current: score.current,
            grade: score.grade,
            temperature: score.temperature,
        }
    }
}

/// A lead that would move.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The lead.
    pub lead_id: LeadId,
    /// By the model in force.
    pub before: Side,
    /// By the draft.
    pub after: Side,
}

impl Sample {
    fn distance(&self) -> i32 {
        (self.after.base - self.before.base).abs()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Compared {
    after: Option<LeadId>,
    moves: Moves,
    samples: Vec<Sample>,
}

impl Compared {
    fn add(&mut self, lead_id: LeadId, change: &Change) {
        self.moves.add(change);
        if !change.moves() {
            return;
        }
        let sample = Sample {
            lead_id,
            before: (&change.before).into(),
            after: (&change.after).into(),
        };
        // The farthest moves first; of equal ones the older lead.
        let place = self
            .samples
            .partition_point(|other| other.distance() >= sample.distance());
        if place < SAMPLES {
            self.samples.insert(place, sample);
            self.samples.truncate(SAMPLES);
        }
    }
}

/// What a back-test found, so far.
#[derive(Clone, Debug, PartialEq)]
pub struct BacktestResult {
    /// The job.
    pub job: Job,
    /// The draft.
    pub draft_id: ScoreModelId,
    /// Version of the model it is compared with.
    pub before_version: i32,
    /// Version of the draft.
    pub after_version: i32,
    /// For which moment the scores are compared.
    pub as_of: Timestamp,
    /// How many leads move from where to where.
    pub moves: Moves,
    /// The leads that move farthest.
    pub samples: Vec<Sample>,
}

/// Queues the back-test of a draft against the model in force: all leads, as of now; once for a key.
///
/// # Errors
/// [`ScoringProblem`]s; a missing scope `scoring:write`; a key used with another input; the database's.
pub async fn backtest(
    app: &App,
    caller: &Caller,
    id: ScoreModelId,
    key: Option<&CallKey>,
) -> Outcome<Job, ScoringProblem> {
    caller.require(Scope::Write(Area::Scoring))?;
    caller.require_all_rows()?;
    let now = app.clock().now();
    let in_force = models::published(app, caller).await?;
    let once = Once::new(key, &caller.actor.id, "scoreModelBacktest")?;
    let tx = app.db().begin().await?;
    if let Some(id) = once.before(&tx, now).await? {
        tx.rollback().await?;
        return Ok(jobs::queued_before(app, id).await?);
    }
    let draft = models::draft(&tx, "draftId", id).await?;
    let trial = Trial {
        draft_id: id,
        before_version: in_force.version,
        before: models::definition(&in_force)?,
        after_version: draft.version,
        after: models::definition(&draft)?,
        as_of: now,
    };
    let total = store::count(&*tx).await?;
    let job = jobs::enqueue(&tx, caller, now, BACKTEST, &trial, Some(total)).await?;
    once.keep(&tx, &job.id).await?;
    tx.commit().await?;
    jobs::wake(app, job.id).await;
    Ok(job)
}

/// What a back-test found so far; `None` when there is no back-test with this id.
///
/// # Errors
/// A missing scope `scoring:read`; the database's.
pub async fn backtest_result(app: &App, caller: &Caller, id: JobId) -> Result<Option<BacktestResult>, Error> {
    caller.require(Scope::Read(Area::Scoring))?;
    // It compares all leads.
    caller.require_all_rows()?;
    // Whoever may read scores may read what a back-test of them found.
    let Some(job) = jobs::find(app, &Caller::system(), id).await? else {
        return Ok(None);
    };
    if job.kind != BACKTEST {
        return Ok(None);
    }
    let trial: Trial = serde_json::from_str(&job.input)?;
    let compared: Option<Compared> = serde_json::from_str(&job.checkpoint)?;
    let Compared {
        after: _,
        moves,
        samples,
    } = compared.unwrap_or_default();
    Ok(Some(BacktestResult {
        job,
        draft_id: trial.draft_id,
        before_version: trial.before_version,
        after_version: trial.after_version,
        as_of: trial.as_of,
        moves,
        samples,
    }))
}

/// Compares a draft with the model in force over all leads; changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct BacktestKind;

#[async_trait]
impl JobKind for BacktestKind {
    fn kind(&self) -> &'static str {
        BACKTEST
    }

    async fn run(&self, app: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        let trial: Trial = job.input()?;
        let mut compared: Compared = job.checkpoint()?.unwrap_or_default();
        let mut done = job.done();
        let db = app.db();
        loop {
            if job.is_cancelled().await {
                return Ok(JobOutcome::Stopped);
            }
            let rows = store::next(db.read(), db.backend(), compared.after, BATCH, "").await?;
            let Some(last) = rows.last().map(|row| row.lead_id) else {
                return Ok(JobOutcome::Finished);
            };
            let facts = read_facts(&rows)?;
            let mut gathered = None;
            if !trial.after.gathers_like(&trial.before) {
                let mut copy = facts.clone();
                take_rows(
                    &mut copy,
                    store::leads(db.read(), db.backend(), &ids(&rows)).await?,
                    &trial.after,
                );
                gathered = Some(copy);
            }
            for (place, (id, facts)) in facts.iter().enumerate() {
                let mut change = compare(&trial.before, &trial.after, facts, trial.as_of);
                if let Some(gathered) = &gathered {
                    change.after = super::model::score(&gathered[place].1, &trial.after, trial.as_of);
                }
                compared.add(*id, &change);
            }
            compared.after = Some(last);
            done += i64::try_from(rows.len()).expect("a batch is small");
            let moved = i64::try_from(compared.moves.moved).unwrap_or(i64::MAX);
            let tx = db.begin().await?;
            let counts = Counts::from([("moved".to_owned(), moved)]);
            job.progress(&tx, done, None, &counts, &compared).await?;
            tx.commit().await?;
        }
    }
}
