//! Table `deal`.

use sea_orm::entity::prelude::*;

use crate::{
    Day, DealState, Timestamp,
    id::{ConversionId, DealId, DealStageId, LeadId},
};

/// A sale that is hoped for.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deal")]
pub struct Model {
    /// The deal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DealId,
    /// With which lead.
    pub lead_id: LeadId,
    /// What it is called.
    pub name: String,
    /// The same in lower case, to be searched.
    pub folded_name: String,
    /// In which stage it is, or was when it was closed.
    pub stage_id: DealStageId,
    /// Value in minor units, not negative.
    pub value_minor: Option<i64>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// The value in the reporting currency, in minor units: of an open deal by the newest rate, of a closed one by that of
    /// the day on which it was closed; none where no rate is known.
    pub reporting_minor: Option<i64>,
    /// ISO 4217, of the value in the reporting currency.
    pub reporting_currency: Option<String>,
    /// What has become of it.
    pub state: DealState,
    /// Why it was won or lost.
    pub reason: Option<String>,
    /// When it is expected to be closed.
    pub expected_close: Option<Day>,
    /// E-mail of the person responsible.
    pub owner: Option<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// How often it was won.
    pub wins: i32,
    /// The conversion that it is while it is won.
    pub conversion_id: Option<ConversionId>,
    /// Counts its changes, for optimistic updates.
    pub version: i32,
    /// Who opened it.
    pub created_by: String,
    /// When it became known.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
