//! Lifetime values: fits of the models, and what is known of each customer.

use sea_orm_migration::prelude::*;

use crate::build::{col, index, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        table("lifetime_model")
            .col(col("version").integer().primary_key())
            .col(col("fitted_at").big_integer())
            .col(col("until_day").integer())
            .col(col("currency").text())
            .col(col("report").text())
            .create(m)
            .await?;
        table("lifetime_customer")
            .col(col("version").integer())
            .col(col("lead_id").uuid())
            .col(col("repeats").integer())
            .col(col("recency_days").integer())
            .col(col("age_days").integer())
            .col(col("repeat_minor").big_integer())
            .key(["version", "lead_id"])
            .clustered()
            .create(m)
            .await?;
        // Those who are asked for are few of a page of leads.
        index(
            m,
            "CREATE INDEX lifetime_customer_lead ON lifetime_customer (lead_id, version)",
        )
        .await
    }
}
