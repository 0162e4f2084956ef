//! All SQL of connections: rows, readings, webhooks.

mod syncs;
mod webhooks;

use std::collections::HashMap;

use entity::id::ConnectionId;
use entity::{Timestamp, connection};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QuerySelect, QueryTrait,
};

pub(super) use self::syncs::*;
pub(super) use self::webhooks::*;
use super::Connection;
use crate::db::{Direction, Page, PageRequest, Tx, padded};

pub(super) async fn insert(tx: &Tx, row: Connection) -> Result<(), DbErr> {
    connection::Entity::insert(row.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

pub(super) async fn update(tx: &Tx, row: Connection) -> Result<(), DbErr> {
    connection::Entity::update(row.into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map(drop)
}

/// A connection that was not removed.
pub(super) async fn find(db: &impl ConnectionTrait, id: ConnectionId) -> Result<Option<Connection>, DbErr> {
    connection::Entity::find_by_id(id)
        .filter(connection::Column::DeletedAt.is_null())
        .one(db)
        .await
}

/// The same within a transaction.
pub(super) async fn find_in(tx: &Tx, id: ConnectionId) -> Result<Option<Connection>, DbErr> {
    find(&**tx, id).await
}

/// A connection that was not removed, and that no other transaction changes until this one ends.
pub(super) async fn locked(tx: &Tx, id: ConnectionId) -> Result<Option<Connection>, DbErr> {
    let mut query = connection::Entity::find_by_id(id).filter(connection::Column::DeletedAt.is_null());
    if tx.backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    query.one(&**tx).await
}

/// Removed ones among them: what came by them stays.
pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    ids: &[ConnectionId],
) -> Result<HashMap<ConnectionId, Connection>, DbErr> {
    let rows = connection::Entity::find()
        .filter(connection::Column::Id.is_in(padded(ids)))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

pub(super) async fn list(
    db: &impl ConnectionTrait,
    platform: Option<&str>,
    page: &PageRequest,
) -> Result<Page<Connection>, DbErr> {
    let mut select = connection::Entity::find().filter(connection::Column::DeletedAt.is_null());
    if let Some(platform) = platform {
        select = select.filter(connection::Column::Platform.eq(platform));
    }
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((connection::Entity, connection::Column::CreatedAt)),
        (connection::Entity, connection::Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

pub(super) async fn count(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    connection::Entity::find()
        .filter(connection::Column::DeletedAt.is_null())
        .count(db)
        .await
}

/// Connections whose time to be read has come, the longest due first.
pub(super) async fn due(
    db: &impl ConnectionTrait,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<Connection>, DbErr> {
    use sea_orm::QueryOrder as _;
    connection::Entity::find()
        .filter(connection::Column::NextSyncAt.lte(now))
        .filter(connection::Column::DeletedAt.is_null())
        .order_by_asc(connection::Column::NextSyncAt)
        .limit(limit)
        .all(db)
        .await
}
