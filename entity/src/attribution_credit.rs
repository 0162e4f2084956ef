//! Table `attribution_credit`.

use sea_orm::entity::prelude::*;

use crate::{AttributionDimension, AttributionModel, ConversionKind, Day, ReportLevel};

/// What the conversions of a day or month owe to something.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attribution_credit")]
pub struct Model {
    /// By which settings.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    /// By which model.
    #[sea_orm(primary_key, auto_increment = false)]
    pub model: AttributionModel,
    /// To what kind of thing.
    #[sea_orm(primary_key, auto_increment = false)]
    pub dimension: AttributionDimension,
    /// Of a day, or of a month.
    #[sea_orm(primary_key, auto_increment = false)]
    pub level: ReportLevel,
    /// The first UTC day of the conversions.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Day,
    /// What they are.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: ConversionKind,
    /// To which; empty where it is not known.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Conversions, in billionths.
    pub parts: i64,
    /// Money, in minor units of the currency of the reports.
    pub minor: i64,
}

impl ActiveModelBehavior for ActiveModel {}
