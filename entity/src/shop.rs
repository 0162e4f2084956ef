//! Table `shop`.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::ConnectionId};

/// A shop.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "shop")]
pub struct Model {
    /// By which connection.
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// The platform's id.
    pub external_id: String,
    /// Its name.
    pub name: String,
    /// Where it is to be visited.
    pub url: String,
    /// ISO 4217.
    pub currency: String,
    /// IANA name.
    pub time_zone: Option<String>,
    /// The owner's address.
    pub email: Option<String>,
    /// What the owner pays the platform for.
    pub plan: Option<String>,
    /// How many customers the platform counts.
    pub customers: Option<i64>,
    /// How many orders.
    pub orders: Option<i64>,
    /// How many products.
    pub products: Option<i64>,
    /// When this was read.
    pub updated_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
