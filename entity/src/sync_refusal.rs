//! Table `sync_refusal`.

use sea_orm::entity::prelude::*;

use crate::{SyncKind, id::SyncId};

/// Something that was read and could not be used.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_refusal")]
pub struct Model {
    /// The reading.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sync_id: SyncId,
    /// Its place among those of the reading, from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i32,
    /// What it is.
    pub kind: SyncKind,
    /// The platform's id of it.
    pub external_id: String,
    /// Why it could not be used.
    pub message: String,
}

impl ActiveModelBehavior for ActiveModel {}
