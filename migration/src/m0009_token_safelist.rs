//! What happens to documents of a token that are not expected.

use sea_orm_migration::prelude::*;

use crate::build::opt;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let column = opt("safelist").text().to_owned();
        let table = Table::alter().table("api_token").add_column(column).to_owned();
        m.alter_table(table).await
    }
}
