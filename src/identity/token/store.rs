//! All SQL of API tokens.

use entity::id::TokenId;
use entity::{Day, Timestamp, api_token, api_token_day};
use sea_orm::sea_query::Condition;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};

use super::Token;
use crate::app::App;
use crate::db::{Tx, sql};

/// Most tokens that are shown.
const MOST: u64 = 1_000;

pub(super) async fn insert(tx: &Tx, token: Token) -> Result<(), DbErr> {
    api_token::Entity::insert(token.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

/// Newest first.
pub(super) async fn all(db: &impl ConnectionTrait) -> Result<Vec<Token>, DbErr> {
    api_token::Entity::find()
        .order_by_desc(api_token::Column::CreatedAt)
        .limit(MOST)
        .all(db)
        .await
}

pub(super) async fn find(db: &impl ConnectionTrait, id: TokenId) -> Result<Option<Token>, DbErr> {
    api_token::Entity::find_by_id(id).one(db).await
}

/// A token that no other transaction changes until this one ends.
pub(super) async fn locked(tx: &Tx, id: TokenId) -> Result<Option<Token>, DbErr> {
    let mut query = api_token::Entity::find_by_id(id);
    if tx.backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    query.one(&**tx).await
}

/// The token of a secret: the one in use, or the one before while it is still good.
pub(super) async fn by_hash(
    db: &impl ConnectionTrait,
    hash: &[u8],
    now: Timestamp,
) -> Result<Option<Token>, DbErr> {
    let before = Condition::all()
        .add(api_token::Column::PreviousHash.eq(hash.to_vec()))
        .add(api_token::Column::PreviousUntil.gt(now));
    api_token::Entity::find()
        .filter(
            Condition::any()
                .add(api_token::Column::Hash.eq(hash.to_vec()))
                .add(before),
        )
        .one(db)
        .await
}

pub(super) async fn update(tx: &Tx, token: Token) -> Result<(), DbErr> {
    api_token::Entity::update(token.into_active_model().reset_all())
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

/// Adds to what tokens were used on days.
pub(super) async fn count(tx: &Tx, uses: &[(TokenId, Day, i64)]) -> Result<(), DbErr> {
    let text = "INSERT INTO api_token_day AS d (token_id, day, requests) VALUES (?, ?, ?) \
                ON CONFLICT (token_id, day) DO UPDATE SET requests = d.requests + excluded.requests";
    for (id, day, requests) in uses {
        let values = [id.0.into(), day.0.into(), (*requests).into()];
        tx.execute_raw(sql(tx.backend(), text, values)).await?;
    }
    Ok(())
}

/// The days on which a token was used, newest first.
pub(super) async fn days(
    db: &impl ConnectionTrait,
    id: TokenId,
    from: Day,
) -> Result<Vec<api_token_day::Model>, DbErr> {
    api_token_day::Entity::find()
        .filter(api_token_day::Column::TokenId.eq(id))
        .filter(api_token_day::Column::Day.gte(from))
        .order_by_desc(api_token_day::Column::Day)
        .all(db)
        .await
}
