//! The SQL behind the question.

use std::collections::HashSet;

use entity::id::LeadId;
use entity::lead;
use sea_orm::sea_query::{LockType, Query, SelectStatement};
use sea_orm::{ColumnTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::db::{Tx, padded};
use crate::identity::Rows;

/// The ids of all leads that are there, not deleted, and the caller's to see, as a query within another.
#[must_use]
pub fn all(rows: Rows) -> SelectStatement {
    let Rows::All = rows;
    Query::select()
        .column((lead::Entity, lead::Column::Id))
        .from(lead::Entity)
        .and_where(lead::Column::DeletedAt.is_null())
        .to_owned()
}

pub(super) async fn lock(tx: &Tx, rows: Rows, ids: &[LeadId]) -> Result<HashSet<LeadId>, DbErr> {
    let Rows::All = rows;
    let mut query = lead::Entity::find()
        .select_only()
        .column(lead::Column::Id)
        .filter(lead::Column::Id.is_in(padded(ids)))
        .filter(lead::Column::DeletedAt.is_null());
    if tx.backend() == DbBackend::Postgres {
        // In the order of ids, so that two callers never wait for each other in a circle. On SQLite the transaction is
        // the only writer.
        query = query.order_by_asc(lead::Column::Id).lock(LockType::NoKeyUpdate);
    }
    let found: Vec<LeadId> = query.into_tuple().all(&**tx).await?;
    Ok(found.into_iter().collect())
}
