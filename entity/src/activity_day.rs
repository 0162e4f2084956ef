//! Table `activity_day`.

use sea_orm::entity::prelude::*;

use crate::{Day, id::LeadId};

/// What a lead did on a day.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "activity_day")]
pub struct Model {
    /// The lead.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: LeadId,
    /// The UTC day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Day,
    /// Counts by type, revenue (JSON).
    pub activity: String,
}

impl ActiveModelBehavior for ActiveModel {}
