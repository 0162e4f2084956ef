//! Which leads are there and the caller's to see: asked by the rooms that hang something on a lead.
//!
//! A caller sees all leads, or those for which a row filter holds. [`Visible`] is what a service makes of
//! [`Rows`] and gives to its statements: nothing at all for the first, a subquery for the others. What hangs on a lead
//! is reached through a lead that was read for the caller ([`crate::api::Lead`]), or its statement asks here.
//!
//! A filter that cannot be read any more shows nothing.

mod filters;
mod guard;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use entity::id::LeadId;

pub use filters::{ScaleSource, read_scores_by, row_filter};
pub use guard::Guard;

use self::filters::checked;
use self::store::Part;
use crate::app::App;
use crate::db::{Db, Tx};
use crate::error::Error;
use crate::identity::Rows;
use crate::leads::filter::{LeadFilter, Terms};

/// Which leads a caller sees, ready for statements; good for the moment it was made for.
#[derive(Clone, Debug)]
pub struct Visible(Option<Arc<Part>>);

impl Visible {
    /// What these rows are now.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(app: &App, rows: &Rows) -> Result<Self, Error> {
        let Rows::Where(filter) = rows else {
            return Ok(Self::all());
        };
        let now = app.clock().now();
        let (filter, scale) = match Box::pin(checked(app, filter)).await? {
            Some((filter, scale)) => (Some(filter), scale),
            None => (None, Default::default()),
        };
        let part = Part::new(filter, Terms { now, scale }, app.db());
        Ok(Self(Some(Arc::new(part))))
    }

    /// Those of them for which a checked filter holds as well, by these terms.
    #[must_use]
    pub fn narrowed(&self, filter: LeadFilter, terms: Terms, db: &Db) -> Self {
        Self(Some(Arc::new(Part::narrowed(
            self.0.as_deref(),
            filter,
            terms,
            db,
        ))))
    }

    /// All leads.
    #[must_use]
    pub const fn all() -> Self {
        Self(None)
    }

    /// Whether nothing is hidden.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Of these leads, those that are the caller's to see, deleted ones among them. One statement; none where nothing is
    /// hidden.
    ///
    /// # Errors
    /// The database's.
    pub async fn those(&self, app: &App, ids: &[LeadId]) -> Result<HashSet<LeadId>, Error> {
        Ok(store::those(app.db().read(), self, ids).await?)
    }

    /// The same within a transaction, as the leads stand there.
    ///
    /// # Errors
    /// The database's.
    pub async fn those_in(&self, tx: &Tx, ids: &[LeadId]) -> Result<HashSet<LeadId>, Error> {
        // Boxed, as the futures of mutations are deep enough.
        Ok(Box::pin(store::those(&**tx, self, ids)).await?)
    }

    /// Watches over a change: what it leaves outside of what the caller sees is not done.
    ///
    /// # Errors
    /// The database's.
    pub async fn guard<'a, K: Copy + Eq + Hash>(&'a self, tx: &'a Tx) -> Result<Guard<'a, K>, Error> {
        Guard::begin(self, tx).await
    }
}

/// Of these leads, those that are there, not deleted, and the caller's to see. They are locked until the transaction
/// ends: none is deleted or erased meanwhile, and two changes of what hangs on one lead come one after the other.
///
/// # Errors
/// The database's.
pub(super) async fn lock(tx: &Tx, visible: &Visible, ids: &[LeadId]) -> Result<HashSet<LeadId>, Error> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    Ok(store::lock(tx, visible, ids).await?)
}

/// The message for a lead that is not there.
pub(super) fn missing(id: LeadId) -> String {
    format!("there is no lead `{id}`")
}

/// The message for what may not be done because the lead would not be the caller's to see then.
#[must_use]
pub fn outside() -> String {
    "the row filter of this token does not allow it: the lead would lie outside of what the token shows"
        .to_owned()
}

/// The keys of a loader by what their callers see: each part is one statement.
#[must_use]
pub fn by_rows<K: Copy>(keys: &[(Rows, K)]) -> HashMap<&Rows, Vec<K>> {
    let mut parts: HashMap<&Rows, Vec<K>> = HashMap::with_capacity(1);
    for (rows, key) in keys {
        parts.entry(rows).or_default().push(*key);
    }
    parts
}
