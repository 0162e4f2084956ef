//! Table `attribution_total`.

use sea_orm::entity::prelude::*;

use crate::{ConversionKind, Day, ReportLevel};

/// The conversions of a day or month.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attribution_total")]
pub struct Model {
    /// By which settings.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    /// Of a day, or of a month.
    #[sea_orm(primary_key, auto_increment = false)]
    pub level: ReportLevel,
    /// The first UTC day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Day,
    /// What they are.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: ConversionKind,
    /// How many.
    pub conversions: i64,
    /// What they are worth, in minor units of the currency of the reports.
    pub minor: i64,
    /// Of them, those without a value in that currency.
    pub unvalued: i64,
    /// Of them, those that no touch led to.
    pub untouched: i64,
    /// What those are worth.
    pub untouched_minor: i64,
}

impl ActiveModelBehavior for ActiveModel {}
