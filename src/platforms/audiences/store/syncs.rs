//! How telling platforms of audiences went.

use entity::audience_sync;
use entity::id::{AudienceId, AudienceSyncId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult as _,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};

use crate::db::{Direction, Page, PageRequest, Tx, padded, sql};
use crate::platforms::audiences::AudienceSync;

pub(in super::super) async fn insert_sync(tx: &Tx, row: AudienceSync) -> Result<(), DbErr> {
    audience_sync::Entity::insert(row.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

pub(in super::super) async fn update_sync(tx: &Tx, row: AudienceSync) -> Result<(), DbErr> {
    audience_sync::Entity::update(row.into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map(drop)
}

pub(in super::super) async fn find_sync(
    db: &impl ConnectionTrait,
    id: AudienceSyncId,
) -> Result<Option<AudienceSync>, DbErr> {
    audience_sync::Entity::find_by_id(id).one(db).await
}

/// The one of an audience that goes on.
pub(in super::super) async fn open_sync(
    db: &impl ConnectionTrait,
    audience: AudienceId,
) -> Result<Option<AudienceSync>, DbErr> {
    audience_sync::Entity::find()
        .filter(audience_sync::Column::AudienceId.eq(audience))
        .filter(audience_sync::Column::EndedAt.is_null())
        .one(db)
        .await
}

/// Those that go on, of all audiences.
pub(in super::super) async fn open_syncs(
    db: &impl ConnectionTrait,
    limit: u64,
) -> Result<Vec<AudienceSync>, DbErr> {
    audience_sync::Entity::find()
        .filter(audience_sync::Column::EndedAt.is_null())
        .order_by_asc(audience_sync::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// The newest of each of some audiences.
pub(in super::super) async fn last_syncs(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    audiences: &[AudienceId],
) -> Result<Vec<AudienceSync>, DbErr> {
    let ids = padded(audiences);
    let text = format!(
        "SELECT * FROM (SELECT s.*, row_number() OVER (PARTITION BY audience_id ORDER BY id DESC) AS place FROM \
         audience_sync AS s WHERE audience_id IN ({})) AS placed WHERE place = 1",
        vec!["?"; ids.len()].join(", ")
    );
    let values = ids.into_iter().map(|id| id.0.into());
    AudienceSync::find_by_statement(sql(backend, &text, values))
        .all(db)
        .await
}

/// Those of an audience, newest first.
pub(in super::super) async fn list_syncs(
    db: &impl ConnectionTrait,
    audience: AudienceId,
    page: &PageRequest,
) -> Result<Page<AudienceSync>, DbErr> {
    let mut select = audience_sync::Entity::find().filter(audience_sync::Column::AudienceId.eq(audience));
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((audience_sync::Entity, audience_sync::Column::CreatedAt)),
        (audience_sync::Entity, audience_sync::Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// Keeps the newest of an audience.
pub(in super::super) async fn prune_syncs(tx: &Tx, audience: AudienceId, most: u64) -> Result<(), DbErr> {
    let oldest: Option<AudienceSyncId> = audience_sync::Entity::find()
        .select_only()
        .column(audience_sync::Column::Id)
        .filter(audience_sync::Column::AudienceId.eq(audience))
        .order_by_desc(audience_sync::Column::Id)
        .offset(most.saturating_sub(1))
        .into_tuple()
        .one(&**tx)
        .await?;
    let Some(oldest) = oldest else { return Ok(()) };
    audience_sync::Entity::delete_many()
        .filter(audience_sync::Column::AudienceId.eq(audience))
        .filter(audience_sync::Column::Id.lt(oldest))
        .exec(&**tx)
        .await
        .map(drop)
}
