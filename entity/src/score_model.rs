//! Table `score_model`.

use sea_orm::entity::prelude::*;

use crate::{ScoreModelState, Timestamp, id::ScoreModelId};

/// A version of the scoring model.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "score_model")]
pub struct Model {
    /// The version's id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ScoreModelId,
    /// Counts up.
    pub version: i32,
    /// Draft, published or retired.
    pub state: ScoreModelState,
    /// All its numbers (JSON).
    pub definition: String,
    /// Why it was made.
    pub note: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// When it came into force.
    pub published_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
