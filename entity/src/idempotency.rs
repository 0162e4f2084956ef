//! Table `idempotency`.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

/// The outcome of a call that may be repeated with its key; kept 7 days.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency")]
pub struct Model {
    /// Whose key it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub caller: String,
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// Which mutation.
    pub operation: String,
    /// Digest of the input: another input with the same key is a conflict.
    pub input_digest: String,
    /// What was answered (JSON).
    pub outcome: String,
    /// When.
    pub created_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
