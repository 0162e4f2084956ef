//! All SQL of leads.

use std::collections::HashMap;

use entity::id::LeadId;
use entity::{lead, lead_identity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryTrait};

use super::{Lead, LeadOrder, LeadOrderField};
use crate::db::{Conflict, Page, PageRequest, Tx, insert_many, padded};
use crate::identity::Rows;

/// Takes an identity for a lead; false when it belongs to a lead already.
pub(super) async fn claim_identity(tx: &Tx, identity: lead_identity::Model) -> Result<bool, DbErr> {
    Ok(insert_many(tx, &[identity], Conflict::Keep("(kind, namespace, value)")).await? == 1)
}

pub(super) async fn insert(tx: &Tx, leads: &[Lead]) -> Result<(), DbErr> {
    insert_many(tx, leads, Conflict::Fail).await.map(drop)
}

pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    rows: Rows,
    ids: &[LeadId],
) -> Result<HashMap<LeadId, Lead>, DbErr> {
    let Rows::All = rows;
    let leads = lead::Entity::find()
        .filter(lead::Column::Id.is_in(padded(ids)))
        .filter(lead::Column::DeletedAt.is_null())
        .all(db)
        .await?;
    Ok(leads.into_iter().map(|lead| (lead.id, lead)).collect())
}

pub(super) async fn list(
    db: &impl ConnectionTrait,
    rows: Rows,
    order: LeadOrder,
    page: &PageRequest,
) -> Result<Page<Lead>, DbErr> {
    let Rows::All = rows;
    let mut select = lead::Entity::find().filter(lead::Column::DeletedAt.is_null());
    let sort = match order.field {
        LeadOrderField::CreatedAt => lead::Column::CreatedAt,
        LeadOrderField::UpdatedAt => lead::Column::UpdatedAt,
    };
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((lead::Entity, sort)),
        (lead::Entity, lead::Column::Id),
        order.direction,
    );
    Ok(Page::new(page, select.all(db).await?))
}
