//! Table `consent`.

use sea_orm::entity::prelude::*;

use crate::{
    ConsentChannel, ConsentPurpose, ConsentState, Timestamp,
    id::{ConsentId, LeadId},
};

/// The consent in force, per lead, channel and purpose.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "consent")]
pub struct Model {
    /// The lead.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: LeadId,
    /// For which channel.
    #[sea_orm(primary_key, auto_increment = false)]
    pub channel: ConsentChannel,
    /// For what.
    #[sea_orm(primary_key, auto_increment = false)]
    pub purpose: ConsentPurpose,
    /// Given or not.
    pub state: ConsentState,
    /// Since when.
    pub at: Timestamp,
    /// The entry of the history that proves it.
    pub record_id: ConsentId,
}

impl ActiveModelBehavior for ActiveModel {}
