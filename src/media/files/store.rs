//! All SQL of uploads.

use std::collections::HashMap;

use entity::id::UploadId;
use entity::{Timestamp, upload};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use super::Upload;
use crate::db::{Conflict, Tx, insert_many, padded};

pub(super) async fn insert(tx: &Tx, upload: &Upload) -> Result<(), DbErr> {
    insert_many(tx, std::slice::from_ref(upload), Conflict::Fail)
        .await
        .map(drop)
}

pub(super) async fn find(db: &impl ConnectionTrait, id: UploadId) -> Result<Option<Upload>, DbErr> {
    upload::Entity::find_by_id(id).one(db).await
}

pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    ids: &[UploadId],
) -> Result<HashMap<UploadId, Upload>, DbErr> {
    let uploads = upload::Entity::find()
        .filter(upload::Column::Id.is_in(padded(ids)))
        .all(db)
        .await?;
    Ok(uploads.into_iter().map(|upload| (upload.id, upload)).collect())
}

/// Some uploads from before a moment.
pub(super) async fn older_than(
    db: &impl ConnectionTrait,
    before: Timestamp,
    limit: u64,
) -> Result<Vec<UploadId>, DbErr> {
    upload::Entity::find()
        .select_only()
        .column(upload::Column::Id)
        .filter(upload::Column::CreatedAt.lt(before))
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

pub(super) async fn remove(tx: &Tx, ids: &[UploadId]) -> Result<(), DbErr> {
    upload::Entity::delete_many()
        .filter(upload::Column::Id.is_in(ids.iter().copied()))
        .exec(&**tx)
        .await
        .map(drop)
}
