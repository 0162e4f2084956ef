//! Table `score_stale`.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::LeadId};

/// A lead whose facts have changed since its score was computed.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "score_stale")]
pub struct Model {
    /// The lead.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: LeadId,
    /// What changed first.
    pub cause: String,
    /// When.
    pub since: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
