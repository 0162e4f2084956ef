//! Table `external_login`: users at OpenID Connect providers.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::UserId};

/// Who a user is elsewhere.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "external_login")]
pub struct Model {
    /// The provider.
    #[sea_orm(primary_key, auto_increment = false)]
    pub issuer: String,
    /// Who they are there.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    /// Who they are here.
    pub user_id: UserId,
    /// When they first came that way.
    pub created_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
