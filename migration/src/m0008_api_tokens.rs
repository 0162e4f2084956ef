//! What API tokens are bound to, their rotation and their use by day.

use sea_orm_migration::prelude::*;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        for column in [
            opt("created_by").text().to_owned(),
            opt("networks").text().to_owned(),
            opt("origins").text().to_owned(),
            opt("budget_limit").integer().to_owned(),
            opt("budget_restore").integer().to_owned(),
            opt("previous_hash").binary().to_owned(),
            opt("previous_until").big_integer().to_owned(),
        ] {
            let table = Table::alter().table("api_token").add_column(column).to_owned();
            m.alter_table(table).await?;
        }
        index(
            m,
            "CREATE UNIQUE INDEX api_token_previous ON api_token (previous_hash) WHERE previous_hash IS NOT NULL",
        )
        .await?;
        table("api_token_day")
            .col(col("token_id").uuid())
            .col(col("day").integer())
            .col(col("requests").big_integer())
            .key(["token_id", "day"])
            .clustered()
            .create(m)
            .await
    }
}
