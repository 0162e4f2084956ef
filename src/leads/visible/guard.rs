//! Changes that must not take leads out of the caller's sight.

use std::collections::HashSet;
use std::hash::Hash;

use entity::id::LeadId;

use super::{Visible, store};
use crate::db::Tx;
use crate::error::Error;

/// Watches over the items of a change. The change is made, then looked at as the rows stand; where it left leads outside,
/// it is undone and made again without the items that did. Callers who see all leads are not watched.
///
/// ```ignore
/// let mut guard = visible.guard(&tx).await?;
/// let done = loop {
///     let (done, touched) = change(&tx, items, guard.refused()).await?;
///     if guard.holds(touched).await? {
///         break done;
///     }
/// };
/// ```
#[derive(Debug)]
pub struct Guard<'a, K> {
    visible: &'a Visible,
    tx: &'a Tx,
    refused: HashSet<K>,
}

impl<'a, K: Copy + Eq + Hash> Guard<'a, K> {
    pub(super) async fn begin(visible: &'a Visible, tx: &'a Tx) -> Result<Self, Error> {
        if !visible.is_all() {
            store::mark(tx).await?;
        }
        Ok(Self {
            visible,
            tx,
            refused: HashSet::new(),
        })
    }

    /// The items that must not be done.
    pub const fn refused(&self) -> &HashSet<K> {
        &self.refused
    }

    /// Whether all leads that items touched are the caller's to see, deleted or not. If not, the change was undone, and has
    /// to be made again without the [`Self::refused`] ones.
    ///
    /// # Errors
    /// The database's.
    pub async fn holds(&mut self, touched: impl IntoIterator<Item = (K, LeadId)>) -> Result<bool, Error> {
        if self.visible.is_all() {
            return Ok(true);
        }
        let touched: Vec<(K, LeadId)> = touched.into_iter().collect();
        let ids: Vec<LeadId> = touched.iter().map(|(_, id)| *id).collect();
        let inside = self.visible.those_in(self.tx, &ids).await?;
        let outside: Vec<K> = touched
            .into_iter()
            .filter(|(_, id)| !inside.contains(id))
            .map(|(item, _)| item)
            .collect();
        if outside.is_empty() {
            store::unmark(self.tx).await?;
            return Ok(true);
        }
        self.refused.extend(outside);
        store::back(self.tx).await?;
        Ok(false)
    }
}
