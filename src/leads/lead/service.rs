//! Use cases of leads.

use std::collections::{HashMap, HashSet};

use entity::Area;
use entity::id::LeadId;

use super::change::LeadChange;
use super::model::LeadProblem;
use super::plan::{ItemOutcome, UpsertMode};
use super::upsert::upsert_many;
use super::{Identity, Lead, store};
use crate::app::App;
use crate::db::{Direction, Keyset, Page, PageRequest, SortValue, Tx, is_transient};
use crate::error::{Error, Outcome};
use crate::identity::{Caller, Rows, Scope};

/// By what leads are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub enum LeadOrderField {
    /// When it became known.
    CreatedAt,
    /// When it was last changed.
    UpdatedAt,
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
        format!("{:?} {:?}", self.field, self.direction)
    }

    /// The place of a lead in this ordering.
    #[must_use]
    pub fn keyset(self, lead: &Lead) -> Keyset {
        let value = match self.field {
            LeadOrderField::CreatedAt => lead.created_at.micros(),
            LeadOrderField::UpdatedAt => lead.updated_at.micros(),
        };
        Keyset {
            order: self.name(),
            value: SortValue::Int(value),
            id: lead.id.0,
        }
    }
}

/// Creates, updates or upserts leads in a transaction of their own; see [`upsert_many`].
///
/// # Errors
/// A missing scope `leads:write`; the database's.
pub async fn write(
    app: &App,
    caller: &Caller,
    items: Vec<LeadChange>,
    mode: UpsertMode,
) -> Result<Vec<ItemOutcome>, Error> {
    match write_once(app, caller, items.clone(), mode).await {
        Err(error) if is_transient(&error) => write_once(app, caller, items, mode).await,
        outcome => outcome,
    }
}

async fn write_once(
    app: &App,
    caller: &Caller,
    items: Vec<LeadChange>,
    mode: UpsertMode,
) -> Result<Vec<ItemOutcome>, Error> {
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let outcomes = upsert_many(&tx, caller, now, items, mode).await?;
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
    let outcome = write(app, caller, vec![change], mode).await?.pop();
    match outcome.expect("one outcome for each item") {
        ItemOutcome::Refused(problems) => Err(problems.into()),
        ItemOutcome::Created(id) | ItemOutcome::Updated { id, .. } | ItemOutcome::Unchanged(id) => Ok(id),
    }
}

/// Reads leads by id; those that are not there, deleted, or not the caller's to see are left out.
///
/// # Errors
/// The database's. The caller's scope has been asked for by whoever lets the loader in.
pub async fn get_many(app: &App, rows: Rows, ids: &[LeadId]) -> Result<HashMap<LeadId, Lead>, Error> {
    Ok(store::by_ids(app.db().read(), rows, ids).await?)
}

/// Those of the leads that are there, not deleted, and the caller's to see.
///
/// # Errors
/// The database's.
pub async fn existing(tx: &Tx, rows: Rows, ids: &HashSet<LeadId>) -> Result<HashSet<LeadId>, Error> {
    Ok(store::existing(&**tx, rows, ids).await?)
}

/// The leads that are known by some identities, not deleted, and the caller's to see.
///
/// # Errors
/// The database's.
pub async fn known(
    tx: &Tx,
    rows: Rows,
    identities: &HashSet<&Identity>,
) -> Result<HashMap<Identity, LeadId>, Error> {
    Ok(store::known(&**tx, rows, identities).await?)
}

/// A page of leads.
///
/// # Errors
/// A missing scope `leads:read`; the database's.
pub async fn list(
    app: &App,
    caller: &Caller,
    order: LeadOrder,
    page: &PageRequest,
) -> Result<Page<Lead>, Error> {
    caller.require(Scope::Read(Area::Leads))?;
    Ok(store::list(app.db().read(), caller.rows, order, page).await?)
}
