//! Table `invitation`.

use sea_orm::entity::prelude::*;

use crate::{
    Timestamp,
    id::{InvitationId, UserId},
};

/// An invitation to become a user.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "invitation")]
pub struct Model {
    /// The invitation.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvitationId,
    /// Whom, in lower case.
    pub email: String,
    /// The key of the role that they get.
    pub role: String,
    /// BLAKE3 of the code in the mail.
    pub hash: Vec<u8>,
    /// By whom: `user_…`, `operator`.
    pub invited_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it lapses.
    pub expires_at: Timestamp,
    /// When it was accepted.
    pub accepted_at: Option<Timestamp>,
    /// The user that it made.
    pub user_id: Option<UserId>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
