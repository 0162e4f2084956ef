//! Table `audit_entry`: who did what to what, from where.

use sea_orm::entity::prelude::*;

use crate::{
    Timestamp,
    id::{AuditEntryId, LeadId},
};

/// One act.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_entry")]
pub struct Model {
    /// The entry.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditEntryId,
    /// When.
    pub at: Timestamp,
    /// Who: `user_…`, `token_…`, `operator`; `nobody` for who did not get in.
    pub actor: String,
    /// What: the word of an event, such as `LEAD_UPDATED` or `SIGN_IN_FAILED`.
    pub action: String,
    /// To what: its id; empty where there is none.
    pub subject: String,
    /// The lead that it is about.
    pub lead_id: Option<LeadId>,
    /// How many things the act touched at once.
    pub count: i32,
    /// Details (JSON object); no secret, no personal data.
    pub detail: String,
    /// The network address it came from.
    pub address: Option<String>,
    /// The browser or program, as it names itself.
    pub user_agent: Option<String>,
    /// The request.
    pub request_id: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
