//! All SQL of journeys.

use std::collections::{BTreeMap, HashMap, HashSet};

use entity::id::LeadId;
use entity::{
    Day, EventKind, Stage, Timestamp, activity_day, deployment_day, deployment_quarter, journey,
    score_history, stage_stay,
};
use sea_orm::sea_query::Value;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder};

use super::model::{DayActivity, Deployment, DeploymentActivity, JourneyFacts, LeadFold};
use crate::db::{KeyType, Tx, among, key_table, padded, sql, upsert_many};
use crate::error::Error;
use crate::events::{Event, Position, waiting};
use crate::leads::visible::Visible;

/// The journeys of some leads; a lead without one is left out.
pub(super) async fn facts(
    db: &impl ConnectionTrait,
    leads: impl ExactSizeIterator<Item = LeadId>,
) -> Result<Vec<(LeadId, JourneyFacts)>, Error> {
    if leads.len() == 0 {
        return Ok(Vec::new());
    }
    let backend = db.get_database_backend();
    let mut values = Vec::new();
    let keys = leads.map(|lead| lead.0.into());
    let among = among(backend, "lead_id", KeyType::Uuid, keys, &mut values);
    let text = format!("SELECT lead_id, facts FROM journey WHERE {among}");
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter()
        .map(|row| {
            let lead = row.try_get_by_index(0)?;
            let text: String = row.try_get_by_index(1)?;
            Ok((lead, JourneyFacts::from_json(&text)?))
        })
        .collect()
}

/// Some days of some leads; a day without engagements is left out.
pub(super) async fn days(
    db: &impl ConnectionTrait,
    keys: &HashSet<(LeadId, Day)>,
) -> Result<Vec<(LeadId, Day, DayActivity)>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let backend = db.get_database_backend();
    let mut values = Vec::new();
    let columns = [("lead_id", KeyType::Uuid), ("day", KeyType::Integer)];
    let keys = keys.iter().map(|(lead, day)| [lead.0.into(), day.0.into()]);
    let table = key_table(backend, "k", columns, keys, &mut values);
    let text = format!(
        "WITH {table} SELECT a.lead_id, a.day, a.activity FROM k CROSS JOIN activity_day a \
         WHERE a.lead_id = k.lead_id AND a.day = k.day"
    );
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter()
        .map(|row| {
            let text: String = row.try_get_by_index(2)?;
            Ok((
                row.try_get_by_index(0)?,
                row.try_get_by_index(1)?,
                DayActivity::from_json(&text)?,
            ))
        })
        .collect()
}

/// Writes journeys and their days as they are now.
pub(super) async fn write(tx: &Tx, folds: &HashMap<LeadId, (LeadFold, Position)>) -> Result<(), DbErr> {
    let mut journeys: Vec<journey::Model> = folds
        .iter()
        .map(|(lead, (fold, position))| journey::Model {
            lead_id: *lead,
            facts: fold.facts.to_json(),
            position: *position,
        })
        .collect();
    let mut days: Vec<activity_day::Model> = folds
        .iter()
        .flat_map(|(lead, (fold, _))| {
            fold.days.iter().map(|(day, activity)| activity_day::Model {
                lead_id: *lead,
                day: *day,
                activity: activity.to_json(),
            })
        })
        .collect();
    // In the order of the tree: neighbours are written together.
    journeys.sort_unstable_by_key(|row| row.lead_id);
    days.sort_unstable_by_key(|row| (row.lead_id, row.day));
    upsert_many(tx, &journeys, "lead_id").await?;
    upsert_many(tx, &days, "lead_id, day").await?;
    Ok(())
}

/// What events tell of all leads that the handler has not come to, in PostgreSQL's outbox included; `None` where that is more
/// than [`MOST_WAITING`].
pub(super) async fn pending(db: &impl ConnectionTrait, name: &str) -> Result<Option<Vec<Event>>, Error> {
    let kinds = [EventKind::EngagementRecorded, EventKind::StageChanged];
    let events = waiting(db, name, &kinds, MOST_WAITING + 1).await?;
    Ok((events.len() <= MOST_WAITING).then_some(events))
}

/// Most events that are taken account of while they wait: bounds what is in memory.
const MOST_WAITING: usize = 20_000;

/// Adds to what is kept of all leads.
pub(super) async fn add_to_deployment(tx: &Tx, mut new: Deployment) -> Result<(), Error> {
    let days: Vec<Day> = new.days.keys().copied().collect();
    for (day, stored) in days_of_deployment(tx, &days).await? {
        new.days.entry(day).or_default().merge(&stored);
    }
    let quarters: Vec<i32> = new.quarters.keys().copied().collect();
    for (quarter, stored) in quarters_of_deployment(tx, &quarters).await? {
        new.quarters.entry(quarter).or_default().merge(&stored);
    }
    write_deployment(tx, &new).await
}

/// Writes days and quarters as they are; those in which nothing happened are taken away.
pub(super) async fn write_deployment(tx: &Tx, deployment: &Deployment) -> Result<(), Error> {
    let mut days = Vec::with_capacity(deployment.days.len());
    let mut empty: Vec<Day> = Vec::new();
    for (day, activity) in &deployment.days {
        if activity.is_empty() {
            empty.push(*day);
            continue;
        }
        days.push(deployment_day::Model {
            day: *day,
            activity: activity.to_json(),
        });
    }
    upsert_many(tx, &days, "day").await?;
    if !empty.is_empty() {
        deployment_day::Entity::delete_many()
            .filter(deployment_day::Column::Day.is_in(padded(&empty)))
            .exec(&**tx)
            .await?;
    }
    let mut quarters = Vec::with_capacity(deployment.quarters.len());
    let mut empty: Vec<i32> = Vec::new();
    for (quarter, activity) in &deployment.quarters {
        if activity.is_empty() {
            empty.push(*quarter);
            continue;
        }
        quarters.push(deployment_quarter::Model {
            quarter: *quarter,
            engagements: activity.total(),
            activity: activity.to_json(),
        });
    }
    upsert_many(tx, &quarters, "quarter").await?;
    if !empty.is_empty() {
        deployment_quarter::Entity::delete_many()
            .filter(deployment_quarter::Column::Quarter.is_in(padded(&empty)))
            .exec(&**tx)
            .await?;
    }
    Ok(())
}

async fn days_of_deployment(tx: &Tx, days: &[Day]) -> Result<Vec<(Day, DeploymentActivity)>, Error> {
    let mut found = Vec::with_capacity(days.len());
    for chunk in days.chunks(MOST_KEYS) {
        let rows = deployment_day::Entity::find()
            .filter(deployment_day::Column::Day.is_in(padded(chunk)))
            .all(&**tx)
            .await?;
        for row in rows {
            found.push((row.day, DeploymentActivity::from_json(&row.activity)?));
        }
    }
    Ok(found)
}

async fn quarters_of_deployment(tx: &Tx, quarters: &[i32]) -> Result<Vec<(i32, DeploymentActivity)>, Error> {
    let mut found = Vec::with_capacity(quarters.len());
    for chunk in quarters.chunks(MOST_KEYS) {
        let rows = deployment_quarter::Entity::find()
            .filter(deployment_quarter::Column::Quarter.is_in(padded(chunk)))
            .all(&**tx)
            .await?;
        for row in rows {
            found.push((row.quarter, DeploymentActivity::from_json(&row.activity)?));
        }
    }
    Ok(found)
}

/// Keys of one statement.
const MOST_KEYS: usize = 4_096;

/// The days of the deployment in a range, both ends included.
pub(super) async fn deployment(
    db: &impl ConnectionTrait,
    from: Day,
    to: Day,
) -> Result<Vec<(Day, DeploymentActivity)>, Error> {
    let rows = deployment_day::Entity::find()
        .filter(deployment_day::Column::Day.gte(from))
        .filter(deployment_day::Column::Day.lte(to))
        .order_by_asc(deployment_day::Column::Day)
        .all(db)
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.day, DeploymentActivity::from_json(&row.activity)?)))
        .collect()
}

/// The quarters of the deployment in a range, both ends included.
pub(super) async fn quarters(
    db: &impl ConnectionTrait,
    from: i32,
    to: i32,
) -> Result<Vec<(i32, DeploymentActivity)>, Error> {
    let rows = deployment_quarter::Entity::find()
        .filter(deployment_quarter::Column::Quarter.gte(from))
        .filter(deployment_quarter::Column::Quarter.lte(to))
        .order_by_asc(deployment_quarter::Column::Quarter)
        .all(db)
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.quarter, DeploymentActivity::from_json(&row.activity)?)))
        .collect()
}

/// How many engagements there were in some spans of quarters, each with its number, both ends included; a span without any
/// is left out.
pub(super) async fn engagements_in(
    db: &impl ConnectionTrait,
    spans: &[(i32, i32, i32)],
) -> Result<Vec<(i32, i64)>, DbErr> {
    let backend = db.get_database_backend();
    let mut found = Vec::with_capacity(spans.len());
    for chunk in spans.chunks(MOST_KEYS) {
        let mut values = Vec::new();
        let columns = [
            ("place", KeyType::Integer),
            ("first", KeyType::Integer),
            ("last", KeyType::Integer),
        ];
        let keys = chunk
            .iter()
            .map(|(place, first, last)| [(*place).into(), (*first).into(), (*last).into()]);
        let table = key_table(backend, "k", columns, keys, &mut values);
        let text = format!(
            "WITH {table} SELECT k.place, CAST(sum(q.engagements) AS BIGINT) FROM k CROSS JOIN deployment_quarter q \
             WHERE q.quarter >= k.first AND q.quarter <= k.last GROUP BY k.place"
        );
        for row in db.query_all_raw(sql(backend, &text, values)).await? {
            found.push((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
        }
    }
    Ok(found)
}

/// The engagements of a UTC day by their rows themselves.
pub(super) async fn engagements_of(db: &impl ConnectionTrait, day: Day) -> Result<Deployment, DbErr> {
    let backend = db.get_database_backend();
    let (from, to) = (day.start(), day.start().plus_days(1));
    let text = "SELECT (occurred_at - (occurred_at % 900000000 + 900000000) % 900000000) / 900000000 AS quarter, \
                engagement_type, channel, CASE WHEN revenue_minor IS NULL THEN NULL ELSE currency END AS money, count(*), \
                CAST(COALESCE(sum(revenue_minor), 0) AS BIGINT) FROM engagement \
                WHERE occurred_at >= ? AND occurred_at < ? GROUP BY 1, 2, 3, 4";
    let values = [from.micros().into(), to.micros().into()];
    let mut told = Deployment::default();
    for row in db.query_all_raw(sql(backend, text, values)).await? {
        let quarter: i64 = row.try_get_by_index(0)?;
        let currency: Option<String> = row.try_get_by_index(3)?;
        let (kind, channel) = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
        let (number, minor): (i64, i64) = (row.try_get_by_index(4)?, row.try_get_by_index(5)?);
        let money = currency.as_deref().map(|currency| (currency, minor));
        let quarter = Timestamp(quarter * entity::time::QUARTER_MICROS).quarter();
        let quarter = told.quarters.entry(quarter).or_default();
        quarter.add(kind, channel, number, money);
        told.days
            .entry(day)
            .or_default()
            .add(kind, channel, number, money);
    }
    Ok(told)
}

/// The first UTC day after another one of which anything is kept, or that has engagements.
pub(super) async fn next_day(db: &impl ConnectionTrait, after: Option<Day>) -> Result<Option<Day>, DbErr> {
    let backend = db.get_database_backend();
    let text = "SELECT min(day) FROM (SELECT min(day) * 86400000000 AS day FROM deployment_day WHERE day > ? UNION ALL \
                SELECT min(occurred_at) FROM engagement WHERE occurred_at >= ?) AS next";
    let from = after.map_or(i64::MIN, |day| day.start().plus_days(1).micros());
    let values = [after.map_or(i32::MIN, |day| day.0).into(), from.into()];
    let row = db.query_one_raw(sql(backend, text, values)).await?;
    let next: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?.flatten();
    Ok(next.map(|micros| Timestamp(micros).day()))
}

/// A journey as it is stored, and the events of its lead that are not in it yet, in their order.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) facts: JourneyFacts,
    pub(super) pending: Vec<Event>,
}

/// The journeys of some leads with what is pending, in one statement and therefore as of one moment. Waiting in
/// PostgreSQL's outbox is pending as well.
pub(super) async fn with_pending(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    kinds: &[EventKind],
) -> Result<HashMap<LeadId, Stored>, Error> {
    let backend = db.get_database_backend();
    let mut values = Vec::new();
    let keys = leads.iter().map(|lead| [lead.0.into()]);
    let table = key_table(backend, "k", [("lead_id", KeyType::Uuid)], keys, &mut values);
    let words: Vec<String> = kinds.iter().map(|kind| format!("'{kind}'")).collect();
    let words = words.join(",");
    let pending = format!("e.lead_id = k.lead_id AND e.kind IN ({words})");
    let joined = if backend == DbBackend::Postgres {
        format!(
            "LEFT JOIN LATERAL (SELECT e.position, e.kind, e.payload FROM event e WHERE {pending} \
             AND e.position > COALESCE(j.position, 0) UNION ALL SELECT 4611686018427387904 + e.seq, e.kind, e.payload \
             FROM event_outbox e WHERE {pending}) e ON TRUE"
        )
    } else {
        format!("LEFT JOIN event e ON {pending} AND e.position > COALESCE(j.position, 0)")
    };
    let text = format!(
        "WITH {table} SELECT k.lead_id, j.facts, e.position, e.kind, e.payload FROM k \
         LEFT JOIN journey j ON j.lead_id = k.lead_id {joined} WHERE k.lead_id IS NOT NULL"
    );
    let mut found: HashMap<LeadId, Stored> = HashMap::with_capacity(leads.len());
    for row in db.query_all_raw(sql(backend, &text, values)).await? {
        let lead: LeadId = row.try_get_by_index(0)?;
        let stored = match found.entry(lead) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let text: Option<String> = row.try_get_by_index(1)?;
                let facts = text.as_deref().map(JourneyFacts::from_json).transpose()?;
                entry.insert(Stored {
                    facts: facts.unwrap_or_default(),
                    pending: Vec::new(),
                })
            }
        };
        if let Some(position) = row.try_get_by_index::<Option<Position>>(2)? {
            stored.pending.push(Event {
                position,
                kind: row.try_get_by_index(3)?,
                lead_id: Some(lead),
                subject: String::new(),
                actor: String::new(),
                payload: row.try_get_by_index(4)?,
                at: Timestamp(0),
            });
        }
    }
    for stored in found.values_mut() {
        stored.pending.sort_unstable_by_key(|event| event.position);
    }
    Ok(found)
}

/// Engagements of a lead in the span up to now and in the one before it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent {
    pub(super) last: i64,
    pub(super) before: i64,
    /// The oldest one of each.
    pub(super) oldest: [Option<Timestamp>; 2],
}

/// Engagements of leads in the span up to now and in the one before it; read from the index alone.
pub(super) async fn recent(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    (middle, start): (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<HashMap<LeadId, Recent>, DbErr> {
    let backend = db.get_database_backend();
    let mut values = Vec::new();
    let keys = leads.iter().map(|lead| [lead.0.into()]);
    let table = key_table(backend, "k", [("lead_id", KeyType::Uuid)], keys, &mut values);
    for moment in [middle, middle, start, now] {
        values.push(moment.micros().into());
    }
    let text = format!(
        "WITH {table} SELECT k.lead_id, CAST(sum(CASE WHEN e.occurred_at > ? THEN 1 ELSE 0 END) AS BIGINT), count(*), \
         min(CASE WHEN e.occurred_at > ? THEN e.occurred_at END), min(e.occurred_at) \
         FROM k CROSS JOIN engagement e WHERE e.lead_id = k.lead_id AND e.occurred_at > ? AND e.occurred_at <= ? \
         GROUP BY k.lead_id"
    );
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter()
        .map(|row| {
            let (last, both): (i64, i64) = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
            let (later, oldest): (Option<Timestamp>, Option<Timestamp>) =
                (row.try_get_by_index(3)?, row.try_get_by_index(4)?);
            let recent = Recent {
                last,
                before: both - last,
                oldest: [later, oldest.filter(|at| *at <= middle)],
            };
            Ok((row.try_get_by_index(0)?, recent))
        })
        .collect()
}

/// The days of a lead in a range, both ends included, as they are stored.
pub(super) async fn days_between(
    db: &impl ConnectionTrait,
    lead: LeadId,
    from: Day,
    to: Day,
) -> Result<BTreeMap<Day, DayActivity>, Error> {
    let rows = activity_day::Entity::find()
        .filter(activity_day::Column::LeadId.eq(lead))
        .filter(activity_day::Column::Day.gte(from))
        .filter(activity_day::Column::Day.lte(to))
        .all(db)
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.day, DayActivity::from_json(&row.activity)?)))
        .collect()
}

/// The changes of a lead's base score up to a moment, oldest first: those from `from` on and the last one before.
pub(super) async fn score_changes(
    db: &impl ConnectionTrait,
    lead: LeadId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(Timestamp, i32)>, DbErr> {
    let before = score_history::Entity::find()
        .filter(score_history::Column::LeadId.eq(lead))
        .filter(score_history::Column::At.lt(from))
        .order_by_desc(score_history::Column::At)
        .order_by_desc(score_history::Column::Id)
        .one(db)
        .await?;
    let within = score_history::Entity::find()
        .filter(score_history::Column::LeadId.eq(lead))
        .filter(score_history::Column::At.gte(from))
        .filter(score_history::Column::At.lt(to))
        .order_by_asc(score_history::Column::At)
        .order_by_asc(score_history::Column::Id)
        .all(db)
        .await?;
    Ok(before
        .into_iter()
        .chain(within)
        .map(|row| (row.at, row.base))
        .collect())
}

/// The stays of a lead that were entered in a span.
pub(super) async fn stays_between(
    db: &impl ConnectionTrait,
    lead: LeadId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<stage_stay::Model>, DbErr> {
    stage_stay::Entity::find()
        .filter(stage_stay::Column::LeadId.eq(lead))
        .filter(stage_stay::Column::EnteredAt.gte(from))
        .filter(stage_stay::Column::EnteredAt.lt(to))
        .all(db)
        .await
}

/// All stays of some leads, in the order in which they were entered.
pub(super) async fn stays(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
) -> Result<Vec<stage_stay::Model>, DbErr> {
    stage_stay::Entity::find()
        .filter(stage_stay::Column::LeadId.is_in(padded(leads)))
        .order_by_asc(stage_stay::Column::EnteredAt)
        .order_by_asc(stage_stay::Column::Id)
        .all(db)
        .await
}

/// Moves of the leads that somebody sees, by the UTC day and the stage that was entered. The stay in which a lead became
/// known counts as a move unless that is NEW, as the event of it does. Leads may be known since before 1970, where division
/// alone would round up.
pub(super) async fn moves(
    db: &impl ConnectionTrait,
    visible: &Visible,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(Day, Stage, i64)>, DbErr> {
    let backend = db.get_database_backend();
    let mut values = vec![from.micros().into(), to.micros().into()];
    let text = format!(
        "SELECT (entered_at - (entered_at % 86400000000 + 86400000000) % 86400000000) / 86400000000 AS day, stage, count(*) AS number FROM stage_stay \
         WHERE entered_at >= ? AND entered_at < ? AND (previous IS NOT NULL OR stage <> 'NEW'){} GROUP BY 1, 2",
        visible.and_among("lead_id", &mut values)
    );
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter()
        .map(|row| {
            let day: i64 = row.try_get("", "day")?;
            let day = Timestamp(day * entity::time::DAY_MICROS).day();
            Ok((day, row.try_get("", "stage")?, row.try_get("", "number")?))
        })
        .collect()
}

/// How many leads there are for somebody.
pub(super) async fn count_leads(db: &impl ConnectionTrait, visible: &Visible) -> Result<i64, DbErr> {
    let mut values = Vec::new();
    let seen = visible.and_among("id", &mut values);
    let text = format!("SELECT count(*) FROM lead WHERE deleted_at IS NULL{seen}");
    let row = db
        .query_one_raw(sql(db.get_database_backend(), &text, values))
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("count".into()))?;
    row.try_get_by_index(0)
}

/// Leads with when they became known, and their current score's key and rate: all of them, or about `wanted` of `leads`
/// (PostgreSQL draws each with the same chance; SQLite takes every so many-th row).
pub(super) async fn sample(
    db: &impl ConnectionTrait,
    visible: &Visible,
    wanted: i64,
    leads: i64,
) -> Result<Vec<Sampled>, DbErr> {
    let backend = db.get_database_backend();
    let columns = "l.id, l.created_at, s.decay_key, s.decay_rate";
    let mut seen = Vec::new();
    let joined = format!(
        "LEFT JOIN lead_score s ON s.lead_id = l.id WHERE l.deleted_at IS NULL{}",
        visible.and_among("l.id", &mut seen)
    );
    let mut statements = Vec::new();
    if leads <= wanted {
        statements.push(sql(
            backend,
            &format!("SELECT {columns} FROM lead l {joined}"),
            seen,
        ));
    } else if backend == DbBackend::Postgres {
        #[expect(clippy::cast_precision_loss, reason = "numbers of leads")]
        let percent = wanted as f64 / leads as f64 * 100.0;
        let text = format!("SELECT {columns} FROM lead l TABLESAMPLE BERNOULLI ({percent}) {joined}");
        statements.push(sql(backend, &text, seen));
    } else if !visible.is_all() {
        // The filter has to look at each anyway.
        let text = format!(
            "SELECT {columns} FROM lead l {joined} AND l.rowid % {} = 0",
            leads / wanted + 1
        );
        statements.push(sql(backend, &text, seen));
    } else {
        let text = "SELECT COALESCE(max(rowid), 0) FROM lead";
        let row = db.query_one_raw(sql(backend, text, [])).await?;
        let last: i64 = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or(0);
        let rows: Vec<Value> = (0..wanted).map(|n| Value::from(1 + n * last / wanted)).collect();
        for rows in rows.chunks(4_096) {
            let mut values: Vec<Value> = Vec::new();
            let among = among(
                backend,
                "l.rowid",
                KeyType::BigInt,
                rows.iter().cloned(),
                &mut values,
            );
            statements.push(sql(
                backend,
                &format!("SELECT {columns} FROM lead l {joined} AND {among}"),
                values,
            ));
        }
    }
    let mut sampled = Vec::new();
    for statement in statements {
        for row in db.query_all_raw(statement).await? {
            sampled.push(Sampled {
                lead_id: row.try_get_by_index(0)?,
                created_at: row.try_get_by_index(1)?,
                decay_key: row.try_get_by_index(2)?,
                decay_rate: row.try_get_by_index(3)?,
            });
        }
    }
    Ok(sampled)
}

/// A lead of the overview.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampled {
    pub(super) lead_id: LeadId,
    pub(super) created_at: Timestamp,
    pub(super) decay_key: Option<f64>,
    pub(super) decay_rate: Option<f64>,
}
