//! Costs, rates of exchange, and what conversions are worth in the reporting currency.

use sea_orm_migration::prelude::*;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        table("currency_rate")
            .col(col("currency").text())
            .col(col("day").integer())
            .col(col("rate").text())
            .col(col("recorded_at").big_integer())
            .key(["currency", "day"])
            .clustered()
            .create(m)
            .await?;
        table("cost")
            .col(col("id").uuid().primary_key())
            .col(col("kind").text())
            .col(col("amount_minor").big_integer())
            .col(col("currency").text())
            .col(opt("reporting_minor").big_integer())
            .col(opt("reporting_currency").text())
            .col(col("day").integer())
            .col(opt("source").text())
            .col(opt("campaign").text())
            .col(opt("note").text())
            .col(opt("connection_id").uuid())
            .col(opt("dedupe_key").text())
            .col(col("recorded_by").text())
            .col(col("recorded_at").big_integer())
            .col(opt("voided_at").big_integer())
            .create(m)
            .await?;
        for text in [
            "CREATE UNIQUE INDEX cost_once ON cost (dedupe_key) WHERE dedupe_key IS NOT NULL",
            "CREATE INDEX cost_day ON cost (day, id)",
        ] {
            index(m, text).await?;
        }
        for column in [
            opt("reporting_minor").big_integer().to_owned(),
            opt("reporting_refunded_minor").big_integer().to_owned(),
            opt("reporting_currency").text().to_owned(),
        ] {
            let table = Table::alter().table("conversion").add_column(column).to_owned();
            m.alter_table(table).await?;
        }
        // Whoever records an amount holds this row, whoever changes rates waits for it: it is always there.
        index(
            m,
            "INSERT INTO setting (key, version, value, updated_at, updated_by) \
             VALUES ('currencies', 1, '{\"reporting\":\"EUR\",\"base\":\"EUR\"}', 0, 'system')",
        )
        .await?;
        // Until other rates are known, what is in that currency is worth what it says.
        index(
            m,
            "UPDATE conversion SET reporting_minor = value_minor, reporting_refunded_minor = refunded_minor, \
             reporting_currency = currency WHERE currency = 'EUR' AND value_minor IS NOT NULL",
        )
        .await
    }
}
