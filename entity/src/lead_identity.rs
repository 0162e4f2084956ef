//! Table `lead_identity`.

use sea_orm::entity::prelude::*;

use crate::{IdentityKind, Timestamp, id::LeadId};

/// By what a lead is known; an identity belongs to one lead at most.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "lead_identity")]
pub struct Model {
    /// E-mail, phone or outside identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: IdentityKind,
    /// Whose identifier it is (import or connection); empty for e-mail and phone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub namespace: String,
    /// Normalised value.
    #[sea_orm(primary_key, auto_increment = false)]
    pub value: String,
    /// The lead.
    pub lead_id: LeadId,
    /// Since when.
    pub created_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
