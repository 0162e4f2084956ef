//! What reports read.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;

use entity::id::LeadId;
use entity::{Day, ReportMeasure, Timestamp, lead, report_lead};
use futures_util::TryStreamExt as _;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Order, Query};
use sea_orm::{ConnectionTrait, DbErr, StreamTrait};

use crate::db::{KeyType, key_table, looked_up, sql};
use crate::error::Error;
use crate::insight::analytics::model::outline::Outline;
use crate::insight::analytics::model::sold::Cost;
use crate::insight::analytics::model::sources::Spent;
use crate::insight::analytics::model::sums::Sums;
use crate::insight::calendar::Span;
use crate::leads::visible::Visible;

/// Which part of a report something is for.
pub(in crate::insight::analytics) type Period = i32;

/// The sums of spans, for each period.
pub(in crate::insight::analytics) async fn sums(
    db: &impl ConnectionTrait,
    measures: &[ReportMeasure],
    spans: &[(Period, Span)],
) -> Result<HashMap<Period, Sums>, DbErr> {
    let mut found: HashMap<Period, Sums> = HashMap::new();
    if spans.is_empty() {
        return Ok(found);
    }
    let backend = db.get_database_backend();
    let mut values = Vec::new();
    let columns = [
        ("period", KeyType::Integer),
        ("level", KeyType::Text),
        ("first", KeyType::Integer),
        ("last", KeyType::Integer),
    ];
    let rows = spans.iter().map(|(period, span)| {
        [
            (*period).into(),
            span.level.as_str().into(),
            span.from.into(),
            span.to.into(),
        ]
    });
    let table = key_table(backend, "k", columns, rows, &mut values);
    let words: Vec<String> = measures.iter().map(|measure| format!("'{measure}'")).collect();
    let words = words.join(",");
    let asked =
        format!("s.level = k.level AND s.measure IN ({words}) AND s.unit >= k.first AND s.unit <= k.last");
    let found_in = looked_up(backend, "report_sum", "s", &asked);
    let text = format!(
        "WITH {table} SELECT k.period, s.measure, s.name, CAST(sum(s.amount) AS BIGINT) FROM k {found_in} \
         GROUP BY k.period, s.measure, s.name"
    );
    for row in db.query_all_raw(sql(backend, &text, values)).await? {
        let name: String = row.try_get_by_index(2)?;
        let sums = found.entry(row.try_get_by_index(0)?).or_default();
        sums.add(row.try_get_by_index(1)?, &name, row.try_get_by_index(3)?);
    }
    Ok(found)
}

/// The outlines of all leads that became known in some spans, each at or after its begin and before its end.
pub(in crate::insight::analytics) async fn edges(
    db: &impl ConnectionTrait,
    spans: &[(Period, (Timestamp, Timestamp))],
) -> Result<Vec<(Period, Outline)>, Error> {
    if spans.is_empty() {
        return Ok(Vec::new());
    }
    let backend = db.get_database_backend();
    let mut values = Vec::new();
    let columns = [
        ("period", KeyType::Integer),
        ("since", KeyType::BigInt),
        ("until", KeyType::BigInt),
    ];
    let rows = spans
        .iter()
        .map(|(period, (from, to))| [(*period).into(), from.micros().into(), to.micros().into()]);
    let table = key_table(backend, "k", columns, rows, &mut values);
    let asked = "r.created_at >= k.since AND r.created_at < k.until";
    let found_in = looked_up(backend, "report_lead", "r", asked);
    let text = format!("WITH {table} SELECT k.period, r.created_at, r.outline FROM k {found_in}");
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter()
        .map(|row| {
            let text: String = row.try_get_by_index(2)?;
            Ok((row.try_get_by_index(0)?, read(row.try_get_by_index(1)?, &text)?))
        })
        .collect()
}

/// A stored outline, read.
fn read(created_at: Timestamp, text: &str) -> Result<Outline, Error> {
    Ok(Outline {
        created_at,
        ..serde_json::from_str(text)?
    })
}

/// Takes the outlines of leads that became known in a span, in no order, one by one as they come. Leads are gone through, and
/// outlines looked up of those alone that are meant: a filter keeps few of them, as a rule.
pub(in crate::insight::analytics) async fn each_outline(
    db: &(impl ConnectionTrait + StreamTrait),
    leads: &Visible,
    (from, to): (Timestamp, Timestamp),
    mut take: impl FnMut(&Outline),
) -> Result<(), Error> {
    let created = || Expr::col((lead::Entity, lead::Column::CreatedAt));
    let outline_of = Expr::col((report_lead::Entity, report_lead::Column::LeadId));
    let mut query = Query::select();
    query
        .column((lead::Entity, lead::Column::CreatedAt))
        .column((report_lead::Entity, report_lead::Column::Outline))
        .from(lead::Entity)
        .inner_join(
            report_lead::Entity,
            outline_of.equals((lead::Entity, lead::Column::Id)),
        )
        .and_where(Expr::col((lead::Entity, lead::Column::DeletedAt)).is_null())
        .and_where(created().gte(from))
        .and_where(created().lt(to))
        .cond_where(Condition::all().add_option(leads.condition()));
    // As they come: while one is read here the database is at the next.
    let mut rows = pin!(db.stream(&query).await?);
    while let Some(row) = rows.try_next().await? {
        let text: String = row.try_get_by_index(1)?;
        take(&read(row.try_get_by_index(0)?, &text)?);
    }
    Ok(())
}

/// What was spent on some days, both included, by source of leads; an empty name for what names none.
pub(in crate::insight::analytics) async fn costs(
    db: &impl ConnectionTrait,
    (from, to): (Day, Day),
) -> Result<BTreeMap<String, Spent>, DbErr> {
    let text = "SELECT COALESCE(source, ''), CAST(COALESCE(sum(reporting_minor), 0) AS BIGINT), \
                CAST(sum(CASE WHEN reporting_minor IS NULL THEN 1 ELSE 0 END) AS BIGINT) \
                FROM cost WHERE day >= ? AND day <= ? AND voided_at IS NULL GROUP BY 1";
    let rows = db
        .query_all_raw(sql(db.get_database_backend(), text, [from.0.into(), to.0.into()]))
        .await?;
    rows.iter()
        .map(|row| {
            let spent = Spent {
                minor: row.try_get_by_index(1)?,
                unvalued: row.try_get_by_index(2)?,
            };
            Ok((row.try_get_by_index(0)?, spent))
        })
        .collect()
}

/// What was spent on some days, both included, by day, kind, source and campaign.
pub(in crate::insight::analytics) async fn costs_by(
    db: &impl ConnectionTrait,
    (from, to): (Day, Day),
) -> Result<Vec<Cost>, DbErr> {
    let text = "SELECT day, kind, COALESCE(source, ''), COALESCE(campaign, ''), \
                CAST(COALESCE(sum(reporting_minor), 0) AS BIGINT), \
                CAST(sum(CASE WHEN reporting_minor IS NULL THEN 1 ELSE 0 END) AS BIGINT) \
                FROM cost WHERE day >= ? AND day <= ? AND voided_at IS NULL GROUP BY 1, 2, 3, 4";
    let rows = db
        .query_all_raw(sql(db.get_database_backend(), text, [from.0.into(), to.0.into()]))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Cost {
                day: row.try_get_by_index(0)?,
                kind: row.try_get_by_index(1)?,
                source: row.try_get_by_index(2)?,
                campaign: row.try_get_by_index(3)?,
                spent: Spent {
                    minor: row.try_get_by_index(4)?,
                    unvalued: row.try_get_by_index(5)?,
                },
            })
        })
        .collect()
}

/// The leads at high risk that became known in a span and whose conversions are worth most, each with how much: of some leads,
/// or of all.
pub(in crate::insight::analytics) async fn at_risk(
    db: &impl ConnectionTrait,
    leads: Option<&Visible>,
    (from, to): (Timestamp, Timestamp),
    limit: u64,
) -> Result<Vec<(LeadId, i64)>, DbErr> {
    let of = |column| Expr::col((report_lead::Entity, column));
    let mut query = Query::select();
    query
        .columns([
            (report_lead::Entity, report_lead::Column::LeadId),
            (report_lead::Entity, report_lead::Column::AtRiskMinor),
        ])
        .from(report_lead::Entity)
        .and_where(of(report_lead::Column::AtRiskMinor).is_not_null())
        .and_where(of(report_lead::Column::CreatedAt).gte(from))
        .and_where(of(report_lead::Column::CreatedAt).lt(to))
        .order_by(
            (report_lead::Entity, report_lead::Column::AtRiskMinor),
            Order::Desc,
        )
        .order_by((report_lead::Entity, report_lead::Column::LeadId), Order::Asc)
        .limit(limit);
    if let Some(leads) = leads {
        let id = of(report_lead::Column::LeadId);
        query
            .inner_join(lead::Entity, id.equals((lead::Entity, lead::Column::Id)))
            .cond_where(Condition::all().add_option(leads.condition()));
    }
    let rows = db.query_all(&query).await?;
    rows.iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}
