//! Use cases of conversions.

use std::collections::{HashMap, HashSet};

use entity::id::{ConversionId, LeadId};
use entity::{Area, ConversionKind, Day, EventKind, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Conversion, store};
use crate::app::App;
use crate::db::{CallKey, Once, Page, PageRequest, Tx, is_transient};
use crate::error::{Error, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Rows, Scope};
use crate::insight::engagement::LeadKey;
use crate::insight::revenue::rates::Reporting;
use crate::leads::contact::Currency;
use crate::leads::lead;
use crate::leads::visible::{self, Visible};

/// Most conversions of one call.
pub const MOST_AT_ONCE: usize = 1_000;
/// How far the clock of whoever reports may be ahead, in seconds.
const CLOCK_SKEW_SECONDS: i64 = 300;
const MOST_NAME_CHARS: usize = 200;
const MOST_METADATA_BYTES: usize = 16 * 1024;

/// What can be wrong with a call about conversions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
#[graphql(name = "ConversionErrorCode")]
pub enum ConversionProblem {
    /// Needed and absent.
    Missing,
    /// Given where it does not belong.
    NotAllowed,
    /// A number or moment outside of its range.
    OutOfRange,
    /// A text or object that is too long.
    TooLong,
    /// Not of the form that is wanted.
    Malformed,
    /// There is no such lead.
    LeadNotFound,
    /// More items than one call takes.
    TooMany,
    /// Its dedupe key belongs to something outside of what the row filter of the token shows.
    OutsideRowFilter,
}

/// A conversion that is about to be recorded.
#[derive(Clone, Debug)]
pub struct NewConversion {
    /// The lead.
    pub lead: LeadKey,
    /// What it is.
    pub kind: ConversionKind,
    /// Name of a custom conversion.
    pub custom_name: Option<String>,
    /// Value in minor units.
    pub value_minor: Option<i64>,
    /// ISO 4217, of the value.
    pub currency: Option<String>,
    /// More.
    pub metadata: Map<String, Value>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The same key twice is one conversion.
    pub dedupe_key: Option<String>,
}

/// The answer to one conversion handed in.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is stored.
    Recorded(Conversion),
    /// One with its dedupe key was there already: that one.
    Duplicate(Conversion),
    /// It is not stored; why.
    Refused(Vec<Problem<ConversionProblem>>),
}

fn problems(item: &NewConversion, now: Timestamp) -> Vec<Problem<ConversionProblem>> {
    let mut found = Vec::new();
    let mut add = |path, code, message: &str| found.push(Problem::new(path, code, message));
    let name = item
        .custom_name
        .as_deref()
        .map(str::trim)
        .filter(|name| !name.is_empty());
    match (item.kind, name) {
        (ConversionKind::Custom, None) => {
            add(
                "name",
                ConversionProblem::Missing,
                "a CUSTOM conversion needs a name",
            );
        }
        (ConversionKind::Custom, Some(name)) if name.chars().count() > MOST_NAME_CHARS => {
            add(
                "name",
                ConversionProblem::TooLong,
                "a name has at most 200 characters",
            );
        }
        (kind, Some(_)) if kind != ConversionKind::Custom => {
            add(
                "name",
                ConversionProblem::NotAllowed,
                "only a CUSTOM conversion has a name",
            );
        }
        _ => {}
    }
    match (item.value_minor, item.currency.as_deref()) {
        (Some(_), None) => add(
            "currency",
            ConversionProblem::Missing,
            "a value needs a currency, e.g. `EUR`",
        ),
        (None, Some(_)) => add("value", ConversionProblem::Missing, "a currency needs a value"),
        (_, Some(code)) if code.parse::<Currency>().is_err() => {
            add(
                "currency",
                ConversionProblem::Malformed,
                "not a currency of ISO 4217, e.g. `EUR`",
            );
        }
        _ => {}
    }
    if item.value_minor.is_some_and(i64::is_negative) {
        add(
            "value",
            ConversionProblem::OutOfRange,
            "the value of a conversion is not negative",
        );
    }
    if item.occurred_at > now.plus_seconds(CLOCK_SKEW_SECONDS) {
        add("occurredAt", ConversionProblem::OutOfRange, "lies in the future");
    }
    if item
        .dedupe_key
        .as_deref()
        .is_some_and(|key| key.is_empty() || key.len() > 200 || key.contains('\0'))
    {
        add(
            "dedupeKey",
            ConversionProblem::Malformed,
            "a dedupe key has 1 to 200 bytes",
        );
    }
    let metadata = Value::Object(item.metadata.clone()).to_string();
    if metadata.len() > MOST_METADATA_BYTES || metadata.contains("\\u0000") {
        add(
            "metadata",
            ConversionProblem::TooLong,
            "metadata is a JSON object of at most 16 KiB without NUL",
        );
    }
    found
}

/// Records up to [`MOST_AT_ONCE`] conversions in one transaction, once for a key; one answer each, in their order.
///
/// # Errors
/// A missing scope `engagement:write`; more items than that; a key used with another input; the database's.
pub async fn record(
    app: &App,
    caller: &Caller,
    items: Vec<NewConversion>,
    key: Option<&CallKey>,
) -> Result<Vec<Answer>, Error> {
    caller.require(Scope::Write(Area::Engagement))?;
    if items.len() > MOST_AT_ONCE {
        let count = items.len();
        return Err(Error::BadInput(format!(
            "{count} conversions are too many: at most {MOST_AT_ONCE} at once"
        )));
    }
    match record_once(app, caller, items.clone(), key).await {
        Err(error) if is_transient(&error) => record_once(app, caller, items, key).await,
        outcome => outcome,
    }
}

async fn record_once(
    app: &App,
    caller: &Caller,
    items: Vec<NewConversion>,
    key: Option<&CallKey>,
) -> Result<Vec<Answer>, Error> {
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "record conversions")?;
    let seen = Visible::of(app, &caller.rows).await?;
    let tx = app.db().begin().await?;
    if let Some(before) = once.before(&tx, now).await? {
        return again(&tx, &seen, before).await;
    }
    let answers = record_many(&tx, caller, &seen, now, items).await?;
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
    Recorded(ConversionId),
    Duplicate(ConversionId),
    Refused(Vec<Problem<ConversionProblem>>),
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

/// What was answered before, with the conversions as they are now.
async fn again(tx: &Tx, visible: &Visible, before: Vec<Kept>) -> Result<Vec<Answer>, Error> {
    let ids: Vec<ConversionId> = before
        .iter()
        .filter_map(|kept| match kept {
            Kept::Recorded(id) | Kept::Duplicate(id) => Some(*id),
            Kept::Refused(_) => None,
        })
        .collect();
    let found = store::by_ids(&**tx, visible, &ids).await?;
    let row = |id| {
        let row = found.get(&id).cloned();
        row.ok_or_else(|| Error::NotFound(format!("the conversion `{id}` of this call is gone")))
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

/// The same within a transaction of the caller's own, for imports; the caller's scope has been asked for. `seen` is what
/// the caller sees.
///
/// # Errors
/// The database's.
pub async fn record_many(
    tx: &Tx,
    caller: &Caller,
    seen: &Visible,
    now: Timestamp,
    items: Vec<NewConversion>,
) -> Result<Vec<Answer>, Error> {
    let upper = |mut item: NewConversion| {
        item.currency = item.currency.map(|code| code.trim().to_uppercase());
        item
    };
    let items: Vec<_> = items.into_iter().map(upper).collect();
    let (mut ids, mut identities) = (HashSet::new(), HashSet::new());
    for item in &items {
        match &item.lead {
            LeadKey::Id(id) => drop(ids.insert(*id)),
            LeadKey::Known(identity) => drop(identities.insert(identity)),
        }
    }
    let by_id = lead::existing(tx, seen, &ids).await?;
    let by_identity = lead::known(tx, seen, &identities).await?;
    let keys: Vec<String> = items.iter().filter_map(|item| item.dedupe_key.clone()).collect();
    let mut known: HashMap<String, Conversion> = store::by_dedupe_keys(tx, &keys).await?;
    // Their keys are taken, and whose they are is not told.
    let mut hidden: HashSet<LeadId> = HashSet::new();
    if !seen.is_all() {
        let leads: Vec<LeadId> = known.values().map(|first| first.lead_id).collect();
        let inside = seen.those_in(tx, &leads).await?;
        hidden.extend(leads.into_iter().filter(|lead| !inside.contains(lead)));
    }
    let amounts = items.iter().filter_map(|item| {
        item.value_minor?;
        Some((item.currency.as_deref()?, item.occurred_at.day()))
    });
    let reporting = Reporting::of(tx, amounts).await?;
    let mut fresh = Vec::new();
    let mut answers = Vec::with_capacity(items.len());
    for item in items {
        let lead_id = match &item.lead {
            LeadKey::Id(id) => by_id.get(id).copied(),
            LeadKey::Known(identity) => by_identity.get(identity).copied(),
        };
        let mut found = problems(&item, now);
        let Some(lead_id) = lead_id else {
            let (path, what) = match &item.lead {
                LeadKey::Id(id) => ("leadId", format!("there is no lead `{id}`")),
                LeadKey::Known(identity) => ("identity", format!("there is no lead with the {identity}")),
            };
            found.insert(0, Problem::new(path, ConversionProblem::LeadNotFound, what));
            answers.push(Answer::Refused(found));
            continue;
        };
        if !found.is_empty() {
            answers.push(Answer::Refused(found));
            continue;
        }
        if let Some(first) = item.dedupe_key.as_ref().and_then(|key| known.get(key)) {
            answers.push(if hidden.contains(&first.lead_id) {
                let code = ConversionProblem::OutsideRowFilter;
                Answer::Refused(vec![Problem::new("dedupeKey", code, visible::outside())])
            } else {
                Answer::Duplicate(first.clone())
            });
            continue;
        }
        let mut row = row_of(item, lead_id, now);
        value(&mut row, &reporting);
        if let Some(key) = &row.dedupe_key {
            known.insert(key.clone(), row.clone());
        }
        fresh.push(row.clone());
        answers.push(Answer::Recorded(row));
    }
    store::insert(tx, &fresh).await?;
    let log = fresh.iter().map(recorded).collect();
    events::append(tx, &caller.actor.id, now, log).await?;
    Ok(answers)
}

/// What a conversion counts in its own currency, and of which day.
pub(in crate::insight::revenue) fn amount(row: &Conversion) -> Option<(i64, &str, Day)> {
    Some((row.value_minor?, row.currency.as_deref()?, row.occurred_at.day()))
}

/// Tells what a conversion is worth in the reporting currency.
pub(super) fn value(row: &mut Conversion, reporting: &Reporting) {
    let worth = amount(row).and_then(|(minor, currency, day)| {
        let refunded = reporting.amount(row.refunded_minor, currency, day)?;
        Some((reporting.amount(minor, currency, day)?, refunded))
    });
    (row.reporting_minor, row.reporting_refunded_minor) = worth.unzip();
    row.reporting_currency = worth.map(|_| reporting.currency().to_owned());
}

fn row_of(item: NewConversion, lead_id: LeadId, now: Timestamp) -> Conversion {
    let NewConversion {
        lead: _,
        kind,
        custom_name,
        value_minor,
        currency,
        metadata,
        occurred_at,
        dedupe_key,
    } = item;
    Conversion {
        id: ConversionId::at(now),
        lead_id,
        kind,
        custom_name: custom_name.map(|name| name.trim().to_owned()),
        value_minor,
        currency,
        metadata: Value::Object(metadata).to_string(),
        occurred_at,
        received_at: now,
        dedupe_key,
        refunded_minor: 0,
        reporting_minor: None,
        reporting_refunded_minor: None,
        reporting_currency: None,
        voided_at: None,
    }
}

/// The event of a conversion; journeys and the lifecycle read it.
fn recorded(row: &Conversion) -> NewEvent {
    let mut payload = json!({ "kind": row.kind, "occurredMicros": row.occurred_at.micros() });
    if let (Some(value), Some(currency)) = (row.value_minor, &row.currency) {
        payload["valueMinor"] = json!(value);
        payload["currency"] = json!(currency);
    }
    NewEvent {
        kind: EventKind::ConversionRecorded,
        lead_id: Some(row.lead_id),
        subject: row.id.to_string(),
        payload,
    }
}

/// Which conversions are wanted.
#[derive(Clone, Debug, Default)]
pub struct ConversionFilter {
    /// Of these kinds; all when empty.
    pub kinds: Vec<ConversionKind>,
    /// That happened at or after this moment.
    pub from: Option<Timestamp>,
    /// That happened before this moment.
    pub to: Option<Timestamp>,
}

/// A page of conversions, the latest first.
///
/// # Errors
/// A missing scope `engagement:read`; the database's.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &ConversionFilter,
    page: &PageRequest,
) -> Result<Page<Conversion>, Error> {
    caller.require(Scope::Read(Area::Engagement))?;
    let visible = Visible::of(app, &caller.rows).await?;
    Ok(store::list(app.db().read(), &visible, filter, page).await?)
}

/// Conversions by id; those that are not there, or whose lead is not the caller's to see, are left out.
///
/// # Errors
/// The database's. The caller's scope has been asked for by whoever lets the loader in.
pub async fn get_many(
    app: &App,
    rows: &Rows,
    ids: &[ConversionId],
) -> Result<HashMap<ConversionId, Conversion>, Error> {
    let visible = Visible::of(app, rows).await?;
    Ok(store::by_ids(app.db().read(), &visible, ids).await?)
}

/// The newest conversions of some leads, at most 100 each, newest first.
///
/// # Errors
/// The database's. Whoever shows the leads has asked for scope and sight.
pub async fn of_leads(app: &App, leads: &[LeadId]) -> Result<HashMap<LeadId, Vec<Conversion>>, Error> {
    Ok(store::of_leads(app.db().read(), leads).await?)
}

/// The same page of the conversions of each lead, the latest first. One statement for all, unless the page begins at a
/// cursor, which only one lead can have.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for the scope.
pub async fn timeline(
    app: &App,
    leads: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<Conversion>>, Error> {
    Ok(store::timeline(app.db().read(), leads, page).await?)
}
