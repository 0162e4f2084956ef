//! All SQL of identity.

use entity::id::TokenId;
use entity::{Timestamp, api_token};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use crate::app::App;
use crate::db::Tx;

pub(super) async fn insert(tx: &Tx, token: api_token::Model) -> Result<(), DbErr> {
    api_token::Entity::insert(token.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

pub(super) async fn all(db: &impl ConnectionTrait) -> Result<Vec<api_token::Model>, DbErr> {
    api_token::Entity::find()
        .order_by_desc(api_token::Column::CreatedAt)
        .all(db)
        .await
}

pub(super) async fn find(db: &impl ConnectionTrait, id: TokenId) -> Result<Option<api_token::Model>, DbErr> {
    api_token::Entity::find_by_id(id).one(db).await
}

pub(super) async fn by_hash(
    db: &impl ConnectionTrait,
    hash: &[u8],
) -> Result<Option<api_token::Model>, DbErr> {
    api_token::Entity::find()
        .filter(api_token::Column::Hash.eq(hash.to_vec()))
        .one(db)
        .await
}

pub(super) async fn revoke(tx: &Tx, id: TokenId, now: Timestamp) -> Result<(), DbErr> {
    api_token::Entity::update_many()
        .col_expr(api_token::Column::RevokedAt, now.micros().into())
        .filter(api_token::Column::Id.eq(id))
        .exec(&**tx)
        .await
        .map(drop)
}

pub(super) async fn touch(app: &App, id: TokenId, now: Timestamp) -> Result<(), DbErr> {
    api_token::Entity::update_many()
        .col_expr(api_token::Column::LastUsedAt, now.micros().into())
        .filter(api_token::Column::Id.eq(id))
        .exec(app.db().write())
        .await
        .map(drop)
}
