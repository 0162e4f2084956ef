//! Table `lead_tag`.

use sea_orm::entity::prelude::*;

use crate::{
    Timestamp,
    id::{LeadId, TagId},
};

/// A tag on a lead.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "lead_tag")]
pub struct Model {
    /// The lead.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: LeadId,
    /// The tag.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tag_id: TagId,
    /// Since when.
    pub created_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
