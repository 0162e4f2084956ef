//! Table `role`: roles beyond the built-in ones.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

/// A set of scopes under a name.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "role")]
pub struct Model {
    /// Its key: lower-case letters, digits and hyphens.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// What it is called.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Its scopes, separated by spaces.
    pub scopes: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
