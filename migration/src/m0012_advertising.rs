//! What is told to platforms that show advertisements, and what these cost and brought.

use sea_orm_migration::prelude::*;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        sharing(m).await?;
        deliveries(m).await?;
        results(m).await
    }
}

async fn sharing(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("conversion_sharing")
        .col(col("connection_id").uuid().primary_key())
        .col(col("is_enabled").boolean())
        .col(opt("shared_since").big_integer())
        .col(col("rules").text())
        .col(col("unknown_consent").text())
        .col(opt("click_key").text())
        .col(opt("browser_key").text())
        .col(opt("paused_until").big_integer())
        .col(col("updated_by").text())
        .col(col("updated_at").big_integer())
        .create(m)
        .await
}

async fn deliveries(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("conversion_delivery")
        .col(col("id").uuid().primary_key())
        .col(col("connection_id").uuid())
        .col(col("event_id").text())
        .col(col("happening").text())
        .col(col("lead_id").uuid())
        .col(opt("conversion_id").uuid())
        .col(opt("stage").text())
        .col(col("shared_as").text())
        .col(opt("name").text())
        .col(col("occurred_at").big_integer())
        .col(col("state").text())
        .col(col("attempts").integer())
        .col(opt("due_at").big_integer())
        .col(opt("problem_kind").text())
        .col(opt("problem").text())
        .col(opt("sent_at").big_integer())
        .col(opt("reversed_at").big_integer())
        .col(col("created_at").big_integer())
        .col(col("updated_at").big_integer())
        .create(m)
        .await?;
    for text in [
        "CREATE UNIQUE INDEX conversion_delivery_once ON conversion_delivery (connection_id, event_id)",
        "CREATE INDEX conversion_delivery_due ON conversion_delivery (connection_id, due_at, id) WHERE due_at IS NOT NULL",
        "CREATE INDEX conversion_delivery_created ON conversion_delivery (created_at, id)",
        "CREATE INDEX conversion_delivery_of_connection ON conversion_delivery (connection_id, created_at, id)",
        "CREATE INDEX conversion_delivery_of_lead ON conversion_delivery (lead_id, created_at, id)",
        "CREATE INDEX conversion_delivery_of_conversion ON conversion_delivery (conversion_id) WHERE conversion_id IS NOT NULL",
        "CREATE INDEX conversion_delivery_withheld ON conversion_delivery (connection_id) WHERE state = 'WITHHELD'",
    ] {
        index(m, text).await?;
    }
    Ok(())
}

async fn results(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("ad_result")
        .col(col("connection_id").uuid())
        .col(col("level").text())
        .col(col("external_id").text())
        .col(col("day").integer())
        .col(col("name").text())
        .col(col("currency").text())
        .col(col("spend_minor").big_integer())
        .col(col("impressions").big_integer())
        .col(col("clicks").big_integer())
        .col(col("synced_at").big_integer())
        .key(["connection_id", "level", "external_id", "day"])
        .clustered()
        .create(m)
        .await?;
    index(m, "CREATE INDEX ad_result_day ON ad_result (level, day)").await?;
    table("ad_action")
        .col(col("connection_id").uuid())
        .col(col("level").text())
        .col(col("external_id").text())
        .col(col("day").integer())
        .col(col("action").text())
        .col(col("count_milli").big_integer())
        .col(opt("value_minor").big_integer())
        .key(["connection_id", "level", "external_id", "day", "action"])
        .clustered()
        .create(m)
        .await
}
