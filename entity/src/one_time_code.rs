//! Table `one_time_code`: links and codes that are good once.

use sea_orm::entity::prelude::*;

use crate::{CodePurpose, Timestamp, id::UserId};

/// A code that is good once; only its hash is kept.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "one_time_code")]
pub struct Model {
    /// BLAKE3 of the code.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: Vec<u8>,
    /// What it is good for.
    pub purpose: CodePurpose,
    /// Whose.
    pub user_id: Option<UserId>,
    /// What is needed when it comes back, sealed by the vault.
    pub payload: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it lapses.
    pub expires_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
