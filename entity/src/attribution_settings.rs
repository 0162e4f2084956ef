//! Table `attribution_settings`.

use sea_orm::entity::prelude::*;

use crate::{AttributionState, Timestamp};

/// A version of the settings of attribution.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attribution_settings")]
pub struct Model {
    /// Counts the changes, from 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    /// The settings (JSON object); what is absent is as it came.
    pub settings: String,
    /// What sums by them are for.
    pub state: AttributionState,
    /// The version that has their trails already, as the same touches count by it; none where trails are made from what leads did.
    pub trails_of: Option<i32>,
    /// When they were set.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
}

impl ActiveModelBehavior for ActiveModel {}
