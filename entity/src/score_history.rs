//! Table `score_history`.

use sea_orm::entity::prelude::*;

use crate::{
    ScoreCause, Timestamp,
    id::{LeadId, ScoreEntryId},
};

/// A change of a lead's score; append-only.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "score_history")]
pub struct Model {
    /// The lead.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: LeadId,
    /// When.
    #[sea_orm(primary_key, auto_increment = false)]
    pub at: Timestamp,
    /// The entry.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ScoreEntryId,
    /// Version of the model.
    pub model_version: i32,
    /// Score before decay, 0–100.
    pub base: i32,
    /// Component, 0–100.
    pub demographic: f64,
    /// Component, 0–100.
    pub behavioral: f64,
    /// Component, 0–100.
    pub firmographic: f64,
    /// Component, 0–100.
    pub engagement: f64,
    /// Component, 0–100.
    pub intent: f64,
    /// What brought the change about.
    pub cause: ScoreCause,
}

impl ActiveModelBehavior for ActiveModel {}
