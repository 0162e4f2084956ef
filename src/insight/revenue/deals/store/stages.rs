//! The stages of deals.

use std::collections::{HashMap, HashSet};

use entity::id::DealStageId;
use entity::{deal_stage, setting};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder};

use crate::db::{KeyType, Tx, among, padded, sql, upsert_many};
use crate::insight::revenue::deals::DealStage;

/// The key of the row that counts the changes of the stages; migrations have put it there.
const SETTINGS: &str = "deal_stages";

/// The row that counts the changes of the stages.
pub(in crate::insight::revenue::deals) async fn settings(
    db: &impl ConnectionTrait,
) -> Result<setting::Model, DbErr> {
    let row = setting::Entity::find_by_id(SETTINGS).one(db).await?;
    row.ok_or_else(|| DbErr::RecordNotFound(format!("setting `{SETTINGS}`")))
}

/// The same, held until the transaction ends: to change the stages, or against their being changed.
pub(in crate::insight::revenue::deals) async fn held_settings(
    tx: &Tx,
    to_change: bool,
) -> Result<setting::Model, DbErr> {
    if tx.backend() == DbBackend::Postgres {
        let lock = if to_change { "UPDATE" } else { "SHARE" };
        let text = format!("SELECT key FROM setting WHERE key = ? FOR {lock}");
        tx.query_one_raw(sql(tx.backend(), &text, [SETTINGS.into()]))
            .await?;
    }
    settings(&**tx).await
}

/// Counts a change.
pub(in crate::insight::revenue::deals) async fn store_settings(
    tx: &Tx,
    row: setting::Model,
) -> Result<(), DbErr> {
    upsert_many(tx, &[row], "key").await.map(drop)
}

/// All stages in their order.
pub(in crate::insight::revenue::deals) async fn all_stages(
    db: &impl ConnectionTrait,
) -> Result<Vec<DealStage>, DbErr> {
    deal_stage::Entity::find()
        .order_by_asc(deal_stage::Column::Position)
        .order_by_asc(deal_stage::Column::Id)
        .all(db)
        .await
}

/// Some stages.
pub(in crate::insight::revenue::deals) async fn stages_by_id(
    db: &impl ConnectionTrait,
    ids: &[DealStageId],
) -> Result<HashMap<DealStageId, DealStage>, DbErr> {
    let found = deal_stage::Entity::find()
        .filter(deal_stage::Column::Id.is_in(padded(ids)))
        .all(db)
        .await?;
    Ok(found.into_iter().map(|row| (row.id, row)).collect())
}

/// Of some stages those that deals are or were in.
pub(in crate::insight::revenue::deals) async fn used_stages(
    tx: &Tx,
    ids: &[DealStageId],
) -> Result<HashSet<DealStageId>, DbErr> {
    let mut values = Vec::new();
    let keys = ids.iter().map(|id| id.0.into());
    let some = among(tx.backend(), "deal_stage.id", KeyType::Uuid, keys, &mut values);
    // Each deal was moved into its stage, if only when it was opened.
    let text = format!(
        "SELECT id FROM deal_stage WHERE {some} AND EXISTS (SELECT 1 FROM deal_move WHERE deal_move.to_stage = deal_stage.id)"
    );
    let rows = tx.query_all_raw(sql(tx.backend(), &text, values)).await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}

pub(in crate::insight::revenue::deals) async fn delete_stages(
    tx: &Tx,
    ids: &[DealStageId],
) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    deal_stage::Entity::delete_many()
        .filter(deal_stage::Column::Id.is_in(padded(ids)))
        .exec(&**tx)
        .await
        .map(drop)
}

/// Writes stages, new ones and others.
pub(in crate::insight::revenue::deals) async fn put_stages(tx: &Tx, rows: &[DealStage]) -> Result<(), DbErr> {
    upsert_many(tx, rows, "id").await.map(drop)
}
