//! Table `data_key`: keys of the vault.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

/// A key that seals secrets, itself sealed under a master key.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "data_key")]
pub struct Model {
    /// Its id, which stands in what it seals.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Which master key it is sealed under.
    pub master: String,
    /// The key, sealed.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
