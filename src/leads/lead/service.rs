//! Use cases of leads.

use std::collections::{HashMap, HashSet};

use entity::id::LeadId;
use entity::{Area, EventKind, lead_identity};
use serde_json::json;

use super::change::LeadChange;
use super::model::{self, LeadFault, LeadProblem};
use super::plan::{ItemOutcome, UpsertMode};
use super::upsert::{outside, upsert_within};
use super::{Identity, Lead, store};
use crate::app::App;
use crate::db::{Direction, Keyset, Page, PageRequest, Repeatable, SortValue, Tx, is_transient};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Rows, Scope};
use crate::leads::custom_fields;
use crate::leads::filter::{LeadFilter, ScoreScale, Terms};
use crate::leads::visible::Visible;

/// By what leads are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub enum LeadOrderField {
    /// When it became known.
    CreatedAt,
    /// When it was last changed.
    UpdatedAt,
    /// When it entered its stage.
    StageSince,
    /// Last name and first name, else company, e-mail or phone; folded to lower case.
    Name,
    /// Current score; leads without one come last, whichever the direction.
    Score,
    /// Last inbound engagement, else creation, as the score has it; leads without a score come last, whichever the direction.
    LastActivityAt,
}

impl LeadOrderField {
    const fn name(self) -> &'static str {
        match self {
            Self::CreatedAt => "CREATED_AT",
            Self::UpdatedAt => "UPDATED_AT",
            Self::StageSince => "STAGE_SINCE",
            Self::Name => "NAME",
            Self::Score => "SCORE",
            Self::LastActivityAt => "LAST_ACTIVITY_AT",
        }
    }
}

/// An ordering of leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeadOrder {
    /// By what.
    pub field: LeadOrderField,
    /// Which way.
    pub direction: Direction,
}

impl LeadOrder {
    /// The name that cursors are bound to.
    #[must_use]
    pub fn name(self) -> String {
        let direction = match self.direction {
            Direction::Asc => "ASC",
            Direction::Desc => "DESC",
        };
        format!("{} {direction}", self.field.name())
    }

    /// Whether the value in a cursor is one of this ordering.
    fn has(self, value: &SortValue) -> bool {
        match (self.field, value) {
            (LeadOrderField::Name, SortValue::Text(_)) => true,
            (LeadOrderField::Name, _) | (_, SortValue::Float(_)) => false,
            (_, SortValue::Int(_)) => true,
            (LeadOrderField::Score | LeadOrderField::LastActivityAt, SortValue::Text(text)) => {
                text.is_empty()
            }
            (
                LeadOrderField::CreatedAt | LeadOrderField::UpdatedAt | LeadOrderField::StageSince,
                SortValue::Text(_),
            ) => false,
        }
    }
}

/// Most items of one call.
pub const MOST_ITEMS: usize = 1_000;

fn not_too_many(count: usize, field: &str) -> Result<(), LeadFault> {
    if (1..=MOST_ITEMS).contains(&count) {
        return Ok(());
    }
    Err(Problem::new(
        field,
        LeadProblem::TooMany,
        format!("{count} items; a call takes 1 to {MOST_ITEMS}"),
    ))
}

/// What a mutation is called, for idempotency keys.
const fn operation(mode: UpsertMode) -> &'static str {
    match mode {
        UpsertMode::Create => "create leads",
        UpsertMode::Update => "update leads",
        UpsertMode::Upsert => "upsert leads",
    }
}

/// Creates, updates or upserts leads in a transaction of their own; see [`upsert_many`](super::upsert_many).
///
/// # Errors
/// A missing scope `leads:write`; the database's.
pub async fn write(
    app: &App,
    caller: &Caller,
    items: Vec<LeadChange>,
    mode: UpsertMode,
) -> Result<Vec<ItemOutcome>, Error> {
    twice(|| write_once(app, caller, items.clone(), mode, None)).await
}

/// The same for up to 1,000 leads and with an idempotency key: the same call again answers the same outcomes.
///
/// # Errors
/// Too many items; a missing scope `leads:write`; a key used with another input; the database's.
pub async fn write_batch(
    app: &App,
    caller: &Caller,
    items: Vec<LeadChange>,
    mode: UpsertMode,
    key: Option<&str>,
) -> Outcome<Vec<ItemOutcome>, LeadProblem> {
    not_too_many(items.len(), "leads")?;
    Ok(twice(|| write_once(app, caller, items.clone(), mode, key)).await?)
}

/// Tries once more when others got in the way.
async fn twice<T, F: Future<Output = Result<T, Error>>>(mut work: impl FnMut() -> F) -> Result<T, Error> {
    // Boxed: the compiler lays the futures of all mutations out in each other, and ends at a depth.
    match Box::pin(work()).await {
        Err(error) if is_transient(&error) => Box::pin(work()).await,
        outcome => outcome,
    }
}

async fn write_once(
    app: &App,
    caller: &Caller,
    items: Vec<LeadChange>,
    mode: UpsertMode,
    key: Option<&str>,
) -> Result<Vec<ItemOutcome>, Error> {
    caller.require(Scope::Write(Area::Leads))?;
    let now = app.clock().now();
    let call = key
        .map(|key| Repeatable::new(&caller.actor.id, operation(mode), key, &items))
        .transpose()?;
    // Into memory before the transaction: a writer that holds one connection and waits for another could wait for ever.
    custom_fields::definitions(app).await?;
    let tx = app.db().begin().await?;
    if let Some(call) = &call
        && let Some(before) = call.begin(&tx, now).await?
    {
        return Ok(serde_json::from_value(before)?);
    }
    let outcomes = upsert_within(&tx, app, caller, now, items, mode).await?;
    if outcomes.iter().all(|outcome| outcome.lead_id().is_none()) {
        // Nothing was done: the key may be used again with a better input.
        tx.rollback().await?;
        return Ok(outcomes);
    }
    if let Some(call) = &call {
        call.finish(&tx, &serde_json::to_value(&outcomes)?).await?;
    }
    tx.commit().await?;
    Ok(outcomes)
}

/// Creates, updates or upserts one lead.
///
/// # Errors
/// [`LeadProblem`]s of the input; a missing scope `leads:write`.
pub async fn write_one(
    app: &App,
    caller: &Caller,
    change: LeadChange,
    mode: UpsertMode,
) -> Outcome<LeadId, LeadProblem> {
    let outcome = write_keyed(app, caller, change, mode, None).await?;
    Ok(outcome.lead_id().expect("what was refused is a problem"))
}

/// The same with an idempotency key; tells what became of the lead.
///
/// # Errors
/// As [`write_one`]; a key used with another input.
pub async fn write_keyed(
    app: &App,
    caller: &Caller,
    change: LeadChange,
    mode: UpsertMode,
    key: Option<&str>,
) -> Outcome<ItemOutcome, LeadProblem> {
    let outcome = write_batch(app, caller, vec![change], mode, key).await?.pop();
    match outcome.expect("one outcome for each item") {
        ItemOutcome::Refused(problems) => Err(problems.into()),
        done => Ok(done),
    }
}

/// What is done to leads as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Hide it; everything stays and [`Self::Restore`] brings it back.
    Delete,
    /// Show it again.
    Restore,
    /// Take everything personal out, for good.
    Erase,
}

/// Deletes, restores or erases up to 1,000 leads; one outcome for each, in order. Restoring a lead that is not
/// deleted changes nothing.
///
/// Erasure empties the lead but for what counts it in statistics (country, customer type, source, stage, deal, times),
/// removes its identities, notes and tags, and takes address and browser out of its proofs of consent; it appends
/// `LEAD_ERASED`. Every wing above listens to that event and does the same to its own tables (engagements: IP address,
/// user agent, metadata). Events hold no personal data, so the log need not change.
///
/// # Errors
/// Too many items; a missing scope `leads:write`; the database's.
pub async fn remove(
    app: &App,
    caller: &Caller,
    ids: &[LeadId],
    removal: Removal,
) -> Outcome<Vec<Result<LeadId, LeadFault>>, LeadProblem> {
    not_too_many(ids.len(), "ids")?;
    Ok(twice(|| remove_once(app, caller, ids, removal)).await?)
}

async fn remove_once(
    app: &App,
    caller: &Caller,
    ids: &[LeadId],
    removal: Removal,
) -> Result<Vec<Result<LeadId, LeadFault>>, Error> {
    caller.require(Scope::Write(Area::Leads))?;
    let now = app.clock().now();
    let seen = Visible::of(app, &caller.rows).await?;
    let tx = app.db().begin().await?;
    let mut known = store::lock(&tx, ids).await?;
    let there: Vec<LeadId> = known.keys().copied().collect();
    let inside = seen.those_in(&tx, &there).await?;
    known.retain(|id, _| inside.contains(id));
    let mut outcomes = Vec::with_capacity(ids.len());
    let (mut changed, mut new_events) = (Vec::new(), Vec::new());
    let mut done: HashSet<LeadId> = HashSet::new();
    for (n, &id) in ids.iter().enumerate() {
        if done.contains(&id) {
            outcomes.push(Ok(id));
            continue;
        }
        let visible = |lead: &Lead| removal != Removal::Delete || lead.deleted_at.is_none();
        let Some(mut lead) = known.remove(&id).filter(visible) else {
            let message = format!("there is no lead `{id}`");
            let path = format!("ids.{n}");
            outcomes.push(Err(Problem::new(&path, LeadProblem::NotFound, message)));
            continue;
        };
        done.insert(id);
        outcomes.push(Ok(id));
        let kind = match removal {
            Removal::Delete => {
                lead.deleted_at = Some(now);
                EventKind::LeadDeleted
            }
            Removal::Restore if lead.deleted_at.is_none() => continue,
            Removal::Restore => {
                lead.deleted_at = None;
                EventKind::LeadRestored
            }
            Removal::Erase => {
                model::erase(&mut lead, now);
                EventKind::LeadErased
            }
        };
        if removal != Removal::Erase {
            lead.version += 1;
            lead.updated_at = now;
        }
        new_events.push(NewEvent::of_lead(kind, id, json!({})));
        changed.push(lead);
    }
    if removal == Removal::Erase {
        store::erase_around(&tx, &done.into_iter().collect::<Vec<_>>()).await?;
    }
    store::replace(&tx, &changed).await?;
    if removal == Removal::Restore {
        let back: Vec<LeadId> = changed.iter().map(|lead| lead.id).collect();
        let inside = seen.those_in(&tx, &back).await?;
        // E.g. because it counts as changed now. What is deleted or erased was the caller's to see before, and is nobody's
        // now.
        if back.iter().any(|id| !inside.contains(id)) {
            tx.rollback().await?;
            let refuse = |(n, outcome): (usize, Result<LeadId, LeadFault>)| {
                outcome.and_then(|_| Err(outside(&format!("ids.{n}"))))
            };
            return Ok(outcomes.into_iter().enumerate().map(refuse).collect());
        }
    }
    events::append(&tx, &caller.actor.id, now, new_events).await?;
    tx.commit().await?;
    Ok(outcomes)
}

/// By what leads are known, for each that has anything.
///
/// # Errors
/// The database's. Whoever shows the lead has asked for scope and sight.
pub async fn identities_of(
    app: &App,
    ids: &[LeadId],
) -> Result<HashMap<LeadId, Vec<lead_identity::Model>>, Error> {
    let mut found: HashMap<LeadId, Vec<lead_identity::Model>> = HashMap::new();
    for identity in store::identities_of(app.db().read(), ids).await? {
        found.entry(identity.lead_id).or_default().push(identity);
    }
    Ok(found)
}

/// Reads leads by id; those that are not there, deleted, or not the caller's to see are left out.
///
/// # Errors
/// The database's. The caller's scope has been asked for by whoever lets the loader in.
pub async fn get_many(app: &App, rows: &Rows, ids: &[LeadId]) -> Result<HashMap<LeadId, Lead>, Error> {
    let visible = Visible::of(app, rows).await?;
    Ok(store::by_ids(app.db().read(), &visible, ids).await?)
}

/// Those of the leads that are there, not deleted, and the caller's to see.
///
/// # Errors
/// The database's.
pub async fn existing(tx: &Tx, visible: &Visible, ids: &HashSet<LeadId>) -> Result<HashSet<LeadId>, Error> {
    Ok(store::existing(&**tx, visible, ids).await?)
}

/// The leads that are known by some identities, not deleted, and the caller's to see.
///
/// # Errors
/// The database's.
pub async fn known(
    tx: &Tx,
    visible: &Visible,
    identities: &HashSet<&Identity>,
) -> Result<HashMap<Identity, LeadId>, Error> {
    Ok(store::known(&**tx, visible, identities).await?)
}

/// Checks a filter.
///
/// # Errors
/// [`Error::BadInput`] that says where and what.
pub async fn check_filter(app: &App, filter: &LeadFilter) -> Result<(), Error> {
    if *filter == LeadFilter::default() {
        return Ok(());
    }
    let definitions = custom_fields::definitions(app).await?;
    filter
        .check(&definitions)
        .map_err(|error| Error::BadInput(error.to_string()))
}

fn terms(app: &App, scale: &ScoreScale) -> Terms {
    Terms {
        now: app.clock().now(),
        scale: scale.clone(),
    }
}

/// A page of the leads for which a filter holds, each with its place in the ordering.
///
/// # Errors
/// A missing scope `leads:read`; a filter or cursor that cannot be used; the database's.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &LeadFilter,
    scale: &ScoreScale,
    order: LeadOrder,
    page: &PageRequest,
) -> Result<Page<(Lead, Keyset)>, Error> {
    caller.require(Scope::Read(Area::Leads))?;
    check_filter(app, filter).await?;
    if let Some(cursor) = [&page.after, &page.before]
        .into_iter()
        .flatten()
        .find(|cursor| !order.has(&cursor.value))
    {
        return Err(Error::BadInput(format!(
            "the cursor does not belong to the ordering {}",
            cursor.order
        )));
    }
    let selected = store::Selected {
        visible: Visible::of(app, &caller.rows).await?,
        filter,
        terms: terms(app, scale),
        backend: app.db().backend(),
    };
    Ok(store::list(app.db().read_lagging(), &selected, order, page).await?)
}

/// Counting stops here.
const COUNTED: u64 = 100_000;

/// How many leads there are for which a filter holds, and whether that is exact: counting stops at 100,000.
///
/// # Errors
/// A missing scope `leads:read`; a filter that cannot be used; the database's.
pub async fn count(
    app: &App,
    caller: &Caller,
    filter: &LeadFilter,
    scale: &ScoreScale,
) -> Result<(i64, bool), Error> {
    caller.require(Scope::Read(Area::Leads))?;
    check_filter(app, filter).await?;
    let selected = store::Selected {
        visible: Visible::of(app, &caller.rows).await?,
        filter,
        terms: terms(app, scale),
        backend: app.db().backend(),
    };
    let counted = store::count(app.db().read_lagging(), &selected, COUNTED + 1).await?;
    let bound = i64::try_from(COUNTED).expect("a small number");
    Ok((counted.min(bound), counted <= bound))
}

/// Whether a checked filter holds for a lead, deleted or not.
///
/// # Errors
/// The database's.
pub async fn holds(
    app: &App,
    caller: &Caller,
    filter: &LeadFilter,
    scale: &ScoreScale,
    id: LeadId,
) -> Result<bool, Error> {
    let selected = store::Selected {
        visible: Visible::of(app, &caller.rows).await?,
        filter,
        terms: terms(app, scale),
        backend: app.db().backend(),
    };
    Ok(store::holds(app.db().read(), &selected, id).await?)
}
