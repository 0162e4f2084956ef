//! Table `note`.

use sea_orm::entity::prelude::*;

use crate::{
    Timestamp,
    id::{LeadId, NoteId},
};

/// A note on a lead.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "note")]
pub struct Model {
    /// The note.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: NoteId,
    /// The lead.
    pub lead_id: LeadId,
    /// Its text.
    pub body: String,
    /// Who wrote it.
    pub author: String,
    /// Shown first.
    pub pinned: bool,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
