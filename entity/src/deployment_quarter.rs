//! Table `deployment_quarter`.

use sea_orm::entity::prelude::*;

/// What all leads did in a quarter of an hour: of these the days of any time zone are made.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deployment_quarter")]
pub struct Model {
    /// The quarter, counted from 1970 on.
    #[sea_orm(primary_key, auto_increment = false)]
    pub quarter: i32,
    /// Engagements of all types.
    pub engagements: i64,
    /// Counts and revenue by type and channel (JSON).
    pub activity: String,
}

impl ActiveModelBehavior for ActiveModel {}
