//! Table `api_token`.

use sea_orm::entity::prelude::*;

use crate::{Safelist, Timestamp, id::TokenId};

/// An API token; only its hash is kept.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "api_token")]
pub struct Model {
    /// The token.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TokenId,
    /// What its owner calls it.
    pub name: String,
    /// Its scopes, separated by spaces.
    pub scopes: String,
    /// BLAKE3 of the secret.
    pub hash: Vec<u8>,
    /// The first characters, to tell tokens apart.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it lapses.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to about a minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Which leads it shows, as a lead filter in JSON; all of them without one.
    pub row_filter: Option<String>,
    /// Who made it: `user_…`, `token_…`, `operator`.
    pub created_by: Option<String>,
    /// Networks it may be used from, separated by spaces; all without any.
    pub networks: Option<String>,
    /// Web origins whose pages may use it, separated by spaces.
    pub origins: Option<String>,
    /// Points at most that it may spend on queries.
    pub budget_limit: Option<i32>,
    /// Points that come back each second.
    pub budget_restore: Option<i32>,
    /// What happens to its documents that are not expected; what the settings say without one.
    pub safelist: Option<Safelist>,
    /// BLAKE3 of the secret before the last rotation.
    pub previous_hash: Option<Vec<u8>>,
    /// Until when that one is good.
    pub previous_until: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
