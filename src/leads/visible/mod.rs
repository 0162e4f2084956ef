//! Which leads are there and the caller's to see: asked by the rooms that hang something on a lead.

mod store;

use std::collections::HashSet;

use entity::id::LeadId;

pub use store::all;

use crate::db::Tx;
use crate::error::Error;
use crate::identity::Rows;

/// Of these leads, those that are there, not deleted, and the caller's to see. They are locked until the transaction
/// ends: none is deleted or erased meanwhile, and two changes of what hangs on one lead come one after the other.
///
/// # Errors
/// The database's.
pub(super) async fn lock(tx: &Tx, rows: Rows, ids: &[LeadId]) -> Result<HashSet<LeadId>, Error> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    Ok(store::lock(tx, rows, ids).await?)
}

/// The message for a lead that is not there.
pub(super) fn missing(id: LeadId) -> String {
    format!("there is no lead `{id}`")
}
