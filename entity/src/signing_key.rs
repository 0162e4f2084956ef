//! Table `signing_key`: keys of access tokens.

use sea_orm::entity::prelude::*;

use crate::{SigningAlgorithm, Timestamp};

/// A key that signs access tokens.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_key")]
pub struct Model {
    /// Its id, `kid` in the head of a token.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// The key, sealed by the vault.
    pub secret: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When another took its place; it is still known for as long as its tokens live.
    pub retired_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
