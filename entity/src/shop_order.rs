//! Table `shop_order`.

use sea_orm::entity::prelude::*;

use crate::{
    PaymentState, Timestamp,
    id::{ConnectionId, LeadId, OrderId},
};

/// An order.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "shop_order")]
pub struct Model {
    /// The order.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderId,
    /// By which connection.
    pub connection_id: ConnectionId,
    /// The platform's id.
    pub external_id: String,
    /// As people call it, e.g. `#1001`.
    pub name: String,
    /// The platform's id of the customer.
    pub customer_id: Option<String>,
    /// The lead who bought.
    pub lead_id: Option<LeadId>,
    /// The address given.
    pub email: Option<String>,
    /// The number given.
    pub phone: Option<String>,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When it changed last.
    pub changed_at: Timestamp,
    /// When it was called off.
    pub cancelled_at: Option<Timestamp>,
    /// A trial by the owner.
    pub is_test: bool,
    /// Whether it is paid.
    pub payment: PaymentState,
    /// ISO 4217.
    pub currency: String,
    /// As placed, in minor units.
    pub total_minor: i64,
    /// After edits and refunds.
    pub current_minor: i64,
    /// What was bought (JSON list).
    pub lines: String,
    /// Its tags (JSON list).
    pub tags: String,
    /// Codes that made it cheaper (JSON list).
    pub discount_codes: String,
    /// Where it was placed, e.g. `web`.
    pub source: Option<String>,
    /// The visits that led to it (JSON list).
    pub visits: String,
    /// When it was read.
    pub synced_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
