//! Outlines and sums as they are kept.

use std::collections::{BTreeMap, HashSet};

use entity::id::LeadId;
use entity::{Timestamp, report_lead, report_state, report_sum};
use sea_orm::sea_query::Value;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
};

use crate::db::{Conflict, KeyType, Tx, insert_many, key_table, padded, sql, upsert_many};
use crate::insight::analytics::model::sums::Changes;

/// A stored outline.
pub(in crate::insight::analytics) type StoredOutline = report_lead::Model;
/// Whether sums are complete.
type StoredState = report_state::Model;

/// Whether sums are complete.
pub(in crate::insight::analytics) async fn state(db: &impl ConnectionTrait) -> Result<StoredState, DbErr> {
    let row = report_state::Entity::find_by_id(1).one(db).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("state of reports".to_owned()))
}

/// The same, held until the transaction ends: whoever writes sums holds it, so that one does so at a time.
pub(in crate::insight::analytics) async fn held(tx: &Tx) -> Result<StoredState, DbErr> {
    if tx.backend() == DbBackend::Postgres {
        let text = "SELECT id FROM report_state WHERE id = 1 FOR UPDATE";
        tx.query_one_raw(sql(tx.backend(), text, [])).await?;
    }
    state(&**tx).await
}

/// Writes the state.
pub(in crate::insight::analytics) async fn store_state(tx: &Tx, state: StoredState) -> Result<(), DbErr> {
    upsert_many(tx, &[state], "id").await.map(drop)
}

/// Takes all outlines and sums away.
pub(in crate::insight::analytics) async fn forget(tx: &Tx) -> Result<(), DbErr> {
    report_sum::Entity::delete_many().exec(&**tx).await?;
    report_lead::Entity::delete_many().exec(&**tx).await.map(drop)
}

/// The stored outlines of leads.
pub(in crate::insight::analytics) async fn stored(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
) -> Result<Vec<StoredOutline>, DbErr> {
    report_lead::Entity::find()
        .filter(report_lead::Column::LeadId.is_in(padded(leads)))
        .all(db)
        .await
}

/// Writes outlines, takes others away, and adds to sums.
pub(in crate::insight::analytics) async fn write(
    tx: &Tx,
    changed: &[StoredOutline],
    gone: &[LeadId],
    changes: Changes,
) -> Result<(), DbErr> {
    if !gone.is_empty() {
        report_lead::Entity::delete_many()
            .filter(report_lead::Column::LeadId.is_in(padded(gone)))
            .exec(&**tx)
            .await?;
    }
    upsert_many(tx, changed, "lead_id").await?;
    let rows: Vec<report_sum::Model> = changes
        .0
        .into_iter()
        .map(|((level, measure, unit, name), amount)| report_sum::Model {
            level,
            measure,
            unit,
            name,
            amount,
        })
        .collect();
    insert_many(tx, &rows, Conflict::Add("level, measure, unit, name"))
        .await
        .map(drop)
}

const DUE: &str = "FROM report_lead r WHERE r.due_at <= ? AND NOT EXISTS (SELECT 1 FROM event e WHERE e.lead_id = r.lead_id \
                   AND e.position > COALESCE((SELECT min(position) FROM event_cursor WHERE name IN (?, ?)), 0) \
                   AND e.kind IN ('ENGAGEMENT_RECORDED', 'ENGAGEMENT_REWEIGHED'))";

/// Whether any lead has to be looked at again of whose engagements these handlers know.
pub(in crate::insight::analytics) async fn is_due(
    db: &impl ConnectionTrait,
    now: Timestamp,
    first: [&str; 2],
) -> Result<bool, DbErr> {
    let text = format!("SELECT 1 {DUE} LIMIT 1");
    let values: [Value; 3] = [now.micros().into(), first[0].into(), first[1].into()];
    let row = db
        .query_one_raw(sql(db.get_database_backend(), &text, values))
        .await?;
    Ok(row.is_some())
}

/// Those leads, the ones that have waited longest first.
pub(in crate::insight::analytics) async fn due(
    db: &impl ConnectionTrait,
    now: Timestamp,
    first: [&str; 2],
    limit: i64,
) -> Result<Vec<LeadId>, DbErr> {
    let text = format!("SELECT r.lead_id {DUE} ORDER BY r.due_at LIMIT ?");
    let values: [Value; 4] = [
        now.micros().into(),
        first[0].into(),
        first[1].into(),
        limit.into(),
    ];
    let rows = db
        .query_all_raw(sql(db.get_database_backend(), &text, values))
        .await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// The leads among these of whose engagements not both handlers know yet.
pub(in crate::insight::analytics) async fn waiting(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    first: [&str; 2],
) -> Result<HashSet<LeadId>, DbErr> {
    let backend = db.get_database_backend();
    let mut values = Vec::new();
    let keys = leads.iter().map(|lead| [lead.0.into()]);
    let table = key_table(backend, "k", [("lead_id", KeyType::Uuid)], keys, &mut values);
    values.extend(first.map(Value::from));
    let text = format!(
        "WITH {table} SELECT k.lead_id FROM k WHERE EXISTS (SELECT 1 FROM event e WHERE e.lead_id = k.lead_id \
         AND e.position > COALESCE((SELECT min(position) FROM event_cursor WHERE name IN (?, ?)), 0) \
         AND e.kind IN ('ENGAGEMENT_RECORDED', 'ENGAGEMENT_REWEIGHED'))"
    );
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// All sums.
pub(in crate::insight::analytics) async fn all_sums(db: &impl ConnectionTrait) -> Result<Changes, DbErr> {
    let mut sums = BTreeMap::new();
    let mut pages = report_sum::Entity::find()
        .order_by_asc(report_sum::Column::Level)
        .order_by_asc(report_sum::Column::Measure)
        .order_by_asc(report_sum::Column::Unit)
        .order_by_asc(report_sum::Column::Name)
        .paginate(db, 50_000);
    while let Some(rows) = pages.fetch_and_next().await? {
        let rows = rows.into_iter();
        sums.extend(rows.map(|row| ((row.level, row.measure, row.unit, row.name), row.amount)));
    }
    Ok(Changes(sums))
}
