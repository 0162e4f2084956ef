//! Leads, their identities, tags, notes, consents, custom fields.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        table("lead")
            .col(col("id").uuid().primary_key())
            .col(opt("email").text())
            .col(opt("phone").text())
            .col(opt("first_name").text())
            .col(opt("last_name").text())
            .col(opt("company_name").text())
            .col(opt("job_title").text())
            .col(opt("website").text())
            .col(opt("street").text())
            .col(opt("city").text())
            .col(opt("region").text())
            .col(opt("postal_code").text())
            .col(opt("country").text())
            .col(opt("time_zone").text())
            .col(opt("language").text())
            .col(opt("customer_type").text())
            .col(col("interests").text())
            .col(col("custom").text())
            .col(opt("source").text())
            .col(col("source_detail").text())
            .col(opt("deal_stage").text())
            .col(opt("deal_value_minor").big_integer())
            .col(opt("deal_currency").text())
            .col(opt("expected_close").integer())
            .col(opt("owner").text())
            .col(col("sort_name").text())
            .col(col("stage").text())
            .col(col("stage_since").big_integer())
            .col(col("version").big_integer())
            .col(col("created_at").big_integer())
            .col(col("updated_at").big_integer())
            .col(opt("deleted_at").big_integer())
            .col(opt("erased_at").big_integer())
            .create(m)
            .await?;
        if m.get_database_backend() == DbBackend::Postgres {
            // The order of bytes, as on SQLite, whatever the locale of the database.
            index(
                m,
                "ALTER TABLE lead ALTER COLUMN sort_name TYPE text COLLATE \"C\"",
            )
            .await?;
        }
        index(
            m,
            "CREATE INDEX lead_name ON lead (sort_name, id) WHERE deleted_at IS NULL",
        )
        .await?;
        index(
            m,
            "CREATE INDEX lead_created ON lead (created_at, id) WHERE deleted_at IS NULL",
        )
        .await?;
        index(
            m,
            "CREATE INDEX lead_updated ON lead (updated_at, id) WHERE deleted_at IS NULL",
        )
        .await?;
        index(
            m,
            "CREATE INDEX lead_stage_since ON lead (stage_since, id) WHERE deleted_at IS NULL",
        )
        .await?;
        index(
            m,
            "CREATE INDEX lead_stage ON lead (stage, created_at, id) WHERE deleted_at IS NULL",
        )
        .await?;
        index(
            m,
            "CREATE INDEX lead_source ON lead (lower(source), created_at, id) WHERE deleted_at IS NULL",
        )
        .await?;
        table("lead_identity")
            .col(col("kind").text())
            .col(col("namespace").text())
            .col(col("value").text())
            .col(col("lead_id").uuid())
            .col(col("created_at").big_integer())
            .key(["kind", "namespace", "value"])
            .clustered()
            .create(m)
            .await?;
        index(m, "CREATE INDEX lead_identity_lead ON lead_identity (lead_id)").await?;
        table("tag")
            .col(col("id").uuid().primary_key())
            .col(col("name").text())
            // The name folded for comparison: `VIP` and `vip ` are one tag.
            .col(col("name_key").text().unique_key())
            .col(opt("colour").text())
            .col(opt("category").text())
            .col(opt("description").text())
            .col(col("created_at").big_integer())
            .create(m)
            .await?;
        if m.get_database_backend() == DbBackend::Postgres {
            // The order of bytes, as on SQLite, whatever the locale of the database.
            index(m, "ALTER TABLE tag ALTER COLUMN name_key TYPE text COLLATE \"C\"").await?;
        }
        table("lead_tag")
            .col(col("lead_id").uuid())
            .col(col("tag_id").uuid())
            .col(col("created_at").big_integer())
            .key(["lead_id", "tag_id"])
            .clustered()
            .create(m)
            .await?;
        index(m, "CREATE INDEX lead_tag_tag ON lead_tag (tag_id, lead_id)").await?;
        table("note")
            .col(col("id").uuid().primary_key())
            .col(col("lead_id").uuid())
            .col(col("body").text())
            .col(col("author").text())
            .col(col("pinned").boolean())
            .col(col("created_at").big_integer())
            .col(col("updated_at").big_integer())
            .create(m)
            .await?;
        index(m, "CREATE INDEX note_lead ON note (lead_id, created_at, id)").await?;
        // The consent in force, one row per channel and purpose; and every word ever said about it, with its proof.
        table("consent")
            .col(col("lead_id").uuid())
            .col(col("channel").text())
            .col(col("purpose").text())
            .col(col("state").text())
            .col(col("at").big_integer())
            .col(col("record_id").uuid())
            .key(["lead_id", "channel", "purpose"])
            .clustered()
            .create(m)
            .await?;
        table("consent_record")
            .col(col("id").uuid().primary_key())
            .col(col("lead_id").uuid())
            .col(col("channel").text())
            .col(col("purpose").text())
            .col(col("state").text())
            .col(col("at").big_integer())
            .col(opt("source").text())
            .col(opt("wording").text())
            .col(opt("ip").text())
            .col(opt("user_agent").text())
            .col(col("fingerprint").uuid())
            .col(col("recorded_by").text())
            .col(col("recorded_at").big_integer())
            .create(m)
            .await?;
        index(
            m,
            "CREATE INDEX consent_record_lead ON consent_record (lead_id, at, id)",
        )
        .await?;
        // The same word with the same proof is one row, however often a file is read.
        index(
            m,
            "CREATE UNIQUE INDEX consent_record_once ON consent_record (lead_id, fingerprint)",
        )
        .await?;
        table("custom_field")
            .col(col("id").uuid().primary_key())
            .col(col("key").text().unique_key())
            .col(col("label").text())
            .col(col("field_type").text())
            .col(col("options").json_binary())
            .col(col("required").boolean())
            .col(opt("description").text())
            .col(col("created_at").big_integer())
            .col(opt("archived_at").big_integer())
            .create(m)
            .await
    }
}
