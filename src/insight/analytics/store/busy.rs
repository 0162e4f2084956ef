//! Leads with many engagements in a month.

use std::collections::{BTreeMap, BTreeSet};

use entity::id::LeadId;
use entity::{Timestamp, report_busy};
use sea_orm::sea_query::Value;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};

use crate::db::{KeyType, Tx, key_table, sql, upsert_many};
use crate::insight::calendar::first_of_month;

/// From so many engagements on a lead is kept for a month.
pub(in crate::insight::analytics) const BUSY: i64 = 5;
/// Keys of one statement.
const MOST_KEYS: usize = 2_000;

fn moments(month: i32) -> (Timestamp, Timestamp) {
    (
        first_of_month(month).start(),
        first_of_month(month.saturating_add(1)).start(),
    )
}

/// Counts the engagements of leads in months anew, and keeps those that have many.
pub(in crate::insight::analytics) async fn keep_busy(
    tx: &Tx,
    pairs: &BTreeSet<(i32, LeadId)>,
) -> Result<(), DbErr> {
    let pairs: Vec<(i32, LeadId)> = pairs.iter().copied().collect();
    for chunk in pairs.chunks(MOST_KEYS) {
        let mut values = Vec::new();
        let columns = [
            ("month", KeyType::Integer),
            ("lead_id", KeyType::Uuid),
            ("since", KeyType::BigInt),
            ("until", KeyType::BigInt),
        ];
        let keys = chunk.iter().map(|(month, lead)| {
            let (since, until) = moments(*month);
            [
                (*month).into(),
                lead.0.into(),
                since.micros().into(),
                until.micros().into(),
            ]
        });
        let table = key_table(tx.backend(), "k", columns, keys, &mut values);
        let text = format!(
            "WITH {table} SELECT k.month, k.lead_id, count(*) FROM k CROSS JOIN engagement e WHERE e.lead_id = k.lead_id \
             AND e.occurred_at >= k.since AND e.occurred_at < k.until GROUP BY 1, 2 HAVING count(*) >= {BUSY}"
        );
        let rows = tx.query_all_raw(sql(tx.backend(), &text, values)).await?;
        let busy: Vec<report_busy::Model> = rows
            .iter()
            .map(|row| {
                Ok(report_busy::Model {
                    month: row.try_get_by_index(0)?,
                    lead_id: row.try_get_by_index(1)?,
                    engagements: row.try_get_by_index(2)?,
                })
            })
            .collect::<Result<_, DbErr>>()?;
        upsert_many(tx, &busy, "month, lead_id").await?;
    }
    Ok(())
}

const MANY: &str =
    "FROM engagement WHERE occurred_at >= ? AND occurred_at < ? GROUP BY lead_id HAVING count(*) >= ?";

/// Looks for the leads with many engagements in a month anew.
pub(in crate::insight::analytics) async fn retell_busy(tx: &Tx, month: i32) -> Result<(), DbErr> {
    report_busy::Entity::delete_many()
        .filter(report_busy::Column::Month.eq(month))
        .exec(&**tx)
        .await?;
    let (since, until) = moments(month);
    let values: [Value; 4] = [
        month.into(),
        since.micros().into(),
        until.micros().into(),
        BUSY.into(),
    ];
    let text =
        format!("INSERT INTO report_busy (month, lead_id, engagements) SELECT ?, lead_id, count(*) {MANY}");
    tx.execute_raw(sql(tx.backend(), &text, values)).await.map(drop)
}

/// The leads with many engagements in a month: as they are kept, and as engagements themselves say.
pub(in crate::insight::analytics) async fn busy(
    db: &impl ConnectionTrait,
    month: i32,
) -> Result<[BTreeMap<LeadId, i64>; 2], DbErr> {
    let kept = report_busy::Entity::find()
        .filter(report_busy::Column::Month.eq(month))
        .all(db)
        .await?;
    let kept = kept
        .into_iter()
        .map(|row| (row.lead_id, row.engagements))
        .collect();
    let (since, until) = moments(month);
    let values: [Value; 3] = [since.micros().into(), until.micros().into(), BUSY.into()];
    let text = format!("SELECT lead_id, count(*) {MANY}");
    let rows = db
        .query_all_raw(sql(db.get_database_backend(), &text, values))
        .await?;
    let right = rows
        .iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect::<Result<_, DbErr>>()?;
    Ok([kept, right])
}

/// When the first and the last engagement were.
pub(in crate::insight::analytics) async fn engaged_between(
    db: &impl ConnectionTrait,
) -> Result<Option<(Timestamp, Timestamp)>, DbErr> {
    let text = "SELECT (SELECT min(occurred_at) FROM engagement), (SELECT max(occurred_at) FROM engagement)";
    let Some(row) = db.query_one_raw(sql(db.get_database_backend(), text, [])).await? else {
        return Ok(None);
    };
    let (first, last): (Option<Timestamp>, Option<Timestamp>) =
        (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    Ok(first.zip(last))
}

/// The leads with most engagements in some months, both included: of each month the busiest, added up.
pub(in crate::insight::analytics) async fn busiest(
    db: &impl ConnectionTrait,
    (first, last): (i32, i32),
    of_each: i64,
    limit: i64,
) -> Result<Vec<LeadId>, DbErr> {
    let backend = db.get_database_backend();
    let mut values = Vec::new();
    let months = (first..=last).map(|month| [month.into()]);
    let table = key_table(backend, "k", [("month", KeyType::Integer)], months, &mut values);
    values.extend([of_each.into(), limit.into()]);
    // The place within the month; SQLite has no LATERAL.
    let text = format!(
        "WITH {table} SELECT lead_id FROM (SELECT b.lead_id, b.engagements, \
         row_number() OVER (PARTITION BY b.month ORDER BY b.engagements DESC, b.lead_id) AS place \
         FROM k CROSS JOIN report_busy b WHERE b.month = k.month) AS most WHERE place <= ? \
         GROUP BY lead_id ORDER BY sum(engagements) DESC, lead_id LIMIT ?"
    );
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}
