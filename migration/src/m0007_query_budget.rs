//! What callers have spent at all servers together. Only PostgreSQL has several servers, but the schema is the same.

use sea_orm_migration::prelude::*;

use crate::build::{col, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        table("query_budget")
            .col(col("account").text().primary_key())
            .col(col("used").double())
            .col(col("restore").double())
            .col(col("told_at").big_integer())
            .clustered()
            .create(m)
            .await
    }
}
