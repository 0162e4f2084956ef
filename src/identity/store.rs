//! All SQL of identity.

use entity::id::UserId;
use entity::{CodePurpose, SigningAlgorithm, Timestamp, one_time_code, sign_in_failure, signing_key};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use crate::db::{Tx, sql};

pub(super) async fn insert_code(tx: &Tx, code: one_time_code::Model) -> Result<(), DbErr> {
    one_time_code::Entity::insert(code.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

pub(super) async fn code(
    db: &impl ConnectionTrait,
    hash: &[u8],
) -> Result<Option<one_time_code::Model>, DbErr> {
    one_time_code::Entity::find_by_id(hash.to_vec()).one(db).await
}

/// Removes a code; answers whether it was there.
pub(super) async fn delete_code(tx: &Tx, hash: &[u8]) -> Result<bool, DbErr> {
    let gone = one_time_code::Entity::delete_by_id(hash.to_vec())
        .exec(&**tx)
        .await?;
    Ok(gone.rows_affected == 1)
}

/// Removes the codes of a user for a purpose.
pub(super) async fn delete_codes(
    tx: &Tx,
    purpose: CodePurpose,
    user_id: Option<UserId>,
) -> Result<(), DbErr> {
    let of_user = match user_id {
        Some(id) => one_time_code::Column::UserId.eq(id),
        None => one_time_code::Column::UserId.is_null(),
    };
    one_time_code::Entity::delete_many()
        .filter(one_time_code::Column::Purpose.eq(purpose))
        .filter(of_user)
        .exec(&**tx)
        .await
        .map(drop)
}

/// Removes codes that lapsed before.
pub(super) async fn prune_codes(tx: &Tx, before: Timestamp) -> Result<u64, DbErr> {
    let removed = one_time_code::Entity::delete_many()
        .filter(one_time_code::Column::ExpiresAt.lt(before))
        .exec(&**tx)
        .await?;
    Ok(removed.rows_affected)
}

/// Counts a failure; what is longer ago than the window counts no more. Answers the row as it is then.
pub(super) async fn count_failure(
    tx: &Tx,
    key: &[u8],
    now: Timestamp,
    window_seconds: i64,
) -> Result<sign_in_failure::Model, DbErr> {
    let text = "INSERT INTO sign_in_failure AS f (key, failures, since, blocked_until) VALUES (?, 1, ?, NULL) \
                ON CONFLICT (key) DO UPDATE SET \
                failures = CASE WHEN f.since <= ? THEN 1 ELSE f.failures + 1 END, \
                since = CASE WHEN f.since <= ? THEN excluded.since ELSE f.since END, \
                blocked_until = CASE WHEN f.blocked_until <= excluded.since THEN NULL ELSE f.blocked_until END \
                RETURNING key, failures, since, blocked_until";
    let before = now.plus_seconds(-window_seconds).micros();
    let values = [
        key.to_vec().into(),
        now.micros().into(),
        before.into(),
        before.into(),
    ];
    sign_in_failure::Entity::find()
        .from_raw_sql(sql(tx.backend(), text, values))
        .one(&**tx)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("sign_in_failure".into()))
}

pub(super) async fn block(tx: &Tx, key: &[u8], until: Timestamp) -> Result<(), DbErr> {
    sign_in_failure::Entity::update_many()
        .col_expr(sign_in_failure::Column::BlockedUntil, until.micros().into())
        .filter(sign_in_failure::Column::Key.eq(key.to_vec()))
        .exec(&**tx)
        .await
        .map(drop)
}

/// Takes one failure back.
pub(super) async fn uncount_failure(tx: &Tx, key: &[u8]) -> Result<(), DbErr> {
    let failures = Expr::col(sign_in_failure::Column::Failures);
    sign_in_failure::Entity::update_many()
        .col_expr(sign_in_failure::Column::Failures, failures.sub(1))
        .filter(sign_in_failure::Column::Key.eq(key.to_vec()))
        .filter(sign_in_failure::Column::Failures.gt(0))
        .exec(&**tx)
        .await
        .map(drop)
}

pub(super) async fn forget_failures(tx: &Tx, key: &[u8]) -> Result<(), DbErr> {
    sign_in_failure::Entity::delete_by_id(key.to_vec())
        .exec(&**tx)
        .await
        .map(drop)
}

/// Removes failures that count no more.
pub(super) async fn prune_failures(tx: &Tx, before: Timestamp) -> Result<u64, DbErr> {
    let removed = sign_in_failure::Entity::delete_many()
        .filter(sign_in_failure::Column::Since.lt(before))
        .filter(
            sign_in_failure::Column::BlockedUntil
                .is_null()
                .or(sign_in_failure::Column::BlockedUntil.lt(before)),
        )
        .exec(&**tx)
        .await?;
    Ok(removed.rows_affected)
}

pub(super) async fn signing_key(
    db: &impl ConnectionTrait,
    id: Uuid,
) -> Result<Option<signing_key::Model>, DbErr> {
    signing_key::Entity::find_by_id(id).one(db).await
}

pub(super) async fn signing_key_in_use(
    db: &impl ConnectionTrait,
    algorithm: SigningAlgorithm,
) -> Result<Option<signing_key::Model>, DbErr> {
    signing_key::Entity::find()
        .filter(signing_key::Column::Algorithm.eq(algorithm))
        .filter(signing_key::Column::RetiredAt.is_null())
        .one(db)
        .await
}

/// Adds a key unless there is one in use for its algorithm.
pub(super) async fn add_signing_key(tx: &Tx, row: signing_key::Model) -> Result<(), DbErr> {
    // Whatever the index: two may be first at once.
    signing_key::Entity::insert(row.into_active_model())
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

pub(super) async fn retire_signing_keys(tx: &Tx, now: Timestamp) -> Result<(), DbErr> {
    signing_key::Entity::update_many()
        .col_expr(signing_key::Column::RetiredAt, now.micros().into())
        .filter(signing_key::Column::RetiredAt.is_null())
        .exec(&**tx)
        .await
        .map(drop)
}

/// Removes keys that were replaced before.
pub(super) async fn delete_signing_keys(tx: &Tx, before: Timestamp) -> Result<(), DbErr> {
    signing_key::Entity::delete_many()
        .filter(signing_key::Column::RetiredAt.lt(before))
        .exec(&**tx)
        .await
        .map(drop)
}
