//! The sums that a forecast is made of.

use std::collections::HashMap;

use entity::id::DealStageId;
use entity::{Day, Timestamp};
use sea_orm::sea_query::Value;
use sea_orm::{ConnectionTrait, DbErr};

use crate::db::sql;
use crate::leads::visible::Visible;

/// The open deals of a stage within a span.
#[derive(Clone, Debug)]
pub(in crate::insight::revenue::deals) struct Cell {
    /// Which stage.
    pub(in crate::insight::revenue::deals) stage: DealStageId,
    /// Which span: 0 is before the first day, 1 and so on begin with the days, the last ends never; -1 is none.
    pub(in crate::insight::revenue::deals) span: i32,
    /// How many.
    pub(in crate::insight::revenue::deals) deals: i64,
    /// Their value in the currency that was asked for.
    pub(in crate::insight::revenue::deals) value: i64,
    /// How many have no value.
    pub(in crate::insight::revenue::deals) without_value: i64,
    /// How many have a value that is not known in that currency.
    pub(in crate::insight::revenue::deals) without_rate: i64,
}

/// Of the deals that were closed from a moment on and have ever been in a stage: how many, and how many of them were won.
pub(in crate::insight::revenue::deals) async fn closed(
    db: &impl ConnectionTrait,
    since: Timestamp,
) -> Result<HashMap<DealStageId, (i64, i64)>, DbErr> {
    let text = "SELECT stage_id, COUNT(*) AS closed, CAST(SUM(won) AS BIGINT) AS won FROM (\
                SELECT DISTINCT deal_move.to_stage AS stage_id, deal.id AS deal_id, \
                CASE WHEN deal.state = 'WON' THEN 1 ELSE 0 END AS won \
                FROM deal JOIN deal_move ON deal_move.deal_id = deal.id \
                WHERE deal.closed_at >= ? AND deal.state <> 'OPEN') AS seen GROUP BY stage_id";
    let rows = db
        .query_all_raw(sql(db.get_database_backend(), text, [since.micros().into()]))
        .await?;
    rows.iter()
        .map(|row| {
            let counts = (row.try_get("", "closed")?, row.try_get("", "won")?);
            Ok((row.try_get("", "stage_id")?, counts))
        })
        .collect()
}

/// The open deals of some leads that are not deleted, by stage and by the span that their expected close falls into. A span begins
/// with each of the days, which are in order.
pub(in crate::insight::revenue::deals) async fn open(
    db: &impl ConnectionTrait,
    leads: &Visible,
    days: &[Day],
    currency: &str,
) -> Result<Vec<Cell>, DbErr> {
    let mut values: Vec<Value> = Vec::new();
    let mut span = String::from("CASE WHEN deal.expected_close IS NULL THEN -1");
    for (place, day) in days.iter().enumerate() {
        span.push_str(&format!(" WHEN deal.expected_close < ? THEN {place}"));
        values.push(day.0.into());
    }
    span.push_str(&format!(" ELSE {} END", days.len()));
    values.extend([currency.into(), currency.into()]);
    let of_leads = leads.and_among("deal.lead_id", &mut values);
    let text = format!(
        "SELECT stage_id, span, COUNT(*) AS deals, CAST(SUM(worth) AS BIGINT) AS value, \
         CAST(SUM(no_value) AS BIGINT) AS without_value, CAST(SUM(no_rate) AS BIGINT) AS without_rate FROM (\
         SELECT deal.stage_id, {span} AS span, \
         CASE WHEN deal.reporting_currency = ? THEN COALESCE(deal.reporting_minor, 0) ELSE 0 END AS worth, \
         CASE WHEN deal.value_minor IS NULL THEN 1 ELSE 0 END AS no_value, \
         CASE WHEN deal.value_minor IS NULL OR deal.reporting_currency = ? THEN 0 ELSE 1 END AS no_rate \
         FROM deal WHERE deal.state = 'OPEN' AND EXISTS (SELECT 1 FROM lead WHERE lead.id = deal.lead_id AND lead.deleted_at IS NULL) \
         {of_leads}) AS pending GROUP BY stage_id, span"
    );
    let rows = db
        .query_all_raw(sql(db.get_database_backend(), &text, values))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Cell {
                stage: row.try_get("", "stage_id")?,
                span: row.try_get("", "span")?,
                deals: row.try_get("", "deals")?,
                value: row.try_get("", "value")?,
                without_value: row.try_get("", "without_value")?,
                without_rate: row.try_get("", "without_rate")?,
            })
        })
        .collect()
}
