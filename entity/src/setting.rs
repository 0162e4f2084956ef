//! Table `setting`.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

/// A versioned configuration object, e.g. the lifecycle settings.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "setting")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// Counts its changes.
    pub version: i32,
    /// The object (JSON).
    pub value: String,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// By whom.
    pub updated_by: String,
}

impl ActiveModelBehavior for ActiveModel {}
