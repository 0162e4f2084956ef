//! All SQL of audiences.

mod members;
mod syncs;

use std::collections::HashMap;

use entity::id::{AudienceId, ConnectionId, LeadId};
use entity::{AudienceKind, Timestamp, audience, audience_member, audience_sync};
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, Query};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};

pub use self::members::Preview;
pub(super) use self::members::*;
pub(super) use self::syncs::*;
use super::Audience;
use crate::db::{Conflict, Direction, Page, PageRequest, Tx, insert_many, padded, sql};

/// Writes a new one; false when another of the connection has its name.
pub(super) async fn insert(tx: &Tx, row: &Audience) -> Result<bool, DbErr> {
    let target = "(connection_id, kind, name) WHERE deleted_at IS NULL";
    let written = insert_many(tx, std::slice::from_ref(row), Conflict::Keep(target)).await?;
    Ok(written == 1)
}

/// Writes a row that was read [locked](locked) in the same transaction.
pub(super) async fn update(tx: &Tx, row: Audience) -> Result<(), DbErr> {
    audience::Entity::update(row.into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map(drop)
}

/// An audience, also one that was removed.
pub(super) async fn find(db: &impl ConnectionTrait, id: AudienceId) -> Result<Option<Audience>, DbErr> {
    audience::Entity::find_by_id(id).one(db).await
}

/// The same, that no other transaction changes until this one ends.
pub(super) async fn locked(tx: &Tx, id: AudienceId) -> Result<Option<Audience>, DbErr> {
    let mut query = audience::Entity::find_by_id(id);
    if tx.backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    query.one(&**tx).await
}

pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    ids: &[AudienceId],
) -> Result<HashMap<AudienceId, Audience>, DbErr> {
    let rows = audience::Entity::find()
        .filter(audience::Column::Id.is_in(padded(ids)))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Those that were not removed, newest first.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    connection: Option<ConnectionId>,
    page: &PageRequest,
) -> Result<Page<Audience>, DbErr> {
    let mut select = audience::Entity::find().filter(audience::Column::DeletedAt.is_null());
    if let Some(connection) = connection {
        select = select.filter(audience::Column::ConnectionId.eq(connection));
    }
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((audience::Entity, audience::Column::CreatedAt)),
        (audience::Entity, audience::Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// How many there are that were not removed.
pub(super) async fn count(tx: &Tx) -> Result<u64, DbErr> {
    audience::Entity::find()
        .filter(audience::Column::DeletedAt.is_null())
        .count(&**tx)
        .await
}

/// Whether a name is another one's on the platform: of one that is there, or that is to be removed there.
pub(super) async fn is_taken(tx: &Tx, row: &Audience) -> Result<bool, DbErr> {
    let found = audience::Entity::find()
        .filter(audience::Column::ConnectionId.eq(row.connection_id))
        .filter(audience::Column::Kind.eq(row.kind))
        .filter(audience::Column::Name.eq(&row.name))
        .filter(audience::Column::Id.ne(row.id))
        .filter(
            Condition::any()
                .add(audience::Column::DeletedAt.is_null())
                .add(audience::Column::NextSyncAt.is_not_null()),
        )
        .one(&**tx)
        .await?;
    Ok(found.is_some())
}

/// Another one that stands for the same audience of a platform.
pub(super) async fn twin(
    tx: &Tx,
    id: AudienceId,
    platform: &str,
    external_id: &str,
) -> Result<Option<AudienceId>, DbErr> {
    let of_platform = Query::select()
        .column(entity::connection::Column::Id)
        .from(entity::connection::Entity)
        .and_where(entity::connection::Column::Platform.eq(platform))
        .to_owned();
    audience::Entity::find()
        .select_only()
        .column(audience::Column::Id)
        .filter(audience::Column::ExternalId.eq(external_id))
        .filter(audience::Column::Id.ne(id))
        .filter(audience::Column::DeletedAt.is_null())
        .filter(audience::Column::ConnectionId.in_subquery(of_platform))
        .into_tuple()
        .one(&**tx)
        .await
}

/// Those for which something is due and nothing goes on, the longest due first.
pub(super) async fn due(
    db: &impl ConnectionTrait,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<Audience>, DbErr> {
    let goes_on = Query::select()
        .expr(Expr::val(1))
        .from(audience_sync::Entity)
        .and_where(
            Expr::col((audience_sync::Entity, audience_sync::Column::AudienceId))
                .equals((audience::Entity, audience::Column::Id)),
        )
        .and_where(audience_sync::Column::EndedAt.is_null())
        .to_owned();
    audience::Entity::find()
        .filter(
            Condition::any()
                .add(audience::Column::NextSyncAt.lte(now))
                .add(audience::Column::NextSizeAt.lte(now)),
        )
        .filter(Expr::exists(goes_on).not())
        .order_by_asc(audience::Column::NextSyncAt)
        .order_by_asc(audience::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Has platforms told at once of those that any of these leads is in, or may be put into at this moment.
pub(super) async fn ask_for(tx: &Tx, leads: &[LeadId], now: Timestamp) -> Result<(), DbErr> {
    for leads in leads.chunks(500) {
        let of_leads = Query::select()
            .column(audience_member::Column::AudienceId)
            .from(audience_member::Entity)
            .and_where(audience_member::Column::LeadId.is_in(padded(leads)))
            .to_owned();
        let going_on = Query::select()
            .column(audience_sync::Column::AudienceId)
            .from(audience_sync::Entity)
            .and_where(audience_sync::Column::EndedAt.is_null())
            .to_owned();
        audience::Entity::update_many()
            .col_expr(audience::Column::NextSyncAt, now.micros().into())
            .filter(audience::Column::DeletedAt.is_null())
            .filter(audience::Column::Kind.eq(AudienceKind::Custom))
            .filter(
                Condition::any()
                    .add(audience::Column::NextSyncAt.is_null())
                    .add(audience::Column::NextSyncAt.gt(now)),
            )
            .filter(
                Condition::any()
                    .add(audience::Column::Id.in_subquery(of_leads))
                    .add(audience::Column::Id.in_subquery(going_on)),
            )
            .exec(&**tx)
            .await?;
    }
    Ok(())
}

/// Removed ones that still have members here, though nothing is to be done on the platform any more.
pub(super) async fn to_be_emptied(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<AudienceId>, DbErr> {
    let text = "SELECT a.id FROM audience AS a WHERE a.deleted_at IS NOT NULL AND a.next_sync_at IS NULL AND EXISTS \
                (SELECT 1 FROM audience_member AS m WHERE m.audience_id = a.id) LIMIT ?";
    let backend = db.get_database_backend();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = db.query_all_raw(sql(backend, text, [limit.into()])).await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}
