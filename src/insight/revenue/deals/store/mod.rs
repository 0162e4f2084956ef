//! All SQL of deals.

mod forecast;
mod stages;

use std::collections::HashMap;

use entity::id::{DealId, LeadId};
use entity::{deal, deal_move};
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, LikeExpr, SimpleExpr};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};

pub(super) use forecast::{Cell, closed, open};
pub(super) use stages::{
    all_stages, delete_stages, held_settings, put_stages, settings, stages_by_id, store_settings, used_stages,
};

use super::model::rules::folded;
use super::{Deal, DealFilter, DealMove, DealOrder, DealOrderField};
use crate::db::{
    Conflict, KeyType, Page, PageRequest, Tx, insert_many, key_table, newest_of_leads, padded, sql,
};
use crate::insight::revenue::Revalued;
use crate::leads::visible::Visible;

/// Moves of a deal that are shown at most.
const SHOWN: i64 = 100;

pub(super) async fn insert(tx: &Tx, row: &Deal) -> Result<(), DbErr> {
    insert_many(tx, std::slice::from_ref(row), Conflict::Fail)
        .await
        .map(drop)
}

pub(super) async fn insert_move(tx: &Tx, row: &DealMove) -> Result<(), DbErr> {
    insert_many(tx, std::slice::from_ref(row), Conflict::Fail)
        .await
        .map(drop)
}

/// Writes a deal that the transaction holds.
pub(super) async fn update(tx: &Tx, row: &Deal) -> Result<(), DbErr> {
    let row = row.clone().into_active_model().reset_all();
    deal::Entity::update(row)
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    visible: &Visible,
    ids: &[DealId],
) -> Result<HashMap<DealId, Deal>, DbErr> {
    let found = deal::Entity::find()
        .filter(deal::Column::Id.is_in(padded(ids)))
        .filter(visible.is_there((deal::Entity, deal::Column::LeadId)))
        .all(db)
        .await?;
    Ok(found.into_iter().map(|row| (row.id, row)).collect())
}

/// A deal, held until the transaction ends.
pub(super) async fn locked(tx: &Tx, visible: &Visible, id: DealId) -> Result<Option<Deal>, DbErr> {
    if tx.backend() == DbBackend::Postgres {
        let text = "SELECT id FROM deal WHERE id = ? FOR UPDATE";
        tx.query_one_raw(sql(tx.backend(), text, [id.0.into()])).await?;
    }
    Ok(by_ids(&**tx, visible, &[id]).await?.remove(&id))
}

/// By what deals are ordered; no row has null there.
fn sort(field: DealOrderField) -> SimpleExpr {
    let column = |column| Expr::col((deal::Entity, column));
    match field {
        DealOrderField::OpenedAt => column(deal::Column::OpenedAt),
        DealOrderField::UpdatedAt => column(deal::Column::UpdatedAt),
        DealOrderField::ExpectedClose => Func::coalesce([
            column(deal::Column::ExpectedClose),
            Expr::val(super::service::NO_DAY),
        ])
        .into(),
        DealOrderField::Value => Func::coalesce([
            column(deal::Column::ReportingMinor),
            Expr::val(super::service::NO_VALUE),
        ])
        .into(),
    }
}

/// Deals of leads that are not deleted.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    visible: &Visible,
    filter: &DealFilter,
    order: DealOrder,
    page: &PageRequest,
) -> Result<Page<Deal>, DbErr> {
    let DealFilter {
        states,
        stages,
        lead,
        close_from,
        close_to,
        search,
    } = filter;
    let of_lead = (deal::Entity, deal::Column::LeadId);
    let seen = match visible.among(of_lead) {
        Some(seen) => seen,
        None => visible.is_there(of_lead),
    };
    let mut select = deal::Entity::find().filter(seen);
    if !states.is_empty() {
        select = select.filter(deal::Column::State.is_in(padded(states)));
    }
    if !stages.is_empty() {
        select = select.filter(deal::Column::StageId.is_in(padded(stages)));
    }
    if let Some(lead) = lead {
        select = select.filter(deal::Column::LeadId.eq(*lead));
    }
    if let Some(from) = close_from {
        select = select.filter(deal::Column::ExpectedClose.gte(*from));
    }
    if let Some(to) = close_to {
        select = select.filter(deal::Column::ExpectedClose.lte(*to));
    }
    if let Some(text) = search {
        let mut pattern = String::from("%");
        for ch in folded(text).chars() {
            if matches!(ch, '%' | '_' | '!') {
                pattern.push('!');
            }
            pattern.push(ch);
        }
        pattern.push('%');
        let name = Expr::col((deal::Entity, deal::Column::FoldedName));
        select = select.filter(name.like(LikeExpr::new(pattern).escape('!')));
    }
    page.apply(
        QueryTrait::query(&mut select),
        sort(order.field),
        (deal::Entity, deal::Column::Id),
        order.direction,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// The same page of the deals of each lead, the latest opened first.
pub(super) async fn of_leads(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<Deal>>, DbErr> {
    if page.after.is_none() && page.before.is_none() {
        let of = |row: &Deal| row.lead_id;
        let order = ("opened_at", "id");
        return newest_of_leads(db, "deal", order, leads, page, ("", Vec::new()), of).await;
    }
    let mut pages = HashMap::new();
    for lead in leads {
        let mut select = deal::Entity::find().filter(deal::Column::LeadId.eq(*lead));
        let order = super::service::BY_LEAD;
        page.apply(
            QueryTrait::query(&mut select),
            sort(order.field),
            (deal::Entity, deal::Column::Id),
            order.direction,
        );
        pages.insert(*lead, Page::new(page, select.all(db).await?));
    }
    Ok(pages)
}

/// How some deals went, the newest moves first.
pub(super) async fn histories(
    db: &impl ConnectionTrait,
    deals: &[DealId],
) -> Result<HashMap<DealId, Vec<DealMove>>, DbErr> {
    let mut histories: HashMap<DealId, Vec<DealMove>> = HashMap::new();
    if deals.is_empty() {
        return Ok(histories);
    }
    let deals = padded(deals);
    let marks = vec!["?"; deals.len()].join(",");
    let text = format!(
        "SELECT * FROM (SELECT deal_move.*, ROW_NUMBER() OVER (PARTITION BY deal_id ORDER BY version DESC) AS place \
         FROM deal_move WHERE deal_id IN ({marks})) AS ranked WHERE place <= ? ORDER BY deal_id, place"
    );
    let values = deals.iter().map(|id| id.0.into()).chain([SHOWN.into()]);
    let rows = deal_move::Entity::find()
        .from_raw_sql(sql(db.get_database_backend(), &text, values))
        .all(db)
        .await?;
    for row in rows {
        histories.entry(row.deal_id).or_default().push(row);
    }
    Ok(histories)
}

/// The next deals that have a value, in the order of their ids.
pub(in crate::insight::revenue) async fn page_after(
    tx: &Tx,
    after: Option<DealId>,
    limit: u64,
) -> Result<Vec<Deal>, DbErr> {
    deal::Entity::find()
        .filter(deal::Column::ValueMinor.is_not_null())
        .apply_if(after, |select, after| select.filter(deal::Column::Id.gt(after)))
        .order_by_asc(deal::Column::Id)
        .limit(limit)
        .all(&**tx)
        .await
}

/// Writes what deals are worth by now, but for those that have changed since they were read: what they were is their version.
pub(in crate::insight::revenue) async fn revalue(
    tx: &Tx,
    rows: &[Revalued<DealId>],
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
            "WITH {table} UPDATE deal SET reporting_minor = k.reporting, \
             reporting_currency = CASE WHEN k.reporting IS NULL THEN NULL ELSE ? END \
             FROM k WHERE deal.id = k.id AND deal.version = k.was"
        );
        values.push(currency.into());
        tx.execute_raw(sql(tx.backend(), &text, values)).await?;
    }
    Ok(())
}

/// Forgets what was told of deals beside what they count.
pub(super) async fn blank(tx: &Tx, leads: &[LeadId]) -> Result<(), DbErr> {
    if leads.is_empty() {
        return Ok(());
    }
    let leads = padded(leads);
    let nothing = Option::<String>::None;
    let deals = deal::Entity::find()
        .select_only()
        .column(deal::Column::Id)
        .filter(deal::Column::LeadId.is_in(leads.clone()));
    deal_move::Entity::update_many()
        .col_expr(deal_move::Column::Reason, Expr::value(nothing.clone()))
        .filter(deal_move::Column::DealId.in_subquery(QueryTrait::into_query(deals)))
        .exec(&**tx)
        .await?;
    deal::Entity::update_many()
        .col_expr(deal::Column::Name, Expr::value(""))
        .col_expr(deal::Column::FoldedName, Expr::value(""))
        .col_expr(deal::Column::Reason, Expr::value(nothing))
        .filter(deal::Column::LeadId.is_in(leads))
        .exec(&**tx)
        .await
        .map(drop)
}
