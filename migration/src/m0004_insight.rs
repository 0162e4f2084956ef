//! Engagements, conversions, lifecycle, scores, journeys, activity summaries.

use sea_orm_migration::prelude::*;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        engagement(m).await?;
        lifecycle(m).await?;
        scoring(m).await?;
        journeys(m).await
    }
}

async fn engagement(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("engagement")
        .col(col("id").uuid().primary_key())
        .col(col("lead_id").uuid())
        .col(col("engagement_type").text())
        .col(col("channel").text())
        .col(opt("custom_name").text())
        .col(opt("source_kind").text())
        .col(opt("source_id").text())
        .col(opt("source_name").text())
        .col(opt("message_id").text())
        .col(opt("message_link_count").integer())
        .col(opt("url").text())
        .col(opt("title").text())
        .col(opt("value").integer())
        .col(opt("revenue_minor").big_integer())
        .col(opt("currency").text())
        .col(opt("device").text())
        .col(opt("country").text())
        .col(opt("region").text())
        .col(opt("city").text())
        .col(opt("ip").text())
        .col(opt("user_agent").text())
        .col(opt("metadata").text())
        // Thousandths, so that weighted sums are exact in any order.
        .col(col("confidence_milli").integer())
        .col(col("occurred_at").big_integer())
        .col(col("received_at").big_integer())
        .col(opt("dedupe_key").text())
        .create(m)
        .await?;
    index(
        m,
        "CREATE INDEX engagement_lead ON engagement (lead_id, occurred_at, id)",
    )
    .await?;
    index(
        m,
        "CREATE INDEX engagement_occurred ON engagement (occurred_at, id)",
    )
    .await?;
    index(
        m,
        "CREATE UNIQUE INDEX engagement_dedupe ON engagement (dedupe_key) WHERE dedupe_key IS NOT NULL",
    )
    .await?;
    index(
        m,
        "CREATE INDEX engagement_message ON engagement (message_id) WHERE message_id IS NOT NULL",
    )
    .await?;
    table("conversion")
        .col(col("id").uuid().primary_key())
        .col(col("lead_id").uuid())
        .col(col("kind").text())
        .col(opt("custom_name").text())
        .col(opt("value_minor").big_integer())
        .col(opt("currency").text())
        .col(col("metadata").text())
        .col(col("occurred_at").big_integer())
        .col(col("received_at").big_integer())
        .col(opt("dedupe_key").text())
        .create(m)
        .await?;
    index(
        m,
        "CREATE INDEX conversion_lead ON conversion (lead_id, occurred_at, id)",
    )
    .await?;
    index(
        m,
        "CREATE INDEX conversion_occurred ON conversion (occurred_at, id)",
    )
    .await?;
    index(
        m,
        "CREATE UNIQUE INDEX conversion_dedupe ON conversion (dedupe_key) WHERE dedupe_key IS NOT NULL",
    )
    .await
}

async fn lifecycle(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("stage_stay")
        .col(col("id").uuid().primary_key())
        .col(col("lead_id").uuid())
        .col(col("stage").text())
        .col(opt("previous").text())
        .col(col("entered_at").big_integer())
        .col(opt("left_at").big_integer())
        .col(opt("reason").text())
        .col(col("actor").text())
        .col(opt("score_on_entry").double())
        .create(m)
        .await?;
    index(
        m,
        "CREATE INDEX stage_stay_lead ON stage_stay (lead_id, entered_at, id)",
    )
    .await?;
    index(
        m,
        "CREATE UNIQUE INDEX stage_stay_open ON stage_stay (lead_id) WHERE left_at IS NULL",
    )
    .await
}

async fn scoring(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("lead_score")
        .col(col("lead_id").uuid().primary_key())
        .col(col("model_version").integer())
        .col(col("base").integer())
        .col(col("demographic").double())
        .col(col("behavioral").double())
        .col(col("firmographic").double())
        .col(col("engagement").double())
        .col(col("intent").double())
        .col(col("decay_key").double())
        .col(col("decay_rate").double())
        .col(col("last_activity_at").big_integer())
        // What was last announced; the next crossing by decay is known in advance.
        .col(col("temperature").text())
        .col(opt("crosses_at").big_integer())
        .col(opt("valid_until").big_integer())
        .col(opt("due_at").big_integer())
        // All that a score rests on, so that a new model rescores a lead from this one row.
        .col(col("facts").text())
        .col(col("computed_at").big_integer())
        .clustered()
        .create(m)
        .await?;
    index(
        m,
        "CREATE INDEX lead_score_decay ON lead_score (decay_key, lead_id)",
    )
    .await?;
    index(
        m,
        "CREATE INDEX lead_score_active ON lead_score (last_activity_at, lead_id)",
    )
    .await?;
    index(
        m,
        "CREATE INDEX lead_score_due ON lead_score (due_at) WHERE due_at IS NOT NULL",
    )
    .await?;
    // Clustered by lead: a lead's entries lie together, and writing one costs one tree.
    table("score_history")
        .col(col("lead_id").uuid())
        .col(col("at").big_integer())
        .col(col("id").uuid())
        .col(col("model_version").integer())
        .col(col("base").integer())
        .col(col("demographic").double())
        .col(col("behavioral").double())
        .col(col("firmographic").double())
        .col(col("engagement").double())
        .col(col("intent").double())
        .col(col("cause").text())
        .key(["lead_id", "at", "id"])
        .clustered()
        .create(m)
        .await?;
    table("score_model")
        .col(col("id").uuid().primary_key())
        .col(col("version").integer().unique_key())
        .col(col("state").text())
        .col(col("definition").text())
        .col(opt("note").text())
        .col(col("created_by").text())
        .col(col("created_at").big_integer())
        .col(col("updated_at").big_integer())
        .col(opt("published_at").big_integer())
        .create(m)
        .await?;
    // One version is in force.
    index(
        m,
        "CREATE UNIQUE INDEX score_model_published ON score_model (state) WHERE state = 'PUBLISHED'",
    )
    .await
}

async fn journeys(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("journey")
        .col(col("lead_id").uuid().primary_key())
        .col(col("facts").text())
        .col(col("position").big_integer())
        .clustered()
        .create(m)
        .await?;
    table("activity_day")
        .col(col("lead_id").uuid())
        .col(col("day").integer())
        .col(col("activity").text())
        .key(["lead_id", "day"])
        .clustered()
        .create(m)
        .await?;
    table("deployment_day")
        .col(col("day").integer().primary_key())
        .col(col("activity").text())
        .create(m)
        .await
}
