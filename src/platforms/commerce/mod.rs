//! Shops: customers, orders, products and abandoned checkouts as platforms have them, and what they mean to us: customers are
//! leads, orders are purchases and conversions, refunds take them back.

mod audit;
mod erasure;
mod farewell;
pub mod graphql;
mod model;
mod service;
mod store;
mod writing;

pub use entity::shop::Model as Shop;
pub use entity::shop_checkout::Model as Checkout;
pub use entity::shop_customer::Model as Customer;
pub use entity::shop_farewell::Model as Farewell;
pub use entity::shop_order::Model as Order;
pub use entity::shop_product::Model as Product;

pub use self::audit::{Audit, Finding, audit};
pub use self::erasure::CommerceErasure;
pub use self::farewell::{FarewellHandler, FarewellTeller};
pub use self::model::{Line, Variant, Visit, minor};
pub use self::service::{
    CheckoutFilter, OrderFilter, ProductFilter, add_note, change_tags, checkouts, customers_of_leads,
    find_checkout, find_order, find_product, orders, orders_of_leads, orders_within, products,
    purchases_of_leads, shops,
};
pub use self::store::Purchases;
pub use self::writing::CommerceConsumer;
