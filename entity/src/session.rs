//! Table `session`.

use sea_orm::entity::prelude::*;

use crate::{
    EndReason, Timestamp,
    id::{SessionId, UserId},
};

/// A user signed in on a device.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    /// The session.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When it was last used, to about a minute.
    pub last_seen_at: Timestamp,
    /// When it ends by itself unless it is refreshed.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
    /// Why it was ended.
    pub end_reason: Option<EndReason>,
    /// Counts its refreshes.
    pub generation: i32,
    /// When it was last refreshed.
    pub refreshed_at: Timestamp,
    /// The browser or program, as it names itself; shortened.
    pub user_agent: String,
    /// The network address it was last used from.
    pub address: String,
}

impl ActiveModelBehavior for ActiveModel {}
