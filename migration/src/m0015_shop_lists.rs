//! Lists of one shop are read in their order.

use sea_orm_migration::prelude::*;

use crate::build::index;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for text in [
            "CREATE INDEX shop_order_of_shop ON shop_order (connection_id, placed_at, id)",
            "CREATE INDEX shop_product_of_shop ON shop_product (connection_id, changed_at, id)",
            "CREATE INDEX shop_checkout_of_shop ON shop_checkout (connection_id, begun_at, id)",
        ] {
            index(m, text).await?;
        }
        Ok(())
    }
}
