//! All SQL of imports: what was rejected.

use entity::id::JobId;
use entity::import_rejection;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::report::Rejection;
use crate::db::{Conflict, Tx, insert_many};

/// Adds rejections behind the `before` that are there.
pub(super) async fn add(tx: &Tx, job_id: JobId, before: i64, rejections: &[Rejection]) -> Result<(), DbErr> {
    let rows: Vec<import_rejection::Model> = rejections
        .iter()
        .zip(before + 1..)
        .map(|(rejection, seq)| {
            let Rejection {
                line,
                column,
                value,
                code,
                reason,
            } = rejection.clone();
            import_rejection::Model {
                job_id,
                seq,
                line: i64::try_from(line).unwrap_or(i64::MAX),
                column_name: column,
                value: value.replace('\0', "\u{fffd}"),
                code: code.to_owned(),
                reason: reason.replace('\0', "\u{fffd}"),
            }
        })
        .collect();
    insert_many(tx, &rows, Conflict::Fail).await.map(drop)
}

/// Rejections of an import behind a place, in the order of the file.
pub(super) async fn page(
    db: &impl ConnectionTrait,
    job_id: JobId,
    after: i64,
    limit: u64,
) -> Result<Vec<import_rejection::Model>, DbErr> {
    import_rejection::Entity::find()
        .filter(import_rejection::Column::JobId.eq(job_id))
        .filter(import_rejection::Column::Seq.gt(after))
        .order_by_asc(import_rejection::Column::Seq)
        .limit(limit)
        .all(db)
        .await
}
