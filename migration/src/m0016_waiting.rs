//! Messages that wait apart from those that are followed.

use sea_orm_migration::prelude::*;

use crate::build::index;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for text in [
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
