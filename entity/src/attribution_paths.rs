//! Table `attribution_paths`.

use sea_orm::entity::prelude::*;

use crate::{AttributionDimension, Day, ReportLevel};

/// The journeys that ended on a day, or in a month.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attribution_paths")]
pub struct Model {
    /// By which settings.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    /// By what the touches are told apart.
    #[sea_orm(primary_key, auto_increment = false)]
    pub dimension: AttributionDimension,
    /// Of a day, or of a month.
    #[sea_orm(primary_key, auto_increment = false)]
    pub level: ReportLevel,
    /// The first UTC day on which they ended.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Day,
    /// The kind of the conversions; empty for journeys that none has ended.
    #[sea_orm(primary_key, auto_increment = false)]
    pub ended_in: String,
    /// How they went (JSON object).
    pub paths: String,
}

impl ActiveModelBehavior for ActiveModel {}
