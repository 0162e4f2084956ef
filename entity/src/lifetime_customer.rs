//! Table `lifetime_customer`.

use sea_orm::entity::prelude::*;

use crate::id::LeadId;

/// A customer as a fit saw them.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "lifetime_customer")]
pub struct Model {
    /// Which fit.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    /// The lead.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: LeadId,
    /// Days with a purchase after the first such day.
    pub repeats: i32,
    /// Days from the first purchase to the last.
    pub recency_days: i32,
    /// Days from the first purchase to the last day of the fit.
    pub age_days: i32,
    /// Sum of the repeat purchases, in minor units.
    pub repeat_minor: i64,
}

impl ActiveModelBehavior for ActiveModel {}
