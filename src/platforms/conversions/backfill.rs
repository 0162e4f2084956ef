//! The job that has told what happened before sharing was switched on, and what was called off when it was switched off.

use async_trait::async_trait;
use entity::Timestamp;
use entity::id::ConnectionId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::handler::{Shared, keep, offer_again, rows};
use super::model::{Happening, What};
use super::service::tell;
use super::store::{self, PastPlace};
use crate::app::App;
use crate::db::{Tx, is_transient};
use crate::error::Error;
use crate::jobs::{JobContext, JobKind, JobOutcome};

/// The name of the kind of job.
pub(super) const KIND: &str = "conversions.backfill";
/// What is looked at in one transaction.
const BATCH: u64 = 1_000;

/// What it is asked to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Input {
    pub(super) connection: ConnectionId,
    pub(super) since: Timestamp,
}

/// Looks through the past.
#[derive(Clone, Copy, Debug, Default)]
pub struct BackfillJob;

/// What is looked through, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Part {
    #[default]
    Conversions,
    Leads,
    Stages,
    Done,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Reached {
    part: Part,
    behind: Option<(i64, Uuid)>,
}

#[async_trait]
impl JobKind for BackfillJob {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn run(&self, app: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        let input: Input = job.input()?;
        let mut reached: Reached = job.checkpoint()?.unwrap_or_default();
        let (mut counts, mut done) = (job.counts()?, job.done());
        let mut failures = 0;
        while reached.part != Part::Done {
            if job.is_cancelled().await {
                return Ok(JobOutcome::Stopped);
            }
            let step = async {
                let tx = app.db().begin().await?;
                let stepped = step(app, &tx, job, input, reached).await?;
                let mut counts = counts.clone();
                *counts.entry("created".to_owned()).or_default() += stepped.created;
                *counts.entry("offeredAgain".to_owned()).or_default() += stepped.offered_again;
                let done = done + stepped.looked;
                job.progress(&tx, done, None, &counts, &stepped.next).await?;
                tx.commit().await?;
                Ok::<_, Error>((stepped.next, stepped.looked, counts))
            };
            match step.await {
                Ok((next, looked, told)) => {
                    (reached, counts) = (next, told);
                    done += looked;
                    failures = 0;
                }
                // The handler keeps rows of the same happenings.
                Err(error) if is_transient(&error) && failures < 4 => failures += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(JobOutcome::Finished)
    }
}

/// The least id of a moment.
fn first_id(at: Timestamp) -> Uuid {
    let millis = u128::try_from(at.micros().max(0) / 1_000).unwrap_or_default();
    Uuid::from_u128(millis << 80)
}

/// What became of one transaction.
struct Stepped {
    next: Reached,
    /// How many happenings were looked at.
    looked: i64,
    /// How many of them were not known yet.
    created: i64,
    /// How many of them had been called off as sharing was switched off.
    offered_again: i64,
}

async fn step(
    app: &App,
    tx: &Tx,
    job: &JobContext,
    Input { connection, since }: Input,
    reached: Reached,
) -> Result<Stepped, Error> {
    let done = Reached {
        part: Part::Done,
        behind: None,
    };
    let sharing = store::sharings(&**tx, &[connection]).await?.remove(&connection);
    let Some(sharing) = sharing.filter(|sharing| sharing.is_enabled) else {
        // Switched off meanwhile.
        return Ok(Stepped {
            next: done,
            looked: 0,
            created: 0,
            offered_again: 0,
        });
    };
    let place: PastPlace = match reached.behind {
        Some((at, id)) => (Timestamp(at), id),
        None => (since, Uuid::nil()),
    };
    let (happenings, last): (Vec<Happening>, Option<(i64, Uuid)>) = match reached.part {
        Part::Conversions => {
            let found = store::conversions_behind(tx, place, BATCH).await?;
            let last = found.last().map(|row| (row.occurred_at.micros(), row.id.0));
            let counting = found.into_iter().filter(|row| row.voided_at.is_none());
            let happening = |row: crate::insight::revenue::Conversion| Happening {
                lead: row.lead_id,
                at: row.occurred_at,
                what: What::Conversion {
                    id: row.id,
                    kind: row.kind,
                    name: row.custom_name,
                },
            };
            (counting.map(happening).collect(), last)
        }
        Part::Leads => {
            let found = store::leads_behind(tx, place, BATCH).await?;
            let last = found.last().map(|(id, at)| (at.micros(), id.0));
            let happening = |(lead, at)| Happening {
                lead,
                at,
                what: What::LeadCreated,
            };
            (found.into_iter().map(happening).collect(), last)
        }
        Part::Stages | Part::Done => {
            let behind = reached.behind.map_or_else(|| first_id(since), |(_, id)| id);
            let found = store::stages_behind(tx, behind, since, BATCH).await?;
            let last = found.last().map(|stay| (stay.entered_at.micros(), stay.id.0));
            let happening = |stay: store::Reached| Happening {
                lead: stay.lead_id,
                at: stay.entered_at,
                what: What::Stage(stay.stage),
            };
            (found.into_iter().map(happening).collect(), last)
        }
    };
    let now = app.clock().now();
    let shared = [Shared::read(sharing)?];
    let rows = rows(&shared, &happenings, Some(since), now);
    // Before those that are new: what is there already and was called off.
    let event_ids: Vec<String> = rows.iter().map(|row| row.event_id.clone()).collect();
    let mut again = store::switched_off(tx, connection, &event_ids).await?;
    for row in &mut again {
        offer_again(row, now);
    }
    store::put(tx, &again).await?;
    tell(tx, job.created_by(), now, &again).await?;
    let created = keep(tx, job.created_by(), now, rows).await?;
    let next = match (last, reached.part) {
        (Some(behind), part) => Reached {
            part,
            behind: Some(behind),
        },
        (None, Part::Conversions) => Reached {
            part: Part::Leads,
            behind: None,
        },
        (None, Part::Leads) => Reached {
            part: Part::Stages,
            behind: None,
        },
        (None, Part::Stages | Part::Done) => done,
    };
    let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    Ok(Stepped {
        next,
        looked: whole(happenings.len()),
        created: whole(created),
        offered_again: whole(again.len()),
    })
}
