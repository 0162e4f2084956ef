//! Lifetime values: fitted as a job, shown with what they rest on.

use entity::id::{ConversionId, LeadId};
use entity::{ConversionKind, Timestamp, conversion};
use leadline::db::{Conflict, insert_many};
use serde_json::{Value, json};

use super::{bought, lead};
use crate::support::{Server, code, unknown_field, until};

const MODEL: &str = "{ lifetimeModel { version state until currencyCode customers shortfalls { requirement have need } backtest { days expected actual
    meanAbsoluteError naiveMeanAbsoluteError } parameters { r alpha a b p q gamma repeatCustomers correlation meanPurchaseValue { amount } } } }";
const VALUE: &str = "query ($id: ID!) { lead(id: $id) { lifetimeValue { realised { amount currencyCode } predicted { value { amount } undiscounted { amount }
    horizonDays alive expectedPurchases expectedPurchaseValue { amount } basis repeatPurchases recencyDays ageDays } } } }";
const FIT: &str =
    "mutation ($key: String) { it: lifetimeModelFit(input: { idempotencyKey: $key }) { job { id kind } } }";

async fn fit(server: &Server) -> Value {
    server.data(FIT, json!({})).await;
    until("the models are fitted", async || {
        let query =
            "{ jobs(first: 100, kinds: [\"revenue.lifetime\"], states: [QUEUED, RUNNING]) { nodes { id } } }";
        server.data(query, json!({})).await["jobs"]["nodes"] == json!([])
    })
    .await;
    server.data(MODEL, json!({})).await["lifetimeModel"].take()
}

async fn value(server: &Server, lead: &Value) -> Value {
    server.data(VALUE, json!({ "id": lead })).await["lead"]["lifetimeValue"].take()
}

/// A number from 0 up to another, always the same for the same n.
fn draw(n: u64, below: u64) -> u64 {
    let mut mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % below
}

/// Three hundred who bought over two years: some once, some often, some who stopped.
async fn shop(server: &Server) -> Vec<LeadId> {
    let app = server.app();
    let now = app.clock().now();
    let leads: Vec<LeadId> = (0..300)
        .map(|n| LeadId::at(Timestamp(now.micros() - n)))
        .collect();
    let mut rows = Vec::new();
    for (n, lead) in (0_u64..).zip(&leads) {
        let first = 730 - draw(n, 500);
        let active = if draw(n + 1_000, 3) == 0 { 60 } else { 700 };
        let gap = 5 + draw(n + 2_000, 60);
        let mut day = first;
        let mut many = draw(n + 3_000, 12);
        while day > 1 && first - day <= active {
            let minor =
                i64::try_from(1_000 + 200 * draw(n + 4_000, 30) + draw(n * 31 + day, 500)).expect("small");
            rows.push(conversion::Model {
                id: ConversionId::at(now),
                lead_id: *lead,
                kind: ConversionKind::Purchase,
                custom_name: None,
                value_minor: Some(minor),
                currency: Some("EUR".to_owned()),
                metadata: "{}".to_owned(),
                occurred_at: now.plus_days(-i64::try_from(day).expect("small")),
                received_at: now,
                dedupe_key: None,
                refunded_minor: 0,
                reporting_minor: Some(minor),
                reporting_refunded_minor: Some(0),
                reporting_currency: Some("EUR".to_owned()),
                voided_at: None,
            });
            if many == 0 {
                break;
            }
            many -= 1;
            day = day.saturating_sub(gap + draw(n * 17 + day, 30));
        }
    }
    let tx = app.db().begin().await.expect("it is there");
    insert_many(&tx, &rows, Conflict::Fail)
        .await
        .expect("it is there");
    tx.commit().await.expect("it is there");
    leads
}

on_both! {
    async fn too_little_is_said_to_be_too_little(server: &Server) {
        assert_eq!(server.data(MODEL, json!({})).await["lifetimeModel"], Value::Null);
        let ann = lead(server, "ann@example.com").await;
        let nothing = json!({ "realised": { "amount": "0.00", "currencyCode": "EUR" }, "predicted": null });
        assert_eq!(value(server, &ann).await, nothing);
        let none = fit(server).await;
        assert_eq!((&none["state"], &none["customers"]), (&json!("NOT_ENOUGH_DATA"), &json!(0)));
        bought(server, &ann, "10.00", "EUR", "2026-03-06T12:00:00Z").await;
        bought(server, &ann, "5.00", "EUR", "2026-03-09T12:00:00Z").await;
        let model = fit(server).await;
        assert_eq!((&model["version"], &model["state"], &model["parameters"], &model["backtest"]), (&json!(2), &json!("NOT_ENOUGH_DATA"), &Value::Null, &Value::Null));
        assert_eq!(model["shortfalls"], json!([
            { "requirement": "CUSTOMERS", "have": 1, "need": 100 }, { "requirement": "REPEAT_CUSTOMERS", "have": 1, "need": 30 },
            { "requirement": "DAYS", "have": 3, "need": 180 },
        ]));
        let found = value(server, &ann).await;
        assert_eq!((&found["realised"]["amount"], &found["predicted"]), (&json!("15.00"), &Value::Null));
    }

    async fn what_customers_will_buy_is_predicted_from_what_all_bought(server: &Server) {
        let leads = shop(server).await;
        let model = fit(server).await;
        assert_eq!((&model["state"], &model["customers"], &model["shortfalls"]), (&json!("FITTED"), &json!(300), &json!([])), "{model}");
        for name in ["r", "alpha", "a", "b", "p", "q", "gamma"] {
            assert!(model["parameters"][name].as_f64().is_some_and(|value| value > 0.0), "{name}: {model}");
        }
        let backtest = &model["backtest"];
        let (expected, actual) = (backtest["expected"].as_f64().unwrap(), backtest["actual"].as_f64().unwrap());
        assert!(actual > 50.0 && expected > actual / 3.0 && expected < actual * 3.0, "{model}");
        // A lead of the shop that can be shown: those of the scene are rows of conversions alone.
        let ann = lead(server, "ann@example.com").await;
        let id: LeadId = ann.as_str().unwrap().parse().unwrap();
        let db = server.app().db().write();
        for table in ["conversion", "lifetime_customer"] {
            let text = format!("UPDATE {table} SET lead_id = ? WHERE lead_id = ?");
            let statement = leadline::db::sql(server.app().db().backend(), &text, [id.0.into(), leads[7].0.into()]);
            sea_orm::ConnectionTrait::execute_raw(db, statement).await.unwrap();
        }
        let found = value(server, &ann).await;
        let predicted = &found["predicted"];
        let number = |name: &str| predicted[name].as_f64().unwrap();
        let amount = |name: &str| predicted[name]["amount"].as_str().unwrap().parse::<f64>().unwrap();
        assert!((0.0..=1.0).contains(&number("alive")), "{found}");
        assert!((number("expectedPurchases") * amount("expectedPurchaseValue") - amount("undiscounted")).abs() < 0.01 * number("expectedPurchases") + 0.01, "{found}");
        assert!(amount("value") <= amount("undiscounted") && amount("value") > 0.9 * amount("undiscounted"), "{found}");
        assert_eq!(predicted["horizonDays"], 365);
        // Money of another currency than reports are in is none of theirs.
        let query = "mutation { currencySettingsUpdate(input: { reportingCurrency: \"USD\" }) { userErrors { message } } }";
        server.data(query, json!({})).await;
        assert_eq!(value(server, &ann).await["predicted"], Value::Null);
    }

    async fn who_may_not_neither_fits_nor_reads(server: &Server) {
        let stranger = server.token(&["leads:read"]).await;
        assert_eq!(unknown_field(&server.graphql_as(Some(&stranger), MODEL, json!({})).await), "lifetimeModel");
        let reader = server.token(&["revenue:read"]).await;
        assert_eq!(unknown_field(&server.graphql_as(Some(&reader), FIT, json!({})).await), "lifetimeModelFit");
        let first = server.data(FIT, json!({ "key": "a" })).await;
        assert_eq!(server.data(FIT, json!({ "key": "a" })).await, first);
        assert_eq!(first["it"]["job"]["kind"], "revenue.lifetime");
        let ann = lead(server, "ann@example.com").await;
        let refused = server.graphql_as(Some(&stranger), VALUE, json!({ "id": ann })).await;
        assert_eq!(unknown_field(&refused), "lifetimeValue");
        assert_ne!(code(&refused), "INTERNAL");
    }
}
