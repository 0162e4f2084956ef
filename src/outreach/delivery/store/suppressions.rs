//! The SQL of suppressions.

use entity::id::SuppressionId;
use entity::{MessageChannel, suppression};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QuerySelect,
};

use super::{IDS, paged};
use crate::db::{Conflict, Page, PageRequest, Tx, insert_many, padded};
use crate::outreach::delivery::{Suppression, SuppressionFilter};

/// The suppression of an address, lifted or not, that no other transaction changes until this one ends.
pub(in crate::outreach::delivery) async fn locked_suppression(
    tx: &Tx,
    channel: MessageChannel,
    digest: &str,
) -> Result<Option<Suppression>, DbErr> {
    let mut query = suppression::Entity::find()
        .filter(suppression::Column::Channel.eq(channel))
        .filter(suppression::Column::Digest.eq(digest));
    if tx.backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    query.one(&**tx).await
}

/// The suppression of an address as it stands.
pub(in crate::outreach::delivery) async fn suppression_of(
    tx: &Tx,
    channel: MessageChannel,
    digest: &str,
) -> Result<Option<Suppression>, DbErr> {
    suppression::Entity::find()
        .filter(suppression::Column::Channel.eq(channel))
        .filter(suppression::Column::Digest.eq(digest))
        .one(&**tx)
        .await
}

/// Inserts a suppression; false when there is one of the address already.
pub(in crate::outreach::delivery) async fn insert_suppression(
    tx: &Tx,
    row: &Suppression,
) -> Result<bool, DbErr> {
    Ok(insert_many(tx, std::slice::from_ref(row), Conflict::Keep("(channel, digest)")).await? == 1)
}

pub(in crate::outreach::delivery) async fn update_suppression(
    tx: &Tx,
    row: &Suppression,
) -> Result<(), DbErr> {
    suppression::Entity::update(row.clone().into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map(drop)
}

/// A suppression by its id, locked.
pub(in crate::outreach::delivery) async fn suppression_by_id(
    tx: &Tx,
    id: SuppressionId,
) -> Result<Option<Suppression>, DbErr> {
    let mut query = suppression::Entity::find_by_id(id);
    if tx.backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    query.one(&**tx).await
}

pub(in crate::outreach::delivery) async fn list_suppressions(
    db: &impl ConnectionTrait,
    filter: &SuppressionFilter,
    digests: &[String],
    page: &PageRequest,
) -> Result<Page<Suppression>, DbErr> {
    use suppression::{Column, Entity};
    let mut select = Entity::find();
    if !filter.with_lifted {
        select = select.filter(Column::LiftedAt.is_null());
    }
    if !filter.channels.is_empty() {
        select = select.filter(Column::Channel.is_in(filter.channels.iter().copied()));
    }
    if !filter.reasons.is_empty() {
        select = select.filter(Column::Reason.is_in(filter.reasons.iter().copied()));
    }
    if filter.address.is_some() {
        select = select.filter(Column::Digest.is_in(digests.iter().map(String::as_str)));
    }
    let select = paged(select, page, (Entity, Column::CreatedAt), (Entity, Column::Id));
    Ok(Page::new(page, select.all(db).await?))
}

/// Takes the addresses out of suppressions; they go on holding by their digests.
pub(in crate::outreach::delivery) async fn blank_suppressions(
    tx: &Tx,
    digests: &[String],
) -> Result<(), DbErr> {
    for digests in digests.chunks(IDS) {
        suppression::Entity::update_many()
            .col_expr(suppression::Column::Address, Expr::val(Option::<String>::None))
            .col_expr(suppression::Column::Note, Expr::val(Option::<String>::None))
            .filter(suppression::Column::Digest.is_in(padded(digests)))
            .exec(&**tx)
            .await?;
    }
    Ok(())
}
