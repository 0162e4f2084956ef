//! Table `attribution_trail`.

use sea_orm::entity::prelude::*;

use crate::{ConversionKind, Timestamp, id::LeadId};

/// The touches that led to a conversion, or to none so far.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attribution_trail")]
pub struct Model {
    /// By which settings.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    /// The conversion's id; the lead's, where no conversion has come yet.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The lead.
    pub lead_id: LeadId,
    /// When it ended: the conversion, or the last touch.
    pub at: Timestamp,
    /// In which conversion; none where it has not ended.
    pub ended_in: Option<ConversionKind>,
    /// What is left of its value, in minor units of the currency of the reports.
    pub value_minor: Option<i64>,
    /// When the lead first became an opportunity.
    pub opportunity_at: Option<Timestamp>,
    /// The touches, in order of time (JSON list).
    pub touches: String,
}

impl ActiveModelBehavior for ActiveModel {}
