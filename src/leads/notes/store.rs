//! All SQL of notes.

use entity::id::{LeadId, NoteId};
use entity::note;
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryTrait,
};

use super::Note;
use crate::db::{Conflict, Direction, Page, PageRequest, Tx, insert_many};

/// What a pinned note's sort value is raised by: more microseconds than any moment has.
pub(super) const PINNED: i64 = 1 << 62;

pub(super) async fn insert(tx: &Tx, notes: &[Note]) -> Result<(), DbErr> {
    insert_many(tx, notes, Conflict::Fail).await.map(drop)
}

pub(super) async fn find(db: &impl ConnectionTrait, id: NoteId) -> Result<Option<Note>, DbErr> {
    note::Entity::find_by_id(id).one(db).await
}

pub(super) async fn update(tx: &Tx, note: &Note) -> Result<(), DbErr> {
    let row = note.clone().into_active_model().reset_all();
    note::Entity::update(row).exec(&**tx).await.map(drop)
}

pub(super) async fn delete(tx: &Tx, id: NoteId) -> Result<(), DbErr> {
    note::Entity::delete_by_id(id).exec(&**tx).await.map(drop)
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
