//! Table `api_token_day`: how much tokens are used.

use sea_orm::entity::prelude::*;

use crate::{Day, id::TokenId};

/// A day on which a token was used.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "api_token_day")]
pub struct Model {
    /// The token.
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_id: TokenId,
    /// The UTC day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Day,
    /// Requests.
    pub requests: i64,
}

impl ActiveModelBehavior for ActiveModel {}
