//! Whole rows of hot tables.

use entity::ByPlace;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryTrait, Select, Statement};

/// Runs a select of all columns of a table, and reads its rows by the place of the columns.
///
/// # Errors
/// The database's.
pub async fn rows<E: EntityTrait<Model: ByPlace>>(
    db: &impl ConnectionTrait,
    select: Select<E>,
) -> Result<Vec<E::Model>, DbErr> {
    let found = db.query_all(QueryTrait::as_query(&select)).await?;
    found.iter().map(|row| ByPlace::by_place(row, 0)).collect()
}

/// The same for a statement written as text, whose columns are [`ByPlace::columns`].
///
/// # Errors
/// The database's.
pub async fn raw_rows<M: ByPlace>(db: &impl ConnectionTrait, statement: Statement) -> Result<Vec<M>, DbErr> {
    let found = db.query_all_raw(statement).await?;
    found.iter().map(|row| M::by_place(row, 0)).collect()
}
