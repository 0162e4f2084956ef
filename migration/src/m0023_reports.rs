//! Reports: what is counted of each lead, and the sums of those that became known in a span of time.

use sea_orm_migration::prelude::*;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        table("report_lead")
            .col(col("lead_id").uuid())
            .col(col("created_at").big_integer())
            .col(col("outline").text())
            .col(opt("due_at").big_integer())
            .col(opt("at_risk_minor").big_integer())
            .key(["lead_id"])
            .create(m)
            .await?;
        for text in [
            "CREATE INDEX report_lead_created ON report_lead (created_at, lead_id)",
            "CREATE INDEX report_lead_due ON report_lead (due_at) WHERE due_at IS NOT NULL",
            "CREATE INDEX report_lead_at_risk ON report_lead (at_risk_minor DESC, lead_id) WHERE at_risk_minor IS NOT NULL",
        ] {
            index(m, text).await?;
        }
        table("report_sum")
            .col(col("level").text())
            .col(col("measure").text())
            .col(col("unit").integer())
            .col(col("name").text())
            .col(col("amount").big_integer())
            .key(["level", "measure", "unit", "name"])
            .clustered()
            .create(m)
            .await?;
        table("report_busy")
            .col(col("month").integer())
            .col(col("lead_id").uuid())
            .col(col("engagements").big_integer())
            .key(["month", "lead_id"])
            .clustered()
            .create(m)
            .await?;
        index(
            m,
            "CREATE INDEX report_busy_most ON report_busy (month, engagements DESC, lead_id)",
        )
        .await?;
        table("deployment_quarter")
            .col(col("quarter").integer())
            .col(col("engagements").big_integer())
            .col(col("activity").text())
            .key(["quarter"])
            .clustered()
            .create(m)
            .await?;
        table("report_state")
            .col(col("id").integer().primary_key())
            .col(col("wanted").integer())
            .col(col("built").integer())
            .col(col("from_scratch").boolean())
            .col(opt("built_at").big_integer())
            .create(m)
            .await?;
        for text in [
            // Where there are leads already, all of them have to be looked at; what they do from now on is in the log.
            "INSERT INTO report_state (id, wanted, built, from_scratch) SELECT 1, CASE WHEN EXISTS (SELECT 1 FROM lead) THEN 1 ELSE 0 END, 0, FALSE",
            "INSERT INTO event_cursor (name, position, updated_at) SELECT 'reports', last_position, 0 FROM event_head \
             WHERE last_position > 0",
            // The same holds for attribution, whose job looks at all leads as well.
            "INSERT INTO event_cursor (name, position, updated_at) SELECT 'attribution', last_position, 0 FROM event_head \
             WHERE last_position > 0 AND NOT EXISTS (SELECT 1 FROM event_cursor WHERE name = 'attribution') \
             AND EXISTS (SELECT 1 FROM attribution_settings WHERE state = 'BUILDING')",
        ] {
            index(m, text).await?;
        }
        Ok(())
    }
}
