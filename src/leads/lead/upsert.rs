//! Writing many leads at once: create, update and upsert, from one item to a thousand.

use std::collections::HashSet;

use entity::id::LeadId;
use entity::{Area, Timestamp};

use super::change::LeadChange;
use super::model::{Identity, identities};
use super::plan::{self, ItemOutcome, Known, UpsertMode};
use super::store;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events;
use crate::identity::{Caller, Scope};
use crate::leads::custom_fields;

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
    let items = plan::check_all(items, &definitions, now);
    let changes = || items.iter().filter_map(|item| item.as_ref().ok());
    let named: HashSet<Identity> = changes()
        .flat_map(identities)
        .map(|(identity, _)| identity)
        .collect();
    let named: Vec<Identity> = named.into_iter().collect();
    for _ in 0..ROUNDS {
        let owners = store::owners(tx, &named).await?;
        let ids: HashSet<LeadId> = owners
            .values()
            .copied()
            .chain(changes().filter_map(|change| change.id))
            .collect();
        let leads = store::lock(tx, caller.rows, &ids.into_iter().collect::<Vec<_>>()).await?;
        if owners.values().any(|id| !leads.contains_key(id)) {
            // Erased between the two statements: its identities are gone now.
            continue;
        }
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
        let plan = plan::plan(&items, known, &definitions, mode, now);
        if store::write(tx, &plan).await? {
            events::append(tx, &caller.actor.id, now, plan.events).await?;
            return Ok(plan.outcomes);
        }
    }
    Err(Error::Unavailable(
        "others keep changing the same leads; try again shortly".into(),
    ))
}
