//! Use cases of costs.

use std::collections::HashMap;

use entity::id::{ConnectionId, CostId};
use entity::{Area, CostKind, Day, EventKind, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Cost, store};
use crate::app::App;
use crate::db::{CallKey, Once, Page, PageRequest, Tx, is_transient};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Rows, Scope};
use crate::insight::revenue::rates::Reporting;
use crate::leads::contact::Currency;

/// Most costs of one call.
pub const MOST_AT_ONCE: usize = 1_000;
const MOST_NAME_CHARS: usize = 200;
const MOST_NOTE_CHARS: usize = 2_000;

/// What can be wrong with a call about costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
#[graphql(name = "CostErrorCode")]
pub enum CostProblem {
    /// Not of the form that is wanted.
    Malformed,
    /// A number or day outside of its range.
    OutOfRange,
    /// A text that is too long.
    TooLong,
    /// No rate is known of its currency on its day.
    RateUnknown,
    /// More items than one call takes.
    TooMany,
    /// There is no such cost.
    NotFound,
    /// It was taken back already.
    AlreadyVoided,
}

/// A cost that is about to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCost {
    /// What it was for.
    pub kind: CostKind,
    /// Amount in minor units.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// The day it counts for.
    pub day: Day,
    /// The source of leads that it was spent on.
    pub source: Option<String>,
    /// The campaign that it was spent on.
    pub campaign: Option<String>,
    /// In words.
    pub note: Option<String>,
    /// The connection that tells of it.
    pub connection_id: Option<ConnectionId>,
    /// The same key twice is one cost.
    pub dedupe_key: Option<String>,
}

/// The answer to one cost handed in.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is stored.
    Recorded(Cost),
    /// One with its dedupe key was there already, and is as it was or, where a platform tells it anew, as it says now.
    Duplicate(Cost),
    /// It is not stored; why.
    Refused(Vec<Problem<CostProblem>>),
}

/// Empty texts are none.
fn named(text: Option<String>) -> Option<String> {
    let text = text?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn checked(item: NewCost, now: Timestamp) -> Result<NewCost, Vec<Problem<CostProblem>>> {
    let mut problems = Vec::new();
    let mut add = |path, code, message: String| problems.push(Problem::new(path, code, message));
    if item.amount_minor < 0 {
        let message = "a cost is not negative: take back the one that was too much".to_owned();
        add("amount", CostProblem::OutOfRange, message);
    }
    let currency = item.currency.parse::<Currency>();
    if let Err(error) = &currency {
        add("amount", CostProblem::Malformed, error.to_string());
    }
    if item.day < Day(0) || item.day > now.plus_days(366).day() {
        let message = format!("{} lies before 1970 or more than a year ahead", item.day);
        add("day", CostProblem::OutOfRange, message);
    }
    let texts = [
        ("source", &item.source, MOST_NAME_CHARS),
        ("campaign", &item.campaign, MOST_NAME_CHARS),
        ("note", &item.note, MOST_NOTE_CHARS),
    ];
    for (path, text, most) in texts {
        let Some(text) = text else { continue };
        if text.chars().count() > most {
            add(path, CostProblem::TooLong, format!("at most {most} characters"));
        }
        if text.contains('\0') {
            add(path, CostProblem::Malformed, "no text holds a NUL".to_owned());
        }
    }
    let key = item.dedupe_key.as_deref();
    if key.is_some_and(|key| key.is_empty() || key.len() > 200 || key.contains('\0')) {
        add(
            "dedupeKey",
            CostProblem::Malformed,
            "a dedupe key has 1 to 200 bytes".to_owned(),
        );
    }
    match currency {
        Ok(currency) if problems.is_empty() => Ok(NewCost {
            currency: currency.code().to_owned(),
            source: named(item.source),
            campaign: named(item.campaign),
            note: named(item.note),
            ..item
        }),
        _ => Err(problems),
    }
}

/// Records up to [`MOST_AT_ONCE`] costs in one transaction, once for a key; one answer each, in their order.
///
/// # Errors
/// A missing scope `revenue:write`; a row filter; more items than that; a key used with another input; the database's.
pub async fn record(
    app: &App,
    caller: &Caller,
    items: Vec<NewCost>,
    key: Option<&CallKey>,
) -> Result<Vec<Answer>, Error> {
    caller.require(Scope::Write(Area::Revenue))?;
    caller.require_all_rows()?;
    if items.len() > MOST_AT_ONCE {
        let count = items.len();
        let message = format!("{count} costs are too many: at most {MOST_AT_ONCE} at once");
        return Err(Error::BadInput(message));
    }
    match record_once(app, caller, items.clone(), key).await {
        Err(error) if is_transient(&error) => record_once(app, caller, items, key).await,
        outcome => outcome,
    }
}

async fn record_once(
    app: &App,
    caller: &Caller,
    items: Vec<NewCost>,
    key: Option<&CallKey>,
) -> Result<Vec<Answer>, Error> {
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "costsRecord")?;
    let tx = app.db().begin().await?;
    if let Some(before) = once.before::<Vec<Kept>>(&tx, now).await? {
        return again(&tx, before).await;
    }
    let answers = record_many(&tx, caller, now, items).await?;
    if answers.iter().all(|answer| matches!(answer, Answer::Refused(_))) {
        // Nothing was done: the key may be used again with a better input.
        tx.rollback().await?;
        return Ok(answers);
    }
    once.keep(&tx, &answers.iter().map(Kept::of).collect::<Vec<_>>())
        .await?;
    tx.commit().await?;
    Ok(answers)
}

/// An answer as it is kept for repetitions.
#[derive(Serialize, Deserialize)]
enum Kept {
    Recorded(CostId),
    Duplicate(CostId),
    Refused(Vec<Problem<CostProblem>>),
}

impl Kept {
    fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Recorded(row) => Self::Recorded(row.id),
            Answer::Duplicate(row) => Self::Duplicate(row.id),
            Answer::Refused(problems) => Self::Refused(problems.clone()),
        }
    }
}

/// What was answered before, with the costs as they are now.
async fn again(tx: &Tx, before: Vec<Kept>) -> Result<Vec<Answer>, Error> {
    let ids: Vec<CostId> = before
        .iter()
        .filter_map(|kept| match kept {
            Kept::Recorded(id) | Kept::Duplicate(id) => Some(*id),
            Kept::Refused(_) => None,
        })
        .collect();
    let found = store::by_ids(&**tx, &ids).await?;
    let row = |id| {
        let row = found.get(&id).cloned();
        row.ok_or_else(|| Error::NotFound(format!("the cost `{id}` of this call is gone")))
    };
    before
        .into_iter()
        .map(|kept| {
            Ok(match kept {
                Kept::Recorded(id) => Answer::Recorded(row(id)?),
                Kept::Duplicate(id) => Answer::Duplicate(row(id)?),
                Kept::Refused(problems) => Answer::Refused(problems),
            })
        })
        .collect()
}

/// The same within a transaction of the caller's own, for imports and platforms. What a connection tells anew replaces
/// what it told before under the same dedupe key, as platforms correct what a day has cost.
///
/// # Errors
/// The database's.
pub async fn record_many(
    tx: &Tx,
    caller: &Caller,
    now: Timestamp,
    items: Vec<NewCost>,
) -> Result<Vec<Answer>, Error> {
    let items: Vec<_> = items.into_iter().map(|item| checked(item, now)).collect();
    let amounts = items.iter().flatten();
    let reporting = Reporting::of(tx, amounts.map(|item| (item.currency.as_str(), item.day))).await?;
    let keys = items.iter().flatten();
    let keys: Vec<String> = keys.filter_map(|item| item.dedupe_key.clone()).collect();
    let mut known = store::by_dedupe_keys(tx, &keys).await?;
    let (mut fresh, mut corrected) = (Vec::new(), HashMap::new());
    let mut log = Vec::new();
    let mut answers = Vec::with_capacity(items.len());
    for item in items {
        let item = match item {
            Ok(item) => item,
            Err(problems) => {
                answers.push(Answer::Refused(problems));
                continue;
            }
        };
        let worth = reporting.amount(item.amount_minor, &item.currency, item.day);
        // A platform's costs are kept whatever is known of their currency; a person can import rates first.
        if worth.is_none() && item.connection_id.is_none() {
            let message = format!(
                "no rate from {} to {} is known on {} or shortly before: import rates of exchange first",
                item.currency,
                reporting.currency(),
                item.day
            );
            let problem = Problem::new("amount", CostProblem::RateUnknown, message);
            answers.push(Answer::Refused(vec![problem]));
            continue;
        }
        let before = item.dedupe_key.as_ref().and_then(|key| known.get(key)).cloned();
        let mut row = row_of(item, caller, now);
        row.reporting_minor = worth;
        row.reporting_currency = worth.map(|_| reporting.currency().to_owned());
        match before {
            Some(before) if row.connection_id.is_none() || is_same(&before, &row) => {
                answers.push(Answer::Duplicate(before));
                continue;
            }
            Some(before) => {
                row.id = before.id;
                corrected.insert(row.id, row.clone());
                answers.push(Answer::Duplicate(row.clone()));
            }
            None => {
                fresh.push(row.id);
                corrected.insert(row.id, row.clone());
                answers.push(Answer::Recorded(row.clone()));
            }
        }
        log.push(changed(&row));
        if let Some(key) = &row.dedupe_key {
            known.insert(key.clone(), row);
        }
    }
    // Corrected within one call, too: the last word alone is written.
    let fresh: Vec<Cost> = fresh.iter().filter_map(|id| corrected.remove(id)).collect();
    store::insert(tx, &fresh).await?;
    store::replace(tx, &corrected.into_values().collect::<Vec<_>>()).await?;
    events::append(tx, &caller.actor.id, now, log).await?;
    Ok(answers)
}

/// Whether a platform says what it said before; what somebody took back meanwhile stays so.
fn is_same(before: &Cost, row: &Cost) -> bool {
    let same = Cost {
        id: row.id,
        voided_at: row.voided_at,
        recorded_by: row.recorded_by.clone(),
        recorded_at: row.recorded_at,
        ..before.clone()
    };
    same == *row
}

fn row_of(item: NewCost, caller: &Caller, now: Timestamp) -> Cost {
    let NewCost {
        kind,
        amount_minor,
        currency,
        day,
        source,
        campaign,
        note,
        connection_id,
        dedupe_key,
    } = item;
    Cost {
        id: CostId::at(now),
        kind,
        amount_minor,
        currency,
        reporting_minor: None,
        reporting_currency: None,
        day,
        source,
        campaign,
        note,
        connection_id,
        dedupe_key,
        recorded_by: caller.actor.id.clone(),
        recorded_at: now,
        voided_at: None,
    }
}

/// The event of a cost as it is now; analytics read it.
fn changed(row: &Cost) -> NewEvent {
    NewEvent {
        kind: EventKind::CostChanged,
        lead_id: None,
        subject: row.id.to_string(),
        payload: json!({
            "kind": row.kind,
            "day": row.day,
            "minor": row.amount_minor,
            "currency": row.currency,
            "isVoid": row.voided_at.is_some(),
        }),
    }
}

/// Takes a cost back: it counts no more, and is kept.
///
/// # Errors
/// [`CostProblem`]s; a missing scope `revenue:write`; a row filter; the database's.
pub async fn void(app: &App, caller: &Caller, id: CostId) -> Outcome<Cost, CostProblem> {
    caller.require(Scope::Write(Area::Revenue))?;
    caller.require_all_rows()?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let voided = store::void(&tx, id, now).await?;
    let Some(row) = store::by_ids(&*tx, &[id]).await?.remove(&id) else {
        let message = format!("there is no cost `{id}`");
        return Err(Problem::new("id", CostProblem::NotFound, message).into());
    };
    if !voided {
        let message = "it was taken back already";
        return Err(Problem::new("id", CostProblem::AlreadyVoided, message).into());
    }
    events::append(&tx, &caller.actor.id, now, vec![changed(&row)]).await?;
    tx.commit().await?;
    Ok(row)
}

/// Which costs are wanted.
#[derive(Clone, Debug, Default)]
pub struct CostFilter {
    /// Of these kinds; all when empty.
    pub kinds: Vec<CostKind>,
    /// Of this day and later ones.
    pub from: Option<Day>,
    /// Of this day and earlier ones.
    pub to: Option<Day>,
    /// Spent on these sources; all when empty.
    pub sources: Vec<String>,
    /// Spent on these campaigns; all when empty.
    pub campaigns: Vec<String>,
    /// Those that were taken back as well.
    pub with_voided: bool,
}

/// A page of costs, those of the latest day first.
///
/// # Errors
/// A missing scope `revenue:read`; a row filter; the database's.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &CostFilter,
    page: &PageRequest,
) -> Result<Page<Cost>, Error> {
    caller.require(Scope::Read(Area::Revenue))?;
    caller.require_all_rows()?;
    Ok(store::list(app.db().read(), filter, page).await?)
}

/// Costs by id; those that are not there, or not for who sees some leads alone, are left out.
///
/// # Errors
/// The database's. The caller's scope has been asked for by whoever lets the loader in.
pub async fn get_many(app: &App, rows: &Rows, ids: &[CostId]) -> Result<HashMap<CostId, Cost>, Error> {
    if !rows.is_all() {
        return Ok(HashMap::new());
    }
    Ok(store::by_ids(app.db().read(), ids).await?)
}
