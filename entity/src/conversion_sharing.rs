//! Table `conversion_sharing`.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, UnknownConsent, id::ConnectionId};

/// What is told to a platform of what its advertisements brought.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conversion_sharing")]
pub struct Model {
    /// The platform's connection.
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// Whether anything is told.
    pub is_enabled: bool,
    /// Since when: what happened before is not told by itself.
    pub shared_since: Option<Timestamp>,
    /// What is told, and as what (JSON list).
    pub rules: String,
    /// What to do where nobody knows whether a lead has consented.
    pub unknown_consent: UnknownConsent,
    /// By which name the platform's click id stands among what is known of a lead's source or a conversion.
    pub click_key: Option<String>,
    /// The same of the platform's own cookie.
    pub browser_key: Option<String>,
    /// Until when the platform is not asked, as it said or failed.
    pub paused_until: Option<Timestamp>,
    /// Who changed it last.
    pub updated_by: String,
    /// When.
    pub updated_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
