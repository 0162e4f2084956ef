//! Table `report_busy`.

use sea_orm::entity::prelude::*;

use crate::id::LeadId;

/// A lead with many engagements in a month: among these the busiest of any range are looked for.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "report_busy")]
pub struct Model {
    /// The UTC month, counted from January 1970.
    #[sea_orm(primary_key, auto_increment = false)]
    pub month: i32,
    /// The lead.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: LeadId,
    /// How many engagements.
    pub engagements: i64,
}

impl ActiveModelBehavior for ActiveModel {}
