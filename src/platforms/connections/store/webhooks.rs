//! Webhooks as they came, and what became of them.

use entity::id::{ConnectionId, WebhookDeliveryId};
use entity::{Timestamp, WebhookState, webhook_delivery};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};

use crate::db::{Conflict, Direction, Page, PageRequest, Tx, insert_refs, sql};

/// A webhook as it came.
pub(in super::super) type Delivery = webhook_delivery::Model;

/// Keeps deliveries; one that is there already stays as it is.
pub(in super::super) async fn keep_deliveries(tx: &Tx, rows: &[&Delivery]) -> Result<u64, DbErr> {
    insert_refs(tx, rows, Conflict::Keep("(connection_id, dedupe_key)")).await
}

/// The connections that have deliveries to be processed now.
pub(in super::super) async fn connections_due(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    now: Timestamp,
) -> Result<Vec<ConnectionId>, DbErr> {
    // One look into the index for each connection, however much waits.
    let text = "SELECT id FROM connection WHERE state <> 'DISABLED' AND EXISTS (SELECT 1 FROM webhook_delivery AS d WHERE d.connection_id = \
                connection.id AND d.due_at IS NOT NULL AND d.due_at <= ?)";
    let rows = db
        .query_all_raw(sql(backend, text, [now.micros().into()]))
        .await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}

/// Deliveries of a connection to be processed now, in the order in which they came; those that are tried again, behind them.
pub(in super::super) async fn deliveries_due(
    db: &impl ConnectionTrait,
    connection: ConnectionId,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<Delivery>, DbErr> {
    webhook_delivery::Entity::find()
        .filter(webhook_delivery::Column::ConnectionId.eq(connection))
        .filter(webhook_delivery::Column::DueAt.lte(now))
        .order_by_asc(webhook_delivery::Column::DueAt)
        .order_by_asc(webhook_delivery::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Writes down that deliveries are done, in one statement for each outcome.
pub(in super::super) async fn deliveries_done(
    tx: &Tx,
    ids: &[WebhookDeliveryId],
    state: WebhookState,
    events: i32,
    now: Timestamp,
) -> Result<(), DbErr> {
    use webhook_delivery::Column;
    for ids in ids.chunks(500) {
        webhook_delivery::Entity::update_many()
            .col_expr(Column::State, state.as_str().into())
            .col_expr(Column::Events, events.into())
            .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
            .col_expr(Column::DueAt, Expr::val(Option::<i64>::None))
            .col_expr(Column::ProblemKind, Expr::val(Option::<String>::None))
            .col_expr(Column::Problem, Expr::val(Option::<String>::None))
            .col_expr(Column::ProcessedAt, now.micros().into())
            .filter(Column::Id.is_in(crate::db::padded(ids)))
            // Another process may have been quicker.
            .filter(Column::DueAt.is_not_null())
            .exec(&**tx)
            .await?;
    }
    Ok(())
}

/// Has what waits for the connection to work again tried now.
pub(in super::super) async fn wake_deliveries(
    tx: &Tx,
    connection: ConnectionId,
    now: Timestamp,
) -> Result<(), DbErr> {
    use webhook_delivery::Column;
    webhook_delivery::Entity::update_many()
        .col_expr(Column::DueAt, now.micros().into())
        .filter(Column::ConnectionId.eq(connection))
        .filter(Column::DueAt.gt(now))
        .exec(&**tx)
        .await
        .map(drop)
}

pub(in super::super) async fn update_delivery(tx: &Tx, row: Delivery) -> Result<(), DbErr> {
    webhook_delivery::Entity::update(row.into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map(drop)
}

pub(in super::super) async fn find_delivery(
    db: &impl ConnectionTrait,
    id: WebhookDeliveryId,
) -> Result<Option<Delivery>, DbErr> {
    webhook_delivery::Entity::find_by_id(id).one(db).await
}

/// A delivery that no other transaction changes until this one ends.
pub(in super::super) async fn locked_delivery(
    tx: &Tx,
    id: WebhookDeliveryId,
) -> Result<Option<Delivery>, DbErr> {
    let mut query = webhook_delivery::Entity::find_by_id(id);
    if tx.backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    query.one(&**tx).await
}

/// Deliveries, newest first.
pub(in super::super) async fn list_deliveries(
    db: &impl ConnectionTrait,
    connection: Option<ConnectionId>,
    states: &[WebhookState],
    page: &PageRequest,
) -> Result<Page<Delivery>, DbErr> {
    use webhook_delivery::{Column, Entity};
    let mut select = Entity::find();
    if let Some(connection) = connection {
        select = select.filter(Column::ConnectionId.eq(connection));
    }
    if !states.is_empty() {
        select = select.filter(Column::State.is_in(states.iter().copied()));
    }
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((Entity, Column::ReceivedAt)),
        (Entity, Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// Removes deliveries that came before a moment and are done, and failed ones from before another; answers how many.
pub(in super::super) async fn prune_deliveries(
    tx: &Tx,
    before: Timestamp,
    failed_before: Timestamp,
    limit: i64,
) -> Result<u64, DbErr> {
    let text = "DELETE FROM webhook_delivery WHERE id IN (SELECT id FROM webhook_delivery WHERE received_at < ? AND \
                due_at IS NULL AND (state <> 'FAILED' OR received_at < ?) ORDER BY received_at, id LIMIT ?)";
    let values = [
        before.micros().into(),
        failed_before.micros().into(),
        limit.into(),
    ];
    Ok(tx
        .execute_raw(sql(tx.backend(), text, values))
        .await?
        .rows_affected())
}
