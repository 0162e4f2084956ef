//! Messages to leads and from them, what became of them, and who is not written to.

use sea_orm_migration::prelude::*;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        messages(m).await?;
        steps(m).await?;
        suppressions(m).await
    }
}

async fn messages(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("message")
        .col(col("id").uuid().primary_key())
        .col(col("connection_id").uuid())
        .col(opt("lead_id").uuid())
        .col(col("direction").text())
        .col(col("channel").text())
        .col(opt("purpose").text())
        .col(col("state").text())
        .col(opt("address").text())
        .col(opt("own_address").text())
        .col(opt("subject").text())
        .col(opt("body").text())
        .col(opt("html").text())
        .col(col("details").text())
        .col(opt("internet_id").text())
        .col(opt("platform_id").text())
        .col(col("refs").text())
        .col(opt("answers_id").uuid())
        .col(opt("resend_of").uuid())
        .col(opt("segments").integer())
        .col(col("link_count").integer())
        .col(col("steps").integer())
        .col(col("opens").integer())
        .col(col("clicks").integer())
        .col(col("attempts").integer())
        .col(col("asked").integer())
        .col(opt("due_at").big_integer())
        .col(opt("claim").text())
        .col(opt("sent_at").big_integer())
        .col(opt("problem_kind").text())
        .col(opt("problem").text())
        .col(opt("problem_code").text())
        .col(opt("callback").text())
        .col(col("created_by").text())
        .col(col("created_at").big_integer())
        .col(col("updated_at").big_integer())
        .col(opt("blanked_at").big_integer())
        .create(m)
        .await?;
    for text in [
        "CREATE INDEX message_created ON message (created_at, id)",
        "CREATE INDEX message_of_lead ON message (lead_id, created_at, id) WHERE lead_id IS NOT NULL",
        "CREATE INDEX message_of_connection ON message (connection_id, created_at, id)",
        "CREATE INDEX message_due ON message (connection_id, channel, due_at, id) WHERE due_at IS NOT NULL",
        "CREATE INDEX message_internet_id ON message (internet_id) WHERE internet_id IS NOT NULL",
        "CREATE INDEX message_platform_id ON message (connection_id, platform_id) WHERE platform_id IS NOT NULL",
        "CREATE INDEX message_address ON message (address, created_at) WHERE address IS NOT NULL",
        // What comes in is kept once.
        "CREATE UNIQUE INDEX message_received_once ON message (connection_id, platform_id) WHERE direction = 'INBOUND'",
        // A message is sent again once; then it is the new one that may be.
        "CREATE UNIQUE INDEX message_resent_once ON message (resend_of) WHERE resend_of IS NOT NULL",
    ] {
        index(m, text).await?;
    }
    Ok(())
}

async fn steps(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("message_step")
        .col(col("message_id").uuid())
        .col(col("step_key").text())
        .col(col("position").integer())
        .col(col("step").text())
        .col(col("at").big_integer())
        .col(col("recorded_at").big_integer())
        .col(opt("code").text())
        .col(opt("detail").text())
        .col(opt("url").text())
        .key(["message_id", "step_key"])
        .clustered()
        .create(m)
        .await?;
    table("message_stray")
        .col(col("connection_id").uuid())
        .col(col("platform_id").text())
        .col(col("step_key").text())
        .col(col("happened").text())
        .col(col("received_at").big_integer())
        .key(["connection_id", "platform_id", "step_key"])
        .clustered()
        .create(m)
        .await?;
    index(
        m,
        "CREATE INDEX message_stray_received ON message_stray (received_at)",
    )
    .await
}

async fn suppressions(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("suppression")
        .col(col("id").uuid().primary_key())
        .col(col("channel").text())
        .col(opt("address").text())
        .col(col("digest").text())
        .col(col("reason").text())
        .col(opt("lead_id").uuid())
        .col(opt("message_id").uuid())
        .col(opt("note").text())
        .col(col("since").big_integer())
        .col(opt("lifted_at").big_integer())
        .col(col("created_by").text())
        .col(col("created_at").big_integer())
        .col(col("updated_at").big_integer())
        .create(m)
        .await?;
    for text in [
        "CREATE UNIQUE INDEX suppression_once ON suppression (channel, digest)",
        "CREATE INDEX suppression_created ON suppression (created_at, id)",
        "CREATE INDEX suppression_of_lead ON suppression (lead_id) WHERE lead_id IS NOT NULL",
    ] {
        index(m, text).await?;
    }
    Ok(())
}
