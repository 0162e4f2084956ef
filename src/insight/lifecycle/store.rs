//! All SQL of the lifecycle.

use std::collections::HashMap;

use entity::id::{ConversionId, LeadId, StageStayId};
use entity::{
    ConversionKind, EngagementType, Stage, Timestamp, conversion, engagement, lead, lead_score, setting,
    stage_stay,
};
use sea_orm::sea_query::{Expr, LockType, Value};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};

use super::StageStay;
use super::model::is_response;
use crate::db::{
    Conflict, Direction, Page, PageRequest, Tx, insert_many, padded, placeholders, sql, upsert_many,
};
use crate::insight::engagement::{is_outbound_message, is_touch_point};
use crate::leads::visible::Visible;

/// What the lifecycle needs to know of a lead itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) id: LeadId,
    pub(super) stage: Stage,
    pub(super) stage_since: Timestamp,
    pub(super) has_deal: bool,
    pub(super) deleted: bool,
}

/// Reads leads, in the order of their ids; `lock` keeps everybody else from moving them until the transaction ends.
pub(super) async fn heads(tx: &Tx, ids: &[LeadId], lock: bool) -> Result<Vec<Head>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut select = lead::Entity::find()
        .select_only()
        .columns([
            lead::Column::Id,
            lead::Column::Stage,
            lead::Column::StageSince,
            lead::Column::DealStage,
            lead::Column::DeletedAt,
        ])
        .filter(lead::Column::Id.is_in(padded(ids)))
        .order_by_asc(lead::Column::Id);
    if lock && tx.backend() == DbBackend::Postgres {
        // Another transaction may refer to the lead meanwhile, but not move it.
        select = select.lock(LockType::NoKeyUpdate);
    }
    let rows = select
        .into_tuple::<(LeadId, Stage, Timestamp, Option<String>, Option<Timestamp>)>()
        .all(&**tx)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, stage, stage_since, deal_stage, deleted_at)| Head {
            id,
            stage,
            stage_since,
            has_deal: deal_stage.is_some_and(|stage| !stage.is_empty()),
            deleted: deleted_at.is_some(),
        })
        .collect())
}

/// The open stay of each lead that has one.
pub(super) async fn open_stays(
    db: &impl ConnectionTrait,
    ids: &[LeadId],
) -> Result<HashMap<LeadId, StageStay>, DbErr> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let stays = stage_stay::Entity::find()
        .filter(stage_stay::Column::LeadId.is_in(padded(ids)))
        .filter(stage_stay::Column::LeftAt.is_null())
        .all(db)
        .await?;
    Ok(stays.into_iter().map(|stay| (stay.lead_id, stay)).collect())
}

pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    visible: &Visible,
    ids: &[StageStayId],
) -> Result<HashMap<StageStayId, StageStay>, DbErr> {
    let stays = stage_stay::Entity::find()
        .filter(stage_stay::Column::Id.is_in(padded(ids)))
        .filter(visible.is_there((stage_stay::Entity, stage_stay::Column::LeadId)))
        .all(db)
        .await?;
    Ok(stays.into_iter().map(|stay| (stay.id, stay)).collect())
}

/// Opens the first stays of leads; one that has an open stay keeps it.
pub(super) async fn open_first(tx: &Tx, stays: &[StageStay]) -> Result<(), DbErr> {
    insert_many(tx, stays, Conflict::Keep("(lead_id) WHERE left_at IS NULL"))
        .await
        .map(drop)
}

/// Writes moves: stays that are left, stays that are entered, and the copy in the leads.
pub(super) async fn move_leads(
    tx: &Tx,
    left: &[StageStay],
    entered: &[StageStay],
    now: Timestamp,
) -> Result<(), DbErr> {
    if entered.is_empty() {
        return Ok(());
    }
    upsert_many(tx, left, "id").await?;
    insert_many(tx, entered, Conflict::Fail).await?;
    let ids: Vec<LeadId> = left.iter().map(|stay| stay.lead_id).collect();
    let ids = padded(&ids);
    let text = format!(
        "UPDATE lead SET stage = stay.stage, stage_since = stay.entered_at, updated_at = {} \
         FROM stage_stay AS stay WHERE stay.lead_id = lead.id AND stay.left_at IS NULL AND lead.id IN ({})",
        placeholders(tx.backend(), 1, 1),
        placeholders(tx.backend(), 2, ids.len())
    );
    let values = std::iter::once(Value::from(now.micros())).chain(ids.iter().map(|id| Value::from(*id)));
    let statement = sea_orm::Statement::from_sql_and_values(tx.backend(), text, values);
    tx.execute_raw(statement).await.map(drop)
}

/// Forgets the words in which people gave their reasons.
pub(super) async fn forget_reasons(tx: &Tx, ids: &[LeadId]) -> Result<(), DbErr> {
    stage_stay::Entity::update_many()
        .col_expr(stage_stay::Column::Reason, Expr::value(Option::<String>::None))
        .filter(stage_stay::Column::LeadId.is_in(padded(ids)))
        .exec(&**tx)
        .await
        .map(drop)
}

fn types(rule: impl Fn(EngagementType) -> bool) -> Vec<EngagementType> {
    EngagementType::ALL
        .iter()
        .copied()
        .filter(|kind| rule(*kind))
        .collect()
}

/// When the first message of ours went to each lead to which one went.
pub(super) async fn first_messages(tx: &Tx, ids: &[LeadId]) -> Result<HashMap<LeadId, Timestamp>, DbErr> {
    let rows: Vec<(LeadId, Timestamp)> = engagement::Entity::find()
        .select_only()
        .column(engagement::Column::LeadId)
        .column_as(engagement::Column::OccurredAt.min(), "first")
        .filter(engagement::Column::LeadId.is_in(padded(ids)))
        .filter(engagement::Column::EngagementType.is_in(types(is_outbound_message)))
        .group_by(engagement::Column::LeadId)
        .into_tuple()
        .all(&**tx)
        .await?;
    Ok(rows.into_iter().collect())
}

/// When each lead replied, met or filled in a form.
pub(super) async fn responses(tx: &Tx, ids: &[LeadId]) -> Result<Vec<(LeadId, Timestamp)>, DbErr> {
    engagement::Entity::find()
        .select_only()
        .columns([engagement::Column::LeadId, engagement::Column::OccurredAt])
        .filter(engagement::Column::LeadId.is_in(padded(ids)))
        .filter(engagement::Column::EngagementType.is_in(types(is_response)))
        .into_tuple()
        .all(&**tx)
        .await
}

/// Leads that became customers by these conversions, and when.
pub(super) async fn conversions(
    tx: &Tx,
    ids: &[ConversionId],
) -> Result<Vec<(LeadId, ConversionKind, Timestamp)>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    conversion::Entity::find()
        .select_only()
        .columns([
            conversion::Column::LeadId,
            conversion::Column::Kind,
            conversion::Column::OccurredAt,
        ])
        .filter(conversion::Column::Id.is_in(padded(ids)))
        .into_tuple()
        .all(&**tx)
        .await
}

/// The current score of each lead that has one: base after decay, 0 to base, to a millionth.
pub(super) async fn current_scores(
    tx: &Tx,
    ids: &[LeadId],
    now: Timestamp,
) -> Result<HashMap<LeadId, f64>, DbErr> {
    let rows: Vec<(LeadId, i32, f64, f64)> = lead_score::Entity::find()
        .select_only()
        .columns([
            lead_score::Column::LeadId,
            lead_score::Column::Base,
            lead_score::Column::DecayKey,
            lead_score::Column::DecayRate,
        ])
        .filter(lead_score::Column::LeadId.is_in(padded(ids)))
        .into_tuple()
        .all(&**tx)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, base, key, rate)| {
            let current = ((key - rate * now.days()) * 1e6).round() / 1e6;
            (id, current.clamp(0.0, f64::from(base.max(0))))
        })
        .collect())
}

/// A page of one lead's stays, newest first.
pub(super) async fn history(
    db: &impl ConnectionTrait,
    lead_id: LeadId,
    page: &PageRequest,
) -> Result<Page<StageStay>, DbErr> {
    let mut select = stage_stay::Entity::find().filter(stage_stay::Column::LeadId.eq(lead_id));
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((stage_stay::Entity, stage_stay::Column::EnteredAt)),
        (stage_stay::Entity, stage_stay::Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// The first page (or the last, backwards) of many leads' stays in one statement.
pub(super) async fn histories(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    ids: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<StageStay>>, DbErr> {
    let ids = padded(ids);
    let order = if page.backward { "ASC" } else { "DESC" };
    let marks = vec!["?"; ids.len()].join(",");
    let text = format!(
        "SELECT * FROM (SELECT stage_stay.*, ROW_NUMBER() OVER (PARTITION BY lead_id ORDER BY entered_at {order}, id \
         {order}) AS place FROM stage_stay WHERE lead_id IN ({marks})) AS stays WHERE place <= ? ORDER BY lead_id, place"
    );
    let most = i64::try_from(page.limit).unwrap_or(i64::MAX).saturating_add(1);
    let values = ids.iter().map(|id| Value::from(*id)).chain([most.into()]);
    let stays = stage_stay::Entity::find()
        .from_raw_sql(sql(backend, &text, values))
        .all(db)
        .await?;
    let mut by_lead: HashMap<LeadId, Vec<StageStay>> = HashMap::new();
    for stay in stays {
        by_lead.entry(stay.lead_id).or_default().push(stay);
    }
    Ok(by_lead
        .into_iter()
        .map(|(id, stays)| (id, Page::new(page, stays)))
        .collect())
}

/// How many touch points fell into each stay.
pub(super) async fn touch_points(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    ids: &[StageStayId],
) -> Result<HashMap<StageStayId, i64>, DbErr> {
    let ids = padded(ids);
    let others = types(|kind| !is_touch_point(kind));
    let text = format!(
        "SELECT stay.id AS id, COUNT(*) AS touches FROM stage_stay AS stay JOIN engagement AS e \
         ON e.lead_id = stay.lead_id AND e.occurred_at >= stay.entered_at \
         AND (stay.left_at IS NULL OR e.occurred_at < stay.left_at) \
         WHERE stay.id IN ({}) AND e.engagement_type NOT IN ({}) GROUP BY stay.id",
        vec!["?"; ids.len()].join(","),
        vec!["?"; others.len()].join(",")
    );
    let values = ids
        .iter()
        .map(|id| Value::from(*id))
        .chain(others.iter().map(|kind| Value::from(kind.as_str())));
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.into_iter()
        .map(|row| Ok((row.try_get("", "id")?, row.try_get("", "touches")?)))
        .collect()
}

const SETTINGS: &str = "lifecycle";

/// The stored settings; none before they were first changed.
pub(super) async fn settings(db: &impl ConnectionTrait) -> Result<Option<setting::Model>, DbErr> {
    setting::Entity::find_by_id(SETTINGS).one(db).await
}

/// Stores the next version of the settings; false when it is not the next one any more.
pub(super) async fn store_settings(
    tx: &Tx,
    version: i32,
    value: String,
    actor: &str,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let result = tx
        .execute_raw(sql(
            tx.backend(),
            "INSERT INTO setting (key, version, value, updated_at, updated_by) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (key) DO UPDATE SET version = excluded.version, value = excluded.value, \
             updated_at = excluded.updated_at, updated_by = excluded.updated_by \
             WHERE setting.version = excluded.version - 1",
            [
                SETTINGS.into(),
                version.into(),
                value.into(),
                now.micros().into(),
                actor.into(),
            ],
        ))
        .await?;
    Ok(result.rows_affected() == 1)
}
