//! Table `stage_stay`.

use sea_orm::entity::prelude::*;

use crate::{
    Stage, Timestamp,
    id::{LeadId, StageStayId},
};

/// A stay of a lead in a stage; exactly one per lead is open.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "stage_stay")]
pub struct Model {
    /// The stay.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: StageStayId,
    /// The lead.
    pub lead_id: LeadId,
    /// The stage.
    pub stage: Stage,
    /// The stage before.
    pub previous: Option<Stage>,
    /// When it was entered.
    pub entered_at: Timestamp,
    /// When it was left.
    pub left_at: Option<Timestamp>,
    /// Why it was entered.
    pub reason: Option<String>,
    /// Who moved the lead.
    pub actor: String,
    /// Current score at that moment.
    pub score_on_entry: Option<f64>,
}

impl ActiveModelBehavior for ActiveModel {}
