//! All SQL of invitations.

use entity::id::{InvitationId, UserId};
use entity::{Timestamp, invitation};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use super::Invitation;
use crate::db::Tx;

/// Most invitations that are shown.
const MOST: u64 = 1_000;

pub(super) async fn insert(tx: &Tx, invitation: Invitation) -> Result<(), DbErr> {
    invitation::Entity::insert(invitation.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

/// Those that may still be accepted, newest first.
pub(super) async fn open(db: &impl ConnectionTrait, now: Timestamp) -> Result<Vec<Invitation>, DbErr> {
    invitation::Entity::find()
        .filter(invitation::Column::AcceptedAt.is_null())
        .filter(invitation::Column::RevokedAt.is_null())
        .filter(invitation::Column::ExpiresAt.gt(now))
        .order_by_desc(invitation::Column::CreatedAt)
        .limit(MOST)
        .all(db)
        .await
}

pub(super) async fn find(db: &impl ConnectionTrait, id: InvitationId) -> Result<Option<Invitation>, DbErr> {
    invitation::Entity::find_by_id(id).one(db).await
}

pub(super) async fn by_hash(db: &impl ConnectionTrait, hash: &[u8]) -> Result<Option<Invitation>, DbErr> {
    invitation::Entity::find()
        .filter(invitation::Column::Hash.eq(hash.to_vec()))
        .one(db)
        .await
}

/// Takes an open invitation; answers `false` when somebody else did, or it was taken back.
pub(super) async fn accept(tx: &Tx, id: InvitationId, user: UserId, now: Timestamp) -> Result<bool, DbErr> {
    let done = invitation::Entity::update_many()
        .col_expr(invitation::Column::AcceptedAt, now.micros().into())
        .col_expr(invitation::Column::UserId, user.0.into())
        .filter(invitation::Column::Id.eq(id))
        .filter(invitation::Column::AcceptedAt.is_null())
        .filter(invitation::Column::RevokedAt.is_null())
        .exec(&**tx)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Takes back the open invitations of an address; a new one takes their place.
pub(super) async fn revoke_of(tx: &Tx, email: &str, now: Timestamp) -> Result<(), DbErr> {
    invitation::Entity::update_many()
        .col_expr(invitation::Column::RevokedAt, now.micros().into())
        .filter(invitation::Column::Email.eq(email))
        .filter(invitation::Column::AcceptedAt.is_null())
        .filter(invitation::Column::RevokedAt.is_null())
        .exec(&**tx)
        .await
        .map(drop)
}

pub(super) async fn revoke(tx: &Tx, id: InvitationId, now: Timestamp) -> Result<bool, DbErr> {
    let done = invitation::Entity::update_many()
        .col_expr(invitation::Column::RevokedAt, now.micros().into())
        .filter(invitation::Column::Id.eq(id))
        .filter(invitation::Column::AcceptedAt.is_null())
        .filter(invitation::Column::RevokedAt.is_null())
        .exec(&**tx)
        .await?;
    Ok(done.rows_affected == 1)
}
