//! Table `event_cursor`.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

/// How far a handler of events has come.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "event_cursor")]
pub struct Model {
    /// The handler.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The last position that it has handled.
    pub position: i64,
    /// When it last moved.
    pub updated_at: Timestamp,
    /// Failures in a row at this position.
    pub failures: Option<i32>,
    /// The last failure, in words.
    pub last_error: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
