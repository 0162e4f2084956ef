//! What shops are still to be told; messages that wait apart from those that are followed.

use sea_orm_migration::prelude::*;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        table("shop_farewell")
            .col(col("connection_id").uuid())
            .col(col("customer_id").text())
            .col(col("channel").text())
            .col(col("lead_id").uuid())
            .col(opt("due_at").big_integer())
            .col(col("attempts").integer())
            .col(opt("problem_kind").text())
            .col(opt("problem").text())
            .col(col("created_at").big_integer())
            .col(col("updated_at").big_integer())
            .key(["connection_id", "customer_id", "channel"])
            .create(m)
            .await?;
        for text in [
            "CREATE INDEX shop_farewell_due ON shop_farewell (connection_id, due_at) WHERE due_at IS NOT NULL",
            "CREATE INDEX shop_farewell_of_lead ON shop_farewell (lead_id)",
            "DROP INDEX message_due",
            "CREATE INDEX message_queued ON message (connection_id, channel, due_at, id) WHERE due_at IS NOT NULL AND \
             state = 'QUEUED'",
            "CREATE INDEX message_followed ON message (connection_id, channel, due_at, id) WHERE due_at IS NOT NULL AND \
             state <> 'QUEUED'",
        ] {
            index(m, text).await?;
        }
        Ok(())
    }
}
