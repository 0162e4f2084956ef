//! Table `journey`.

use sea_orm::entity::prelude::*;

use crate::id::LeadId;

/// The journey of a lead: what its engagements, moves and conversions add up to.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "journey")]
pub struct Model {
    /// The lead.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: LeadId,
    /// Counts, milestones, revenue (JSON).
    pub facts: String,
    /// Position of the last event that is taken in: those of the lead after it are still to come.
    pub position: i64,
}

impl ActiveModelBehavior for ActiveModel {}
