//! All SQL of what is told to platforms.

use std::collections::{HashMap, HashSet};

use entity::id::{ConnectionId, ConversionDeliveryId, ConversionId, LeadId, StageStayId};
use entity::{
    ConversionDeliveryState, IdentityKind, Stage, Timestamp, UnknownConsent, connection, conversion,
    conversion_delivery, conversion_sharing, lead, lead_identity, stage_stay,
};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};
use uuid::Uuid;

use super::{ConversionDelivery, ConversionSharing, DeliveryFilter};
use crate::db::{
    Conflict, Direction, Page, PageRequest, Tx, insert_many, insert_new, padded, sql, upsert_many,
};
use crate::insight::revenue::Conversion;
use crate::leads::lead::Lead;
use crate::leads::visible::Visible;

/// Ids of one statement: below SQLite's number of variables, few enough for a plan by the index.
const IDS: usize = 500;

pub(super) async fn sharings(
    db: &impl ConnectionTrait,
    connections: &[ConnectionId],
) -> Result<HashMap<ConnectionId, ConversionSharing>, DbErr> {
    let rows = conversion_sharing::Entity::find()
        .filter(conversion_sharing::Column::ConnectionId.is_in(padded(connections)))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.connection_id, row)).collect())
}

/// What is shared with connections that were not removed.
pub(super) async fn enabled(tx: &Tx) -> Result<Vec<ConversionSharing>, DbErr> {
    conversion_sharing::Entity::find()
        .filter(conversion_sharing::Column::IsEnabled.eq(true))
        .filter(
            conversion_sharing::Column::ConnectionId.in_subquery(
                sea_orm::sea_query::Query::select()
                    .column(connection::Column::Id)
                    .from(connection::Entity)
                    .and_where(connection::Column::DeletedAt.is_null())
                    .to_owned(),
            ),
        )
        .order_by_asc(conversion_sharing::Column::ConnectionId)
        .all(&**tx)
        .await
}

/// The settings of a connection, that no other transaction changes until this one ends; `first` where there are none yet.
pub(super) async fn locked_sharing(tx: &Tx, first: ConversionSharing) -> Result<ConversionSharing, DbErr> {
    let id = first.connection_id;
    insert_many(
        tx,
        std::slice::from_ref(&first),
        Conflict::Keep("(connection_id)"),
    )
    .await?;
    let mut query = conversion_sharing::Entity::find_by_id(id);
    if tx.backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    Ok(query.one(&**tx).await?.unwrap_or(first))
}

pub(super) async fn put_sharing(tx: &Tx, row: ConversionSharing) -> Result<(), DbErr> {
    upsert_many(tx, &[row], "connection_id").await.map(drop)
}

/// Forgets what is shared with a connection.
pub(super) async fn delete_sharing(tx: &Tx, id: ConnectionId) -> Result<(), DbErr> {
    conversion_sharing::Entity::delete_by_id(id)
        .exec(&**tx)
        .await
        .map(drop)
}

/// Keeps rows of happenings; those that are there already stay as they are. Answers those that are new.
pub(super) async fn insert(tx: &Tx, rows: &[ConversionDelivery]) -> Result<Vec<ConversionDelivery>, DbErr> {
    insert_new(tx, rows, "(connection_id, event_id)").await
}

/// The connections in use that have something to be told now.
pub(super) async fn connections_due(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    now: Timestamp,
) -> Result<Vec<ConnectionId>, DbErr> {
    let text = "SELECT c.id AS id FROM conversion_sharing AS s JOIN connection AS c ON c.id = s.connection_id WHERE \
                s.is_enabled AND c.state = 'ACTIVE' AND c.deleted_at IS NULL AND (s.paused_until IS NULL OR \
                s.paused_until <= ?) AND EXISTS (SELECT 1 FROM conversion_delivery AS d WHERE d.connection_id = c.id AND \
                d.due_at IS NOT NULL AND d.due_at <= ?)";
    let values = [now.micros().into(), now.micros().into()];
    let rows = db.query_all_raw(sql(backend, text, values)).await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}

/// What is to be told to a connection now, the longest due first.
pub(super) async fn due(
    tx: &Tx,
    connection: ConnectionId,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<ConversionDelivery>, DbErr> {
    use conversion_delivery::{Column, Entity};
    Entity::find()
        .filter(Column::ConnectionId.eq(connection))
        .filter(Column::DueAt.is_not_null())
        .filter(Column::DueAt.lte(now))
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(&**tx)
        .await
}

/// Has a connection left alone until a moment.
pub(super) async fn pause(tx: &Tx, connection: ConnectionId, until: Option<Timestamp>) -> Result<(), DbErr> {
    use conversion_sharing::{Column, Entity};
    Entity::update_many()
        .col_expr(Column::PausedUntil, Expr::val(until.map(Timestamp::micros)))
        .filter(Column::ConnectionId.eq(connection))
        .exec(&**tx)
        .await
        .map(drop)
}

/// Has what waits for a connection tried now.
pub(super) async fn wake(tx: &Tx, connection: ConnectionId, now: Timestamp) -> Result<(), DbErr> {
    use conversion_delivery::{Column, Entity};
    pause(tx, connection, None).await?;
    Entity::update_many()
        .col_expr(Column::DueAt, now.micros().into())
        .filter(Column::ConnectionId.eq(connection))
        .filter(Column::DueAt.gt(now))
        .exec(&**tx)
        .await
        .map(drop)
}

/// Rows that no other transaction changes until this one ends, in the order of their ids.
pub(super) async fn locked(
    tx: &Tx,
    ids: &[ConversionDeliveryId],
) -> Result<HashMap<ConversionDeliveryId, ConversionDelivery>, DbErr> {
    use conversion_delivery::{Column, Entity};
    let mut found = HashMap::with_capacity(ids.len());
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    for ids in ids.chunks(IDS) {
        let mut query = Entity::find()
            .filter(Column::Id.is_in(padded(ids)))
            .order_by_asc(Column::Id);
        if tx.backend() == DbBackend::Postgres {
            query = query.lock_exclusive();
        }
        found.extend(query.all(&**tx).await?.into_iter().map(|row| (row.id, row)));
    }
    Ok(found)
}

pub(super) async fn put(tx: &Tx, rows: &[ConversionDelivery]) -> Result<(), DbErr> {
    upsert_many(tx, rows, "id").await.map(drop)
}

/// Rows of leads in some states, locked.
pub(super) async fn of_leads_in(
    tx: &Tx,
    leads: &[LeadId],
    states: &[ConversionDeliveryState],
) -> Result<Vec<ConversionDelivery>, DbErr> {
    use conversion_delivery::{Column, Entity};
    let mut found = Vec::new();
    for leads in leads.chunks(IDS) {
        let mut query = Entity::find()
            .filter(Column::LeadId.is_in(padded(leads)))
            .filter(Column::State.is_in(states.iter().copied()))
            .order_by_asc(Column::Id);
        if tx.backend() == DbBackend::Postgres {
            query = query.lock_exclusive();
        }
        found.extend(query.all(&**tx).await?);
    }
    Ok(found)
}

/// Takes words of platforms out of what was told of leads: they may hold what is erased.
pub(super) async fn blank(tx: &Tx, leads: &[LeadId]) -> Result<(), DbErr> {
    use conversion_delivery::{Column, Entity};
    for leads in leads.chunks(IDS) {
        Entity::update_many()
            .col_expr(Column::Problem, Expr::val(Option::<String>::None))
            .filter(Column::LeadId.is_in(padded(leads)))
            .exec(&**tx)
            .await?;
    }
    Ok(())
}

/// Notes that conversions were given back or called off; what waits of them is looked at again when it is told.
pub(super) async fn reversed(tx: &Tx, conversions: &[ConversionId], now: Timestamp) -> Result<(), DbErr> {
    use conversion_delivery::{Column, Entity};
    for conversions in conversions.chunks(IDS) {
        Entity::update_many()
            .col_expr(Column::ReversedAt, now.micros().into())
            .filter(Column::ConversionId.is_in(padded(conversions)))
            .exec(&**tx)
            .await?;
    }
    Ok(())
}

/// What is called off because sharing was switched off says so by this kind of problem, and is brought back by a backfill.
pub(super) const SWITCHED_OFF: &str = "SWITCHED_OFF";

/// Calls off what was not told to a connection yet; answers how many.
pub(super) async fn cancel_all(
    tx: &Tx,
    connection: ConnectionId,
    now: Timestamp,
    (kind, words): (&str, &str),
) -> Result<u64, DbErr> {
    use conversion_delivery::{Column, Entity};
    Entity::update_many()
        .col_expr(Column::State, ConversionDeliveryState::Cancelled.as_str().into())
        .col_expr(Column::DueAt, Expr::val(Option::<i64>::None))
        .col_expr(Column::ProblemKind, kind.into())
        .col_expr(Column::Problem, words.into())
        .col_expr(Column::UpdatedAt, now.micros().into())
        .filter(Column::ConnectionId.eq(connection))
        .filter(Column::State.is_in([
            ConversionDeliveryState::Pending,
            ConversionDeliveryState::Withheld,
        ]))
        .exec(&**tx)
        .await
        .map(|done| done.rows_affected)
}

/// Has what was withheld from a connection looked at again; answers how many.
pub(super) async fn reoffer_all(tx: &Tx, connection: ConnectionId, now: Timestamp) -> Result<u64, DbErr> {
    use conversion_delivery::{Column, Entity};
    Entity::update_many()
        .col_expr(Column::State, ConversionDeliveryState::Pending.as_str().into())
        .col_expr(Column::DueAt, now.micros().into())
        .col_expr(Column::UpdatedAt, now.micros().into())
        .filter(Column::ConnectionId.eq(connection))
        .filter(Column::State.eq(ConversionDeliveryState::Withheld))
        .exec(&**tx)
        .await
        .map(|done| done.rows_affected)
}

/// Of some happenings of a connection those that were called off because sharing was switched off, locked.
pub(super) async fn switched_off(
    tx: &Tx,
    connection: ConnectionId,
    event_ids: &[String],
) -> Result<Vec<ConversionDelivery>, DbErr> {
    use conversion_delivery::{Column, Entity};
    let mut found = Vec::new();
    for event_ids in event_ids.chunks(IDS) {
        let mut query = Entity::find()
            .filter(Column::ConnectionId.eq(connection))
            .filter(Column::EventId.is_in(padded(event_ids)))
            .filter(Column::State.eq(ConversionDeliveryState::Cancelled))
            .filter(Column::ProblemKind.eq(SWITCHED_OFF))
            // What was on its way then has arrived.
            .filter(Column::SentAt.is_null())
            .order_by_asc(Column::Id);
        if tx.backend() == DbBackend::Postgres {
            query = query.lock_exclusive();
        }
        found.extend(query.all(&**tx).await?);
    }
    Ok(found)
}

/// Removes deliveries that are settled since before a moment and of what happened before it; answers how many.
pub(super) async fn prune(tx: &Tx, before: Timestamp, limit: u64) -> Result<u64, DbErr> {
    use conversion_delivery::{Column, Entity};
    let ids: Vec<ConversionDeliveryId> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::DueAt.is_null())
        .filter(Column::UpdatedAt.lt(before))
        .filter(Column::OccurredAt.lt(before))
        .order_by_asc(Column::UpdatedAt)
        .limit(limit)
        .into_tuple()
        .all(&**tx)
        .await?;
    for ids in ids.chunks(IDS) {
        // One that was offered again meanwhile stays.
        Entity::delete_many()
            .filter(Column::Id.is_in(padded(ids)))
            .filter(Column::DueAt.is_null())
            .filter(Column::UpdatedAt.lt(before))
            .exec(&**tx)
            .await?;
    }
    Ok(ids.len() as u64)
}

/// Leads, deleted ones among them.
pub(super) async fn leads(tx: &Tx, ids: &[LeadId]) -> Result<HashMap<LeadId, Lead>, DbErr> {
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(IDS) {
        let rows = lead::Entity::find()
            .filter(lead::Column::Id.is_in(padded(ids)))
            .all(&**tx)
            .await?;
        found.extend(rows.into_iter().map(|row| (row.id, row)));
    }
    Ok(found)
}

/// By what a platform knows leads; the first one where it has several.
pub(super) async fn platform_leads(
    tx: &Tx,
    namespace: &str,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, String>, DbErr> {
    let mut found = HashMap::new();
    for leads in leads.chunks(IDS) {
        let rows = lead_identity::Entity::find()
            .filter(lead_identity::Column::LeadId.is_in(padded(leads)))
            .filter(lead_identity::Column::Kind.eq(IdentityKind::External))
            .filter(lead_identity::Column::Namespace.eq(namespace))
            .order_by_asc(lead_identity::Column::CreatedAt)
            .order_by_asc(lead_identity::Column::Value)
            .all(&**tx)
            .await?;
        for row in rows {
            found.entry(row.lead_id).or_insert(row.value);
        }
    }
    Ok(found)
}

pub(super) async fn conversions(
    tx: &Tx,
    ids: &[ConversionId],
) -> Result<HashMap<ConversionId, Conversion>, DbErr> {
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(IDS) {
        let rows = conversion::Entity::find()
            .filter(conversion::Column::Id.is_in(padded(ids)))
            .all(&**tx)
            .await?;
        found.extend(rows.into_iter().map(|row| (row.id, row)));
    }
    Ok(found)
}

/// A place in the past: a moment, and the last one of it that was read.
pub(super) type PastPlace = (Timestamp, Uuid);

/// Conversions that happened behind a place, oldest first.
pub(super) async fn conversions_behind(
    tx: &Tx,
    (at, id): PastPlace,
    limit: u64,
) -> Result<Vec<Conversion>, DbErr> {
    let text = "SELECT * FROM conversion WHERE (occurred_at, id) > (?, ?) ORDER BY occurred_at, id LIMIT ?";
    let values = [at.micros().into(), id.into(), bounded(limit)];
    conversion::Entity::find()
        .from_raw_sql(sql(tx.backend(), text, values))
        .all(&**tx)
        .await
}

/// Leads that became known behind a place, oldest first: id and since when.
pub(super) async fn leads_behind(
    tx: &Tx,
    (at, id): PastPlace,
    limit: u64,
) -> Result<Vec<(LeadId, Timestamp)>, DbErr> {
    let text = "SELECT id, created_at FROM lead WHERE deleted_at IS NULL AND (created_at, id) > (?, ?) ORDER BY \
                created_at, id LIMIT ?";
    let values = [at.micros().into(), id.into(), bounded(limit)];
    let rows = tx.query_all_raw(sql(tx.backend(), text, values)).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "id")?, row.try_get("", "created_at")?)))
        .collect()
}

/// A stage that a lead came to.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub(super) struct Reached {
    pub(super) id: StageStayId,
    pub(super) lead_id: LeadId,
    pub(super) stage: Stage,
    pub(super) entered_at: Timestamp,
}

/// Stages that leads came to, in the order of their ids, behind one: ids begin with the moment they were made at, which is never
/// much before what they tell of.
pub(super) async fn stages_behind(
    tx: &Tx,
    id: Uuid,
    since: Timestamp,
    limit: u64,
) -> Result<Vec<Reached>, DbErr> {
    stage_stay::Entity::find()
        .select_only()
        .columns([
            stage_stay::Column::Id,
            stage_stay::Column::LeadId,
            stage_stay::Column::Stage,
            stage_stay::Column::EnteredAt,
        ])
        .filter(stage_stay::Column::Id.gt(StageStayId(id)))
        .filter(stage_stay::Column::EnteredAt.gte(since))
        .order_by_asc(stage_stay::Column::Id)
        .limit(limit)
        .into_model::<Reached>()
        .all(&**tx)
        .await
}

fn bounded(limit: u64) -> sea_orm::sea_query::Value {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}

pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    visible: &Visible,
    ids: &[ConversionDeliveryId],
) -> Result<HashMap<ConversionDeliveryId, ConversionDelivery>, DbErr> {
    use conversion_delivery::{Column, Entity};
    let mut select = Entity::find().filter(Column::Id.is_in(padded(ids)));
    if !visible.is_all() {
        select = select.filter(visible.is_there((Entity, Column::LeadId)));
    }
    let rows = select.all(db).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Deliveries, the latest first.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    visible: &Visible,
    filter: &DeliveryFilter,
    page: &PageRequest,
) -> Result<Page<ConversionDelivery>, DbErr> {
    use conversion_delivery::{Column, Entity};
    let DeliveryFilter {
        connection,
        conversion,
        lead,
        states,
    } = filter;
    let mut select = Entity::find();
    if !visible.is_all() {
        select = select.filter(visible.is_there((Entity, Column::LeadId)));
    }
    if let Some(connection) = connection {
        select = select.filter(Column::ConnectionId.eq(*connection));
    }
    if let Some(conversion) = conversion {
        select = select.filter(Column::ConversionId.eq(*conversion));
    }
    if let Some(lead) = lead {
        select = select.filter(Column::LeadId.eq(*lead));
    }
    if !states.is_empty() {
        select = select.filter(Column::State.is_in(padded(states)));
    }
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((Entity, Column::CreatedAt)),
        (Entity, Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// What became of conversions, for each connection.
pub(super) async fn of_conversions(
    db: &impl ConnectionTrait,
    ids: &[ConversionId],
) -> Result<HashMap<ConversionId, Vec<ConversionDelivery>>, DbErr> {
    use conversion_delivery::{Column, Entity};
    let rows = Entity::find()
        .filter(Column::ConversionId.is_in(padded(ids)))
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    let mut found: HashMap<ConversionId, Vec<ConversionDelivery>> = HashMap::new();
    for row in rows {
        if let Some(conversion) = row.conversion_id {
            found.entry(conversion).or_default().push(row);
        }
    }
    Ok(found)
}

/// Each once, in order.
pub(super) fn distinct<T: Copy + Ord + std::hash::Hash>(ids: impl Iterator<Item = T>) -> Vec<T> {
    let mut ids: Vec<T> = ids.collect::<HashSet<_>>().into_iter().collect();
    ids.sort_unstable();
    ids
}

/// How a first row of settings is: nothing is told.
pub(super) fn off(connection_id: ConnectionId, actor: &str, now: Timestamp) -> ConversionSharing {
    ConversionSharing {
        connection_id,
        is_enabled: false,
        shared_since: None,
        rules: "[]".to_owned(),
        unknown_consent: UnknownConsent::Withhold,
        click_key: None,
        browser_key: None,
        paused_until: None,
        updated_by: actor.to_owned(),
        updated_at: now,
    }
}
