//! All SQL of mails.

use entity::id::MailId;
use entity::{MailState, Timestamp, mail};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};

use super::Mail;
use crate::db::{Direction, Page, PageRequest, Tx};

pub(super) async fn insert(tx: &Tx, mail: Mail) -> Result<(), DbErr> {
    mail::Entity::insert(mail.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

pub(super) async fn find(db: &impl ConnectionTrait, id: MailId) -> Result<Option<Mail>, DbErr> {
    mail::Entity::find_by_id(id).one(db).await
}

/// Newest first.
pub(super) async fn list(db: &impl ConnectionTrait, page: &PageRequest) -> Result<Page<Mail>, DbErr> {
    let mut select = mail::Entity::find();
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((mail::Entity, mail::Column::CreatedAt)),
        (mail::Entity, mail::Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// Mails whose time has come.
pub(super) async fn due(db: &impl ConnectionTrait, now: Timestamp, limit: u64) -> Result<Vec<Mail>, DbErr> {
    mail::Entity::find()
        .filter(mail::Column::State.eq(MailState::Waiting))
        .filter(mail::Column::NextAttemptAt.lte(now))
        .order_by_asc(mail::Column::NextAttemptAt)
        .limit(limit)
        .all(db)
        .await
}

/// Takes a mail to send it: nobody else does until `until`. Answers whether it was still to be had.
pub(super) async fn claim(tx: &Tx, mail: &Mail, until: Timestamp) -> Result<bool, DbErr> {
    let taken = mail::Entity::update_many()
        .col_expr(mail::Column::NextAttemptAt, until.micros().into())
        .col_expr(mail::Column::Attempts, (mail.attempts + 1).into())
        .filter(mail::Column::Id.eq(mail.id))
        .filter(mail::Column::State.eq(MailState::Waiting))
        .filter(mail::Column::Attempts.eq(mail.attempts))
        .exec(&**tx)
        .await?;
    Ok(taken.rows_affected == 1)
}

/// Notes that a mail that was taken is with the mail server, unless somebody else has taken it since.
pub(super) async fn sent(tx: &Tx, taken: &Mail, now: Timestamp) -> Result<(), DbErr> {
    mail::Entity::update_many()
        .col_expr(mail::Column::State, MailState::Sent.as_str().into())
        .col_expr(mail::Column::SentAt, now.micros().into())
        .col_expr(mail::Column::NextAttemptAt, Option::<i64>::None.into())
        .col_expr(mail::Column::Error, Option::<String>::None.into())
        .filter(mail::Column::Id.eq(taken.id))
        .filter(mail::Column::Attempts.eq(taken.attempts + 1))
        .exec(&**tx)
        .await
        .map(drop)
}

/// Notes a failure: the next attempt, or none.
pub(super) async fn failed(tx: &Tx, taken: &Mail, error: &str, next: Option<Timestamp>) -> Result<(), DbErr> {
    let state = if next.is_some() {
        MailState::Waiting
    } else {
        MailState::Failed
    };
    mail::Entity::update_many()
        .col_expr(mail::Column::State, state.as_str().into())
        .col_expr(mail::Column::NextAttemptAt, next.map(Timestamp::micros).into())
        .col_expr(mail::Column::Error, error.into())
        .filter(mail::Column::Id.eq(taken.id))
        .filter(mail::Column::State.eq(MailState::Waiting))
        .filter(mail::Column::Attempts.eq(taken.attempts + 1))
        .exec(&**tx)
        .await
        .map(drop)
}

/// Removes mails from before.
pub(super) async fn prune(tx: &Tx, before: Timestamp) -> Result<u64, DbErr> {
    let removed = mail::Entity::delete_many()
        .filter(mail::Column::CreatedAt.lt(before))
        .exec(&**tx)
        .await?;
    Ok(removed.rows_affected)
}
