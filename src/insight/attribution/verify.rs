//! Whether what is kept is what the rows themselves say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use entity::id::LeadId;
use entity::{ReportLevel, Timestamp};

use super::handler::KINDS;
use super::model::sums::Sums;
use super::settings::answering;
use super::{handler, keeping, store};
use crate::app::App;
use crate::error::Error;
use crate::events::waiting_leads;

/// Leads of one round of statements.
const BATCH: u64 = 500;
/// Differences that are named; more are counted.
const NAMED: usize = 100;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Leads that were looked at.
    pub leads: u64,
    /// Leads that were left out: something of them is not taken in yet.
    pub pending: u64,
    /// How many differences there are.
    pub differences: u64,
    /// The first of them, in words.
    pub named: Vec<String>,
}

impl Verified {
    /// Counts a difference, and names it where few were named before.
    pub fn add(&mut self, what: impl FnOnce() -> String) {
        self.differences += 1;
        if self.named.len() < NAMED {
            self.named.push(what());
        }
    }
}

/// Makes trails and sums anew from all leads, as of one moment, and compares them with what is kept. Nothing is written.
///
/// # Errors
/// The database's.
pub async fn verify(app: &App) -> Result<Verified, Error> {
    let db = app.db().snapshot().await?;
    let kept = store::kept(&db).await?;
    let row = answering(&kept)?;
    let settings = store::settings_of(row)?;
    let pending = waiting_leads(&db, handler::NAME, KINDS).await?;
    let mut verified = Verified::default();
    // What the trails say that are kept; the sums are to be theirs.
    let mut sums = Sums::default();
    let mut after = None;
    loop {
        let leads = store::leads_after(&db, after, BATCH).await?;
        let Some(last) = leads.last() else {
            break;
        };
        after = Some(*last);
        let all: Vec<(LeadId, Timestamp)> = leads.iter().map(|lead| (*lead, keeping::EVER)).collect();
        for trail in store::trails(&db, row.version, &all).await? {
            sums.add(&store::read(&trail)?, 1, &settings);
        }
        let (waiting, settled): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(lead, _)| pending.contains(lead));
        verified.pending += waiting.len() as u64;
        verified.leads += settled.len() as u64;
        let difference = keeping::compare(&db, row.version, &settings, &settled).await?;
        for trail in &difference.changed {
            let (lead, at) = (trail.lead_id, trail.at);
            verified
                .add(|| format!("the trail of {lead} that ended at {at} is not what its engagements say"));
        }
        for id in &difference.gone {
            verified.add(|| format!("the trail {id} is kept of nothing"));
        }
    }
    compare(&db, row.version, sums, &mut verified).await?;
    Ok(verified)
}

async fn compare(
    db: &store::Snapshot,
    version: i32,
    right: Sums,
    verified: &mut Verified,
) -> Result<(), Error> {
    let months = right.by_month();
    for (level, right) in [(ReportLevel::Day, right), (ReportLevel::Month, months)] {
        let kept = store::all_sums(db, version, level).await?;
        let what = |what: &str| format!("{what} ({level})");
        differences(&kept.credits, &right.credits, &what("credit"), verified);
        differences(&kept.paths, &right.paths, &what("journeys"), verified);
        differences(&kept.totals, &right.totals, &what("conversions"), verified);
    }
    Ok(())
}

fn differences<K: Ord + Debug, V: PartialEq + Debug>(
    kept: &BTreeMap<K, V>,
    right: &BTreeMap<K, V>,
    what: &str,
    verified: &mut Verified,
) {
    let keys: BTreeSet<&K> = kept.keys().chain(right.keys()).collect();
    for key in keys {
        if kept.get(key) != right.get(key) {
            verified.add(|| {
                format!(
                    "{what} of {key:?}: {:?} is kept, {:?} is right",
                    kept.get(key),
                    right.get(key)
                )
            });
        }
    }
}
