//! Audiences for advertisements, who is in them, and how telling platforms of them went.

use sea_orm_migration::prelude::*;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        audiences(m).await?;
        members(m).await?;
        syncs(m).await
    }
}

async fn audiences(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("audience")
        .col(col("id").uuid().primary_key())
        .col(col("connection_id").uuid())
        .col(col("kind").text())
        .col(col("name").text())
        .col(col("description").text())
        .col(col("filter").text())
        .col(opt("origin_id").uuid())
        .col(opt("country").text())
        .col(opt("percent").integer())
        .col(col("state").text())
        .col(opt("external_id").text())
        .col(col("generation").integer())
        .col(opt("problem_kind").text())
        .col(opt("problem").text())
        .col(col("failures").integer())
        .col(opt("every_seconds").integer())
        .col(opt("next_sync_at").big_integer())
        .col(opt("next_size_at").big_integer())
        .col(opt("synced_at").big_integer())
        .col(opt("size_at_least").big_integer())
        .col(opt("size_at_most").big_integer())
        .col(opt("readiness").text())
        .col(opt("size_detail").text())
        .col(opt("sized_at").big_integer())
        .col(col("created_by").text())
        .col(col("created_at").big_integer())
        .col(col("updated_at").big_integer())
        .col(opt("deleted_at").big_integer())
        .create(m)
        .await?;
    // Platforms find an audience again by its name.
    index(
        m,
        "CREATE UNIQUE INDEX audience_name ON audience (connection_id, kind, name) WHERE deleted_at IS NULL",
    )
    .await?;
    index(
        m,
        "CREATE INDEX audience_sync_due ON audience (next_sync_at) WHERE next_sync_at IS NOT NULL",
    )
    .await?;
    index(
        m,
        "CREATE INDEX audience_size_due ON audience (next_size_at) WHERE next_size_at IS NOT NULL",
    )
    .await
}

async fn members(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("audience_member")
        .col(col("audience_id").uuid())
        .col(col("lead_id").uuid())
        .col(col("state").text())
        .col(col("generation").integer())
        .col(col("lead_version").big_integer())
        .col(col("match_key").big_integer())
        .col(col("joined_at").big_integer())
        .col(opt("told_at").big_integer())
        .key(["audience_id", "lead_id"])
        .clustered()
        .create(m)
        .await?;
    index(
        m,
        "CREATE INDEX audience_member_lead ON audience_member (lead_id)",
    )
    .await?;
    index(
        m,
        "CREATE INDEX audience_member_joined ON audience_member (audience_id, joined_at, lead_id)",
    )
    .await
}

async fn syncs(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("audience_sync")
        .col(col("id").uuid().primary_key())
        .col(col("audience_id").uuid())
        .col(col("job_id").uuid())
        .col(col("task").text())
        .col(col("cause").text())
        .col(col("state").text())
        .col(col("added").big_integer())
        .col(col("removed").big_integer())
        .col(col("changed").big_integer())
        .col(col("received").big_integer())
        .col(col("invalid").big_integer())
        .col(col("unmatchable").big_integer())
        .col(opt("problem_kind").text())
        .col(opt("problem").text())
        .col(col("created_by").text())
        .col(col("created_at").big_integer())
        .col(opt("ended_at").big_integer())
        .create(m)
        .await?;
    index(
        m,
        "CREATE INDEX audience_sync_of_audience ON audience_sync (audience_id, id)",
    )
    .await?;
    // One at a time for an audience.
    index(
        m,
        "CREATE UNIQUE INDEX audience_sync_open ON audience_sync (audience_id) WHERE ended_at IS NULL",
    )
    .await
}
