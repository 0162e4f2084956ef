//! Table `deal_move`.

use sea_orm::entity::prelude::*;

use crate::{
    DealState, Timestamp,
    id::{DealId, DealStageId},
};

/// That a deal was opened, moved to another stage, closed or opened again.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deal_move")]
pub struct Model {
    /// Which deal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub deal_id: DealId,
    /// The version of the deal that it made.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    /// When it happened.
    pub at: Timestamp,
    /// The stage before; none when it was opened.
    pub from_stage: Option<DealStageId>,
    /// The stage from then on.
    pub to_stage: DealStageId,
    /// The state before; none when it was opened.
    pub from_state: Option<DealState>,
    /// The state from then on.
    pub to_state: DealState,
    /// Why.
    pub reason: Option<String>,
    /// Who did it.
    pub actor: String,
}

impl ActiveModelBehavior for ActiveModel {}
