//! Table `journey`.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::LeadId};

/// The journey of a lead: what its engagements add up to.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "journey")]
pub struct Model {
    /// The lead.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: LeadId,
    /// First engagement.
    pub first_at: Option<Timestamp>,
    /// Last engagement.
    pub last_at: Option<Timestamp>,
    /// How many.
    pub engagements: i64,
    /// Counts, milestones, revenue (JSON).
    pub facts: String,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
