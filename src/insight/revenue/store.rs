//! All SQL of conversions.

use std::collections::HashMap;

use entity::conversion;
use entity::id::{ConversionId, LeadId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryTrait};

use super::{Conversion, ConversionFilter};
use crate::db::{Conflict, Direction, Page, PageRequest, Tx, insert_many, newest_of_leads, padded};
use crate::leads::visible::Visible;

/// Conversions of a lead that are shown at most.
const SHOWN: u64 = 100;

pub(super) async fn insert(tx: &Tx, rows: &[Conversion]) -> Result<(), DbErr> {
    insert_many(tx, rows, Conflict::Fail).await.map(drop)
}

/// Writes what was given back.
pub(super) async fn reverse(tx: &Tx, rows: &[Conversion]) -> Result<(), DbErr> {
    for row in rows {
        conversion::Entity::update_many()
            .col_expr(conversion::Column::RefundedMinor, row.refunded_minor.into())
            .col_expr(
                conversion::Column::VoidedAt,
                Expr::val(row.voided_at.map(entity::Timestamp::micros)),
            )
            .filter(conversion::Column::Id.eq(row.id))
            .exec(&**tx)
            .await?;
    }
    Ok(())
}

pub(super) async fn by_dedupe_keys(tx: &Tx, keys: &[String]) -> Result<HashMap<String, Conversion>, DbErr> {
    let mut found = HashMap::new();
    for chunk in keys.chunks(512) {
        let rows = conversion::Entity::find()
            .filter(conversion::Column::DedupeKey.is_in(padded(chunk)))
            .all(&**tx)
            .await?;
        found.extend(
            rows.into_iter()
                .filter_map(|row| Some((row.dedupe_key.clone()?, row))),
        );
    }
    Ok(found)
}

pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    visible: &Visible,
    ids: &[ConversionId],
) -> Result<HashMap<ConversionId, Conversion>, DbErr> {
    let found = conversion::Entity::find()
        .filter(conversion::Column::Id.is_in(padded(ids)))
        .filter(visible.is_there((conversion::Entity, conversion::Column::LeadId)))
        .all(db)
        .await?;
    Ok(found.into_iter().map(|row| (row.id, row)).collect())
}

pub(super) async fn of_leads(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Vec<Conversion>>, DbErr> {
    let pages = timeline(db, leads, &PageRequest::first(SHOWN)).await?;
    Ok(pages.into_iter().map(|(lead, page)| (lead, page.items)).collect())
}

/// Conversions of all leads, the latest first.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    visible: &Visible,
    filter: &ConversionFilter,
    page: &PageRequest,
) -> Result<Page<Conversion>, DbErr> {
    let ConversionFilter { kinds, from, to } = filter;
    let mut select = conversion::Entity::find().apply_if(
        visible.among((conversion::Entity, conversion::Column::LeadId)),
        |select, seen| select.filter(seen),
    );
    if !kinds.is_empty() {
        select = select.filter(conversion::Column::Kind.is_in(padded(kinds)));
    }
    if let Some(from) = from {
        select = select.filter(conversion::Column::OccurredAt.gte(*from));
    }
    if let Some(to) = to {
        select = select.filter(conversion::Column::OccurredAt.lt(*to));
    }
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((conversion::Entity, conversion::Column::OccurredAt)),
        (conversion::Entity, conversion::Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// The same page of the conversions of each lead, the latest first.
pub(super) async fn timeline(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<Conversion>>, DbErr> {
    if page.after.is_none() && page.before.is_none() {
        let of = |row: &Conversion| row.lead_id;
        let order = ("occurred_at", "id");
        return newest_of_leads(db, "conversion", order, leads, page, ("", Vec::new()), of).await;
    }
    let mut pages = HashMap::new();
    for lead in leads {
        let mut select = conversion::Entity::find().filter(conversion::Column::LeadId.eq(*lead));
        page.apply(
            QueryTrait::query(&mut select),
            Expr::col((conversion::Entity, conversion::Column::OccurredAt)),
            (conversion::Entity, conversion::Column::Id),
            Direction::Desc,
        );
        pages.insert(*lead, Page::new(page, select.all(db).await?));
    }
    Ok(pages)
}

/// Forgets what was told of conversions beside what they count.
pub(super) async fn blank(tx: &Tx, leads: &[LeadId]) -> Result<(), DbErr> {
    conversion::Entity::update_many()
        .col_expr(conversion::Column::Metadata, Expr::value("{}"))
        .filter(conversion::Column::LeadId.is_in(padded(leads)))
        .exec(&**tx)
        .await
        .map(drop)
}
