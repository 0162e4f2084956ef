//! Table `event_head`: one row.

use sea_orm::entity::prelude::*;

/// The two ends of the event log.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "event_head")]
pub struct Model {
    /// Always 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// The last position given.
    pub last_position: i64,
    /// The oldest position still kept.
    pub oldest_position: i64,
}

impl ActiveModelBehavior for ActiveModel {}
