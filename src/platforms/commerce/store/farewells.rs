//! What shops are still to be told.

use entity::id::{ConnectionId, LeadId};
use entity::{ConsentChannel, Timestamp, connection, shop_farewell};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use shop_farewell::{Column, Entity};

use super::IDS;
use crate::db::{Tx, padded, sql, upsert_many};
use crate::platforms::commerce::Farewell;

/// Those of connections that were not removed.
pub(in crate::platforms::commerce) async fn not_removed(
    tx: &Tx,
    connections: &[ConnectionId],
) -> Result<Vec<ConnectionId>, DbErr> {
    connection::Entity::find()
        .select_only()
        .column(connection::Column::Id)
        .filter(connection::Column::Id.is_in(padded(connections)))
        .filter(connection::Column::DeletedAt.is_null())
        .into_tuple()
        .all(&**tx)
        .await
}

/// Puts words in the place of those about the same.
pub(in crate::platforms::commerce) async fn put_farewells(tx: &Tx, rows: &[Farewell]) -> Result<(), DbErr> {
    upsert_many(tx, rows, "connection_id, customer_id, channel")
        .await
        .map(drop)
}

/// The connections in use of which a shop is to be told something now.
pub(in crate::platforms::commerce) async fn farewells_due(
    db: &impl ConnectionTrait,
    now: Timestamp,
) -> Result<Vec<ConnectionId>, DbErr> {
    // One look into the index for each connection, however much waits.
    let text = "SELECT id FROM connection WHERE state = 'ACTIVE' AND deleted_at IS NULL AND (SELECT f.due_at FROM \
                shop_farewell AS f WHERE f.connection_id = connection.id AND f.due_at IS NOT NULL ORDER BY f.due_at \
                LIMIT 1) <= ?";
    let statement = sql(db.get_database_backend(), text, [now.micros().into()]);
    let rows = db.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}

/// What a shop is to be told now, the longest due first.
pub(in crate::platforms::commerce) async fn due_farewells(
    db: &impl ConnectionTrait,
    connection: ConnectionId,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<Farewell>, DbErr> {
    Entity::find()
        .filter(Column::ConnectionId.eq(connection))
        .filter(Column::DueAt.is_not_null())
        .filter(Column::DueAt.lte(now))
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::CustomerId)
        .limit(limit)
        .all(db)
        .await
}

/// What a shop does not take: how many words, and the first of them.
pub(in crate::platforms::commerce) async fn refused_farewells(
    db: &impl ConnectionTrait,
    connection: ConnectionId,
    first: u64,
) -> Result<(u64, Vec<Farewell>), DbErr> {
    let refused = Entity::find()
        .filter(Column::ConnectionId.eq(connection))
        .filter(Column::DueAt.is_null());
    let count = refused.clone().count(db).await?;
    let rows = refused
        .order_by_asc(Column::CustomerId)
        .order_by_asc(Column::Channel)
        .limit(first)
        .all(db)
        .await?;
    Ok((count, rows))
}

/// A word as it is now, that no other transaction changes until this one ends.
pub(in crate::platforms::commerce) async fn locked_farewell(
    tx: &Tx,
    row: &Farewell,
) -> Result<Option<Farewell>, DbErr> {
    let mut query = Entity::find_by_id((row.connection_id, row.customer_id.clone(), row.channel));
    if tx.backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    query.one(&**tx).await
}

pub(in crate::platforms::commerce) async fn delete_farewell(tx: &Tx, row: &Farewell) -> Result<(), DbErr> {
    Entity::delete_by_id((row.connection_id, row.customer_id.clone(), row.channel))
        .exec(&**tx)
        .await
        .map(drop)
}

/// Takes back what is to be told of leads about a channel.
pub(in crate::platforms::commerce) async fn delete_farewells_about(
    tx: &Tx,
    leads: &[LeadId],
    channel: ConsentChannel,
) -> Result<(), DbErr> {
    for leads in leads.chunks(IDS) {
        Entity::delete_many()
            .filter(Column::LeadId.is_in(padded(leads)))
            .filter(Column::Channel.eq(channel))
            .exec(&**tx)
            .await?;
    }
    Ok(())
}

/// Takes back all that is to be told of leads.
pub(super) async fn delete_farewells_of_leads(tx: &Tx, leads: &[LeadId]) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::LeadId.is_in(padded(leads)))
        .exec(&**tx)
        .await
        .map(drop)
}

/// Takes back what a shop is to be told: of a customer, or all.
pub(in crate::platforms::commerce) async fn delete_farewells(
    tx: &Tx,
    connection: ConnectionId,
    customer: Option<&str>,
) -> Result<(), DbErr> {
    let mut rows = Entity::delete_many().filter(Column::ConnectionId.eq(connection));
    if let Some(customer) = customer {
        rows = rows.filter(Column::CustomerId.eq(customer));
    }
    rows.exec(&**tx).await.map(drop)
}

/// Has what waits to be tried again tried now.
pub(in crate::platforms::commerce) async fn wake_farewells(
    tx: &Tx,
    connection: ConnectionId,
    now: Timestamp,
) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::DueAt, now.micros().into())
        .filter(Column::ConnectionId.eq(connection))
        .filter(Column::DueAt.gt(now))
        .exec(&**tx)
        .await
        .map(drop)
}
