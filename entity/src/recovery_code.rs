//! Table `recovery_code`: codes in place of a lost second factor.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::UserId};

/// A recovery code; only its hash is kept.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "recovery_code")]
pub struct Model {
    /// BLAKE3 of the user and the code.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: Vec<u8>,
    /// Whose.
    pub user_id: UserId,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
