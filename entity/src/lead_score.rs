//! Table `lead_score`.

use sea_orm::entity::prelude::*;

use crate::{Temperature, Timestamp, id::LeadId};

/// The score of a lead.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "lead_score")]
pub struct Model {
    /// The lead.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: LeadId,
    /// Version of the model it was computed with.
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
    /// base + rate × day of the last activity: orders leads by current score.
    pub decay_key: f64,
    /// Points a day by which it decays, as the model said.
    pub decay_rate: f64,
    /// From when decay counts.
    pub last_activity_at: Timestamp,
    /// As last announced.
    pub temperature: Temperature,
    /// When decay takes it to the next temperature.
    pub crosses_at: Option<Timestamp>,
    /// When the first event leaves a window and the base changes.
    pub valid_until: Option<Timestamp>,
    /// The earlier of the two: when a worker has to look at it again.
    pub due_at: Option<Timestamp>,
    /// All that the score rests on (JSON).
    pub facts: String,
    /// When it was computed.
    pub computed_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
