//! Fits the models, and writes down what is to be known of each customer.

use std::time::Duration;

use async_trait::async_trait;
use entity::Day;
use entity::id::LeadId;
use entity::time::DAY_MICROS;
use serde_json::json;

use super::model::{
    Backtest, LifetimeModel, LifetimeSettings, Observed, PurchaseFold, Summary, TrainingProblem, backtest,
    train,
};
use super::service::{LifetimeState, Report};
use super::{Fitted, store};
use crate::app::App;
use crate::error::Error;
use crate::identity::Caller;
use crate::insight::revenue::reporting_currency;
use crate::jobs::{self, Chore, Counts, JobContext, JobKind, JobOutcome};

/// The kind of the job.
pub(super) const FIT: &str = "revenue.lifetime";
/// Purchases of one statement.
const PAGE: u64 = 20_000;
/// Customers of one transaction.
const BATCH: usize = 4_000;
/// The days before the last one that a fit of the time before is asked to foretell.
const HOLDOUT_DAYS: i32 = 90;

/// The job.
#[derive(Clone, Copy, Debug)]
pub struct LifetimeFit;

/// A customer, over all purchases and over those before the days held out.
type Customer = (LeadId, Summary, Option<Observed>);

#[async_trait]
impl JobKind for LifetimeFit {
    fn kind(&self) -> &'static str {
        FIT
    }

    /// Begins anew where it was cut off: nothing of it is seen before its end.
    async fn run(&self, app: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        let now = app.clock().now();
        // Of today not everything is known yet.
        let until = Day(now.day().0 - 1);
        let currency = reporting_currency(app).await?;
        let version = store::latest(app.db().read())
            .await?
            .map_or(1, |fitted| fitted.version + 1);
        if !clear(app, job, version).await? {
            return Ok(JobOutcome::Stopped);
        }
        let customers = customers(app, until).await?;
        let settings = LifetimeSettings::default();
        let (summaries, observed): (Vec<Summary>, Vec<Observed>) = (
            customers.iter().map(|(_, summary, _)| *summary).collect(),
            customers.iter().filter_map(|(.., observed)| *observed).collect(),
        );
        let held_out = u32::try_from(HOLDOUT_DAYS).expect("above 0");
        // Seconds of arithmetic: not on a thread that others wait for.
        let (outcome, tested) = tokio::task::spawn_blocking(move || {
            (
                train(&summaries, &settings),
                backtest(&observed, held_out, &settings).ok(),
            )
        })
        .await
        .map_err(Error::internal)?;
        let fitted = Fitted {
            version,
            fitted_at: now,
            until,
            currency,
            report: report(customers.len() as u64, outcome, tested, settings)?,
        };
        let is_fitted = fitted.report.model.is_some();
        let mut done = 0;
        for chunk in customers.chunks(BATCH).filter(|_| is_fitted) {
            if job.is_cancelled().await {
                return Ok(JobOutcome::Stopped);
            }
            let rows: Vec<(LeadId, Summary)> =
                chunk.iter().map(|(lead, summary, _)| (*lead, *summary)).collect();
            let tx = app.db().begin().await?;
            store::write_customers(&tx, version, &rows).await?;
            done += i64::try_from(rows.len()).expect("a batch is small");
            let total = i64::try_from(customers.len()).ok();
            job.progress(&tx, done, total, &Counts::new(), &json!({})).await?;
            tx.commit().await?;
        }
        let tx = app.db().begin().await?;
        store::write_fit(&tx, &fitted).await?;
        tx.commit().await?;
        // Nobody reads those of the one before any more.
        clear(app, job, version - 1).await?;
        Ok(JobOutcome::Finished)
    }
}

/// Takes the customers of a fit away; false when the job was cancelled meanwhile.
async fn clear(app: &App, job: &JobContext, version: i32) -> Result<bool, Error> {
    loop {
        if job.is_cancelled().await {
            return Ok(false);
        }
        let tx = app.db().begin().await?;
        let some = store::forget(&tx, version, BATCH as u64).await?;
        tx.commit().await?;
        if !some {
            return Ok(true);
        }
    }
}

fn report(
    customers: u64,
    outcome: Result<LifetimeModel, TrainingProblem>,
    backtest: Option<Backtest>,
    settings: LifetimeSettings,
) -> Result<Report, Error> {
    let (state, model, shortfalls) = match outcome {
        Ok(model) => (LifetimeState::Fitted, Some(model), Vec::new()),
        Err(TrainingProblem::NotEnoughData(shortfalls)) => (LifetimeState::NotEnoughData, None, shortfalls),
        Err(TrainingProblem::NotConverged) => (LifetimeState::NotConverged, None, Vec::new()),
        Err(problem @ TrainingProblem::History(_)) if customers > 0 => return Err(Error::internal(problem)),
        Err(TrainingProblem::History(_)) => (LifetimeState::NotEnoughData, None, Vec::new()),
    };
    Ok(Report {
        state,
        customers,
        shortfalls,
        model,
        backtest,
        settings,
    })
}

/// All who have bought something, by lead: some ninety bytes each, however much they bought.
async fn customers(app: &App, until: Day) -> Result<Vec<Customer>, Error> {
    let db = app.db().read_lagging();
    let before = Day(until.0 - HOLDOUT_DAYS);
    let folds = || {
        (
            PurchaseFold::new(until),
            PurchaseFold::with_holdout(before, until),
        )
    };
    let end = entity::Timestamp(until.start().micros() + DAY_MICROS);
    let mut found = Vec::new();
    let mut current: Option<(LeadId, (PurchaseFold, PurchaseFold))> = None;
    let mut finish = |lead: LeadId, (whole, held): (PurchaseFold, PurchaseFold)| {
        if let Some(observed) = whole.finish() {
            found.push((lead, observed.summary, held.finish()));
        }
    };
    let mut after = None;
    loop {
        let page = store::purchases_after(db, after, end, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(*last);
        for purchase in page {
            let is_other = current.as_ref().is_none_or(|(lead, _)| *lead != purchase.lead);
            if is_other && let Some((lead, done)) = current.replace((purchase.lead, folds())) {
                finish(lead, done);
            }
            if let Some((_, (whole, held))) = &mut current {
                whole.push(purchase.at, purchase.minor).map_err(Error::internal)?;
                held.push(purchase.at, purchase.minor).map_err(Error::internal)?;
            }
        }
    }
    if let Some((lead, done)) = current {
        finish(lead, done);
    }
    Ok(found)
}

/// Has the models fitted once a day, where anything was ever bought.
#[derive(Clone, Copy, Debug)]
pub struct LifetimeChore;

#[async_trait]
impl Chore for LifetimeChore {
    fn name(&self) -> &'static str {
        "lifetime values"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    async fn run(&self, app: &App) -> Result<(), Error> {
        let db = app.db().read();
        let now = app.clock().now();
        let is_of_today = store::latest(db)
            .await?
            .is_some_and(|fitted| fitted.fitted_at.day() == now.day());
        if is_of_today || !store::has_purchases(db).await? {
            return Ok(());
        }
        let tx = app.db().begin().await?;
        let job = jobs::enqueue_unless_queued(&tx, &Caller::system(), now, FIT, &json!({})).await?;
        tx.commit().await?;
        if let Some(job) = job {
            jobs::wake(app, job.id).await;
        }
        Ok(())
    }
}
