//! Table `shop_product`.

use sea_orm::entity::prelude::*;

use crate::{
    Timestamp,
    id::{ConnectionId, ProductId},
};

/// A product.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "shop_product")]
pub struct Model {
    /// The product.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProductId,
    /// By which connection.
    pub connection_id: ConnectionId,
    /// The platform's id.
    pub external_id: String,
    /// What it is called.
    pub title: String,
    /// Whether it is on sale.
    pub is_active: bool,
    /// Who makes it.
    pub vendor: Option<String>,
    /// What kind of thing it is.
    pub kind: Option<String>,
    /// Its tags (JSON list).
    pub tags: String,
    /// Where it is to be seen.
    pub url: Option<String>,
    /// A picture.
    pub image: Option<String>,
    /// Its lowest price, in minor units.
    pub price_minor: Option<i64>,
    /// ISO 4217, of that.
    pub currency: Option<String>,
    /// What it comes in (JSON list).
    pub variants: String,
    /// When it changed last.
    pub changed_at: Timestamp,
    /// When it was read.
    pub synced_at: Timestamp,
    /// When the shop removed it.
    pub deleted_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
