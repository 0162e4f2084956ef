//! All SQL of scoring.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use entity::id::{EngagementId, LeadId, ScoreModelId};
use entity::{
    ConsentChannel, ConsentPurpose, ConsentState, EngagementType, EventKind, ScoreModelState, Stage,
    Timestamp, consent, engagement, lead_score, score_history, score_model,
};
use sea_orm::sea_query::{Expr, Value};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QueryResult, QuerySelect, QueryTrait, TryGetable,
};

use super::{ScoreEntry, StoredScore};
use crate::db::{
    Conflict, Direction, KeyType, Page, PageRequest, Tx, among, insert_many, padded, sql, upsert_many,
};

/// The columns of a score in the order of [`read_score`].
const COLUMNS: &str = "s.lead_id, s.model_version, s.base, s.demographic, s.behavioral, s.firmographic, s.engagement, \
                       s.intent, s.decay_key, s.decay_rate, s.last_activity_at, s.temperature, s.crosses_at, \
                       s.valid_until, s.due_at, s.facts, s.computed_at";

fn marks(count: usize) -> String {
    vec!["?"; count].join(",")
}

fn values(ids: &[LeadId]) -> impl Iterator<Item = Value> {
    ids.iter().map(|id| Value::from(*id))
}

/// Reads by place, not by name: a recalculation reads hundreds of thousands of them.
fn at<T: TryGetable>(row: &QueryResult, place: usize) -> Result<T, DbErr> {
    row.try_get_by_index(place)
}

fn read_score(row: &QueryResult) -> Result<StoredScore, DbErr> {
    Ok(StoredScore {
        lead_id: at(row, 0)?,
        model_version: at(row, 1)?,
        base: at(row, 2)?,
        demographic: at(row, 3)?,
        behavioral: at(row, 4)?,
        firmographic: at(row, 5)?,
        engagement: at(row, 6)?,
        intent: at(row, 7)?,
        decay_key: at(row, 8)?,
        decay_rate: at(row, 9)?,
        last_activity_at: at(row, 10)?,
        temperature: at(row, 11)?,
        crosses_at: at(row, 12)?,
        valid_until: at(row, 13)?,
        due_at: at(row, 14)?,
        facts: at(row, 15)?,
        computed_at: at(row, 16)?,
    })
}

async fn scores(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    rest: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<StoredScore>, DbErr> {
    let text = format!("SELECT {COLUMNS} FROM lead_score AS s {rest}");
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter().map(read_score).collect()
}

/// The end of a statement that locks what it reads until the transaction ends; SQLite's writer is alone anyway.
fn locking(backend: DbBackend, how: &'static str) -> &'static str {
    if backend == DbBackend::Postgres { how } else { "" }
}

/// The scores of leads, locked in the order of their ids.
pub(super) async fn locked(tx: &Tx, ids: &[LeadId]) -> Result<HashMap<LeadId, StoredScore>, DbErr> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = padded(ids);
    let rest = format!(
        "WHERE s.lead_id IN ({}) ORDER BY s.lead_id {}",
        marks(ids.len()),
        locking(tx.backend(), "FOR UPDATE")
    );
    let rows = scores(&**tx, tx.backend(), &rest, values(&ids)).await?;
    Ok(rows.into_iter().map(|row| (row.lead_id, row)).collect())
}

/// Some scores after a lead, in the order of their leads, locked.
pub(super) async fn next_locked(
    tx: &Tx,
    after: Option<LeadId>,
    limit: u64,
) -> Result<Vec<StoredScore>, DbErr> {
    next(
        &**tx,
        tx.backend(),
        after,
        limit,
        locking(tx.backend(), "FOR UPDATE"),
    )
    .await
}

/// Some scores after a lead, in the order of their leads.
pub(super) async fn next(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    after: Option<LeadId>,
    limit: u64,
    lock: &str,
) -> Result<Vec<StoredScore>, DbErr> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    match after {
        Some(after) => {
            let rest = format!("WHERE s.lead_id > ? ORDER BY s.lead_id LIMIT ? {lock}");
            scores(db, backend, &rest, [after.into(), limit.into()]).await
        }
        None => {
            scores(
                db,
                backend,
                &format!("ORDER BY s.lead_id LIMIT ? {lock}"),
                [limit.into()],
            )
            .await
        }
    }
}

/// Whether any score has to be looked at.
pub(super) async fn any_due(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let text = "SELECT 1 AS one FROM lead_score WHERE due_at IS NOT NULL AND due_at <= ? LIMIT 1";
    let row = db
        .query_one_raw(sql(backend, text, [now.micros().into()]))
        .await?;
    Ok(row.is_some())
}

/// Scores that have to be looked at, the longest overdue first; those that another worker holds are left to it.
pub(super) async fn due(tx: &Tx, now: Timestamp, limit: i64) -> Result<Vec<StoredScore>, DbErr> {
    let rest = format!(
        "WHERE s.due_at IS NOT NULL AND s.due_at <= ? ORDER BY s.due_at LIMIT ? {}",
        locking(tx.backend(), "FOR UPDATE SKIP LOCKED")
    );
    scores(&**tx, tx.backend(), &rest, [now.micros().into(), limit.into()]).await
}

/// A score as a reader finds it.
pub(super) struct Found {
    pub(super) lead_id: LeadId,
    pub(super) model_version: i32,
    pub(super) base: i32,
    pub(super) components: [f64; 5],
    pub(super) decay_key: f64,
    pub(super) last_activity_at: Timestamp,
    pub(super) valid_until: Option<Timestamp>,
    pub(super) computed_at: Timestamp,
    /// Where they were asked for, or the score does not hold any more and is computed from them.
    pub(super) facts: Option<String>,
    /// Whether the log has events of the lead that the score does not know yet.
    pub(super) pending: bool,
    /// The version of the model in force.
    pub(super) published: Option<i32>,
}

/// The scores of leads, whether they are behind the log, and which model is in force: one statement.
pub(super) async fn find(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    handler: &str,
    kinds: &[EventKind],
    ids: &[LeadId],
    now: Timestamp,
    with_facts: bool,
) -> Result<Vec<Found>, DbErr> {
    let words: Vec<String> = kinds.iter().map(|kind| format!("'{kind}'")).collect();
    let mut pending = format!(
        "EXISTS (SELECT 1 FROM event AS e WHERE e.lead_id = s.lead_id AND e.position > \
         COALESCE((SELECT position FROM event_cursor WHERE name = '{handler}'), 0) AND e.kind IN ({}))",
        words.join(",")
    );
    if backend == DbBackend::Postgres {
        // Events that have no position yet: few, and gone in a moment.
        write!(
            pending,
            " OR EXISTS (SELECT 1 FROM event_outbox AS o WHERE o.lead_id = s.lead_id AND o.kind IN ({}))",
            words.join(",")
        )
        .expect("writing to a string");
    }
    let published = "(SELECT version FROM score_model WHERE state = 'PUBLISHED')";
    // The facts are long: read for those alone that need them.
    let mut bound: Vec<Value> = vec![i32::from(with_facts).into(), now.micros().into()];
    let among = among(
        backend,
        "s.lead_id",
        KeyType::Uuid,
        ids.iter().map(|id| id.0.into()),
        &mut bound,
    );
    let text = format!(
        "SELECT s.lead_id, s.model_version, s.base, s.demographic, s.behavioral, s.firmographic, s.engagement, \
         s.intent, s.decay_key, s.last_activity_at, s.valid_until, s.computed_at, \
         CASE WHEN ? = 1 OR s.valid_until <= ? OR s.model_version <> {published} THEN s.facts END AS facts, \
         CASE WHEN {pending} THEN 1 ELSE 0 END AS pending, {published} AS published \
         FROM lead_score AS s WHERE {among}"
    );
    let rows = db.query_all_raw(sql(backend, &text, bound)).await?;
    rows.iter()
        .map(|row| {
            Ok(Found {
                lead_id: at(row, 0)?,
                model_version: at(row, 1)?,
                base: at(row, 2)?,
                components: [at(row, 3)?, at(row, 4)?, at(row, 5)?, at(row, 6)?, at(row, 7)?],
                decay_key: at(row, 8)?,
                last_activity_at: at(row, 9)?,
                valid_until: at(row, 10)?,
                computed_at: at(row, 11)?,
                facts: at(row, 12)?,
                pending: at::<i32>(row, 13)? != 0,
                published: at(row, 14)?,
            })
        })
        .collect()
}

/// How many leads have a score.
pub(super) async fn count(db: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let count = lead_score::Entity::find().count(db).await?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Writes scores and the entries of their history.
pub(super) async fn write(tx: &Tx, scores: &[StoredScore], history: &[ScoreEntry]) -> Result<(), DbErr> {
    upsert_many(tx, scores, "lead_id").await?;
    insert_many(tx, history, Conflict::Fail).await?;
    Ok(())
}

/// Removes all that scoring keeps of leads.
pub(super) async fn erase(tx: &Tx, ids: &[LeadId]) -> Result<(), DbErr> {
    lead_score::Entity::delete_many()
        .filter(lead_score::Column::LeadId.is_in(padded(ids)))
        .exec(&**tx)
        .await?;
    score_history::Entity::delete_many()
        .filter(score_history::Column::LeadId.is_in(padded(ids)))
        .exec(&**tx)
        .await
        .map(drop)
}

/// What a score needs to know of a lead's own row.
pub(super) struct LeadRow {
    pub(super) id: LeadId,
    pub(super) email: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) country: Option<String>,
    pub(super) region: Option<String>,
    pub(super) city: Option<String>,
    pub(super) customer_type: Option<String>,
    /// JSON array.
    pub(super) interests: String,
    /// JSON object.
    pub(super) custom: String,
    pub(super) source: Option<String>,
    pub(super) stage: Stage,
    pub(super) created_at: Timestamp,
}

/// Reads leads; an erased one is left out.
pub(super) async fn leads(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    ids: &[LeadId],
) -> Result<Vec<LeadRow>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = padded(ids);
    let text = format!(
        "SELECT id, email, first_name, last_name, phone, country, region, city, customer_type, \
         CAST(interests AS TEXT), CAST(custom AS TEXT), source, stage, created_at \
         FROM lead WHERE erased_at IS NULL AND id IN ({})",
        marks(ids.len())
    );
    let rows = db.query_all_raw(sql(backend, &text, values(&ids))).await?;
    rows.iter()
        .map(|row| {
            Ok(LeadRow {
                id: row.try_get_by_index(0)?,
                email: row.try_get_by_index(1)?,
                first_name: row.try_get_by_index(2)?,
                last_name: row.try_get_by_index(3)?,
                phone: row.try_get_by_index(4)?,
                country: row.try_get_by_index(5)?,
                region: row.try_get_by_index(6)?,
                city: row.try_get_by_index(7)?,
                customer_type: row.try_get_by_index(8)?,
                interests: row.try_get_by_index(9)?,
                custom: row.try_get_by_index(10)?,
                source: row.try_get_by_index(11)?,
                stage: row.try_get_by_index(12)?,
                created_at: row.try_get_by_index(13)?,
            })
        })
        .collect()
}

/// Which leads granted consent to marketing by e-mail or SMS.
pub(super) async fn consents(
    db: &impl ConnectionTrait,
    ids: &[LeadId],
) -> Result<HashSet<(LeadId, ConsentChannel)>, DbErr> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let rows: Vec<(LeadId, ConsentChannel)> = consent::Entity::find()
        .select_only()
        .columns([consent::Column::LeadId, consent::Column::Channel])
        .filter(consent::Column::LeadId.is_in(padded(ids)))
        .filter(consent::Column::Channel.is_in([ConsentChannel::Email, ConsentChannel::Sms]))
        .filter(consent::Column::Purpose.eq(ConsentPurpose::Marketing))
        .filter(consent::Column::State.eq(ConsentState::Granted))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

/// An engagement as a score sees it: whose, what, when, human confidence in thousandths.
pub(super) type Seen = (LeadId, EngagementType, Timestamp, i32);

/// All engagements of leads.
pub(super) async fn engagements(db: &impl ConnectionTrait, ids: &[LeadId]) -> Result<Vec<Seen>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    engagement::Entity::find()
        .select_only()
        .columns([
            engagement::Column::LeadId,
            engagement::Column::EngagementType,
            engagement::Column::OccurredAt,
            engagement::Column::ConfidenceMilli,
        ])
        .filter(engagement::Column::LeadId.is_in(padded(ids)))
        .into_tuple()
        .all(db)
        .await
}

/// The newest engagements of each type of each lead, newest first.
pub(super) async fn newest_engagements(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    ids: &[LeadId],
    per_type: i64,
) -> Result<Vec<(LeadId, EngagementId, EngagementType, Timestamp)>, DbErr> {
    let ids = padded(ids);
    let text = format!(
        "SELECT lead_id, id, engagement_type, occurred_at FROM (SELECT lead_id, id, engagement_type, occurred_at, \
         ROW_NUMBER() OVER (PARTITION BY lead_id, engagement_type ORDER BY occurred_at DESC, id DESC) AS place \
         FROM engagement WHERE lead_id IN ({})) AS newest WHERE place <= ? ORDER BY lead_id, occurred_at DESC, id DESC",
        marks(ids.len())
    );
    let values = values(&ids).chain([per_type.into()]);
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.try_get_by_index(0)?,
                row.try_get_by_index(1)?,
                row.try_get_by_index(2)?,
                row.try_get_by_index(3)?,
            ))
        })
        .collect()
}

/// A page of one lead's history, newest first.
pub(super) async fn history(
    db: &impl ConnectionTrait,
    lead_id: LeadId,
    page: &PageRequest,
) -> Result<Page<ScoreEntry>, DbErr> {
    let mut select = score_history::Entity::find().filter(score_history::Column::LeadId.eq(lead_id));
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((score_history::Entity, score_history::Column::At)),
        (score_history::Entity, score_history::Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// The first page (or the last, backwards) of many leads' histories in one statement.
pub(super) async fn histories(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    ids: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<ScoreEntry>>, DbErr> {
    let ids = padded(ids);
    let order = if page.backward { "ASC" } else { "DESC" };
    let text = format!(
        "SELECT * FROM (SELECT score_history.*, ROW_NUMBER() OVER (PARTITION BY lead_id ORDER BY at {order}, id {order}) \
         AS place FROM score_history WHERE lead_id IN ({})) AS entries WHERE place <= ? ORDER BY lead_id, place",
        marks(ids.len())
    );
    let most = i64::try_from(page.limit).unwrap_or(i64::MAX).saturating_add(1);
    let entries = score_history::Entity::find()
        .from_raw_sql(sql(backend, &text, values(&ids).chain([most.into()])))
        .all(db)
        .await?;
    let mut by_lead: HashMap<LeadId, Vec<ScoreEntry>> = HashMap::new();
    for entry in entries {
        by_lead.entry(entry.lead_id).or_default().push(entry);
    }
    Ok(by_lead
        .into_iter()
        .map(|(id, entries)| (id, Page::new(page, entries)))
        .collect())
}

/// The version in force.
pub(super) async fn published_version(db: &impl ConnectionTrait) -> Result<Option<i32>, DbErr> {
    score_model::Entity::find()
        .select_only()
        .column(score_model::Column::Version)
        .filter(score_model::Column::State.eq(ScoreModelState::Published))
        .into_tuple()
        .one(db)
        .await
}

/// The model in force.
pub(super) async fn published(db: &impl ConnectionTrait) -> Result<Option<score_model::Model>, DbErr> {
    score_model::Entity::find()
        .filter(score_model::Column::State.eq(ScoreModelState::Published))
        .one(db)
        .await
}

/// A version of the model; `lock` keeps everybody else from changing it until the transaction ends.
pub(super) async fn model(
    db: &impl ConnectionTrait,
    id: ScoreModelId,
) -> Result<Option<score_model::Model>, DbErr> {
    score_model::Entity::find_by_id(id).one(db).await
}

pub(super) async fn models_by_ids(
    db: &impl ConnectionTrait,
    ids: &[ScoreModelId],
) -> Result<HashMap<ScoreModelId, score_model::Model>, DbErr> {
    let models = score_model::Entity::find()
        .filter(score_model::Column::Id.is_in(padded(ids)))
        .all(db)
        .await?;
    Ok(models.into_iter().map(|model| (model.id, model)).collect())
}

/// All versions, newest first.
pub(super) async fn models(db: &impl ConnectionTrait) -> Result<Vec<score_model::Model>, DbErr> {
    score_model::Entity::find()
        .order_by_desc(score_model::Column::Version)
        .all(db)
        .await
}

/// The highest version given so far; 0 before the first.
pub(super) async fn highest_version(tx: &Tx) -> Result<i32, DbErr> {
    let highest: Option<Option<i32>> = score_model::Entity::find()
        .select_only()
        .column_as(score_model::Column::Version.max(), "highest")
        .into_tuple()
        .one(&**tx)
        .await?;
    Ok(highest.flatten().unwrap_or(0))
}

/// Adds a version; false when its number is taken.
pub(super) async fn add_model(tx: &Tx, model: score_model::Model) -> Result<bool, DbErr> {
    Ok(insert_many(tx, &[model], Conflict::Keep("")).await? == 1)
}

/// Edits a draft; false when it is none any more.
pub(super) async fn edit_draft(tx: &Tx, model: &score_model::Model) -> Result<bool, DbErr> {
    let result = score_model::Entity::update_many()
        .col_expr(
            score_model::Column::Definition,
            Expr::value(model.definition.clone()),
        )
        .col_expr(score_model::Column::Note, Expr::value(model.note.clone()))
        .col_expr(score_model::Column::UpdatedAt, Expr::value(model.updated_at))
        .filter(score_model::Column::Id.eq(model.id))
        .filter(score_model::Column::State.eq(ScoreModelState::Draft))
        .exec(&**tx)
        .await?;
    Ok(result.rows_affected == 1)
}

/// Retires the model in force and puts a draft into its place; false when it is no draft any more.
pub(super) async fn publish(tx: &Tx, id: ScoreModelId, now: Timestamp) -> Result<bool, DbErr> {
    score_model::Entity::update_many()
        .col_expr(score_model::Column::State, Expr::value(ScoreModelState::Retired))
        .filter(score_model::Column::State.eq(ScoreModelState::Published))
        .exec(&**tx)
        .await?;
    let result = score_model::Entity::update_many()
        .col_expr(
            score_model::Column::State,
            Expr::value(ScoreModelState::Published),
        )
        .col_expr(score_model::Column::PublishedAt, Expr::value(Some(now)))
        .filter(score_model::Column::Id.eq(id))
        .filter(score_model::Column::State.eq(ScoreModelState::Draft))
        .exec(&**tx)
        .await?;
    Ok(result.rows_affected == 1)
}
