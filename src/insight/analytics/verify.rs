//! Whether what is kept is what the rows themselves say.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use entity::EventKind;
use entity::id::LeadId;

use super::handler::{FIRST, KINDS, NAME};
use super::keeping::{self, News, Now, shown};
use super::model::outline::Outline;
use super::model::sums::Changes;
use super::store;
use crate::app::App;
use crate::error::Error;
use crate::events::waiting_leads;
use crate::insight::attribution::Verified;
use crate::insight::calendar::{first_of_month, month_of};
use crate::insight::scoring::{self, ScoresCache};

/// Leads of one round of statements.
const BATCH: u64 = 500;

/// Makes outlines and sums anew from all leads, as of one moment, and compares them with what is kept. Nothing is written.
///
/// # Errors
/// The database's.
pub async fn verify(app: &App) -> Result<Verified, Error> {
    let scale = scoring::scale(app, &ScoresCache::default()).await?;
    let db = app.db().snapshot().await?;
    let mut pending: HashSet<LeadId> = waiting_leads(&db, NAME, KINDS).await?;
    let engaged = [EventKind::EngagementRecorded, EventKind::EngagementReweighed];
    for name in FIRST {
        pending.extend(waiting_leads(&db, name, &engaged).await?);
    }
    let now = Now {
        scale: &scale,
        at: app.clock().now(),
        waiting: &HashSet::new(),
        leaves_due: false,
    };
    let mut verified = Verified::default();
    // What the outlines say that are kept; the sums are to be theirs.
    let mut sums = Changes::default();
    let mut after = None;
    loop {
        let leads = store::leads_after(&db, after, BATCH).await?;
        let Some(last) = leads.last() else {
            break;
        };
        after = Some(*last);
        let mut waiting = HashSet::new();
        let mut kept = HashMap::new();
        for row in store::stored(&db, &leads).await? {
            let mut outline: Outline = serde_json::from_str(&row.outline)?;
            outline.created_at = row.created_at;
            sums.add(&outline, 1);
            // Decay has taken it on, and it is about to be looked at.
            if row.due_at.is_some_and(|due| due <= now.at) {
                waiting.insert(row.lead_id);
            }
            kept.insert(row.lead_id, (row.created_at, row.outline));
        }
        let (waiting, settled): (Vec<LeadId>, Vec<LeadId>) = leads
            .into_iter()
            .partition(|lead| pending.contains(lead) || waiting.contains(lead));
        verified.pending += waiting.len() as u64;
        verified.leads += settled.len() as u64;
        let settled: Vec<(LeadId, &News)> = settled.into_iter().map(|lead| (lead, &News::Anew)).collect();
        let difference = keeping::compare(&db, &now, &settled).await?;
        for row in difference.changed {
            let right = (row.created_at, row.outline);
            // When it is looked at again may be told a moment off.
            if kept.get(&row.lead_id) == Some(&right) {
                continue;
            }
            verified.add(|| format!("what reports count of {} is not what its rows say", row.lead_id));
        }
        for lead in &difference.gone {
            verified.add(|| format!("reports count {lead}, which is not there"));
        }
    }
    if let Some((first, last)) = store::engaged_between(&db).await? {
        for month in month_of(first.day())..=month_of(last.day()) {
            let [kept, right] = store::busy(&db, month).await?;
            let leads: BTreeSet<_> = kept.keys().chain(right.keys()).collect();
            for lead in leads.into_iter().filter(|lead| !pending.contains(lead)) {
                let of = |all: &BTreeMap<LeadId, i64>| all.get(lead).copied().unwrap_or(0);
                if of(&kept) != of(&right) {
                    let month = first_of_month(month);
                    let (kept, right) = (of(&kept), of(&right));
                    verified.add(|| format!("engagements of {lead} in the month of {month}: {kept} are kept, {right} are right"));
                }
            }
        }
    }
    let (kept, right) = (store::all_sums(&db).await?.settled(), sums.settled());
    let places: BTreeSet<_> = kept.0.keys().chain(right.0.keys()).collect();
    for place in places {
        let of = |sums: &Changes| sums.0.get(place).copied().unwrap_or(0);
        if of(&kept) != of(&right) {
            let (level, measure, unit, name) = place;
            verified.add(|| {
                format!(
                    "{} in {level} {unit}: {} is kept, {} is right",
                    shown(*measure, name),
                    of(&kept),
                    of(&right)
                )
            });
        }
    }
    Ok(verified)
}
