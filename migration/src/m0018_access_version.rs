//! Whether what was tried of a connection is what is there now.

use sea_orm_migration::prelude::*;

use crate::build::col;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let column = col("access_version").big_integer().default(1).to_owned();
        let table = Table::alter().table("connection").add_column(column).to_owned();
        m.alter_table(table).await
    }
}
