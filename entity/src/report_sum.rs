//! Table `report_sum`.

use sea_orm::entity::prelude::*;

use crate::{ReportLevel, ReportMeasure};

/// What the leads add up to that became known in a span of UTC time.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "report_sum")]
pub struct Model {
    /// How long the span is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub level: ReportLevel,
    /// What is counted.
    #[sea_orm(primary_key, auto_increment = false)]
    pub measure: ReportMeasure,
    /// Which span: how many of that length lie between it and the beginning of 1970.
    #[sea_orm(primary_key, auto_increment = false)]
    pub unit: i32,
    /// Of what: a source, a stage, a grade; empty for none.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// How much.
    pub amount: i64,
}

impl ActiveModelBehavior for ActiveModel {}
