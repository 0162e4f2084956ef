//! All SQL of sessions.

use entity::id::{SessionId, UserId};
use entity::{EndReason, Timestamp, recovery_code, refresh_token, session};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::Session;
use crate::db::{Conflict, Tx, insert_many, sql};

pub(super) async fn insert(tx: &Tx, session: Session) -> Result<(), DbErr> {
    session::Entity::insert(session.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

pub(super) async fn find(db: &impl ConnectionTrait, id: SessionId) -> Result<Option<Session>, DbErr> {
    session::Entity::find_by_id(id).one(db).await
}

/// A session that no other transaction changes until this one ends.
pub(super) async fn locked(tx: &Tx, id: SessionId) -> Result<Option<Session>, DbErr> {
    let mut query = session::Entity::find_by_id(id);
    if tx.backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    query.one(&**tx).await
}

/// The sessions of a user that are not over, newest first.
pub(super) async fn live(
    db: &impl ConnectionTrait,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<Session>, DbErr> {
    session::Entity::find()
        .filter(session::Column::UserId.eq(user))
        .filter(session::Column::EndedAt.is_null())
        .filter(session::Column::ExpiresAt.gt(now))
        .order_by_desc(session::Column::CreatedAt)
        .all(db)
        .await
}

pub(super) async fn end(tx: &Tx, id: SessionId, now: Timestamp, reason: EndReason) -> Result<(), DbErr> {
    session::Entity::update_many()
        .col_expr(session::Column::EndedAt, now.micros().into())
        .col_expr(session::Column::EndReason, reason.as_str().into())
        .filter(session::Column::Id.eq(id))
        .exec(&**tx)
        .await
        .map(drop)
}

/// Where a session was last used.
pub(super) struct Use<'a> {
    pub(super) now: Timestamp,
    pub(super) address: &'a str,
    pub(super) user_agent: &'a str,
}

pub(super) async fn advance(
    tx: &Tx,
    id: SessionId,
    generation: i32,
    expires_at: Timestamp,
    used: &Use<'_>,
) -> Result<(), DbErr> {
    session::Entity::update_many()
        .col_expr(session::Column::Generation, generation.into())
        .col_expr(session::Column::RefreshedAt, used.now.micros().into())
        .col_expr(session::Column::ExpiresAt, expires_at.micros().into())
        .col_expr(session::Column::LastSeenAt, used.now.micros().into())
        .col_expr(session::Column::Address, used.address.into())
        .col_expr(session::Column::UserAgent, used.user_agent.into())
        .filter(session::Column::Id.eq(id))
        .exec(&**tx)
        .await
        .map(drop)
}

pub(super) async fn touch(db: &impl ConnectionTrait, id: SessionId, used: &Use<'_>) -> Result<(), DbErr> {
    session::Entity::update_many()
        .col_expr(session::Column::LastSeenAt, used.now.micros().into())
        .col_expr(session::Column::Address, used.address.into())
        .filter(session::Column::Id.eq(id))
        .exec(db)
        .await
        .map(drop)
}

pub(super) async fn insert_token(tx: &Tx, token: refresh_token::Model) -> Result<(), DbErr> {
    insert_many(tx, &[token], Conflict::Fail).await.map(drop)
}

pub(super) async fn token(
    db: &impl ConnectionTrait,
    hash: &[u8],
) -> Result<Option<refresh_token::Model>, DbErr> {
    refresh_token::Entity::find_by_id(hash.to_vec()).one(db).await
}

/// Removes refresh tokens from before, and sessions that ended or expired before, at most some of each.
pub(super) async fn prune(tx: &Tx, before: Timestamp, limit: i64) -> Result<u64, DbErr> {
    let backend = tx.backend();
    let tokens = "DELETE FROM refresh_token WHERE hash IN (SELECT hash FROM refresh_token WHERE created_at < ? LIMIT ?)";
    let sessions = "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE expires_at < ? LIMIT ?)";
    let mut removed = 0;
    for text in [tokens, sessions] {
        let done = tx
            .execute_raw(sql(backend, text, [before.micros().into(), limit.into()]))
            .await?;
        removed += done.rows_affected();
    }
    Ok(removed)
}

pub(super) async fn replace_recovery_codes(tx: &Tx, user: UserId, hashes: Vec<Vec<u8>>) -> Result<(), DbErr> {
    recovery_code::Entity::delete_many()
        .filter(recovery_code::Column::UserId.eq(user))
        .exec(&**tx)
        .await?;
    let rows: Vec<recovery_code::Model> = hashes
        .into_iter()
        .map(|hash| recovery_code::Model {
            hash,
            user_id: user,
            used_at: None,
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    recovery_code::Entity::insert_many(rows.into_iter().map(IntoActiveModel::into_active_model))
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

/// Uses a recovery code; answers whether there was one that had not been used.
pub(super) async fn use_recovery_code(
    tx: &Tx,
    user: UserId,
    hash: &[u8],
    now: Timestamp,
) -> Result<bool, DbErr> {
    let used = recovery_code::Entity::update_many()
        .col_expr(recovery_code::Column::UsedAt, Expr::value(now.micros()))
        .filter(recovery_code::Column::Hash.eq(hash.to_vec()))
        .filter(recovery_code::Column::UserId.eq(user))
        .filter(recovery_code::Column::UsedAt.is_null())
        .exec(&**tx)
        .await?;
    Ok(used.rows_affected == 1)
}

/// How many recovery codes a user has left.
pub(super) async fn recovery_codes_left(db: &impl ConnectionTrait, user: UserId) -> Result<u64, DbErr> {
    use sea_orm::PaginatorTrait as _;
    recovery_code::Entity::find()
        .filter(recovery_code::Column::UserId.eq(user))
        .filter(recovery_code::Column::UsedAt.is_null())
        .count(db)
        .await
}
