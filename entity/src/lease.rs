//! Table `lease`.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

/// Who may do what only one process may do at a time.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "lease")]
pub struct Model {
    /// What is leased.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The process that holds it.
    pub holder: String,
    /// When it lapses unless renewed.
    pub until: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
