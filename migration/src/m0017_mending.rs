//! Texts are cancelled by any process; the size of an audience fails by itself; settled conversions are found by their age.

use sea_orm_migration::prelude::*;

use crate::build::index;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for text in [
            "ALTER TABLE text_generation ADD COLUMN cancel_requested_at bigint",
            "ALTER TABLE audience ADD COLUMN size_failures integer NOT NULL DEFAULT 0",
            "ALTER TABLE audience ADD COLUMN size_problem_kind text",
            "ALTER TABLE audience ADD COLUMN size_problem text",
            "CREATE INDEX conversion_delivery_settled ON conversion_delivery (updated_at) WHERE due_at IS NULL",
        ] {
            index(m, text).await?;
        }
        Ok(())
    }
}
