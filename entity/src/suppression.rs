//! Table `suppression`.

use sea_orm::entity::prelude::*;

use crate::{
    MessageChannel, SuppressionReason, Timestamp,
    id::{LeadId, MessageId, SuppressionId},
};

/// An address or number that is not written to, or was not for a time.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "suppression")]
pub struct Model {
    /// The suppression.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SuppressionId,
    /// By which channel.
    pub channel: MessageChannel,
    /// The address; none once its lead was erased.
    pub address: Option<String>,
    /// A hash of channel and address: whoever is erased stays suppressed.
    pub digest: String,
    /// Why.
    pub reason: SuppressionReason,
    /// The lead, where it is known.
    pub lead_id: Option<LeadId>,
    /// The message that brought it about.
    pub message_id: Option<MessageId>,
    /// Why, in words.
    pub note: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// When it was lifted; none while it holds.
    pub lifted_at: Option<Timestamp>,
    /// Who brought it about.
    pub created_by: String,
    /// When it was first written down.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
