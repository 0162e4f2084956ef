//! All SQL of conversions.

use std::collections::HashMap;

use entity::id::{ConversionId, LeadId};
use entity::{Timestamp, conversion, conversion_reversal};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};

use super::{Conversion, ConversionFilter};
use crate::db::{
    Conflict, Direction, KeyType, Page, PageRequest, Tx, insert_many, key_table, newest_of_leads, padded,
    sql, upsert_many,
};
use crate::insight::revenue::Revalued;
use crate::leads::visible::Visible;

/// Conversions of a lead that are shown at most.
const SHOWN: u64 = 100;

pub(super) async fn insert(tx: &Tx, rows: &[Conversion]) -> Result<(), DbErr> {
    insert_many(tx, rows, Conflict::Fail).await.map(drop)
}

/// Writes what was given back, and when.
pub(super) async fn reverse(tx: &Tx, rows: &[Conversion], now: Timestamp) -> Result<(), DbErr> {
    let history = rows.iter().map(|row| conversion_reversal::Model {
        conversion_id: row.id,
        at: now,
        refunded_minor: row.refunded_minor,
        is_void: row.voided_at.is_some(),
    });
    let history: Vec<_> = history.collect();
    upsert_many(tx, &history, "conversion_id, at").await?;
    for row in rows {
        conversion::Entity::update_many()
            .col_expr(conversion::Column::RefundedMinor, row.refunded_minor.into())
            .col_expr(conversion::Column::ReportingMinor, Expr::val(row.reporting_minor))
            .col_expr(
                conversion::Column::ReportingRefundedMinor,
                Expr::val(row.reporting_refunded_minor),
            )
            .col_expr(
                conversion::Column::ReportingCurrency,
                Expr::val(row.reporting_currency.clone()),
            )
            .col_expr(
                conversion::Column::VoidedAt,
                Expr::val(row.voided_at.map(Timestamp::micros)),
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

/// A conversion, held until the transaction ends.
pub(super) async fn locked(
    tx: &Tx,
    visible: &Visible,
    id: ConversionId,
) -> Result<Option<Conversion>, DbErr> {
    if tx.backend() == DbBackend::Postgres {
        let text = "SELECT id FROM conversion WHERE id = ? FOR UPDATE";
        tx.query_one_raw(sql(tx.backend(), text, [id.0.into()])).await?;
    }
    Ok(by_ids(&**tx, visible, &[id]).await?.remove(&id))
}

/// The next conversions in the order of their ids.
pub(in crate::insight::revenue) async fn page_after(
    tx: &Tx,
    after: Option<ConversionId>,
    limit: u64,
) -> Result<Vec<Conversion>, DbErr> {
    conversion::Entity::find()
        .apply_if(after, |select, after| {
            select.filter(conversion::Column::Id.gt(after))
        })
        .order_by_asc(conversion::Column::Id)
        .limit(limit)
        .all(&**tx)
        .await
}

/// Writes what conversions are worth by now, but for those that have changed since they were read.
pub(in crate::insight::revenue) async fn revalue(
    tx: &Tx,
    rows: &[Revalued<ConversionId>],
    currency: &str,
) -> Result<(), DbErr> {
    for chunk in rows.chunks(512) {
        let mut values = Vec::new();
        let keys = chunk.iter().map(|row| {
            let Revalued {
                id,
                was,
                reporting,
                refunded,
            } = *row;
            [id.0.into(), was.into(), reporting.into(), refunded.into()]
        });
        let columns = [
            ("id", KeyType::Uuid),
            ("was", KeyType::BigInt),
            ("reporting", KeyType::BigInt),
            ("refunded", KeyType::BigInt),
        ];
        let table = key_table(tx.backend(), "k", columns, keys, &mut values);
        let text = format!(
            "WITH {table} UPDATE conversion SET reporting_minor = k.reporting, \
             reporting_refunded_minor = k.refunded, \
             reporting_currency = CASE WHEN k.reporting IS NULL THEN NULL ELSE ? END \
             FROM k WHERE conversion.id = k.id AND conversion.refunded_minor = k.was"
        );
        values.push(currency.into());
        tx.execute_raw(sql(tx.backend(), &text, values)).await?;
    }
    Ok(())
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

/// The leads of conversions, and when those were.
pub(in crate::insight::revenue) async fn leads_between(
    tx: &Tx,
    after: Option<ConversionId>,
    up_to: ConversionId,
) -> Result<Vec<(LeadId, Timestamp)>, DbErr> {
    let mut select = conversion::Entity::find()
        .select_only()
        .column(conversion::Column::LeadId)
        .column(conversion::Column::OccurredAt)
        .filter(conversion::Column::Id.lte(up_to));
    if let Some(after) = after {
        select = select.filter(conversion::Column::Id.gt(after));
    }
    select.into_tuple().all(&**tx).await
}
