//! The event log with its cursors, background jobs, uploads, idempotency records, settings.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        // The log. On SQLite the single writer gives positions as it appends. On PostgreSQL a lower number can commit
        // later, so events wait in the outbox and the relay gives them their position after the commit.
        table("event")
            .col(col("position").big_integer().primary_key())
            .col(col("kind").text())
            .col(opt("lead_id").uuid())
            .col(col("subject").text())
            .col(col("actor").text())
            .col(col("payload").text())
            .col(col("at").big_integer())
            .create(m)
            .await?;
        index(m, "CREATE INDEX event_lead ON event (lead_id, position)").await?;
        if m.get_database_backend() == DbBackend::Postgres {
            table("event_outbox")
                .col(col("seq").big_integer().primary_key().auto_increment())
                .col(col("kind").text())
                .col(opt("lead_id").uuid())
                .col(col("subject").text())
                .col(col("actor").text())
                .col(col("payload").text())
                .col(col("at").big_integer())
                .create(m)
                .await?;
            // A read of a lead looks whether events of it wait, however long the outbox has grown.
            index(m, "CREATE INDEX event_outbox_lead ON event_outbox (lead_id)").await?;
        }
        // One row: the last position given and the oldest still kept.
        table("event_head")
            .col(col("id").integer().primary_key())
            .col(col("last_position").big_integer())
            .col(col("oldest_position").big_integer())
            .create(m)
            .await?;
        m.get_connection()
            .execute_unprepared(
                "INSERT INTO event_head (id, last_position, oldest_position) VALUES (1, 0, 1)",
            )
            .await?;
        // How far each handler has come; its writes and its cursor commit together.
        table("event_cursor")
            .col(col("name").text().primary_key())
            .col(col("position").big_integer())
            .col(col("updated_at").big_integer())
            .col(opt("failures").integer())
            .col(opt("last_error").text())
            .create(m)
            .await?;
        // Leases: who may do what only one process may do at a time.
        table("lease")
            .col(col("name").text().primary_key())
            .col(col("holder").text())
            .col(col("until").big_integer())
            .create(m)
            .await?;
        table("job")
            .col(col("id").uuid().primary_key())
            .col(col("kind").text())
            .col(col("state").text())
            .col(col("input").text())
            .col(col("checkpoint").text())
            .col(col("done").big_integer())
            .col(opt("total").big_integer())
            .col(col("counts").text())
            .col(opt("error").text())
            .col(col("attempts").integer())
            .col(col("created_by").text())
            .col(col("created_at").big_integer())
            .col(opt("started_at").big_integer())
            .col(opt("ended_at").big_integer())
            .col(opt("heartbeat_at").big_integer())
            .col(opt("cancel_requested_at").big_integer())
            .col(opt("claim").uuid())
            .col(col("wake_at").big_integer())
            .create(m)
            .await?;
        index(m, "CREATE INDEX job_created ON job (created_at, id)").await?;
        index(
            m,
            "CREATE INDEX job_open ON job (created_at) WHERE state IN ('QUEUED', 'RUNNING')",
        )
        .await?;
        table("import_rejection")
            .col(col("job_id").uuid())
            .col(col("seq").big_integer())
            .col(col("line").big_integer())
            .col(opt("column_name").text())
            .col(col("value").text())
            .col(col("code").text())
            .col(col("reason").text())
            .key(["job_id", "seq"])
            .clustered()
            .create(m)
            .await?;
        table("upload")
            .col(col("id").uuid().primary_key())
            .col(col("file_name").text())
            .col(col("size_bytes").big_integer())
            .col(col("digest").text())
            .col(col("created_by").text())
            .col(col("created_at").big_integer())
            .create(m)
            .await?;
        table("idempotency")
            .col(col("caller").text())
            .col(col("key").text())
            .col(col("operation").text())
            .col(col("input_digest").text())
            .col(col("outcome").text())
            .col(col("created_at").big_integer())
            .key(["caller", "key"])
            .clustered()
            .create(m)
            .await?;
        index(m, "CREATE INDEX idempotency_created ON idempotency (created_at)").await?;
        table("setting")
            .col(col("key").text().primary_key())
            .col(col("version").integer())
            .col(col("value").text())
            .col(col("updated_at").big_integer())
            .col(col("updated_by").text())
            .create(m)
            .await
    }
}
