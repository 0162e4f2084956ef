//! All SQL of the vault.

use entity::data_key;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};
use uuid::Uuid;

use super::Place;
use crate::db::Tx;

/// The data key that seals.
pub(super) async fn in_use(db: &impl ConnectionTrait) -> Result<Option<data_key::Model>, DbErr> {
    newest_first().one(db).await
}

fn newest_first() -> sea_orm::Select<data_key::Entity> {
    data_key::Entity::find()
        .order_by_desc(data_key::Column::CreatedAt)
        .order_by_desc(data_key::Column::Id)
}

/// All data keys, the one in use first.
pub(super) async fn all(db: &impl ConnectionTrait) -> Result<Vec<data_key::Model>, DbErr> {
    newest_first().all(db).await
}

pub(super) async fn find(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<data_key::Model>, DbErr> {
    data_key::Entity::find_by_id(id).one(db).await
}

pub(super) async fn insert(tx: &Tx, row: data_key::Model) -> Result<(), DbErr> {
    data_key::Entity::insert(row.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

/// Keeps others from making or changing data keys until the transaction ends. SQLite has one writer.
pub(super) async fn lock(tx: &Tx) -> Result<(), DbErr> {
    if tx.backend() == DbBackend::Postgres {
        tx.execute_unprepared("LOCK TABLE data_key IN EXCLUSIVE MODE")
            .await?;
    }
    Ok(())
}

pub(super) async fn rewrap(tx: &Tx, id: Uuid, master: String, wrapped: Vec<u8>) -> Result<(), DbErr> {
    data_key::Entity::update_many()
        .col_expr(data_key::Column::Master, master.into())
        .col_expr(data_key::Column::Wrapped, wrapped.into())
        .filter(data_key::Column::Id.eq(id))
        .exec(&**tx)
        .await
        .map(drop)
}

pub(super) async fn delete(tx: &Tx, id: Uuid) -> Result<(), DbErr> {
    data_key::Entity::delete_by_id(id).exec(&**tx).await.map(drop)
}

/// Which key a value is sealed under stands in its second to seventeenth byte.
fn sealed_under(backend: DbBackend, place: Place, id: Uuid) -> Expr {
    let text = match backend {
        DbBackend::Postgres => format!("substring({} FROM 2 FOR 16)", place.column),
        _ => format!("substr({}, 2, 16)", place.column),
    };
    Expr::cust(text).eq(id.as_bytes().to_vec())
}

/// A row's key as bytes: what is authenticated with a value, and how it is found again.
fn key_bytes(backend: DbBackend, place: Place) -> Expr {
    match (backend, place.key) {
        (DbBackend::Postgres, "id") => Expr::cust("decode(replace(id::text, '-', ''), 'hex')"),
        (_, key) => Expr::col(Alias::new(key)),
    }
}

/// Up to `limit` values of a place that are sealed under a key, each with the key of its row.
pub(super) async fn sealed(
    tx: &Tx,
    place: Place,
    under: Uuid,
    limit: u64,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>, DbErr> {
    let backend = tx.backend();
    let query = Query::select()
        .expr(key_bytes(backend, place))
        .expr(Expr::col(Alias::new(place.column)))
        .from(Alias::new(place.table))
        .and_where(sealed_under(backend, place, under))
        .limit(limit)
        .to_owned();
    let rows = tx.query_all(&query).await?;
    rows.iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}

/// Puts another value in place of one, unless it was changed meanwhile.
pub(super) async fn replace(
    tx: &Tx,
    place: Place,
    row: &[u8],
    before: &[u8],
    sealed: Vec<u8>,
) -> Result<(), DbErr> {
    let key = Expr::col(Alias::new(place.key));
    let is_row = match (place.key, Uuid::from_slice(row)) {
        ("id", Ok(id)) => key.eq(id),
        _ => key.eq(row.to_vec()),
    };
    let update = Query::update()
        .table(Alias::new(place.table))
        .value(Alias::new(place.column), sealed)
        .and_where(is_row)
        .and_where(Expr::col(Alias::new(place.column)).eq(before.to_vec()))
        .to_owned();
    tx.execute(&update).await.map(drop)
}
