//! Attribution: settings, what each conversion rests on, and the sums of days. And when conversions were taken back.

use sea_orm_migration::prelude::*;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        table("conversion_reversal")
            .col(col("conversion_id").uuid())
            .col(col("at").big_integer())
            // What is given back from then on, all in all.
            .col(col("refunded_minor").big_integer())
            .col(col("is_void").boolean())
            .key(["conversion_id", "at"])
            .clustered()
            .create(m)
            .await?;
        // By moment: what changed since.
        index(
            m,
            "CREATE INDEX conversion_reversal_at ON conversion_reversal (at, conversion_id)",
        )
        .await?;
        table("attribution_settings")
            .col(col("version").integer().primary_key())
            .col(col("settings").text())
            .col(col("state").text())
            .col(opt("trails_of").integer())
            .col(col("created_at").big_integer())
            .col(col("created_by").text())
            .create(m)
            .await?;
        // Sums are kept for each version of the settings that is in force, or will be.
        table("attribution_trail")
            .col(col("version").integer())
            // The conversion; the lead, where no conversion has come yet.
            .col(col("id").uuid())
            .col(col("lead_id").uuid())
            .col(col("at").big_integer())
            .col(opt("ended_in").text())
            .col(opt("value_minor").big_integer())
            .col(opt("opportunity_at").big_integer())
            .col(col("touches").text())
            .key(["version", "id"])
            .create(m)
            .await?;
        for text in [
            "CREATE INDEX attribution_trail_lead ON attribution_trail (lead_id, version, at)",
            "CREATE INDEX attribution_trail_at ON attribution_trail (version, at)",
        ] {
            index(m, text).await?;
        }
        table("attribution_credit")
            .col(col("version").integer())
            .col(col("model").text())
            .col(col("dimension").text())
            // Of days, and of months, by their first day: a year is told from a few dozen spans.
            .col(col("level").text())
            .col(col("day").integer())
            .col(col("kind").text())
            .col(col("name").text())
            .col(col("parts").big_integer())
            .col(col("minor").big_integer())
            .key(["version", "dimension", "model", "level", "day", "kind", "name"])
            .clustered()
            .create(m)
            .await?;
        table("attribution_paths")
            .col(col("version").integer())
            .col(col("dimension").text())
            .col(col("level").text())
            .col(col("day").integer())
            // The kind of the conversions; empty for journeys that none has ended.
            .col(col("ended_in").text())
            .col(col("paths").text())
            .key(["version", "dimension", "level", "day", "ended_in"])
            .create(m)
            .await?;
        table("attribution_total")
            .col(col("version").integer())
            .col(col("level").text())
            .col(col("day").integer())
            .col(col("kind").text())
            .col(col("conversions").big_integer())
            .col(col("minor").big_integer())
            .col(col("unvalued").big_integer())
            .col(col("untouched").big_integer())
            .col(col("untouched_minor").big_integer())
            .key(["version", "level", "day", "kind"])
            .clustered()
            .create(m)
            .await?;
        // Where there is something already, it has to be summed up first.
        index(
            m,
            "INSERT INTO attribution_settings (version, settings, state, created_at, created_by) SELECT 1, '{}', \
             CASE WHEN EXISTS (SELECT 1 FROM conversion) OR EXISTS (SELECT 1 FROM engagement) THEN 'BUILDING' ELSE 'ACTIVE' END, \
             0, 'system'",
        )
        .await
    }
}
