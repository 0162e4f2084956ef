//! Table `deal_stage`.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::DealStageId};

/// A stage that deals go through.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deal_stage")]
pub struct Model {
    /// The stage.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DealStageId,
    /// What it is called.
    pub name: String,
    /// Its place among the stages, from 0.
    pub position: i32,
    /// How likely a deal in it is won, per mille, where nothing else tells.
    pub probability: i32,
    /// When it was taken out of use; its deals stay in it.
    pub archived_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
