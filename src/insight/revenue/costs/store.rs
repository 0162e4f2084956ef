//! All SQL of costs.

use std::collections::HashMap;

use entity::id::CostId;
use entity::{Timestamp, cost};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};

use super::{Cost, CostFilter};
use crate::db::{
    Conflict, Direction, KeyType, Page, PageRequest, Tx, insert_many, key_table, padded, sql, upsert_many,
};
use crate::insight::revenue::Revalued;

pub(super) async fn insert(tx: &Tx, rows: &[Cost]) -> Result<(), DbErr> {
    insert_many(tx, rows, Conflict::Fail).await.map(drop)
}

/// Writes rows that are there anew.
pub(super) async fn replace(tx: &Tx, rows: &[Cost]) -> Result<(), DbErr> {
    upsert_many(tx, rows, "id").await.map(drop)
}

pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    ids: &[CostId],
) -> Result<HashMap<CostId, Cost>, DbErr> {
    let found = cost::Entity::find()
        .filter(cost::Column::Id.is_in(padded(ids)))
        .all(db)
        .await?;
    Ok(found.into_iter().map(|row| (row.id, row)).collect())
}

pub(super) async fn by_dedupe_keys(tx: &Tx, keys: &[String]) -> Result<HashMap<String, Cost>, DbErr> {
    let mut found = HashMap::new();
    for chunk in keys.chunks(512) {
        let rows = cost::Entity::find()
            .filter(cost::Column::DedupeKey.is_in(padded(chunk)))
            .all(&**tx)
            .await?;
        found.extend(
            rows.into_iter()
                .filter_map(|row| Some((row.dedupe_key.clone()?, row))),
        );
    }
    Ok(found)
}

/// Takes a cost back; false when it was already, or is not there.
pub(super) async fn void(tx: &Tx, id: CostId, now: Timestamp) -> Result<bool, DbErr> {
    let changed = cost::Entity::update_many()
        .col_expr(cost::Column::VoidedAt, Expr::val(now.micros()))
        .filter(cost::Column::Id.eq(id))
        .filter(cost::Column::VoidedAt.is_null())
        .exec(&**tx)
        .await?;
    Ok(changed.rows_affected == 1)
}

/// Costs, those of the latest day first.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    filter: &CostFilter,
    page: &PageRequest,
) -> Result<Page<Cost>, DbErr> {
    let CostFilter {
        kinds,
        from,
        to,
        sources,
        campaigns,
        with_voided,
    } = filter;
    let mut select = cost::Entity::find();
    if !kinds.is_empty() {
        select = select.filter(cost::Column::Kind.is_in(padded(kinds)));
    }
    if let Some(from) = from {
        select = select.filter(cost::Column::Day.gte(*from));
    }
    if let Some(to) = to {
        select = select.filter(cost::Column::Day.lte(*to));
    }
    if !sources.is_empty() {
        select = select.filter(cost::Column::Source.is_in(padded(sources)));
    }
    if !campaigns.is_empty() {
        select = select.filter(cost::Column::Campaign.is_in(padded(campaigns)));
    }
    if !with_voided {
        select = select.filter(cost::Column::VoidedAt.is_null());
    }
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((cost::Entity, cost::Column::Day)),
        (cost::Entity, cost::Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// The next costs in the order of their ids.
pub(in crate::insight::revenue) async fn page_after(
    tx: &Tx,
    after: Option<CostId>,
    limit: u64,
) -> Result<Vec<Cost>, DbErr> {
    cost::Entity::find()
        .apply_if(after, |select, after| select.filter(cost::Column::Id.gt(after)))
        .order_by_asc(cost::Column::Id)
        .limit(limit)
        .all(&**tx)
        .await
}

/// Writes what costs are worth by now, but for those that have changed since they were read.
pub(in crate::insight::revenue) async fn revalue(
    tx: &Tx,
    rows: &[Revalued<CostId>],
    currency: &str,
) -> Result<(), DbErr> {
    for chunk in rows.chunks(512) {
        let mut values = Vec::new();
        let keys = chunk
            .iter()
            .map(|row| [row.id.0.into(), row.was.into(), row.reporting.into()]);
        let columns = [
            ("id", KeyType::Uuid),
            ("was", KeyType::BigInt),
            ("reporting", KeyType::BigInt),
        ];
        let table = key_table(tx.backend(), "k", columns, keys, &mut values);
        let text = format!(
            "WITH {table} UPDATE cost SET reporting_minor = k.reporting, \
             reporting_currency = CASE WHEN k.reporting IS NULL THEN NULL ELSE ? END \
             FROM k WHERE cost.id = k.id AND cost.amount_minor = k.was"
        );
        values.push(currency.into());
        tx.execute_raw(sql(tx.backend(), &text, values)).await?;
    }
    Ok(())
}
