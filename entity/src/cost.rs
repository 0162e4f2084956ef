//! Table `cost`.

use sea_orm::entity::prelude::*;

use crate::{
    CostKind, Day, Timestamp,
    id::{ConnectionId, CostId},
};

/// What something cost on a day.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cost")]
pub struct Model {
    /// The cost.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CostId,
    /// What it was for.
    pub kind: CostKind,
    /// Amount in minor units, not negative.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// The amount in the reporting currency, in minor units; none where no rate is known.
    pub reporting_minor: Option<i64>,
    /// ISO 4217, of the amount in the reporting currency.
    pub reporting_currency: Option<String>,
    /// The day it counts for.
    pub day: Day,
    /// The source of leads that it was spent on.
    pub source: Option<String>,
    /// The campaign that it was spent on.
    pub campaign: Option<String>,
    /// In words.
    pub note: Option<String>,
    /// The connection that told of it.
    pub connection_id: Option<ConnectionId>,
    /// The same key twice is one cost.
    pub dedupe_key: Option<String>,
    /// Who recorded it.
    pub recorded_by: String,
    /// When it was recorded or last changed.
    pub recorded_at: Timestamp,
    /// When it was taken back; it counts no more.
    pub voided_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
