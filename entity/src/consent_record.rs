//! Table `consent_record`.

use sea_orm::entity::prelude::*;

use crate::{
    ConsentChannel, ConsentPurpose, ConsentState, Timestamp,
    id::{ConsentId, LeadId},
};

/// One word about a consent, with its proof; append-only.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "consent_record")]
pub struct Model {
    /// The entry.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConsentId,
    /// The lead.
    pub lead_id: LeadId,
    /// For which channel.
    pub channel: ConsentChannel,
    /// For what.
    pub purpose: ConsentPurpose,
    /// Given or not.
    pub state: ConsentState,
    /// When it was said.
    pub at: Timestamp,
    /// Where: form, import, call …
    pub source: Option<String>,
    /// The text that was agreed to.
    pub wording: Option<String>,
    /// From which address.
    pub ip: Option<String>,
    /// With which browser.
    pub user_agent: Option<String>,
    /// Hash of what was said with its proof: the same twice is one row.
    pub fingerprint: Uuid,
    /// Who recorded it.
    pub recorded_by: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
