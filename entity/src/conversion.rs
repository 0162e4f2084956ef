//! Table `conversion`.

use sea_orm::entity::prelude::*;

use crate::{
    ConversionKind, Timestamp,
    id::{ConversionId, LeadId},
};

/// A conversion of a lead.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "conversion")]
pub struct Model {
    /// The conversion.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConversionId,
    /// The lead.
    pub lead_id: LeadId,
    /// What it is.
    pub kind: ConversionKind,
    /// Name of a custom conversion.
    pub custom_name: Option<String>,
    /// Value in minor units.
    pub value_minor: Option<i64>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// More (JSON object).
    pub metadata: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When Leadline learnt of it.
    pub received_at: Timestamp,
    /// The same key twice is one conversion.
    pub dedupe_key: Option<String>,
    /// What was given back of the value, in minor units.
    pub refunded_minor: i64,
    /// The value in the reporting currency at the rate of its day, in minor units; none where no rate is known.
    pub reporting_minor: Option<i64>,
    /// The same of what was given back.
    pub reporting_refunded_minor: Option<i64>,
    /// ISO 4217, of both.
    pub reporting_currency: Option<String>,
    /// When it was called off; it counts no more.
    pub voided_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
