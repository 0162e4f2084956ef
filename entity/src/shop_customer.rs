//! Table `shop_customer`.

use sea_orm::entity::prelude::*;

use crate::{
    Timestamp,
    id::{ConnectionId, LeadId},
};

/// A customer of a shop.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "shop_customer")]
pub struct Model {
    /// By which connection.
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// The platform's id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub external_id: String,
    /// The lead; none while it could not be one.
    pub lead_id: Option<LeadId>,
    /// The address that the shop has.
    pub email: Option<String>,
    /// The number that the shop has.
    pub phone: Option<String>,
    /// How many orders the platform counts.
    pub orders: i64,
    /// What it counts as spent, in minor units.
    pub spent_minor: Option<i64>,
    /// ISO 4217, of that.
    pub currency: Option<String>,
    /// Its tags in the shop (JSON list).
    pub tags: String,
    /// The owner's note in the shop.
    pub note: Option<String>,
    /// What the shop has on record of consent (JSON list).
    pub consents: String,
    /// When it came to the shop.
    pub created_at: Option<Timestamp>,
    /// When it changed there last.
    pub changed_at: Option<Timestamp>,
    /// When it was read.
    pub synced_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
