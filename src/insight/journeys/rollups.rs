//! Whether the days and quarters of the deployment are what engagements and moves themselves say, and making them anew.
//!
//! What is recorded and not taken in yet is known from the log: what is kept should be what the rows say less that.

use std::collections::BTreeMap;

use entity::{Day, Timestamp};

use super::handler::{NAME, read};
use super::model::{Deployment, DeploymentActivity};
use super::store;
use crate::app::App;
use crate::db::{ConnectionTrait, Tx};
use crate::error::Error;
use crate::events;
use crate::leads::visible::Visible;

/// What was found wrong in the days of the deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DaysVerified {
    /// UTC days that were looked at.
    pub days: u64,
    /// A sentence for each day that is not what the rows say.
    pub differences: Vec<String>,
}

/// What waits to be taken in.
async fn pending(db: &impl ConnectionTrait) -> Result<Deployment, Error> {
    let Some(events) = store::pending(db, NAME).await? else {
        let message = "too much waits to be taken in; try again when handlers have caught up";
        return Err(Error::Unavailable(message.to_owned()));
    };
    let mut taken = Deployment::default();
    for event in &events {
        if let Some(happening) = read(event)? {
            taken.take(&happening);
        }
    }
    Ok(taken)
}

/// Whether so much waits to be taken in that sums cannot be held against rows now.
///
/// # Errors
/// The database's.
pub async fn is_far_behind(app: &App) -> Result<bool, Error> {
    Ok(store::pending(app.db().read(), NAME).await?.is_none())
}

/// Moves by UTC day, by the stays of all leads.
async fn moves(db: &impl ConnectionTrait) -> Result<BTreeMap<Day, DeploymentActivity>, Error> {
    let mut days: BTreeMap<Day, DeploymentActivity> = BTreeMap::new();
    let (from, to) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
    for (day, stage, number) in store::moves(db, &Visible::all(), from, to).await? {
        days.entry(day).or_default().add_moves(stage, number);
    }
    Ok(days)
}

/// Compares what is kept of each day with what the rows of engagements and stays say, as of one moment. Nothing is written.
///
/// # Errors
/// [`Error::Unavailable`] where too much waits to be taken in; the database's.
pub async fn verify_deployment(app: &App) -> Result<DaysVerified, Error> {
    let db = app.db().snapshot().await?;
    let pending = pending(&db).await?;
    let mut moves = moves(&db).await?;
    let mut verified = DaysVerified::default();
    let mut after = None;
    loop {
        let next = store::next_day(&db, after).await?;
        let next = match (next, moves.keys().next()) {
            (Some(day), Some(moved)) => day.min(*moved),
            (Some(day), None) => day,
            (None, Some(moved)) => *moved,
            (None, None) => break,
        };
        after = Some(next);
        let mut right = store::engagements_of(&db, next).await?;
        if let Some(moved) = moves.remove(&next) {
            right.days.entry(next).or_default().merge(&moved);
        }
        right.take_away(&pending.on(next));
        let (first, last) = (next.start().quarter(), next.start().plus_days(1).quarter() - 1);
        let mut kept = Deployment {
            days: store::deployment(&db, next, next).await?.into_iter().collect(),
            quarters: store::quarters(&db, first, last).await?.into_iter().collect(),
        };
        // What is nothing is nothing, however it is written.
        kept.take_away(&Deployment::default());
        verified.days += 1;
        if kept.days != right.days {
            let (kept, right) = (kept.days.get(&next), right.days.get(&next));
            verified.differences.push(format!(
                "{next}: {} are kept, {} are right",
                shown(kept),
                shown(right)
            ));
        } else if kept.quarters != right.quarters {
            verified.differences.push(format!(
                "{next}: its quarters of an hour are not what they should be"
            ));
        }
    }
    Ok(verified)
}

fn shown(activity: Option<&DeploymentActivity>) -> String {
    let (engagements, moves) = activity.map_or((0, 0), |of| {
        (of.total(), of.moves().map(|(_, number)| number).sum::<i64>())
    });
    format!("{engagements} engagements and {moves} moves")
}

/// Makes the moves of all days anew, in a transaction in which the handler waits.
///
/// # Errors
/// [`Error::Unavailable`] where too much waits to be taken in; the database's.
pub async fn retell_moves(app: &App, tx: &Tx) -> Result<(), Error> {
    events::hold(tx, NAME).await?;
    // Rows and log of one moment, at which the handler stands still.
    let db = app.db().snapshot().await?;
    let pending = pending(&db).await?;
    let kept = store::deployment(&db, Day(i32::MIN), Day(i32::MAX)).await?;
    let mut right = moves(&db).await?;
    for (day, activity) in &pending.days {
        let mut moved = DeploymentActivity::default();
        for (stage, number) in activity.moves() {
            moved.add_moves(stage, number);
        }
        right.entry(*day).or_default().take_away(&moved);
    }
    let mut told = Deployment::default();
    for (day, activity) in kept {
        let moved = right.remove(&day).unwrap_or_default();
        let both = DeploymentActivity::of_both(&activity, &moved);
        if both != activity {
            told.days.insert(day, both);
        }
    }
    right.retain(|_, activity| !activity.is_empty());
    told.days.extend(right);
    store::write_deployment(tx, &told).await
}

/// Makes the engagements of the next day after another one anew, in a transaction in which the handler waits. Answers which
/// day that was; `None` when there is none left.
///
/// # Errors
/// [`Error::Unavailable`] where too much waits to be taken in; the database's.
pub async fn retell_next_day(app: &App, tx: &Tx, after: Option<Day>) -> Result<Option<Day>, Error> {
    events::hold(tx, NAME).await?;
    let db = app.db().snapshot().await?;
    let Some(day) = store::next_day(&db, after).await? else {
        return Ok(None);
    };
    let pending = pending(&db).await?.on(day);
    let mut right = store::engagements_of(&db, day).await?;
    let (first, last) = (day.start().quarter(), day.start().plus_days(1).quarter() - 1);
    let kept = store::deployment(&db, day, day).await?;
    let kept = kept.into_iter().next().map(|(_, kept)| kept).unwrap_or_default();
    right.days.entry(day).or_default();
    // Moves stay as they are.
    let mut engaged = Deployment {
        days: BTreeMap::new(),
        quarters: pending.quarters,
    };
    if let Some(pending) = pending.days.get(&day) {
        engaged.days.insert(
            day,
            DeploymentActivity::of_both(pending, &DeploymentActivity::default()),
        );
    }
    right.take_away(&engaged);
    let right_day = right.days.remove(&day).unwrap_or_default();
    let mut told = Deployment::default();
    told.days
        .insert(day, DeploymentActivity::of_both(&right_day, &kept));
    for (quarter, _) in store::quarters(&db, first, last).await? {
        told.quarters.insert(quarter, DeploymentActivity::default());
    }
    told.quarters.extend(right.quarters);
    store::write_deployment(tx, &told).await?;
    Ok(Some(day))
}
