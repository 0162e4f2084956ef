//! Texts that models write: what was asked and what it cost, the texts for a while, what may be spent.

use sea_orm_migration::prelude::*;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        generations(m).await?;
        budgets(m).await
    }
}

async fn generations(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("text_generation")
        .col(col("id").uuid().primary_key())
        .col(col("connection_id").uuid())
        .col(col("created_by").text())
        .col(col("model").text())
        .col(opt("written_by").text())
        .col(col("digest").text())
        .col(col("state").text())
        .col(opt("finish").text())
        .col(opt("problem").text())
        .col(opt("problem_message").text())
        .col(opt("copy_of").uuid())
        .col(opt("external_id").text())
        .col(col("input_tokens").big_integer())
        .col(col("cache_read_tokens").big_integer())
        .col(col("cache_write_tokens").big_integer())
        .col(col("output_tokens").big_integer())
        .col(col("reasoning_tokens").big_integer())
        .col(opt("cost").big_integer())
        .col(col("day").integer())
        .col(col("counted_cost").big_integer())
        .col(col("counted_tokens").big_integer())
        .col(opt("alive_until").big_integer())
        .col(col("started_at").big_integer())
        .col(opt("ended_at").big_integer())
        .create(m)
        .await?;
    for text in [
        "CREATE INDEX text_generation_started ON text_generation (started_at, id)",
        "CREATE INDEX text_generation_of_connection ON text_generation (connection_id, started_at, id)",
        "CREATE INDEX text_generation_known ON text_generation (connection_id, digest, id) WHERE state = 'DONE'",
        "CREATE INDEX text_generation_open ON text_generation (alive_until) WHERE alive_until IS NOT NULL",
        "CREATE INDEX text_generation_day ON text_generation (day)",
    ] {
        index(m, text).await?;
    }
    table("text_answer")
        .col(col("generation_id").uuid().primary_key())
        .col(col("text").binary())
        .col(col("until").big_integer())
        .create(m)
        .await?;
    index(m, "CREATE INDEX text_answer_until ON text_answer (until)").await
}

async fn budgets(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("text_budget")
        .col(col("connection_id").uuid().primary_key())
        .col(opt("default_model").text())
        .col(opt("cost_per_day").big_integer())
        .col(opt("tokens_per_day").big_integer())
        .col(col("updated_by").text())
        .col(col("updated_at").big_integer())
        .create(m)
        .await?;
    table("text_spending")
        .col(col("connection_id").uuid())
        .col(col("day").integer())
        .col(col("cost").big_integer())
        .col(col("tokens").big_integer())
        .key(["connection_id", "day"])
        .clustered()
        .create(m)
        .await
}
