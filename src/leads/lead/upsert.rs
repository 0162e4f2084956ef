//! Writing many leads at once: create, update and upsert, from one item to a thousand.

use std::collections::{HashMap, HashSet};

use entity::id::LeadId;
use entity::{Area, Timestamp};

use super::change::LeadChange;
use super::model::{Identity, LeadFault, LeadProblem, identities};
use super::plan::{self, ItemOutcome, Known, UpsertMode};
use super::store;
use crate::app::App;
use crate::db::Tx;
use crate::error::{Error, Problem};
use crate::events;
use crate::identity::{Caller, Scope};
use crate::leads::custom_fields;
use crate::leads::visible::{self, Visible};

/// How often a batch is planned anew because others took its identities meanwhile.
const ROUNDS: usize = 8;

/// Creates, updates or upserts leads in the caller's transaction, in a handful of statements whatever the number of
/// items; answers one outcome for each item, in order. The outcome is that of the items one after the other.
///
/// - A lead is found by `id` or by its identities; identities that are new are added to it. Two identities that belong
///   to two leads are a problem that names both.
/// - What a lead has already is not written again, and makes no event: the same file twice does nothing.
/// - An upsert by an identity of a deleted lead restores it, as importing a deleted contact again does elsewhere;
///   `Create` refuses and says so, `Update` by identity restores it too, `Update` by id does not find it.
///   Erased leads have no identities: nobody comes back from an erasure.
/// - Events: `LEAD_CREATED` (with the stage, unless NEW), `LEAD_UPDATED {"fields": […]}`, `LEAD_RESTORED`.
///
/// On PostgreSQL the rows of existing leads are locked in the order of their ids and identities are claimed in their
/// own order; a batch whose identity another one claimed first is planned anew. A deadlock with writers of other
/// things remains possible: see [`crate::db::is_transient`].
///
/// A lead that is not the caller's to see is found by nothing: by its id it is not there, and an identity that it has is
/// refused as if the lead were outside of the row filter, which is all that can be told while identities are unique.
/// Whether the leads are the caller's to see afterwards is to be asked by whoever ends the change: see
/// [`upsert_within`].
///
/// # Errors
/// A missing scope `leads:write`; the database's. Wrong items are outcomes, not errors.
pub async fn upsert_many(
    tx: &Tx,
    app: &App,
    caller: &Caller,
    now: Timestamp,
    items: Vec<LeadChange>,
    mode: UpsertMode,
) -> Result<Vec<ItemOutcome>, Error> {
    caller.require(Scope::Write(Area::Leads))?;
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let definitions = custom_fields::definitions(app).await?;
    let seen = Visible::of(app, &caller.rows).await?;
    let checked = plan::check_all(items, &definitions, now);
    let changes = || checked.iter().filter_map(|item| item.as_ref().ok());
    let named: HashSet<Identity> = changes()
        .flat_map(identities)
        .map(|(identity, _)| identity)
        .collect();
    let named: Vec<Identity> = named.into_iter().collect();
    for _ in 0..ROUNDS {
        let mut owners = store::owners(tx, &named).await?;
        let ids: HashSet<LeadId> = owners
            .values()
            .copied()
            .chain(changes().filter_map(|change| change.id))
            .collect();
        let mut leads = store::lock(tx, &ids.into_iter().collect::<Vec<_>>()).await?;
        if owners.values().any(|id| !leads.contains_key(id)) {
            // Erased between the two statements: its identities are gone now.
            continue;
        }
        let items = if seen.is_all() {
            None
        } else {
            let there: Vec<LeadId> = leads.keys().copied().collect();
            let inside = seen.those_in(tx, &there).await?;
            leads.retain(|id, _| inside.contains(id));
            Some(without_strangers(&checked, &leads, &mut owners, mode))
        };
        let items = items.as_deref().unwrap_or(&checked);
        let held = if changes().any(plan::may_release) {
            store::identities_of(&**tx, &leads.keys().copied().collect::<Vec<_>>()).await?
        } else {
            Vec::new()
        };
        let mut known = Known {
            owners,
            leads,
            ..Known::default()
        };
        for identity in held {
            let (id, identity) = store::identity(identity);
            known.held.entry(id).or_default().insert(identity);
        }
        let plan = plan::plan(items, known, &definitions, mode, now);
        if store::write(tx, &plan).await? {
            events::append(tx, &caller.actor.id, now, plan.events).await?;
            return Ok(plan.outcomes);
        }
    }
    Err(Error::Unavailable(
        "others keep changing the same leads; try again shortly".into(),
    ))
}

/// The items but for those that name an identity of a lead which is not the caller's to see; such identities are taken
/// out of `owners`.
fn without_strangers(
    items: &[Result<LeadChange, Vec<LeadFault>>],
    leads: &HashMap<LeadId, super::Lead>,
    owners: &mut HashMap<Identity, LeadId>,
    mode: UpsertMode,
) -> Vec<Result<LeadChange, Vec<LeadFault>>> {
    let refused = |change: &LeadChange| {
        let owner = |identity: &Identity| owners.get(identity).map(|owner| leads.contains_key(owner));
        let (_, path) = identities(change).find(|(identity, _)| owner(identity) == Some(false))?;
        // What is not found is told as such, whatever else is wrong.
        let found = match change.id {
            Some(id) => leads.contains_key(&id),
            None => {
                mode != UpsertMode::Update || identities(change).any(|(name, _)| owner(&name) == Some(true))
            }
        };
        found.then(|| outside(path))
    };
    let items = items
        .iter()
        .map(|item| match item {
            Ok(change) => match refused(change) {
                Some(problem) => Err(vec![problem]),
                None => Ok(change.clone()),
            },
            Err(problems) => Err(problems.clone()),
        })
        .collect();
    owners.retain(|_, owner| leads.contains_key(owner));
    items
}

pub(super) fn outside(path: &str) -> LeadFault {
    Problem::new(path, LeadProblem::OutsideRowFilter, visible::outside())
}

/// The same as [`upsert_many`], where nothing else is done to the leads: items that would leave a lead outside of what the
/// caller sees are refused, and the others are done.
///
/// # Errors
/// As [`upsert_many`].
pub async fn upsert_within(
    tx: &Tx,
    app: &App,
    caller: &Caller,
    now: Timestamp,
    items: Vec<LeadChange>,
    mode: UpsertMode,
) -> Result<Vec<ItemOutcome>, Error> {
    let seen = Visible::of(app, &caller.rows).await?;
    if seen.is_all() {
        return upsert_many(tx, app, caller, now, items, mode).await;
    }
    let mut guard = seen.guard(tx).await?;
    loop {
        let (places, kept) = without(&items, guard.refused());
        let done = upsert_many(tx, app, caller, now, kept, mode).await?;
        let touched = places.iter().zip(&done);
        let touched: Vec<_> = touched
            .filter_map(|(place, outcome)| Some((*place, outcome.lead_id()?)))
            .collect();
        if guard.holds(touched).await? {
            return Ok(with_refused(items.len(), places, done));
        }
    }
}

/// The outcomes of items at some places; the others were refused as they left leads outside.
#[must_use]
pub fn with_refused(count: usize, places: Vec<usize>, done: Vec<ItemOutcome>) -> Vec<ItemOutcome> {
    let mut outcomes = vec![ItemOutcome::Refused(vec![outside("")]); count];
    for (place, outcome) in places.into_iter().zip(done) {
        outcomes[place] = outcome;
    }
    outcomes
}

/// The items that are not refused, with their places.
pub fn without<T: Clone>(items: &[T], refused: &HashSet<usize>) -> (Vec<usize>, Vec<T>) {
    items
        .iter()
        .enumerate()
        .filter(|(place, _)| !refused.contains(place))
        .map(|(place, item)| (place, item.clone()))
        .unzip()
}
