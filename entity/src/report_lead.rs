//! Table `report_lead`.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::LeadId};

/// What reports count of a lead; only leads that count have a row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "report_lead")]
pub struct Model {
    /// The lead.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: LeadId,
    /// When it became known.
    pub created_at: Timestamp,
    /// What is counted of it (JSON).
    pub outline: String,
    /// When it has to be looked at again, as time takes its score or its churn risk elsewhere.
    pub due_at: Option<Timestamp>,
    /// What its conversions are worth, in minor units, where it is at high risk.
    pub at_risk_minor: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
