//! Table `tag`.

use leadline_macros::ByPlace;
use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::TagId};

/// A tag.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, ByPlace)]
#[sea_orm(table_name = "tag")]
pub struct Model {
    /// The tag.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TagId,
    /// As shown.
    pub name: String,
    /// Folded for comparison.
    pub name_key: String,
    /// `#rrggbb`.
    pub colour: Option<String>,
    /// Group of tags.
    pub category: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
