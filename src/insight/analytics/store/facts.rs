//! What is read of leads.

use std::collections::HashMap;

use entity::id::LeadId;
use entity::{EngagementType, Stage, Timestamp, lead, lead_score, stage_stay};
use sea_orm::sea_query::Value;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::db::{KeyType, key_table, padded, sql};
use crate::insight::analytics::model::outline::{Active, Sale};
use crate::insight::engagement::is_inbound;

/// What is known of a lead that counts.
#[derive(Clone, Debug)]
pub(in crate::insight::analytics) struct Facts {
    pub(in crate::insight::analytics) created_at: Timestamp,
    pub(in crate::insight::analytics) source: Option<String>,
    pub(in crate::insight::analytics) stage: Stage,
    /// Its stays: the stage, when it was entered and left.
    pub(in crate::insight::analytics) stays: Vec<(Stage, Timestamp, Option<Timestamp>)>,
    /// What orders it by current score.
    pub(in crate::insight::analytics) decay_key: Option<f64>,
    pub(in crate::insight::analytics) sales: Vec<Sale>,
}

/// The leads among these that count: those that are not deleted.
pub(in crate::insight::analytics) async fn facts(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Facts>, DbErr> {
    let rows: Vec<(LeadId, Timestamp, Option<String>, Stage)> = lead::Entity::find()
        .select_only()
        .columns([
            lead::Column::Id,
            lead::Column::CreatedAt,
            lead::Column::Source,
            lead::Column::Stage,
        ])
        .filter(lead::Column::Id.is_in(padded(leads)))
        .filter(lead::Column::DeletedAt.is_null())
        .into_tuple()
        .all(db)
        .await?;
    let mut found: HashMap<LeadId, Facts> = rows
        .into_iter()
        .map(|(id, created_at, source, stage)| {
            let facts = Facts {
                created_at,
                source,
                stage,
                stays: Vec::new(),
                decay_key: None,
                sales: Vec::new(),
            };
            (id, facts)
        })
        .collect();
    let stays: Vec<(LeadId, Stage, Timestamp, Option<Timestamp>)> = stage_stay::Entity::find()
        .select_only()
        .columns([
            stage_stay::Column::LeadId,
            stage_stay::Column::Stage,
            stage_stay::Column::EnteredAt,
            stage_stay::Column::LeftAt,
        ])
        .filter(stage_stay::Column::LeadId.is_in(padded(leads)))
        .order_by_asc(stage_stay::Column::EnteredAt)
        .order_by_asc(stage_stay::Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    for (lead, stage, entered, left) in stays {
        if let Some(facts) = found.get_mut(&lead) {
            facts.stays.push((stage, entered, left));
        }
    }
    let scores: Vec<(LeadId, f64)> = lead_score::Entity::find()
        .select_only()
        .columns([lead_score::Column::LeadId, lead_score::Column::DecayKey])
        .filter(lead_score::Column::LeadId.is_in(padded(leads)))
        .into_tuple()
        .all(db)
        .await?;
    for (lead, decay_key) in scores {
        if let Some(facts) = found.get_mut(&lead) {
            facts.decay_key = Some(decay_key);
        }
    }
    for (lead, sale) in sales(db, leads).await? {
        if let Some(facts) = found.get_mut(&lead) {
            facts.sales.push(sale);
        }
    }
    Ok(found)
}

/// The conversions of leads that count.
async fn sales(db: &impl ConnectionTrait, leads: &[LeadId]) -> Result<Vec<(LeadId, Sale)>, DbErr> {
    let backend = db.get_database_backend();
    let mut values = Vec::new();
    let table = key_table(
        backend,
        "k",
        [("lead_id", KeyType::Uuid)],
        leads.iter().map(|lead| [lead.0.into()]),
        &mut values,
    );
    // Division alone would round moments before 1970 up.
    let text = format!(
        "WITH {table} SELECT c.lead_id, \
         (c.occurred_at - (c.occurred_at % 900000000 + 900000000) % 900000000) / 900000000 AS quarter, c.kind, {WORTH} \
         FROM k CROSS JOIN conversion c WHERE c.lead_id = k.lead_id AND c.voided_at IS NULL GROUP BY 1, 2, 3"
    );
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    let mut sales: Vec<(LeadId, Sale)> = rows
        .iter()
        .map(|row| {
            let quarter: i64 = row.try_get_by_index(1)?;
            let sale = Sale {
                quarter: Timestamp(quarter * entity::time::QUARTER_MICROS).quarter(),
                kind: row.try_get_by_index(2)?,
                conversions: row.try_get_by_index(3)?,
                minor: row.try_get_by_index(4)?,
                unvalued: row.try_get_by_index(5)?,
            };
            Ok((row.try_get_by_index(0)?, sale))
        })
        .collect::<Result<_, DbErr>>()?;
    sales.sort_unstable();
    Ok(sales)
}

/// How many conversions, what they are worth less what was given back, and of how many that is not known in the currency of
/// the reports.
pub(super) const WORTH: &str = "count(*), CAST(COALESCE(sum(c.reporting_minor - COALESCE(c.reporting_refunded_minor, 0)), 0) AS BIGINT), \
     CAST(sum(CASE WHEN c.value_minor IS NOT NULL AND c.reporting_minor IS NULL THEN 1 ELSE 0 END) AS BIGINT)";

/// When leads did something that a person is likely to have done, read from all that they did.
pub(in crate::insight::analytics) async fn active(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    likely_milli: i32,
) -> Result<HashMap<LeadId, Active>, DbErr> {
    let backend = db.get_database_backend();
    let mut values: Vec<Value> = Vec::new();
    let table = key_table(
        backend,
        "k",
        [("lead_id", KeyType::Uuid)],
        leads.iter().map(|lead| [lead.0.into()]),
        &mut values,
    );
    let types: Vec<String> = EngagementType::ALL
        .iter()
        .filter(|kind| is_inbound(**kind))
        .map(|kind| format!("'{kind}'"))
        .collect();
    let types = types.join(",");
    // Division alone would round moments before 1970 up.
    let text = format!(
        "WITH {table} SELECT DISTINCT e.lead_id, \
         (e.occurred_at - (e.occurred_at % 86400000000 + 86400000000) % 86400000000) / 86400000000 AS day \
         FROM k CROSS JOIN engagement e WHERE e.lead_id = k.lead_id AND e.engagement_type IN ({types}) \
         AND e.confidence_milli >= {likely_milli}"
    );
    let mut found: HashMap<LeadId, Active> = HashMap::new();
    for row in db.query_all_raw(sql(backend, &text, values)).await? {
        let day: i64 = row.try_get_by_index(1)?;
        let day = Timestamp(day * entity::time::DAY_MICROS).day();
        found.entry(row.try_get_by_index(0)?).or_default().on(day);
    }
    Ok(found)
}

/// The next leads, in the order of their ids.
pub(in crate::insight::analytics) async fn leads_after(
    db: &impl ConnectionTrait,
    after: Option<LeadId>,
    limit: u64,
) -> Result<Vec<LeadId>, DbErr> {
    let mut select = lead::Entity::find().select_only().column(lead::Column::Id);
    if let Some(after) = after {
        select = select.filter(lead::Column::Id.gt(after));
    }
    select
        .order_by_asc(lead::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}
