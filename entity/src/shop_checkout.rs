//! Table `shop_checkout`.

use sea_orm::entity::prelude::*;

use crate::{
    Timestamp,
    id::{CheckoutId, ConnectionId, LeadId},
};

/// A checkout that was begun and not finished in time.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "shop_checkout")]
pub struct Model {
    /// The checkout.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CheckoutId,
    /// By which connection.
    pub connection_id: ConnectionId,
    /// The platform's id.
    pub external_id: String,
    /// The platform's id of the customer.
    pub customer_id: Option<String>,
    /// The lead.
    pub lead_id: Option<LeadId>,
    /// The address given.
    pub email: Option<String>,
    /// The number given.
    pub phone: Option<String>,
    /// Where it can be gone on with.
    pub url: Option<String>,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// When it changed last.
    pub changed_at: Timestamp,
    /// When it became an order after all.
    pub recovered_at: Option<Timestamp>,
    /// What it comes to, in minor units.
    pub total_minor: Option<i64>,
    /// ISO 4217, of that.
    pub currency: Option<String>,
    /// What is in it (JSON list).
    pub lines: String,
    /// When it was read.
    pub synced_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
