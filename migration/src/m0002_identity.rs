//! API tokens.

use sea_orm_migration::prelude::*;

use crate::build::{col, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        table("api_token")
            .col(col("id").uuid().primary_key())
            .col(col("name").text())
            .col(col("scopes").text())
            .col(col("hash").binary().unique_key())
            .col(col("hint").text())
            .col(col("created_at").big_integer())
            .col(opt("expires_at").big_integer())
            .col(opt("last_used_at").big_integer())
            .col(opt("revoked_at").big_integer())
            .create(m)
            .await
    }
}
