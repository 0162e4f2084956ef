//! Table `audience_member`.

use sea_orm::entity::prelude::*;

use crate::{
    AudienceMemberState, Timestamp,
    id::{AudienceId, LeadId},
};

/// A lead of which a platform was told, or may have been told.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audience_member")]
pub struct Model {
    /// Of which audience.
    #[sea_orm(primary_key, auto_increment = false)]
    pub audience_id: AudienceId,
    /// The lead.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: LeadId,
    /// Where it stands.
    pub state: AudienceMemberState,
    /// Of which making of the platform's audience.
    pub generation: i32,
    /// The version of the lead that was looked at.
    pub lead_version: i64,
    /// A keyed hash of what the platform was told; 0 once the lead is erased.
    pub match_key: i64,
    /// When it came into the audience.
    pub joined_at: Timestamp,
    /// When the platform was told.
    pub told_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
