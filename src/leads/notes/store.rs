//! All SQL of notes.

use std::collections::HashMap;

use entity::id::{LeadId, NoteId};
use entity::note;
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryTrait,
};

use super::Note;
use crate::db::{Conflict, Direction, Page, PageRequest, Tx, insert_many, newest_of_leads, padded};
use crate::leads::visible::Visible;

/// What a pinned note's sort value is raised by: more microseconds than any moment has.
pub(super) const PINNED: i64 = 1 << 62;

pub(super) async fn insert(tx: &Tx, notes: &[Note]) -> Result<(), DbErr> {
    insert_many(tx, notes, Conflict::Fail).await.map(drop)
}

pub(super) async fn find(db: &impl ConnectionTrait, id: NoteId) -> Result<Option<Note>, DbErr> {
    note::Entity::find_by_id(id).one(db).await
}

pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    visible: &Visible,
    ids: &[NoteId],
) -> Result<HashMap<NoteId, Note>, DbErr> {
    let notes = note::Entity::find()
        .filter(note::Column::Id.is_in(padded(ids)))
        .filter(visible.is_there((note::Entity, note::Column::LeadId)))
        .all(db)
        .await?;
    Ok(notes.into_iter().map(|note| (note.id, note)).collect())
}

pub(super) async fn update(tx: &Tx, note: &Note) -> Result<(), DbErr> {
    let row = note.clone().into_active_model().reset_all();
    note::Entity::update(row).exec(&**tx).await.map(drop)
}

pub(super) async fn delete(tx: &Tx, id: NoteId) -> Result<(), DbErr> {
    note::Entity::delete_by_id(id).exec(&**tx).await.map(drop)
}

/// The first notes of each lead, as [`list`] orders them.
pub(super) async fn first_lists(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<Note>>, DbErr> {
    let sort = format!("CASE WHEN pinned THEN created_at + {PINNED} ELSE created_at END");
    newest_of_leads(
        db,
        "note",
        (&sort, "id"),
        leads,
        page,
        ("", Vec::new()),
        |note: &Note| note.lead_id,
    )
    .await
}

/// The same page of the notes of each lead, newest first.
pub(super) async fn written(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<Note>>, DbErr> {
    if page.after.is_none() && page.before.is_none() {
        let order = ("created_at", "id");
        return newest_of_leads(db, "note", order, leads, page, ("", Vec::new()), |note: &Note| {
            note.lead_id
        })
        .await;
    }
    let mut pages = HashMap::new();
    for lead in leads {
        let mut select = note::Entity::find().filter(note::Column::LeadId.eq(*lead));
        page.apply(
            QueryTrait::query(&mut select),
            Expr::col((note::Entity, note::Column::CreatedAt)),
            (note::Entity, note::Column::Id),
            Direction::Desc,
        );
        pages.insert(*lead, Page::new(page, select.all(db).await?));
    }
    Ok(pages)
}

/// The notes of a lead: pinned ones first, each part newest first.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    lead: LeadId,
    page: &PageRequest,
) -> Result<Page<Note>, DbErr> {
    let created = || Expr::col((note::Entity, note::Column::CreatedAt));
    let sort = CaseStatement::new()
        .case(
            Expr::col((note::Entity, note::Column::Pinned)).eq(true),
            created().add(PINNED),
        )
        .finally(created());
    let mut select = note::Entity::find().filter(note::Column::LeadId.eq(lead));
    page.apply(
        QueryTrait::query(&mut select),
        sort.into(),
        (note::Entity, note::Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}
