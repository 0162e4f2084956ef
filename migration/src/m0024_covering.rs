//! Indexes that hold what reports with a filter of leads look at, so that they read no rows for it.

use sea_orm_migration::prelude::*;

use crate::build::index;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for text in [
            "DROP INDEX lead_created",
            // Short texts that leads are told apart by: all of them as long as may be fit into an entry of PostgreSQL (2,704 bytes).
            "CREATE INDEX lead_created ON lead (created_at, id, deleted_at, stage, source, country, language, customer_type, \
             deal_stage, owner) WHERE deleted_at IS NULL",
            "DROP INDEX engagement_lead",
            "CREATE INDEX engagement_lead ON engagement (lead_id, occurred_at, id, engagement_type, channel, revenue_minor, currency, \
             confidence_milli)",
        ] {
            index(m, text).await?;
        }
        Ok(())
    }
}
