//! All SQL of engagements.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use entity::engagement::{Column, Entity};
use entity::id::{EngagementId, LeadId};
use entity::{ByPlace, Channel, Day, EngagementType, Timestamp};
use sea_orm::sea_query::{Expr, Value};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryTrait,
    Select,
};

use super::{Engagement, EngagementFilter};
use crate::db::{
    self, Conflict, Direction, KeyType, Page, PageRequest, Tx, among, insert_refs, key_table, padded, sql,
};
use crate::leads::visible::Visible;

/// Locks of messages fall into this many, so that a batch cannot use up the server's table of locks.
const LOCK_BUCKETS: u32 = 512;
/// The class of these locks among PostgreSQL's advisory locks.
const LOCK_CLASS: i32 = 0x656e;

/// What confidence depends on.
#[derive(Debug, FromQueryResult)]
pub(super) struct MessageRow {
    pub(super) id: EngagementId,
    pub(super) lead_id: LeadId,
    pub(super) message_id: String,
    pub(super) engagement_type: EngagementType,
    pub(super) channel: Channel,
    pub(super) occurred_at: Timestamp,
    pub(super) user_agent: Option<String>,
    pub(super) url: Option<String>,
    pub(super) message_link_count: Option<i32>,
    pub(super) confidence_milli: i32,
}

/// Stores the rows whose dedupe key is not there; answers how many.
pub(super) async fn insert(tx: &Tx, rows: impl Iterator<Item = &Engagement>) -> Result<u64, DbErr> {
    let rows: Vec<&Engagement> = rows.collect();
    insert_refs(tx, &rows, Conflict::Keep("")).await
}

pub(super) async fn by_dedupe_keys(
    tx: &Tx,
    keys: &[&str],
) -> Result<HashMap<String, Arc<Engagement>>, DbErr> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let mut values = Vec::with_capacity(keys.len().next_power_of_two());
    let keys = keys.iter().map(|key| Value::from(*key));
    let among = among(tx.backend(), "dedupe_key", KeyType::Text, keys, &mut values);
    let columns = Engagement::columns("engagement");
    let text = format!("SELECT {columns} FROM engagement WHERE {among}");
    let rows = db::raw_rows::<Engagement>(&**tx, sql(tx.backend(), &text, values)).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((row.dedupe_key.clone()?, Arc::new(row))))
        .collect())
}

/// Makes whoever records events of the same messages wait until this transaction ends. On SQLite there is one writer.
pub(super) async fn lock_messages(tx: &Tx, messages: &HashSet<(LeadId, &str)>) -> Result<(), DbErr> {
    if messages.is_empty() || tx.backend() != DbBackend::Postgres {
        return Ok(());
    }
    let mut buckets: Vec<i32> = messages
        .iter()
        .map(|(lead, message)| {
            let mut hash = blake3::Hasher::new();
            hash.update(lead.0.as_bytes()).update(message.as_bytes());
            let hash = hash.finalize();
            let [a, b, ..] = *hash.as_bytes();
            i32::try_from(u32::from(u16::from_be_bytes([a, b])) % LOCK_BUCKETS).expect("below the modulus")
        })
        .collect();
    // One order for everybody: no two can wait for each other.
    buckets.sort_unstable();
    buckets.dedup();
    let mut values = Vec::new();
    let rows = buckets.into_iter().map(|bucket| [bucket.into()]);
    let table = key_table(
        tx.backend(),
        "k",
        [("bucket", KeyType::Integer)],
        rows,
        &mut values,
    );
    let text = format!("WITH {table} SELECT pg_advisory_xact_lock({LOCK_CLASS}, bucket) FROM k");
    tx.query_all_raw(sql(tx.backend(), &text, values)).await.map(drop)
}

/// All events of some messages.
pub(super) async fn of_messages(
    tx: &Tx,
    messages: &HashSet<(LeadId, &str)>,
) -> Result<Vec<MessageRow>, DbErr> {
    let mut values = Vec::new();
    let columns = [("lead_id", KeyType::Uuid), ("message_id", KeyType::Text)];
    let keys = messages
        .iter()
        .map(|(lead, message)| [lead.0.into(), (*message).into()]);
    let table = key_table(tx.backend(), "k", columns, keys, &mut values);
    let text = format!(
        "WITH {table} SELECT e.id, e.lead_id, e.message_id, e.engagement_type, e.channel, e.occurred_at, e.user_agent, \
         e.url, e.message_link_count, e.confidence_milli FROM k CROSS JOIN engagement e \
         WHERE e.message_id = k.message_id AND e.lead_id = k.lead_id"
    );
    MessageRow::find_by_statement(sql(tx.backend(), &text, values))
        .all(&**tx)
        .await
}

pub(super) async fn set_confidence(tx: &Tx, ids: &[EngagementId], milli: i32) -> Result<(), DbErr> {
    let mut values = vec![Value::from(milli)];
    let ids = ids.iter().map(|id| id.0.into());
    let among = among(tx.backend(), "id", KeyType::Uuid, ids, &mut values);
    let text = format!("UPDATE engagement SET confidence_milli = ? WHERE {among}");
    tx.execute_raw(sql(tx.backend(), &text, values)).await.map(drop)
}

fn filtered(filter: &EngagementFilter) -> Select<Entity> {
    let EngagementFilter {
        lead_id,
        types,
        channels,
        from,
        to,
    } = filter;
    let mut select = Entity::find();
    if let Some(lead_id) = lead_id {
        select = select.filter(Column::LeadId.eq(*lead_id));
    }
    if !types.is_empty() {
        select = select.filter(Column::EngagementType.is_in(padded(types)));
    }
    if !channels.is_empty() {
        select = select.filter(Column::Channel.is_in(padded(channels)));
    }
    if let Some(from) = from {
        select = select.filter(Column::OccurredAt.gte(*from));
    }
    if let Some(to) = to {
        select = select.filter(Column::OccurredAt.lt(*to));
    }
    select
}

pub(super) async fn list(
    db: &impl ConnectionTrait,
    visible: &Visible,
    filter: &EngagementFilter,
    page: &PageRequest,
) -> Result<Page<Engagement>, DbErr> {
    let mut select = filtered(filter).apply_if(visible.among((Entity, Column::LeadId)), |select, seen| {
        select.filter(seen)
    });
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((Entity, Column::OccurredAt)),
        (Entity, Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, db::rows(db, select).await?))
}

/// The latest of each lead: as many entries of the index of a lead are read as are wanted, and their rows.
pub(super) async fn newest(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    limit: u64,
) -> Result<HashMap<LeadId, Vec<Arc<Engagement>>>, DbErr> {
    let backend = db.get_database_backend();
    let mut values = Vec::new();
    let keys = leads.iter().map(|lead| [lead.0.into()]);
    let table = key_table(backend, "k", [("lead_id", KeyType::Uuid)], keys, &mut values);
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let columns = Engagement::columns("e");
    let text = if backend == DbBackend::Postgres {
        format!(
            "WITH {table} SELECT {columns} FROM k CROSS JOIN LATERAL (SELECT * FROM engagement WHERE lead_id = k.lead_id \
             ORDER BY occurred_at DESC, id DESC LIMIT ?) e ORDER BY e.lead_id, e.occurred_at DESC, e.id DESC"
        )
    } else {
        // SQLite has no LATERAL; the inner list is read from the index alone.
        format!(
            "WITH {table} SELECT {columns} FROM k CROSS JOIN engagement e WHERE e.rowid IN (SELECT rowid FROM engagement i \
             WHERE i.lead_id = k.lead_id ORDER BY i.occurred_at DESC, i.id DESC LIMIT ?)"
        )
    };
    let rows = db::raw_rows::<Engagement>(db, sql(backend, &text, values)).await?;
    let mut by_lead: HashMap<LeadId, Vec<Arc<Engagement>>> = HashMap::with_capacity(leads.len());
    for row in rows {
        by_lead.entry(row.lead_id).or_default().push(Arc::new(row));
    }
    for rows in by_lead.values_mut() {
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.occurred_at, row.id)));
    }
    Ok(by_lead)
}

pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    visible: &Visible,
    ids: &[EngagementId],
) -> Result<HashMap<EngagementId, Arc<Engagement>>, DbErr> {
    let select = Entity::find()
        .filter(Column::Id.is_in(padded(ids)))
        .apply_if(visible.is_seen((Entity, Column::LeadId)), |select, seen| {
            select.filter(seen)
        });
    let rows = db::rows(db, select).await?;
    Ok(rows.into_iter().map(|row| (row.id, Arc::new(row))).collect())
}

/// Engagements of a type, by a channel, on a day, with or without revenue in a currency.
#[derive(Debug)]
pub struct Sum {
    /// The type.
    pub kind: EngagementType,
    /// The channel.
    pub channel: Channel,
    /// The UTC day.
    pub day: Day,
    /// How many.
    pub count: i64,
    /// Currency and minor units.
    pub revenue: Option<(String, i64)>,
}

pub(super) async fn sums(
    db: &impl ConnectionTrait,
    visible: &Visible,
    filter: &EngagementFilter,
) -> Result<Vec<Sum>, DbErr> {
    let backend = db.get_database_backend();
    let EngagementFilter {
        lead_id,
        types,
        channels,
        from,
        to,
    } = filter;
    let mut values = Vec::new();
    let mut conditions = vec!["1 = 1".to_owned()];
    if let Some(lead_id) = lead_id {
        conditions.push("lead_id = ?".into());
        values.push(lead_id.0.into());
    }
    if let Some(from) = from {
        conditions.push("occurred_at >= ?".into());
        values.push(from.micros().into());
    }
    if let Some(to) = to {
        conditions.push("occurred_at < ?".into());
        values.push(to.micros().into());
    }
    if !types.is_empty() {
        let words = types.iter().map(|kind| kind.as_str().into());
        conditions.push(among(
            backend,
            "engagement_type",
            KeyType::Text,
            words,
            &mut values,
        ));
    }
    if !channels.is_empty() {
        let words = channels.iter().map(|channel| channel.as_str().into());
        conditions.push(among(backend, "channel", KeyType::Text, words, &mut values));
    }
    let seen = if lead_id.is_some() {
        visible.and_seen("engagement.lead_id", &mut values)
    } else {
        visible.and_among("lead_id", &mut values)
    };
    // No engagement is older than 1970, so that both databases' division rounds the same way.
    let text = format!(
        "SELECT engagement_type, channel, occurred_at / 86400000000 AS day, currency, count(*) AS number, \
         CAST(COALESCE(sum(revenue_minor), 0) AS BIGINT) AS revenue FROM engagement WHERE {}{seen} GROUP BY 1, 2, 3, 4",
        conditions.join(" AND ")
    );
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter()
        .map(|row| {
            let day: i64 = row.try_get("", "day")?;
            let currency: Option<String> = row.try_get("", "currency")?;
            let minor: i64 = row.try_get("", "revenue")?;
            Ok(Sum {
                kind: row.try_get("", "engagement_type")?,
                channel: row.try_get("", "channel")?,
                day: Timestamp(day * entity::time::DAY_MICROS).day(),
                count: row.try_get("", "number")?,
                revenue: currency.map(|currency| (currency, minor)),
            })
        })
        .collect()
}

pub(super) async fn blank(tx: &Tx, leads: &[LeadId]) -> Result<(), DbErr> {
    let mut values = Vec::new();
    let leads = leads.iter().map(|lead| lead.0.into());
    let among = among(tx.backend(), "lead_id", KeyType::Uuid, leads, &mut values);
    let text = format!(
        "UPDATE engagement SET ip = NULL, user_agent = NULL, city = NULL, region = NULL, url = NULL, title = NULL, \
         metadata = NULL WHERE {among}"
    );
    tx.execute_raw(sql(tx.backend(), &text, values)).await.map(drop)
}
