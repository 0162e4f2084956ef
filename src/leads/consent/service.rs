//! Use cases of consent.

use std::collections::{HashMap, HashSet};

use entity::id::{ConsentId, LeadId};
use entity::{Area, ConsentChannel, ConsentPurpose, EventKind, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::model::{after, checked};
use super::{Consent, ConsentFault, ConsentRecord, NewConsent, store};
use crate::app::App;
use crate::db::{CallKey, Keyset, Once, Page, PageRequest, SortValue, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Rows, Scope};
use crate::leads::visible::{self, Visible};

/// Most words of one call.
pub const MOST_RECORDS: usize = 1_000;

/// The ordering of a lead's consent history, as cursors name it.
pub const ORDER: &str = "AT DESC";

/// What can be wrong with a call about consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
#[graphql(name = "ConsentErrorCode")]
pub enum ConsentProblem {
    /// A value is malformed.
    Invalid,
    /// More words than one call may have.
    TooMany,
    /// There is no such lead.
    LeadNotFound,
    /// The lead would be outside of what the row filter of the token shows.
    OutsideRowFilter,
}

/// Which words of a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HistoryFilter {
    /// Of this channel.
    pub channel: Option<ConsentChannel>,
    /// Of this purpose.
    pub purpose: Option<ConsentPurpose>,
}

/// What became of words that were recorded.
#[derive(Debug, Default)]
pub struct Recorded {
    /// For each word given, in order: its row (the first one where the same word was there already), or what is wrong.
    pub records: Vec<Result<ConsentRecord, ConsentFault>>,
    /// The events to append: one for each consent whose state in force changed.
    pub events: Vec<NewEvent>,
}

/// The place of a word in a history.
#[must_use]
pub fn history_keyset(record: &ConsentRecord) -> Keyset {
    Keyset {
        order: ORDER.into(),
        value: SortValue::Int(record.at.micros()),
        id: record.id.0,
    }
}

/// The words in force of leads, by channel and purpose.
///
/// # Errors
/// The database's. The caller's scope has been asked for by whoever shows the lead.
pub async fn in_force(app: &App, leads: &[LeadId]) -> Result<HashMap<LeadId, Vec<ConsentRecord>>, Error> {
    Ok(store::words_in_force(app.db().read(), leads).await?)
}

/// The same within a transaction: what was said in it counts.
///
/// # Errors
/// The database's.
pub async fn in_force_within(
    tx: &Tx,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Vec<ConsentRecord>>, Error> {
    Ok(store::words_in_force(&**tx, leads).await?)
}

/// The same page of all that was ever said of each lead's consents, newest first by the moment it was said. One
/// statement for all, unless the page begins at a cursor, which only one lead can have.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for the scope.
pub async fn histories(
    app: &App,
    leads: &[LeadId],
    filter: &HistoryFilter,
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<ConsentRecord>>, Error> {
    let db = app.db().read();
    if page.after.is_none() && page.before.is_none() {
        return Ok(store::first_histories(db, leads, filter, page).await?);
    }
    let mut pages = HashMap::new();
    for lead in leads {
        pages.insert(*lead, store::history(db, *lead, filter, page).await?);
    }
    Ok(pages)
}

/// Words by id; those that are not there, or whose lead is not the caller's to see, are left out.
///
/// # Errors
/// The database's. The caller's scope has been asked for by whoever lets the loader in.
pub async fn get_many(
    app: &App,
    rows: &Rows,
    ids: &[ConsentId],
) -> Result<HashMap<ConsentId, ConsentRecord>, Error> {
    let visible = Visible::of(app, rows).await?;
    Ok(store::by_ids(app.db().read(), &visible, ids).await?)
}

/// Records words about consents in one transaction, once for a key; answers for each, in the order given.
///
/// # Errors
/// [`ConsentProblem::TooMany`]; a missing scope `leads:write`; a key used with another input.
pub async fn record(
    app: &App,
    caller: &Caller,
    new: &[NewConsent],
    key: Option<&CallKey>,
) -> Outcome<Vec<Result<ConsentRecord, Problem<ConsentProblem>>>, ConsentProblem> {
    caller.require(Scope::Write(Area::Leads))?;
    if new.len() > MOST_RECORDS {
        let message = format!("one call takes up to 1,000 consents; this has {}", new.len());
        return Err(Problem::new("consents", ConsentProblem::TooMany, message).into());
    }
    let now = app.clock().now();
    let leads: Vec<LeadId> = new.iter().map(|new| new.lead_id).collect();
    let once = Once::new(key, &caller.actor.id, "record consents")?;
    let seen = Visible::of(app, &caller.rows).await?;
    let tx = app.db().begin().await?;
    if let Some(before) = once.before(&tx, now).await? {
        return Ok(again(&tx, &seen, before).await?);
    }
    let there = visible::lock(&tx, &seen, &leads).await?;
    let mut guard = seen.guard(&tx).await?;
    let records = loop {
        let known: Vec<NewConsent> = new
            .iter()
            .filter(|new| there.contains(&new.lead_id) && !guard.refused().contains(&new.lead_id))
            .cloned()
            .collect();
        let Recorded { records, events } = record_many(&tx, &caller.actor.id, now, &known).await?;
        events::append(&tx, &caller.actor.id, now, events).await?;
        if guard
            .holds(known.iter().map(|new| (new.lead_id, new.lead_id)))
            .await?
        {
            break records;
        }
    };
    let mut records = records.into_iter();
    let answer = |lead: &LeadId| {
        if !there.contains(lead) {
            let message = visible::missing(*lead);
            return Err(Problem::new("leadId", ConsentProblem::LeadNotFound, message));
        }
        if guard.refused().contains(lead) {
            let code = ConsentProblem::OutsideRowFilter;
            return Err(Problem::new("leadId", code, visible::outside()));
        }
        let record = records.next().expect("one for each word of a known lead");
        record
            .map_err(|ConsentFault { field, message }| Problem::new(field, ConsentProblem::Invalid, message))
    };
    let answers: Vec<_> = leads.iter().map(answer).collect();
    if answers.iter().all(Result::is_err) {
        // Nothing was done: the key may be used again with a better input.
        tx.rollback().await?;
        return Ok(answers);
    }
    let kept: Vec<Kept> = answers
        .iter()
        .map(|answer| answer.as_ref().map(|word| word.id).map_err(Clone::clone))
        .collect();
    once.keep(&tx, &kept).await?;
    tx.commit().await?;
    Ok(answers)
}

/// What became of a word, as it is kept for repetitions.
type Kept = Result<ConsentId, Problem<ConsentProblem>>;

/// What was answered before, with the words as they are now.
async fn again(
    tx: &Tx,
    visible: &Visible,
    before: Vec<Kept>,
) -> Result<Vec<Result<ConsentRecord, Problem<ConsentProblem>>>, Error> {
    let ids: Vec<ConsentId> = before.iter().flatten().copied().collect();
    let words = store::by_ids(&**tx, visible, &ids).await?;
    let shown = |kept: Kept| {
        kept.and_then(|id| {
            words.get(&id).cloned().ok_or_else(|| {
                let message = "the lead was deleted since";
                Problem::new("leadId", ConsentProblem::LeadNotFound, message)
            })
        })
    };
    Ok(before.into_iter().map(shown).collect())
}

/// Records words about consents of leads that are there, in a few statements whatever their number. The same word with the
/// same proof is recorded once. The events are the caller's to append.
///
/// # Errors
/// The database's.
pub async fn record_many(
    tx: &Tx,
    actor: &str,
    now: Timestamp,
    new: &[NewConsent],
) -> Result<Recorded, Error> {
    let mut records: Vec<Result<ConsentRecord, ConsentFault>> = new
        .iter()
        .zip(ids(now, new.len()))
        .map(|(new, id)| checked(new, id, actor, now))
        .collect();
    let mut seen = HashSet::new();
    let wanted: Vec<ConsentRecord> = records
        .iter()
        .flatten()
        .filter(|record| seen.insert((record.lead_id, record.fingerprint)))
        .cloned()
        .collect();
    let mut leads: Vec<LeadId> = wanted.iter().map(|record| record.lead_id).collect();
    leads.sort_unstable();
    leads.dedup();
    store::lock(tx, &leads).await?;
    let written: HashSet<ConsentId> = store::insert(tx, &wanted)
        .await?
        .into_iter()
        .map(|record| record.id)
        .collect();
    first_ones(tx, &leads, &written, &mut records).await?;

    let before = store::of_leads(tx, &leads).await?;
    let key = |consent: &Consent| (consent.lead_id, consent.channel, consent.purpose);
    let mut current: HashMap<_, Consent> = before
        .iter()
        .map(|consent| (key(consent), consent.clone()))
        .collect();
    let mut touched = Vec::new();
    for word in wanted.iter().filter(|word| written.contains(&word.id)) {
        let place = (word.lead_id, word.channel, word.purpose);
        if let Some(consent) = after(current.get(&place), word) {
            current.insert(place, consent);
            touched.push(place);
        }
    }
    let mut once = HashSet::new();
    touched.retain(|place| once.insert(*place));
    let changed: Vec<Consent> = touched.iter().map(|place| current[place].clone()).collect();
    store::put(tx, &changed).await?;
    let states: HashMap<_, _> = before
        .iter()
        .map(|consent| (key(consent), consent.state))
        .collect();
    let events = changed
        .iter()
        .filter(|consent| states.get(&key(consent)) != Some(&consent.state))
        .map(|consent| event(consent, states.get(&key(consent)).copied()))
        .collect();
    Ok(Recorded { records, events })
}

/// Puts the row that was there first in the place of each word that was not written.
async fn first_ones(
    tx: &Tx,
    leads: &[LeadId],
    written: &HashSet<ConsentId>,
    records: &mut [Result<ConsentRecord, ConsentFault>],
) -> Result<(), Error> {
    let mut repeated: Vec<_> = records
        .iter()
        .flatten()
        .filter(|record| !written.contains(&record.id))
        .map(|record| record.fingerprint)
        .collect();
    repeated.sort_unstable();
    repeated.dedup();
    let first = store::by_fingerprints(tx, leads, &repeated).await?;
    for record in records.iter_mut().flatten() {
        if let Some(first) = first.get(&(record.lead_id, record.fingerprint)) {
            record.clone_from(first);
        }
    }
    Ok(())
}

fn event(consent: &Consent, before: Option<entity::ConsentState>) -> NewEvent {
    let payload = json!({
        "channel": consent.channel,
        "purpose": consent.purpose,
        "state": consent.state,
        "before": before,
    });
    NewEvent::of_lead(EventKind::ConsentChanged, consent.lead_id, payload)
}

/// Ids for words recorded together: they sort in the order of recording.
fn ids(now: Timestamp, count: usize) -> Vec<ConsentId> {
    let mut ids: Vec<ConsentId> = (0..count).map(|_| ConsentId::at(now)).collect();
    ids.sort_unstable();
    ids
}
