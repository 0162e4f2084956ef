//! Table `attribution_total`.

use sea_orm::entity::prelude::*;

use crate::{ConversionKind, Day};

/// The conversions of a day.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attribution_total")]
pub struct Model {
    /// By which settings.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    /// The UTC day.
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
