//! Readings, where they go on, what they could not use.

use entity::id::{ConnectionId, SyncId};
use entity::{SyncKind, Timestamp, sync_cursor, sync_refusal, sync_run};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult as _,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};

use crate::db::{Conflict, Direction, Page, PageRequest, Tx, insert_many, padded, sql, upsert_many};

/// A reading.
pub(in super::super) type Sync = sync_run::Model;

pub(in super::super) async fn insert_sync(tx: &Tx, row: Sync) -> Result<(), DbErr> {
    sync_run::Entity::insert(row.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

pub(in super::super) async fn update_sync(tx: &Tx, row: Sync) -> Result<(), DbErr> {
    sync_run::Entity::update(row.into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map(drop)
}

pub(in super::super) async fn find_sync(
    db: &impl ConnectionTrait,
    id: SyncId,
) -> Result<Option<Sync>, DbErr> {
    sync_run::Entity::find_by_id(id).one(db).await
}

/// The newest reading of each of some connections.
pub(in super::super) async fn last_syncs(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    connections: &[ConnectionId],
) -> Result<Vec<Sync>, DbErr> {
    let ids = padded(connections);
    let text = format!(
        "SELECT * FROM (SELECT s.*, row_number() OVER (PARTITION BY connection_id ORDER BY id DESC) AS place FROM \
         sync_run AS s WHERE connection_id IN ({})) AS placed WHERE place = 1",
        vec!["?"; ids.len()].join(", ")
    );
    let values = ids.into_iter().map(|id| id.0.into());
    Sync::find_by_statement(sql(backend, &text, values)).all(db).await
}

/// The reading of a connection that goes on.
pub(in super::super) async fn open_sync(
    db: &impl ConnectionTrait,
    connection: ConnectionId,
) -> Result<Option<Sync>, DbErr> {
    sync_run::Entity::find()
        .filter(sync_run::Column::ConnectionId.eq(connection))
        .filter(sync_run::Column::EndedAt.is_null())
        .one(db)
        .await
}

/// Those that go on, of all connections.
pub(in super::super) async fn open_syncs(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Sync>, DbErr> {
    sync_run::Entity::find()
        .filter(sync_run::Column::EndedAt.is_null())
        .order_by_asc(sync_run::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Readings of a connection, newest first.
pub(in super::super) async fn list_syncs(
    db: &impl ConnectionTrait,
    connection: ConnectionId,
    page: &PageRequest,
) -> Result<Page<Sync>, DbErr> {
    let mut select = sync_run::Entity::find().filter(sync_run::Column::ConnectionId.eq(connection));
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((sync_run::Entity, sync_run::Column::CreatedAt)),
        (sync_run::Entity, sync_run::Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

pub(in super::super) async fn cursor(
    db: &impl ConnectionTrait,
    connection: ConnectionId,
    kind: SyncKind,
) -> Result<Option<String>, DbErr> {
    let row = sync_cursor::Entity::find_by_id((connection, kind))
        .one(db)
        .await?;
    Ok(row.map(|row| row.cursor))
}

pub(in super::super) async fn keep_cursor(
    tx: &Tx,
    connection: ConnectionId,
    kind: SyncKind,
    cursor: &str,
    now: Timestamp,
) -> Result<(), DbErr> {
    let row = sync_cursor::Model {
        connection_id: connection,
        kind,
        cursor: cursor.to_owned(),
        updated_at: now,
    };
    upsert_many(tx, &[row], "connection_id, kind").await.map(drop)
}

/// Has everything read anew the next time.
pub(in super::super) async fn forget_cursors(tx: &Tx, connection: ConnectionId) -> Result<(), DbErr> {
    sync_cursor::Entity::delete_many()
        .filter(sync_cursor::Column::ConnectionId.eq(connection))
        .exec(&**tx)
        .await
        .map(drop)
}

pub(in super::super) async fn add_refusals(tx: &Tx, rows: &[sync_refusal::Model]) -> Result<(), DbErr> {
    insert_many(tx, rows, Conflict::Keep("(sync_id, position)"))
        .await
        .map(drop)
}

/// What a reading could not use, from a place on.
pub(in super::super) async fn refusals(
    db: &impl ConnectionTrait,
    sync: SyncId,
    from: i32,
    limit: u64,
) -> Result<Vec<sync_refusal::Model>, DbErr> {
    sync_refusal::Entity::find()
        .filter(sync_refusal::Column::SyncId.eq(sync))
        .filter(sync_refusal::Column::Position.gte(from))
        .order_by_asc(sync_refusal::Column::Position)
        .limit(limit)
        .all(db)
        .await
}

/// Removes readings that ended before a moment, with what they could not use; the last of each connection stays. Answers how
/// many.
pub(in super::super) async fn prune_syncs(tx: &Tx, before: Timestamp, limit: i64) -> Result<u64, DbErr> {
    let old = "SELECT id FROM sync_run AS s WHERE ended_at < ? AND EXISTS (SELECT 1 FROM sync_run AS later WHERE \
               later.connection_id = s.connection_id AND later.id > s.id) ORDER BY id LIMIT ?";
    let values = || [before.micros().into(), limit.into()];
    let text = format!("DELETE FROM sync_refusal WHERE sync_id IN ({old})");
    tx.execute_raw(sql(tx.backend(), &text, values())).await?;
    let text = format!("DELETE FROM sync_run WHERE id IN ({old})");
    Ok(tx
        .execute_raw(sql(tx.backend(), &text, values()))
        .await?
        .rows_affected())
}
