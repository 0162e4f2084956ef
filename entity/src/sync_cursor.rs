//! Table `sync_cursor`.

use sea_orm::entity::prelude::*;

use crate::{SyncKind, Timestamp, id::ConnectionId};

/// Where reading goes on.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_cursor")]
pub struct Model {
    /// The connection.
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// What is read.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: SyncKind,
    /// The platform's own mark.
    pub cursor: String,
    /// When it was set.
    pub updated_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
