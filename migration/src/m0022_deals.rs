//! Deals, the stages that they go through, and how they went.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The stages that there are at first: the end of the id, the name, how likely a deal in it is won, per mille.
const STAGES: [(u32, &str, i32); 4] = [
    (1, "Qualification", 100),
    (2, "Proposal", 300),
    (3, "Negotiation", 600),
    (4, "Contract", 800),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        table("deal_stage")
            .col(col("id").uuid().primary_key())
            .col(col("name").text())
            .col(col("position").integer())
            .col(col("probability").integer())
            .col(opt("archived_at").big_integer())
            .create(m)
            .await?;
        table("deal")
            .col(col("id").uuid().primary_key())
            .col(col("lead_id").uuid())
            .col(col("name").text())
            .col(col("folded_name").text())
            .col(col("stage_id").uuid())
            .col(opt("value_minor").big_integer())
            .col(opt("currency").text())
            .col(opt("reporting_minor").big_integer())
            .col(opt("reporting_currency").text())
            .col(col("state").text())
            .col(opt("reason").text())
            .col(opt("expected_close").integer())
            .col(opt("owner").text())
            .col(col("opened_at").big_integer())
            .col(opt("closed_at").big_integer())
            .col(col("wins").integer())
            .col(opt("conversion_id").uuid())
            .col(col("version").integer())
            .col(col("created_by").text())
            .col(col("created_at").big_integer())
            .col(col("updated_at").big_integer())
            .create(m)
            .await?;
        table("deal_move")
            .col(col("deal_id").uuid())
            .col(col("version").integer())
            .col(col("at").big_integer())
            .col(opt("from_stage").uuid())
            .col(col("to_stage").uuid())
            .col(opt("from_state").text())
            .col(col("to_state").text())
            .col(opt("reason").text())
            .col(col("actor").text())
            .key(["deal_id", "version"])
            .clustered()
            .create(m)
            .await?;
        for text in [
            "CREATE INDEX deal_lead ON deal (lead_id, opened_at, id)",
            "CREATE INDEX deal_opened ON deal (opened_at, id)",
            "CREATE INDEX deal_state_close ON deal (state, expected_close)",
            "CREATE INDEX deal_in_stage ON deal (stage_id)",
            "CREATE INDEX deal_closed ON deal (closed_at) WHERE closed_at IS NOT NULL",
            "CREATE INDEX deal_move_stage ON deal_move (to_stage)",
        ] {
            index(m, text).await?;
        }
        for (position, (id, name, probability)) in STAGES.iter().enumerate() {
            // Of the first milliseconds of 2026, and the same in every deployment.
            let hex = format!("019b76da-a800-7000-8000-{id:012x}");
            let id = match m.get_database_backend() {
                DbBackend::Postgres => format!("'{hex}'"),
                _ => format!("X'{}'", hex.replace('-', "")),
            };
            let text = format!(
                "INSERT INTO deal_stage (id, name, position, probability) VALUES ({id}, '{name}', {position}, {probability})"
            );
            index(m, &text).await?;
        }
        // Whoever puts a deal into a stage holds this row, whoever changes the stages waits for it: it is always there.
        index(
            m,
            "INSERT INTO setting (key, version, value, updated_at, updated_by) VALUES ('deal_stages', 1, '{}', 0, 'system')",
        )
        .await
    }
}
