//! Keeps outlines and sums true: what a lead's rows say by now, against what is stored of it.
//!
//! An outline is always made anew from the rows themselves, never from what an event says; only when a lead was active is
//! taken from events, as a set that days are added to. So neither the order of arrival, nor a repeat, nor a restart matters.

use std::collections::{BTreeMap, HashMap, HashSet};

use entity::id::LeadId;
use entity::{ReportMeasure, Timestamp};

use super::model::outline::{self, Active, Outline, Scored, furthest};
use super::model::sums::Changes;
use super::store::{self, Facts, StoredOutline};
use crate::db::Tx;
use crate::error::Error;
use crate::insight::journeys::{self, Going};
use crate::leads::filter::ScoreScale;

/// Leads of one round of statements: bounds what is in memory.
const LEADS: usize = 500;
/// An engagement counts as activity where a person is likely to have made it: at least so many thousandths.
pub(super) const LIKELY_MILLI: i32 = 500;

/// What is new of a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It was active, perhaps, or anything else is otherwise.
    Known(Active),
    /// When it was active has to be read anew.
    Anew,
}

impl News {
    /// Takes more in.
    pub(super) fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Known(days), Self::Known(more)) => days.merge(&more),
            (Self::Anew, _) => {}
            (known, Self::Anew) => *known = Self::Anew,
        }
    }
}

/// By what outlines are made.
pub(super) struct Now<'a> {
    /// How scores are read.
    pub(super) scale: &'a ScoreScale,
    /// The moment.
    pub(super) at: Timestamp,
    /// Leads of whose engagements scores or journeys do not know yet: they are looked at again at once.
    pub(super) waiting: &'a HashSet<LeadId>,
    /// Leads that are to be looked at again by now stay so: who changed meanwhile may still wait for scores or journeys.
    pub(super) leaves_due: bool,
}

/// Makes the outlines of some leads anew, and the sums that they are in. The state of reports is held. Answers how many leads
/// changed.
///
/// # Errors
/// The database's.
pub(super) async fn keep(tx: &Tx, now: &Now<'_>, leads: &BTreeMap<LeadId, News>) -> Result<usize, Error> {
    let leads: Vec<(LeadId, &News)> = leads.iter().map(|(lead, news)| (*lead, news)).collect();
    let mut count = 0;
    for chunk in leads.chunks(LEADS) {
        let Difference {
            changed,
            gone,
            changes,
        } = compare(tx, now, chunk).await?;
        count += changed.len() + gone.len();
        store::write(tx, &changed, &gone, changes.settled()).await?;
    }
    Ok(count)
}

/// How what is stored differs from what it should be.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Outlines as they should be, where they are not.
    pub(super) changed: Vec<StoredOutline>,
    /// Leads that should have none.
    pub(super) gone: Vec<LeadId>,
    /// What that adds to the sums.
    pub(super) changes: Changes,
}

/// Compares what is stored of some leads with what their rows say.
///
/// # Errors
/// The database's.
pub(super) async fn compare(
    db: &store::Snapshot,
    now: &Now<'_>,
    leads: &[(LeadId, &News)],
) -> Result<Difference, Error> {
    let ids: Vec<LeadId> = leads.iter().map(|(lead, _)| *lead).collect();
    let mut before = HashMap::with_capacity(ids.len());
    for row in store::stored(db, &ids).await? {
        let mut outline: Outline = serde_json::from_str(&row.outline)?;
        outline.created_at = row.created_at;
        before.insert(row.lead_id, (outline, row.due_at));
    }
    let facts = store::facts(db, &ids).await?;
    let goings = journeys::goings(db, &ids, now.at).await?;
    let nothing = Going::default();
    let anew: Vec<LeadId> = leads
        .iter()
        .filter(|(lead, news)| **news == News::Anew || !before.contains_key(lead))
        .filter(|(lead, _)| facts.contains_key(lead))
        .map(|(lead, _)| *lead)
        .collect();
    let active = match anew.is_empty() {
        true => HashMap::new(),
        false => store::active(db, &anew, LIKELY_MILLI).await?,
    };
    let anew: HashSet<LeadId> = anew.into_iter().collect();
    let mut difference = Difference::default();
    for (lead, news) in leads {
        let known = before.remove(lead);
        let right = facts.get(lead).map(|facts| {
            let mut days = match &known {
                Some((outline, _)) if !anew.contains(lead) => outline.active.clone(),
                _ => active.get(lead).cloned().unwrap_or_default(),
            };
            if let News::Known(more) = news {
                days.merge(more);
            }
            let (outline, due) = outline(facts, (days, goings.get(lead).unwrap_or(&nothing)), now, *lead);
            let left = known.as_ref().and_then(|(_, due)| *due);
            let left = left.filter(|due| now.leaves_due && *due <= now.at);
            (outline, left.or(due))
        });
        if known == right {
            continue;
        }
        let outline_of =
            |of: &Option<(Outline, Option<Timestamp>)>| of.as_ref().map(|(outline, _)| outline.clone());
        if outline_of(&known) != outline_of(&right) {
            if let Some((outline, _)) = &known {
                difference.changes.add(outline, -1);
            }
            if let Some((outline, _)) = &right {
                difference.changes.add(outline, 1);
            }
        }
        match right {
            Some((outline, due_at)) => difference.changed.push(StoredOutline {
                lead_id: *lead,
                created_at: outline.created_at,
                outline: serde_json::to_string(&outline)?,
                at_risk_minor: outline.at_risk_minor(),
                due_at,
            }),
            None => difference.gone.push(*lead),
        }
    }
    Ok(difference)
}

/// What is counted of a lead, and when it has to be looked at again.
fn outline(
    facts: &Facts,
    (active, going): (Active, &Going),
    now: &Now<'_>,
    lead: LeadId,
) -> (Outline, Option<Timestamp>) {
    let score = facts.decay_key.map(|key| Scored::at(key, now.scale, now.at));
    let (going, changes) = outline::Going::at(going, facts.created_at, now.at);
    let mut due = [score.and_then(|(_, due)| due), changes]
        .into_iter()
        .flatten()
        .min();
    if now.waiting.contains(&lead) {
        due = Some(now.at);
    }
    let mut stays: Vec<_> = facts
        .stays
        .iter()
        .filter_map(|(stage, entered, left)| {
            let micros = (*left)?.micros().saturating_sub(entered.micros());
            Some((*stage, micros.max(0) / 1_000_000))
        })
        .collect();
    stays.sort_unstable();
    let stages = facts.stays.iter().map(|(stage, ..)| *stage);
    let outline = Outline {
        created_at: facts.created_at,
        source: facts.source.clone().unwrap_or_default(),
        stage: facts.stage,
        reached: furthest(stages.chain([facts.stage])),
        stays,
        score: score.map(|(score, _)| score),
        sales: facts.sales.clone(),
        active,
        going,
    };
    (outline, due)
}

/// The names of measures that sums are of which differ, for people.
pub(super) fn shown(measure: ReportMeasure, name: &str) -> String {
    match name {
        "" => measure.to_string(),
        name => format!("{measure} of `{name}`"),
    }
}
