//! All SQL of lifetime values.

use std::collections::HashMap;

use entity::id::{ConversionId, LeadId};
use entity::{ConversionKind, Timestamp, lifetime_customer, lifetime_model};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::Fitted;
use super::model::Summary;
use super::service::Report;
use crate::db::{KeyType, Tx, key_table, padded, sql, upsert_many};
use crate::error::Error;

/// A purchase that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purchase {
    pub(super) id: ConversionId,
    pub(super) lead: LeadId,
    pub(super) at: Timestamp,
    /// What is left of its value, in minor units of the currency of the reports.
    pub(super) minor: i64,
}

/// The next purchases by lead and time, of those up to a moment that are not given back as a whole.
pub(super) async fn purchases_after(
    db: &impl ConnectionTrait,
    after: Option<Purchase>,
    until: Timestamp,
    limit: u64,
) -> Result<Vec<Purchase>, DbErr> {
    let mut values = vec![until.micros().into()];
    let keyset = after.map_or("", |last| {
        values.extend([last.lead.0.into(), last.at.micros().into(), last.id.0.into()]);
        "AND (lead_id, occurred_at, id) > (?, ?, ?)"
    });
    let purchase = ConversionKind::Purchase;
    let text = format!(
        "SELECT id, lead_id, occurred_at, reporting_minor - reporting_refunded_minor FROM conversion \
         WHERE kind = '{purchase}' AND voided_at IS NULL AND reporting_minor > reporting_refunded_minor \
         AND occurred_at < ? {keyset} ORDER BY lead_id, occurred_at, id LIMIT {limit}"
    );
    let rows = db
        .query_all_raw(sql(db.get_database_backend(), &text, values))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Purchase {
                id: row.try_get_by_index(0)?,
                lead: row.try_get_by_index(1)?,
                at: row.try_get_by_index(2)?,
                minor: row.try_get_by_index(3)?,
            })
        })
        .collect()
}

/// Whether anything was ever bought.
pub(super) async fn has_purchases(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let text = format!(
        "SELECT 1 AS one FROM conversion WHERE kind = '{}' LIMIT 1",
        ConversionKind::Purchase
    );
    Ok(db
        .query_one_raw(sql(db.get_database_backend(), &text, []))
        .await?
        .is_some())
}

/// The newest fit.
pub(super) async fn latest(db: &impl ConnectionTrait) -> Result<Option<Fitted>, Error> {
    let row = lifetime_model::Entity::find()
        .order_by_desc(lifetime_model::Column::Version)
        .one(db)
        .await?;
    row.map(|row| {
        Ok(Fitted {
            version: row.version,
            fitted_at: row.fitted_at,
            until: row.until_day,
            currency: row.currency,
            report: serde_json::from_str::<Report>(&row.report)?,
        })
    })
    .transpose()
}

/// Writes a fit.
pub(super) async fn write_fit(tx: &Tx, fitted: &Fitted) -> Result<(), Error> {
    let row = lifetime_model::Model {
        version: fitted.version,
        fitted_at: fitted.fitted_at,
        until_day: fitted.until,
        currency: fitted.currency.clone(),
        report: serde_json::to_string(&fitted.report)?,
    };
    upsert_many(tx, &[row], "version").await?;
    Ok(())
}

/// Writes customers of a fit.
pub(super) async fn write_customers(
    tx: &Tx,
    version: i32,
    customers: &[(LeadId, Summary)],
) -> Result<(), DbErr> {
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let rows = customers.iter().map(|(lead, summary)| lifetime_customer::Model {
        lead_id: *lead,
        version,
        repeats: number(summary.repeats),
        recency_days: number(summary.recency_days),
        age_days: number(summary.age_days),
        repeat_minor: summary.repeat_value,
    });
    let rows: Vec<_> = rows.collect();
    upsert_many(tx, &rows, "version, lead_id").await.map(drop)
}

/// Takes some of the customers of a fit away; whether there were any.
pub(super) async fn forget(tx: &Tx, version: i32, limit: u64) -> Result<bool, DbErr> {
    let leads: Vec<LeadId> = lifetime_customer::Entity::find()
        .select_only()
        .column(lifetime_customer::Column::LeadId)
        .filter(lifetime_customer::Column::Version.eq(version))
        .limit(limit)
        .into_tuple()
        .all(&**tx)
        .await?;
    for chunk in leads.chunks(512) {
        lifetime_customer::Entity::delete_many()
            .filter(lifetime_customer::Column::Version.eq(version))
            .filter(lifetime_customer::Column::LeadId.is_in(padded(chunk)))
            .exec(&**tx)
            .await?;
    }
    Ok(!leads.is_empty())
}

/// The purchases of leads as a fit saw them.
pub(super) async fn summaries(
    db: &impl ConnectionTrait,
    version: i32,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Summary>, DbErr> {
    let rows = lifetime_customer::Entity::find()
        .filter(lifetime_customer::Column::LeadId.is_in(padded(leads)))
        .filter(lifetime_customer::Column::Version.eq(version))
        .all(db)
        .await?;
    let number = |number: i32| u32::try_from(number).unwrap_or_default();
    let summary = |row: lifetime_customer::Model| {
        let summary = Summary {
            repeats: number(row.repeats),
            recency_days: number(row.recency_days),
            age_days: number(row.age_days),
            repeat_value: row.repeat_minor,
        };
        (row.lead_id, summary)
    };
    Ok(rows.into_iter().map(summary).collect())
}

/// What the conversions of leads are worth, less what was given back.
pub(super) async fn realised(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, i64>, DbErr> {
    let backend = db.get_database_backend();
    let mut values = Vec::new();
    let keys = leads.iter().map(|lead| [lead.0.into()]);
    let table = key_table(backend, "k", [("lead_id", KeyType::Uuid)], keys, &mut values);
    let text = format!(
        "WITH {table} SELECT c.lead_id, CAST(sum(c.reporting_minor - c.reporting_refunded_minor) AS BIGINT) \
         FROM k CROSS JOIN conversion c WHERE c.lead_id = k.lead_id AND c.voided_at IS NULL \
         AND c.reporting_minor IS NOT NULL GROUP BY c.lead_id"
    );
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}
