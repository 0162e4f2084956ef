//! Table `sign_in_failure`: failed sign-ins by account and by network address.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

/// Failures of one account or address.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sign_in_failure")]
pub struct Model {
    /// BLAKE3 of the kind and the account or address.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: Vec<u8>,
    /// How many since.
    pub failures: i32,
    /// When they began to be counted.
    pub since: Timestamp,
    /// Until when no more are taken.
    pub blocked_until: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
