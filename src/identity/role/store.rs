//! All SQL of roles.

use entity::{role, user};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder,
};

use crate::db::Tx;

pub(super) async fn all(db: &impl ConnectionTrait) -> Result<Vec<role::Model>, DbErr> {
    role::Entity::find().order_by_asc(role::Column::Key).all(db).await
}

pub(super) async fn find(db: &impl ConnectionTrait, key: &str) -> Result<Option<role::Model>, DbErr> {
    role::Entity::find_by_id(key).one(db).await
}

pub(super) async fn insert(tx: &Tx, role: role::Model) -> Result<(), DbErr> {
    role::Entity::insert(role.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

pub(super) async fn update(tx: &Tx, role: role::Model) -> Result<(), DbErr> {
    role::Entity::update(role.into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map(drop)
}

pub(super) async fn delete(tx: &Tx, key: &str) -> Result<(), DbErr> {
    role::Entity::delete_by_id(key).exec(&**tx).await.map(drop)
}

/// How many users hold a role.
pub(super) async fn holders(db: &impl ConnectionTrait, key: &str) -> Result<u64, DbErr> {
    user::Entity::find()
        .filter(user::Column::Role.eq(key))
        .count(db)
        .await
}
