//! What is read of leads: their touches, conversions, stages.

use std::collections::{BTreeSet, HashMap, HashSet};

use entity::id::{ConversionId, LeadId};
use entity::{ConversionKind, EngagementType, SourceKind, Stage, Timestamp, conversion_reversal, lead};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect,
};

use crate::db::{KeyType, key_table, sql};
use crate::insight::attribution::model::trail::Touch;
use crate::leads::visible::Visible;

/// What has to be known of a lead before its touches are read.
#[derive(Clone, Copy, Debug)]
pub(in crate::insight::attribution) struct Outline {
    /// When its last conversion that counts was.
    pub(in crate::insight::attribution) last_conversion: Option<Timestamp>,
    /// When its newest touch was.
    pub(in crate::insight::attribution) newest_touch: Option<Timestamp>,
    /// When it first became an opportunity.
    pub(in crate::insight::attribution) opportunity_at: Option<Timestamp>,
}

fn words<'a>(words: impl IntoIterator<Item = &'a EngagementType>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("'{word}'")).collect();
    words.join(",")
}

/// The outlines of leads.
pub(in crate::insight::attribution) async fn outlines(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    types: &BTreeSet<EngagementType>,
) -> Result<HashMap<LeadId, Outline>, DbErr> {
    let mut values = Vec::new();
    let keys = leads.iter().map(|lead| [lead.0.into()]);
    let table = key_table(
        db.get_database_backend(),
        "k",
        [("lead_id", KeyType::Uuid)],
        keys,
        &mut values,
    );
    let types = words(types);
    let opportunity = Stage::Opportunity;
    let text = format!(
        "WITH {table} SELECT k.lead_id, \
         (SELECT c.occurred_at FROM conversion c WHERE c.lead_id = k.lead_id AND c.voided_at IS NULL \
          ORDER BY c.occurred_at DESC LIMIT 1), \
         (SELECT e.occurred_at FROM engagement e WHERE e.lead_id = k.lead_id AND e.engagement_type IN ({types}) \
          ORDER BY e.occurred_at DESC, e.id DESC LIMIT 1), \
         (SELECT min(s.entered_at) FROM stage_stay s WHERE s.lead_id = k.lead_id AND s.stage = '{opportunity}') \
         FROM k WHERE k.lead_id IS NOT NULL"
    );
    let rows = db
        .query_all_raw(sql(db.get_database_backend(), &text, values))
        .await?;
    rows.iter()
        .map(|row| {
            let outline = Outline {
                last_conversion: row.try_get_by_index(1)?,
                newest_touch: row.try_get_by_index(2)?,
                opportunity_at: row.try_get_by_index(3)?,
            };
            Ok((row.try_get_by_index(0)?, outline))
        })
        .collect()
}

/// A conversion that counts.
#[derive(Clone, Copy, Debug)]
pub(in crate::insight::attribution) struct Counted {
    pub(in crate::insight::attribution) id: ConversionId,
    pub(in crate::insight::attribution) lead_id: LeadId,
    pub(in crate::insight::attribution) kind: ConversionKind,
    pub(in crate::insight::attribution) at: Timestamp,
    /// In the currency of the reports.
    pub(in crate::insight::attribution) value: Option<i64>,
}

/// The conversions of leads that count, each from a moment on.
pub(in crate::insight::attribution) async fn conversions(
    db: &impl ConnectionTrait,
    since: &[(LeadId, Timestamp)],
) -> Result<Vec<Counted>, DbErr> {
    let mut values = Vec::new();
    let table = since_table(db, since, &mut values);
    let text = format!(
        "WITH {table} SELECT c.id, c.lead_id, c.kind, c.occurred_at, c.reporting_minor - c.reporting_refunded_minor \
         FROM k CROSS JOIN conversion c WHERE c.lead_id = k.lead_id AND c.occurred_at >= k.since AND c.voided_at IS NULL"
    );
    let rows = db
        .query_all_raw(sql(db.get_database_backend(), &text, values))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Counted {
                id: row.try_get_by_index(0)?,
                lead_id: row.try_get_by_index(1)?,
                kind: row.try_get_by_index(2)?,
                at: row.try_get_by_index(3)?,
                value: row.try_get_by_index(4)?,
            })
        })
        .collect()
}

pub(super) fn since_table(
    db: &impl ConnectionTrait,
    since: &[(LeadId, Timestamp)],
    values: &mut Vec<sea_orm::Value>,
) -> String {
    let keys = since
        .iter()
        .map(|(lead, since)| [lead.0.into(), since.micros().into()]);
    let columns = [("lead_id", KeyType::Uuid), ("since", KeyType::BigInt)];
    key_table(db.get_database_backend(), "k", columns, keys, values)
}

const TOUCH: &str = "e.lead_id, e.id, e.occurred_at, e.engagement_type, e.channel, e.source_kind, e.source_name, \
                     e.source_id, e.confidence_milli";

fn touch(row: &QueryResult) -> Result<Touch, DbErr> {
    let kind: Option<SourceKind> = row.try_get_by_index(5)?;
    let name: Option<String> = row.try_get_by_index(6)?;
    let id: Option<String> = row.try_get_by_index(7)?;
    Ok(Touch {
        id: row.try_get_by_index(1)?,
        at: row.try_get_by_index(2)?,
        kind: row.try_get_by_index(3)?,
        channel: row.try_get_by_index(4)?,
        source: name.or(id).filter(|name| !name.is_empty()),
        is_campaign: kind == Some(SourceKind::Campaign),
        confidence_milli: row.try_get_by_index(8)?,
    })
}

/// The touches of leads, each from a moment on, in order of time, ties by id.
pub(in crate::insight::attribution) async fn touches(
    db: &impl ConnectionTrait,
    since: &[(LeadId, Timestamp)],
    types: &BTreeSet<EngagementType>,
) -> Result<HashMap<LeadId, Vec<Touch>>, DbErr> {
    let mut values = Vec::new();
    let table = since_table(db, since, &mut values);
    let types = words(types);
    let text = format!(
        "WITH {table} SELECT {TOUCH} FROM k CROSS JOIN engagement e WHERE e.lead_id = k.lead_id \
         AND e.occurred_at >= k.since AND e.engagement_type IN ({types}) ORDER BY e.lead_id, e.occurred_at, e.id"
    );
    by_lead(db, &text, values).await
}

/// The touches of one lead in a span, both ends included, of which Leadline knew at a moment; the same order.
pub(in crate::insight::attribution) async fn touches_between(
    db: &impl ConnectionTrait,
    lead: LeadId,
    (from, to): (Timestamp, Timestamp),
    known_by: Timestamp,
    types: &BTreeSet<EngagementType>,
) -> Result<Vec<Touch>, DbErr> {
    let types = words(types);
    let text = format!(
        "SELECT {TOUCH} FROM engagement e WHERE e.lead_id = ? AND e.occurred_at BETWEEN ? AND ? AND e.received_at <= ? \
         AND e.engagement_type IN ({types}) ORDER BY e.occurred_at, e.id"
    );
    let values = [
        lead.0.into(),
        from.micros().into(),
        to.micros().into(),
        known_by.micros().into(),
    ];
    let rows = db
        .query_all_raw(sql(db.get_database_backend(), &text, values))
        .await?;
    rows.iter().map(touch).collect()
}

/// A conversion by what was known of it at a moment.
#[derive(Clone, Debug)]
pub(in crate::insight::attribution) struct Known {
    pub(in crate::insight::attribution) lead_id: LeadId,
    pub(in crate::insight::attribution) kind: ConversionKind,
    pub(in crate::insight::attribution) at: Timestamp,
    /// In minor units of its own currency.
    pub(in crate::insight::attribution) minor: Option<i64>,
    pub(in crate::insight::attribution) currency: Option<String>,
    /// What had been given back by then, in the same.
    pub(in crate::insight::attribution) refunded: i64,
}

/// The conversions of a span that Leadline knew of at a moment, and that had not been called off by then.
pub(in crate::insight::attribution) async fn conversions_known_by(
    db: &impl ConnectionTrait,
    (from, to): (Timestamp, Timestamp),
    kinds: &[ConversionKind],
    leads: &Visible,
    known_by: Timestamp,
    limit: u64,
) -> Result<Vec<Known>, DbErr> {
    let kinds: Vec<String> = kinds.iter().map(|kind| format!("'{kind}'")).collect();
    let of_kinds = match kinds.is_empty() {
        true => String::new(),
        false => format!("AND c.kind IN ({})", kinds.join(",")),
    };
    let by = known_by.micros();
    let mut values = vec![by.into(), from.micros().into(), to.micros().into(), by.into()];
    let of_leads = leads.and_among("c.lead_id", &mut values);
    let text = format!(
        "SELECT c.lead_id, c.kind, c.occurred_at, c.value_minor, c.currency, COALESCE(r.refunded_minor, 0) \
         FROM conversion c LEFT JOIN conversion_reversal r ON r.conversion_id = c.id AND r.at = \
         (SELECT max(x.at) FROM conversion_reversal x WHERE x.conversion_id = c.id AND x.at <= ?) \
         WHERE c.occurred_at >= ? AND c.occurred_at < ? AND c.received_at <= ? {of_leads} {of_kinds} \
         AND (r.is_void IS NULL OR NOT r.is_void) ORDER BY c.occurred_at, c.id LIMIT {limit}"
    );
    let rows = db
        .query_all_raw(sql(db.get_database_backend(), &text, values))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Known {
                lead_id: row.try_get_by_index(0)?,
                kind: row.try_get_by_index(1)?,
                at: row.try_get_by_index(2)?,
                minor: row.try_get_by_index(3)?,
                currency: row.try_get_by_index(4)?,
                refunded: row.try_get_by_index(5)?,
            })
        })
        .collect()
}

/// The touches of leads, each lead once in a span, both ends included, of which Leadline knew at a moment: in order of time, ties by
/// id.
pub(in crate::insight::attribution) async fn touches_known_by(
    db: &impl ConnectionTrait,
    spans: &[(LeadId, (Timestamp, Timestamp))],
    known_by: Timestamp,
    types: &BTreeSet<EngagementType>,
) -> Result<HashMap<LeadId, Vec<Touch>>, DbErr> {
    let mut values = Vec::new();
    let columns = [
        ("lead_id", KeyType::Uuid),
        ("since", KeyType::BigInt),
        ("until", KeyType::BigInt),
    ];
    let rows = spans
        .iter()
        .map(|(lead, (from, to))| [lead.0.into(), from.micros().into(), to.micros().into()]);
    let table = key_table(db.get_database_backend(), "k", columns, rows, &mut values);
    values.push(known_by.micros().into());
    let types = words(types);
    let text = format!(
        "WITH {table} SELECT {TOUCH} FROM k CROSS JOIN engagement e WHERE e.lead_id = k.lead_id \
         AND e.occurred_at >= k.since AND e.occurred_at <= k.until AND e.received_at <= ? \
         AND e.engagement_type IN ({types}) ORDER BY e.lead_id, e.occurred_at, e.id"
    );
    by_lead(db, &text, values).await
}

async fn by_lead(
    db: &impl ConnectionTrait,
    text: &str,
    values: Vec<sea_orm::Value>,
) -> Result<HashMap<LeadId, Vec<Touch>>, DbErr> {
    let mut found: HashMap<LeadId, Vec<Touch>> = HashMap::new();
    for row in db
        .query_all_raw(sql(db.get_database_backend(), text, values))
        .await?
    {
        found
            .entry(row.try_get_by_index(0)?)
            .or_default()
            .push(touch(&row)?);
    }
    Ok(found)
}

/// Of some leads those with a touch at or after a moment of which Leadline knew at another.
pub(in crate::insight::attribution) async fn touched_later(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    since: Timestamp,
    known_by: Timestamp,
    types: &BTreeSet<EngagementType>,
) -> Result<HashSet<LeadId>, DbErr> {
    let mut values = Vec::new();
    let keys = leads.iter().map(|lead| [lead.0.into()]);
    let backend = db.get_database_backend();
    let table = key_table(backend, "k", [("lead_id", KeyType::Uuid)], keys, &mut values);
    values.extend([since.micros().into(), known_by.micros().into()]);
    let types = words(types);
    let text = format!(
        "WITH {table} SELECT k.lead_id FROM k WHERE EXISTS (SELECT 1 FROM engagement e WHERE e.lead_id = k.lead_id \
         AND e.occurred_at >= ? AND e.received_at <= ? AND e.engagement_type IN ({types}))"
    );
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// Leads with a touch in a span of which Leadline knew at a moment.
pub(in crate::insight::attribution) async fn leads_touched(
    db: &impl ConnectionTrait,
    (from, to): (Timestamp, Timestamp),
    leads: &Visible,
    known_by: Timestamp,
    types: &BTreeSet<EngagementType>,
    limit: u64,
) -> Result<Vec<LeadId>, DbErr> {
    let types = words(types);
    let mut values = vec![from.micros().into(), to.micros().into(), known_by.micros().into()];
    let of_leads = leads.and_among("e.lead_id", &mut values);
    let text = format!(
        "SELECT DISTINCT e.lead_id FROM engagement e WHERE e.occurred_at >= ? AND e.occurred_at < ? AND e.received_at <= ? \
         {of_leads} AND e.engagement_type IN ({types}) LIMIT {limit}"
    );
    let rows = db
        .query_all_raw(sql(db.get_database_backend(), &text, values))
        .await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// When each of some leads had converted last, by what was known at a moment.
pub(in crate::insight::attribution) async fn last_conversions_known_by(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    known_by: Timestamp,
) -> Result<HashMap<LeadId, Timestamp>, DbErr> {
    let mut values = Vec::new();
    let keys = leads.iter().map(|lead| [lead.0.into()]);
    let backend = db.get_database_backend();
    let table = key_table(backend, "k", [("lead_id", KeyType::Uuid)], keys, &mut values);
    values.extend([known_by.micros().into(), known_by.micros().into()]);
    let text = format!(
        "WITH {table} SELECT c.lead_id, max(c.occurred_at) FROM k CROSS JOIN conversion c WHERE c.lead_id = k.lead_id \
         AND c.received_at <= ? AND NOT COALESCE((SELECT r.is_void FROM conversion_reversal r WHERE r.conversion_id = c.id \
         AND r.at <= ? ORDER BY r.at DESC LIMIT 1), FALSE) GROUP BY c.lead_id"
    );
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}

/// When each of some leads first became an opportunity, if it did.
pub(in crate::insight::attribution) async fn opportunities(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Timestamp>, DbErr> {
    let mut values = Vec::new();
    let keys = leads.iter().map(|lead| [lead.0.into()]);
    let backend = db.get_database_backend();
    let table = key_table(backend, "k", [("lead_id", KeyType::Uuid)], keys, &mut values);
    let text = format!(
        "WITH {table} SELECT s.lead_id, min(s.entered_at) FROM k CROSS JOIN stage_stay s WHERE s.lead_id = k.lead_id \
         AND s.stage = '{}' GROUP BY s.lead_id",
        Stage::Opportunity
    );
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}

/// The last reversal of a conversion up to a moment.
pub(in crate::insight::attribution) async fn reversal_as_of(
    db: &impl ConnectionTrait,
    id: ConversionId,
    at: Timestamp,
) -> Result<Option<conversion_reversal::Model>, DbErr> {
    conversion_reversal::Entity::find()
        .filter(conversion_reversal::Column::ConversionId.eq(id))
        .filter(conversion_reversal::Column::At.lte(at))
        .order_by_desc(conversion_reversal::Column::At)
        .one(db)
        .await
}

/// The next leads that have a conversion or an engagement, in the order of their ids.
pub(in crate::insight::attribution) async fn leads_after(
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
