//! All SQL of users.

use std::collections::HashMap;

use entity::id::UserId;
use entity::{Timestamp, external_login, user};
use sea_orm::sea_query::{Condition, Expr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};

use super::{Profile, User};
use crate::db::{Direction, Page, PageRequest, Tx, padded};

pub(super) async fn insert(tx: &Tx, user: User) -> Result<(), DbErr> {
    user::Entity::insert(user.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

pub(super) async fn find(db: &impl ConnectionTrait, id: UserId) -> Result<Option<User>, DbErr> {
    user::Entity::find_by_id(id).one(db).await
}

pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    ids: &[UserId],
) -> Result<HashMap<UserId, User>, DbErr> {
    let users = user::Entity::find()
        .filter(user::Column::Id.is_in(padded(ids)))
        .all(db)
        .await?;
    Ok(users.into_iter().map(|user| (user.id, user)).collect())
}

/// A user that no other transaction changes until this one ends.
pub(in crate::identity) async fn locked(tx: &Tx, id: UserId) -> Result<Option<User>, DbErr> {
    let mut query = user::Entity::find_by_id(id);
    if tx.backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    query.one(&**tx).await
}

pub(in crate::identity) async fn by_email(
    db: &impl ConnectionTrait,
    email: &str,
) -> Result<Option<User>, DbErr> {
    user::Entity::find()
        .filter(user::Column::Email.eq(email))
        .one(db)
        .await
}

pub(super) async fn any(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let found: Option<UserId> = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    Ok(found.is_some())
}

/// In the order of their creation.
pub(super) async fn list(db: &impl ConnectionTrait, page: &PageRequest) -> Result<Page<User>, DbErr> {
    let mut select = user::Entity::find();
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((user::Entity, user::Column::CreatedAt)),
        (user::Entity, user::Column::Id),
        Direction::Asc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// Removes users whose address nobody has shown to be theirs since before.
pub(in crate::identity) async fn prune_unverified(tx: &Tx, before: Timestamp) -> Result<u64, DbErr> {
    let removed = user::Entity::delete_many()
        .filter(user::Column::EmailVerifiedAt.is_null())
        .filter(user::Column::CreatedAt.lt(before))
        .exec(&**tx)
        .await?;
    Ok(removed.rows_affected)
}

/// How many active users have the role `admin`, beside one. They stay so until the transaction ends: of two who take the role
/// from each other the second waits.
pub(in crate::identity) async fn admins(tx: &Tx, beside: UserId) -> Result<usize, DbErr> {
    let mut query = user::Entity::find()
        .filter(user::Column::Role.eq("admin"))
        .filter(user::Column::DeactivatedAt.is_null())
        .order_by_asc(user::Column::Id);
    if tx.backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    let admins = query.all(&**tx).await?;
    Ok(admins.iter().filter(|admin| admin.id != beside).count())
}

async fn set(tx: &Tx, id: UserId, values: Vec<(user::Column, Expr)>) -> Result<(), DbErr> {
    let mut update = user::Entity::update_many().filter(user::Column::Id.eq(id));
    for (column, value) in values {
        update = update.col_expr(column, value);
    }
    update.exec(&**tx).await.map(drop)
}

fn moment(at: Option<Timestamp>) -> Expr {
    Expr::value(at.map(Timestamp::micros))
}

pub(super) async fn set_profile(tx: &Tx, id: UserId, profile: &Profile) -> Result<(), DbErr> {
    let Profile {
        name,
        avatar_url,
        time_zone,
        language,
    } = profile;
    let values = vec![
        (user::Column::Name, Expr::value(name.clone())),
        (user::Column::AvatarUrl, Expr::value(avatar_url.clone())),
        (user::Column::TimeZone, Expr::value(time_zone.clone())),
        (user::Column::Language, Expr::value(language.clone())),
    ];
    set(tx, id, values).await
}

pub(in crate::identity) async fn set_password(tx: &Tx, id: UserId, hash: &str) -> Result<(), DbErr> {
    set(tx, id, vec![(user::Column::PasswordHash, Expr::value(hash))]).await
}

pub(in crate::identity) async fn set_role(tx: &Tx, id: UserId, role: &str) -> Result<(), DbErr> {
    set(tx, id, vec![(user::Column::Role, Expr::value(role))]).await
}

pub(in crate::identity) async fn set_email_verified(tx: &Tx, id: UserId, at: Timestamp) -> Result<(), DbErr> {
    set(tx, id, vec![(user::Column::EmailVerifiedAt, moment(Some(at)))]).await
}

pub(in crate::identity) async fn set_activity(
    tx: &Tx,
    id: UserId,
    deactivated_at: Option<Timestamp>,
) -> Result<(), DbErr> {
    set(
        tx,
        id,
        vec![(user::Column::DeactivatedAt, moment(deactivated_at))],
    )
    .await
}

/// The seed (sealed) and when it was confirmed; none of both: there is no second factor.
pub(in crate::identity) async fn set_second_factor(
    tx: &Tx,
    id: UserId,
    seed: Option<Vec<u8>>,
    confirmed_at: Option<Timestamp>,
) -> Result<(), DbErr> {
    let values = vec![
        (user::Column::TotpSeed, Expr::value(seed)),
        (user::Column::TotpConfirmedAt, moment(confirmed_at)),
        (user::Column::TotpLastStep, Expr::value(Option::<i64>::None)),
    ];
    set(tx, id, values).await
}

/// Notes the time step of a code that was used; answers `false` when that step, or a later one, was used before.
pub(in crate::identity) async fn set_totp_step(tx: &Tx, id: UserId, step: i64) -> Result<bool, DbErr> {
    let updated = user::Entity::update_many()
        .col_expr(user::Column::TotpLastStep, Expr::value(step))
        .filter(user::Column::Id.eq(id))
        .filter(
            Condition::any()
                .add(user::Column::TotpLastStep.is_null())
                .add(user::Column::TotpLastStep.lt(step)),
        )
        .exec(&**tx)
        .await?;
    Ok(updated.rows_affected == 1)
}

pub(in crate::identity) async fn signed_in(
    tx: &Tx,
    id: UserId,
    now: Timestamp,
    rehashed: Option<&str>,
) -> Result<(), DbErr> {
    let mut values = vec![(user::Column::LastSignInAt, moment(Some(now)))];
    if let Some(hash) = rehashed {
        values.push((user::Column::PasswordHash, Expr::value(hash)));
    }
    set(tx, id, values).await
}

pub(in crate::identity) async fn by_external_login(
    db: &impl ConnectionTrait,
    issuer: &str,
    subject: &str,
) -> Result<Option<User>, DbErr> {
    let link = external_login::Entity::find_by_id((issuer.to_owned(), subject.to_owned()))
        .one(db)
        .await?;
    match link {
        Some(link) => find(db, link.user_id).await,
        None => Ok(None),
    }
}

pub(in crate::identity) async fn link(
    tx: &Tx,
    issuer: &str,
    subject: &str,
    user: UserId,
    now: Timestamp,
) -> Result<(), DbErr> {
    let row = external_login::Model {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        user_id: user,
        created_at: now,
    };
    external_login::Entity::insert(row.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}
