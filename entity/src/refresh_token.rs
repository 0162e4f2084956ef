//! Table `refresh_token`: all refresh tokens of sessions, used ones too, so that one that comes back is known.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::SessionId};

/// A refresh token; only its hash is kept.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_token")]
pub struct Model {
    /// BLAKE3 of the token.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: Vec<u8>,
    /// The session.
    pub session_id: SessionId,
    /// Which refresh of the session it belongs to.
    pub generation: i32,
    /// When it was made.
    pub created_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
