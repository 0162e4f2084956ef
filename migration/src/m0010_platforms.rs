//! Connections to outside platforms, their syncs and webhooks; what shops hold.

use sea_orm_migration::prelude::*;

use crate::build::{col, index, opt, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        connections(m).await?;
        syncs(m).await?;
        webhooks(m).await?;
        commerce(m).await?;
        reversals(m).await
    }
}

/// What was given back of conversions.
async fn reversals(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    for column in [
        col("refunded_minor").big_integer().default(0).to_owned(),
        opt("voided_at").big_integer().to_owned(),
    ] {
        let table = Table::alter().table("conversion").add_column(column).to_owned();
        m.alter_table(table).await?;
    }
    Ok(())
}

async fn connections(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("connection")
        .col(col("id").uuid().primary_key())
        .col(col("platform").text())
        .col(col("name").text())
        .col(col("state").text())
        .col(col("settings").text())
        .col(opt("mapping").text())
        .col(opt("secrets").binary())
        .col(opt("credentials").binary())
        .col(opt("credentials_until").big_integer())
        .col(opt("account_id").text())
        .col(opt("account_name").text())
        .col(opt("account_url").text())
        .col(opt("scopes").text())
        .col(opt("problem_kind").text())
        .col(opt("problem").text())
        .col(opt("checked_at").big_integer())
        .col(opt("sync_every_seconds").integer())
        .col(opt("next_sync_at").big_integer())
        .col(col("version").big_integer())
        .col(col("created_by").text())
        .col(col("created_at").big_integer())
        .col(col("updated_at").big_integer())
        .col(opt("deleted_at").big_integer())
        .create(m)
        .await?;
    index(
        m,
        "CREATE INDEX connection_due ON connection (next_sync_at) WHERE next_sync_at IS NOT NULL",
    )
    .await
}

async fn syncs(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("sync_run")
        .col(col("id").uuid().primary_key())
        .col(col("connection_id").uuid())
        .col(col("job_id").uuid())
        .col(col("cause").text())
        .col(col("kinds").text())
        .col(col("is_full").boolean())
        .col(col("state").text())
        .col(col("counts").text())
        .col(opt("problem_kind").text())
        .col(opt("problem").text())
        .col(col("created_by").text())
        .col(col("created_at").big_integer())
        .col(opt("ended_at").big_integer())
        .create(m)
        .await?;
    index(
        m,
        "CREATE INDEX sync_run_of_connection ON sync_run (connection_id, id)",
    )
    .await?;
    // One at a time for a connection.
    index(
        m,
        "CREATE UNIQUE INDEX sync_run_open ON sync_run (connection_id) WHERE ended_at IS NULL",
    )
    .await?;
    table("sync_refusal")
        .col(col("sync_id").uuid())
        .col(col("position").integer())
        .col(col("kind").text())
        .col(col("external_id").text())
        .col(col("message").text())
        .key(["sync_id", "position"])
        .clustered()
        .create(m)
        .await?;
    table("sync_cursor")
        .col(col("connection_id").uuid())
        .col(col("kind").text())
        .col(col("cursor").text())
        .col(col("updated_at").big_integer())
        .key(["connection_id", "kind"])
        .clustered()
        .create(m)
        .await
}

async fn webhooks(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("webhook_delivery")
        .col(col("id").uuid().primary_key())
        .col(col("connection_id").uuid())
        .col(col("dedupe_key").binary())
        .col(opt("topic").text())
        .col(col("method").text())
        .col(col("url").text())
        .col(col("headers").text())
        .col(col("body").binary())
        .col(col("state").text())
        .col(col("events").integer())
        .col(col("attempts").integer())
        .col(opt("due_at").big_integer())
        .col(opt("problem_kind").text())
        .col(opt("problem").text())
        .col(col("received_at").big_integer())
        .col(opt("processed_at").big_integer())
        .create(m)
        .await?;
    index(
        m,
        "CREATE UNIQUE INDEX webhook_delivery_once ON webhook_delivery (connection_id, dedupe_key)",
    )
    .await?;
    index(
        m,
        "CREATE INDEX webhook_delivery_due ON webhook_delivery (connection_id, due_at, id) WHERE due_at IS NOT NULL",
    )
    .await?;
    index(
        m,
        "CREATE INDEX webhook_delivery_received ON webhook_delivery (received_at, id)",
    )
    .await
}

async fn commerce(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    table("shop")
        .col(col("connection_id").uuid().primary_key())
        .col(col("external_id").text())
        .col(col("name").text())
        .col(col("url").text())
        .col(col("currency").text())
        .col(opt("time_zone").text())
        .col(opt("email").text())
        .col(opt("plan").text())
        .col(opt("customers").big_integer())
        .col(opt("orders").big_integer())
        .col(opt("products").big_integer())
        .col(col("updated_at").big_integer())
        .create(m)
        .await?;
    table("shop_customer")
        .col(col("connection_id").uuid())
        .col(col("external_id").text())
        .col(opt("lead_id").uuid())
        .col(opt("email").text())
        .col(opt("phone").text())
        .col(col("orders").big_integer())
        .col(opt("spent_minor").big_integer())
        .col(opt("currency").text())
        .col(col("tags").text())
        .col(opt("note").text())
        .col(col("consents").text())
        .col(opt("created_at").big_integer())
        .col(opt("changed_at").big_integer())
        .col(col("synced_at").big_integer())
        .key(["connection_id", "external_id"])
        .create(m)
        .await?;
    index(
        m,
        "CREATE INDEX shop_customer_of_lead ON shop_customer (lead_id) WHERE lead_id IS NOT NULL",
    )
    .await?;
    table("shop_order")
        .col(col("id").uuid().primary_key())
        .col(col("connection_id").uuid())
        .col(col("external_id").text())
        .col(col("name").text())
        .col(opt("customer_id").text())
        .col(opt("lead_id").uuid())
        .col(opt("email").text())
        .col(opt("phone").text())
        .col(col("placed_at").big_integer())
        .col(col("changed_at").big_integer())
        .col(opt("cancelled_at").big_integer())
        .col(col("is_test").boolean())
        .col(col("payment").text())
        .col(col("currency").text())
        .col(col("total_minor").big_integer())
        .col(col("current_minor").big_integer())
        .col(col("lines").text())
        .col(col("tags").text())
        .col(col("discount_codes").text())
        .col(opt("source").text())
        .col(col("visits").text())
        .col(col("synced_at").big_integer())
        .create(m)
        .await?;
    index(
        m,
        "CREATE UNIQUE INDEX shop_order_once ON shop_order (connection_id, external_id)",
    )
    .await?;
    index(m, "CREATE INDEX shop_order_placed ON shop_order (placed_at, id)").await?;
    index(
        m,
        "CREATE INDEX shop_order_of_lead ON shop_order (lead_id, placed_at, id) WHERE lead_id IS NOT NULL",
    )
    .await?;
    table("shop_product")
        .col(col("id").uuid().primary_key())
        .col(col("connection_id").uuid())
        .col(col("external_id").text())
        .col(col("title").text())
        .col(col("is_active").boolean())
        .col(opt("vendor").text())
        .col(opt("kind").text())
        .col(col("tags").text())
        .col(opt("url").text())
        .col(opt("image").text())
        .col(opt("price_minor").big_integer())
        .col(opt("currency").text())
        .col(col("variants").text())
        .col(col("changed_at").big_integer())
        .col(col("synced_at").big_integer())
        .col(opt("deleted_at").big_integer())
        .create(m)
        .await?;
    index(
        m,
        "CREATE UNIQUE INDEX shop_product_once ON shop_product (connection_id, external_id)",
    )
    .await?;
    index(
        m,
        "CREATE INDEX shop_product_changed ON shop_product (changed_at, id)",
    )
    .await?;
    table("shop_checkout")
        .col(col("id").uuid().primary_key())
        .col(col("connection_id").uuid())
        .col(col("external_id").text())
        .col(opt("customer_id").text())
        .col(opt("lead_id").uuid())
        .col(opt("email").text())
        .col(opt("phone").text())
        .col(opt("url").text())
        .col(col("begun_at").big_integer())
        .col(col("changed_at").big_integer())
        .col(opt("recovered_at").big_integer())
        .col(opt("total_minor").big_integer())
        .col(opt("currency").text())
        .col(col("lines").text())
        .col(col("synced_at").big_integer())
        .create(m)
        .await?;
    index(
        m,
        "CREATE UNIQUE INDEX shop_checkout_once ON shop_checkout (connection_id, external_id)",
    )
    .await?;
    index(
        m,
        "CREATE INDEX shop_checkout_begun ON shop_checkout (begun_at, id)",
    )
    .await?;
    index(
        m,
        "CREATE INDEX shop_checkout_of_lead ON shop_checkout (lead_id, begun_at, id) WHERE lead_id IS NOT NULL",
    )
    .await
}
