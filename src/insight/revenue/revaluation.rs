//! Tells the amounts of conversions, costs and deals in the reporting currency anew, after rates or that currency changed.

use async_trait::async_trait;
use entity::id::{ConversionId, CostId, DealId, LeadId};
use entity::{EventKind, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::rates::{REVALUATION, Reporting};
use super::{conversions, costs, deals};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{self, Event, NewEvent};
use crate::jobs::{Counts, JobContext, JobKind, JobOutcome};

/// Rows of one transaction: long enough to be fast, short enough to let others write.
const BATCH: u64 = 4_000;

/// What something is worth by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::insight::revenue) struct Revalued<Id> {
    /// Of which row.
    pub id: Id,
    /// What it counted when it was read, in minor units of its own currency, of a deal its version: written only where that
    /// is so still.
    pub was: i64,
    /// The amount in the reporting currency; `None` where no rate is known.
    pub reporting: Option<i64>,
    /// The same of what was given back.
    pub refunded: Option<i64>,
}

/// The job: all conversions, costs and deals that have an amount, in the order of their ids.
#[derive(Clone, Copy, Debug)]
pub struct Revaluation;

/// Where a later run goes on: conversions come first, then costs, then deals.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Reached {
    conversion: Option<ConversionId>,
    conversions_done: bool,
    cost: Option<CostId>,
    costs_done: bool,
    deal: Option<DealId>,
    changed: i64,
}

#[async_trait]
impl JobKind for Revaluation {
    fn kind(&self) -> &'static str {
        REVALUATION
    }

    async fn run(&self, app: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        let mut reached: Reached = job.checkpoint()?.unwrap_or_default();
        let mut done = job.done();
        loop {
            if job.is_cancelled().await {
                return Ok(JobOutcome::Stopped);
            }
            let tx = app.db().begin().await?;
            let rows = if reached.costs_done {
                let rows = deals::page_after(&tx, reached.deal, BATCH).await?;
                let Some(last) = rows.last() else {
                    return Ok(JobOutcome::Finished);
                };
                reached.deal = Some(last.id);
                reached.changed += count(revalue_deals(&tx, &rows).await?);
                rows.len()
            } else if reached.conversions_done {
                let rows = costs::page_after(&tx, reached.cost, BATCH).await?;
                match rows.last() {
                    Some(last) => reached.cost = Some(last.id),
                    None => reached.costs_done = true,
                }
                let amounts = rows.iter().map(|row| (row.currency.as_str(), row.day));
                let reporting = Reporting::of(&tx, amounts).await?;
                let mut changed = Vec::new();
                for row in &rows {
                    let worth = reporting.amount(row.amount_minor, &row.currency, row.day);
                    let currency = worth.map(|_| reporting.currency());
                    if (worth, currency) != (row.reporting_minor, row.reporting_currency.as_deref()) {
                        changed.push(Revalued {
                            id: row.id,
                            was: row.amount_minor,
                            reporting: worth,
                            refunded: None,
                        });
                    }
                }
                costs::revalue(&tx, &changed, reporting.currency()).await?;
                reached.changed += count(changed.len());
                rows.len()
            } else {
                let after = reached.conversion;
                let rows = conversions::page_after(&tx, after, BATCH).await?;
                match rows.last() {
                    Some(last) => reached.conversion = Some(last.id),
                    None => reached.conversions_done = true,
                }
                let amounts = || rows.iter().filter_map(conversions::amount);
                let reporting =
                    Reporting::of(&tx, amounts().map(|(_, currency, day)| (currency, day))).await?;
                let mut changed = Vec::new();
                for row in &rows {
                    let Some((minor, currency, day)) = conversions::amount(row) else {
                        continue;
                    };
                    let worth = |minor| reporting.amount(minor, currency, day);
                    let (value, refunded) = (worth(minor), worth(row.refunded_minor));
                    let told = value.map(|_| reporting.currency());
                    let before = (row.reporting_minor, row.reporting_refunded_minor);
                    if (value, refunded) != before || told != row.reporting_currency.as_deref() {
                        changed.push(Revalued {
                            id: row.id,
                            was: row.refunded_minor,
                            reporting: value,
                            refunded,
                        });
                    }
                }
                conversions::revalue(&tx, &changed, reporting.currency()).await?;
                if !changed.is_empty() {
                    tell(&tx, app, after, reached.conversion).await?;
                }
                reached.changed += count(changed.len());
                rows.len()
            };
            done += count(rows);
            let counts = Counts::from([("changed".to_owned(), reached.changed)]);
            job.progress(&tx, done, None, &counts, &reached).await?;
            tx.commit().await?;
        }
    }
}

/// Tells some deals anew; answers how many are worth something else by now.
async fn revalue_deals(tx: &Tx, rows: &[deals::Deal]) -> Result<usize, Error> {
    let worth = deals::Worth::of(tx, rows).await?;
    let mut changed = Vec::new();
    for row in rows {
        let reporting = worth.amount(row);
        let currency = reporting.map(|_| worth.currency());
        if (reporting, currency) != (row.reporting_minor, row.reporting_currency.as_deref()) {
            changed.push(Revalued {
                id: row.id,
                was: row.version.into(),
                reporting,
                refunded: None,
            });
        }
    }
    deals::revalue(tx, &changed, worth.currency()).await?;
    Ok(changed.len())
}

/// Tells those who keep sums of conversions.
async fn tell(
    tx: &Tx,
    app: &App,
    after: Option<ConversionId>,
    up_to: Option<ConversionId>,
) -> Result<(), Error> {
    let event = NewEvent {
        kind: EventKind::ConversionsRevalued,
        lead_id: None,
        subject: REVALUATION.to_owned(),
        payload: json!({ "after": after, "upTo": up_to }),
    };
    events::append(tx, "system", app.clock().now(), vec![event]).await?;
    Ok(())
}

/// The payload of `CONVERSIONS_REVALUED`: the conversions behind one, up to another.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Retold {
    after: Option<ConversionId>,
    up_to: ConversionId,
}

/// The leads whose conversions an event `CONVERSIONS_REVALUED` tells of, and when those were.
///
/// # Errors
/// A payload of another form; the database's.
pub async fn revalued_leads(tx: &Tx, event: &Event) -> Result<Vec<(LeadId, Timestamp)>, Error> {
    let Retold { after, up_to } = serde_json::from_str(&event.payload)?;
    Ok(conversions::leads_between(tx, after, up_to).await?)
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).expect("a batch is small")
}
