//! All SQL of tags.

use std::collections::HashMap;

use entity::id::{LeadId, TagId};
use entity::{ByPlace, Timestamp, lead_tag, tag};
use sea_orm::sea_query::{Expr, ExprTrait, LikeExpr};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryTrait,
};

use super::{Tag, TagFilter, name_key};
use crate::db::{
    Conflict, Direction, Page, PageRequest, Tx, insert_many, insert_new, padded, placeholders, sql,
};
use crate::leads::visible::Visible;

pub(super) async fn insert(tx: &Tx, tag: &Tag) -> Result<bool, DbErr> {
    Ok(insert_many(tx, std::slice::from_ref(tag), Conflict::Keep("(name_key)")).await? == 1)
}

/// Writes tags but for those whose name is there; answers with those written.
pub(super) async fn insert_missing(tx: &Tx, tags: &[Tag]) -> Result<Vec<Tag>, DbErr> {
    insert_new(tx, tags, "(name_key)").await
}

pub(super) async fn update(tx: &Tx, tag: &Tag) -> Result<(), DbErr> {
    let row = tag.clone().into_active_model().reset_all();
    tag::Entity::update(row).exec(&**tx).await.map(drop)
}

/// Takes a tag off some of its leads; answers with those.
pub(super) async fn unassign_some(tx: &Tx, id: TagId, most: usize) -> Result<Vec<LeadId>, DbErr> {
    let statement = sql(
        tx.backend(),
        "DELETE FROM lead_tag WHERE tag_id = ? AND lead_id IN \
         (SELECT lead_id FROM lead_tag WHERE tag_id = ? ORDER BY lead_id LIMIT ?) RETURNING lead_id",
        [
            id.into(),
            id.into(),
            i64::try_from(most).unwrap_or(i64::MAX).into(),
        ],
    );
    let rows = tx.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get("", "lead_id")).collect()
}

/// Removes a tag, from leads that got it at this moment too.
pub(super) async fn delete(tx: &Tx, id: TagId) -> Result<(), DbErr> {
    lead_tag::Entity::delete_many()
        .filter(lead_tag::Column::TagId.eq(id))
        .exec(&**tx)
        .await?;
    tag::Entity::delete_by_id(id).exec(&**tx).await.map(drop)
}

pub(super) async fn count(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    tag::Entity::find().count(db).await
}

pub(super) async fn by_ids(db: &impl ConnectionTrait, ids: &[TagId]) -> Result<HashMap<TagId, Tag>, DbErr> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let tags = tag::Entity::find()
        .filter(tag::Column::Id.is_in(padded(ids)))
        .all(db)
        .await?;
    Ok(tags.into_iter().map(|tag| (tag.id, tag)).collect())
}

/// Tags by their folded names.
pub(super) async fn by_keys(
    db: &impl ConnectionTrait,
    keys: &[String],
) -> Result<HashMap<String, TagId>, DbErr> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let tags = tag::Entity::find()
        .filter(tag::Column::NameKey.is_in(padded(keys)))
        .all(db)
        .await?;
    Ok(tags.into_iter().map(|tag| (tag.name_key, tag.id)).collect())
}

pub(super) async fn list(
    db: &impl ConnectionTrait,
    filter: &TagFilter,
    page: &PageRequest,
) -> Result<Page<Tag>, DbErr> {
    let mut select = tag::Entity::find();
    if let Some(category) = &filter.category {
        select = select.filter(tag::Column::Category.eq(category.as_str()));
    }
    if let Some(text) = &filter.text {
        let escaped = name_key(text)
            .replace('\\', "\\\\")
            .replace('%', "\\%")
            .replace('_', "\\_");
        let pattern = LikeExpr::new(format!("%{escaped}%")).escape('\\');
        select = select.filter(Expr::col((tag::Entity, tag::Column::NameKey)).like(pattern));
    }
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((tag::Entity, tag::Column::NameKey)),
        (tag::Entity, tag::Column::Id),
        Direction::Asc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// The tags of leads, by name: one statement whatever the number of leads.
pub(super) async fn of_leads(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Vec<Tag>>, DbErr> {
    let leads = padded(leads);
    let backend = db.get_database_backend();
    let statement = sea_orm::Statement::from_sql_and_values(
        backend,
        format!(
            "SELECT lead_tag.lead_id, {} FROM lead_tag JOIN tag ON tag.id = lead_tag.tag_id \
             WHERE lead_tag.lead_id IN ({}) ORDER BY tag.name_key",
            Tag::columns("tag"),
            placeholders(backend, 1, leads.len())
        ),
        leads.iter().map(|id| id.0.into()),
    );
    let mut tags: HashMap<LeadId, Vec<Tag>> = HashMap::new();
    for row in db.query_all_raw(statement).await? {
        let lead: LeadId = row.try_get_by_index(0)?;
        tags.entry(lead).or_default().push(Tag::by_place(&row, 1)?);
    }
    Ok(tags)
}

/// How many leads have each tag.
pub(super) async fn leads_counts(
    db: &impl ConnectionTrait,
    visible: &Visible,
    tags: &[TagId],
) -> Result<HashMap<TagId, i64>, DbErr> {
    let tags = padded(tags);
    let backend = db.get_database_backend();
    let mut values: Vec<_> = tags.iter().map(|id| id.0.into()).collect();
    let text = format!(
        "SELECT lead_tag.tag_id, COUNT(*) AS leads FROM lead_tag JOIN lead ON lead.id = lead_tag.lead_id \
         WHERE lead_tag.tag_id IN ({}) AND lead.deleted_at IS NULL{} GROUP BY lead_tag.tag_id",
        vec!["?"; tags.len()].join(","),
        visible.and_among("lead.id", &mut values)
    );
    let mut counts = HashMap::new();
    for row in db.query_all_raw(sql(backend, &text, values)).await? {
        counts.insert(row.try_get("", "tag_id")?, row.try_get("", "leads")?);
    }
    Ok(counts)
}

/// Hangs tags on leads; answers with the pairs that were not there before.
pub(super) async fn assign(
    tx: &Tx,
    now: Timestamp,
    pairs: &[(LeadId, TagId)],
) -> Result<Vec<(LeadId, TagId)>, DbErr> {
    let rows: Vec<lead_tag::Model> = pairs
        .iter()
        .map(|(lead_id, tag_id)| lead_tag::Model {
            lead_id: *lead_id,
            tag_id: *tag_id,
            created_at: now,
        })
        .collect();
    let written = insert_new(tx, &rows, "(lead_id, tag_id)").await?;
    Ok(written.into_iter().map(|row| (row.lead_id, row.tag_id)).collect())
}

/// Takes tags off leads; answers with the pairs that were there.
pub(super) async fn unassign(
    tx: &Tx,
    leads: &[LeadId],
    tags: &[TagId],
) -> Result<Vec<(LeadId, TagId)>, DbErr> {
    if leads.is_empty() || tags.is_empty() {
        return Ok(Vec::new());
    }
    let (leads, tags) = (padded(leads), padded(tags));
    let backend: DbBackend = tx.backend();
    let statement = sea_orm::Statement::from_sql_and_values(
        backend,
        format!(
            "DELETE FROM lead_tag WHERE lead_id IN ({}) AND tag_id IN ({}) RETURNING lead_id, tag_id",
            placeholders(backend, 1, leads.len()),
            placeholders(backend, 1 + leads.len(), tags.len())
        ),
        leads
            .iter()
            .map(|id| id.0.into())
            .chain(tags.iter().map(|id| id.0.into())),
    );
    let rows = tx.query_all_raw(statement).await?;
    rows.into_iter()
        .map(|row| Ok((row.try_get("", "lead_id")?, row.try_get("", "tag_id")?)))
        .collect()
}
