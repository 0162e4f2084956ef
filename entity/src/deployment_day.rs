//! Table `deployment_day`.

use sea_orm::entity::prelude::*;

use crate::Day;

/// What all leads did on a day.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deployment_day")]
pub struct Model {
    /// The UTC day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Day,
    /// Counts and revenue by type and channel, moves by stage (JSON).
    pub activity: String,
}

impl ActiveModelBehavior for ActiveModel {}
