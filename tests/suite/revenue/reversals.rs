//! Conversions that are taken back by hand.

use serde_json::{Value, json};

use super::{bought, lead};
use crate::row_filter::{PARTNER, partner};
use crate::support::{Server, code, unknown_field};

const REFUND: &str = "mutation ($input: ConversionRefundInput!) { it: conversionRefund(input: $input) {
    conversion { value { amount } refunded { amount } voidedAt } userErrors { field code message } } }";
const VOID: &str = "mutation ($input: ConversionVoidInput!) { it: conversionVoid(input: $input) {
    conversion { value { amount } refunded { amount } voidedAt } userErrors { field code message } } }";

async fn refund(server: &Server, id: &Value, amount: &str, currency: &str) -> Value {
    let input = json!({ "id": id, "amount": { "amount": amount, "currencyCode": currency } });
    server.data(REFUND, json!({ "input": input })).await["it"].take()
}

async fn lifetime(server: &Server, lead: &Value) -> Value {
    server.settled().await;
    let query = "query ($id: ID!) { journey(leadId: $id) { lifetimeValue { amount } } }";
    server.data(query, json!({ "id": lead })).await["journey"]["lifetimeValue"].take()
}

on_both! {
    async fn what_is_given_back_is_not_earned(server: &Server) {
        let ann = lead(server, "ann@example.com").await;
        let id = bought(server, &ann, "10.00", "EUR", "2026-03-06T12:00:00Z").await;
        bought(server, &ann, "5.00", "EUR", "2026-03-07T12:00:00Z").await;
        assert_eq!(lifetime(server, &ann).await, json!([{ "amount": "15.00" }]));
        let some = refund(server, &id, "2.50", "eur").await;
        assert_eq!(some, json!({ "conversion": { "value": { "amount": "10.00" }, "refunded": { "amount": "2.50" }, "voidedAt": null }, "userErrors": [] }));
        assert_eq!(lifetime(server, &ann).await, json!([{ "amount": "12.50" }]));
        for (amount, currency, code, says) in [
            ("7.51", "EUR", "TOO_MUCH", "7.50 EUR"), ("0", "EUR", "OUT_OF_RANGE", "above 0"), ("-1", "EUR", "OUT_OF_RANGE", "above 0"),
            ("1", "USD", "OTHER_CURRENCY", "in EUR"), ("1.001", "EUR", "MALFORMED", "decimals"),
        ] {
            let refused = refund(server, &id, amount, currency).await;
            let fault = &refused["userErrors"][0];
            assert_eq!((&refused["conversion"], &fault["field"], &fault["code"]), (&Value::Null, &json!(["amount"]), &json!(code)), "{refused}");
            assert!(fault["message"].as_str().unwrap().contains(says), "{refused}");
        }
        // With a key it is done once.
        let input = json!({ "id": id, "amount": { "amount": "1", "currencyCode": "EUR" }, "idempotencyKey": "one" });
        for _ in 0..2 {
            let once = server.data(REFUND, json!({ "input": input })).await["it"].take();
            assert_eq!(once["conversion"]["refunded"]["amount"], "3.50", "{once}");
        }
        let other = json!({ "id": id, "amount": { "amount": "2", "currencyCode": "EUR" }, "idempotencyKey": "one" });
        assert_eq!(code(&server.graphql(REFUND, json!({ "input": other })).await), "CONFLICT");
        let rest = refund(server, &id, "6.50", "EUR").await;
        assert_eq!(rest["conversion"]["refunded"]["amount"], "10.00");
        assert_eq!(refund(server, &id, "0.01", "EUR").await["userErrors"][0]["code"], "TOO_MUCH");
        assert_eq!(lifetime(server, &ann).await, json!([{ "amount": "5.00" }]));
    }

    async fn what_is_called_off_counts_no_more(server: &Server) {
        let ann = lead(server, "ann@example.com").await;
        let id = bought(server, &ann, "10.00", "EUR", "2026-03-06T12:00:00Z").await;
        refund(server, &id, "4", "EUR").await;
        let gone = server.data(VOID, json!({ "input": { "id": id } })).await["it"].take();
        assert_eq!((&gone["conversion"]["refunded"]["amount"], &gone["userErrors"]), (&json!("10.00"), &json!([])));
        assert!(gone["conversion"]["voidedAt"].is_string(), "{gone}");
        assert_eq!(lifetime(server, &ann).await, json!([{ "amount": "0.00" }]));
        let again = server.data(VOID, json!({ "input": { "id": id } })).await["it"].take();
        assert_eq!((&again["conversion"], &again["userErrors"][0]["code"]), (&Value::Null, &json!("ALREADY_VOIDED")));
        assert_eq!(refund(server, &id, "1", "EUR").await["userErrors"][0]["code"], "ALREADY_VOIDED");
        let query = "mutation ($id: ID!) { it: conversionRecord(input: { leadId: $id, kind: QUALIFIED }) { conversion { id } } }";
        let free = server.data(query, json!({ "id": ann })).await["it"]["conversion"]["id"].take();
        assert_eq!(refund(server, &free, "1", "EUR").await["userErrors"][0]["code"], "NO_VALUE");
        let gone = server.data(VOID, json!({ "input": { "id": free, "idempotencyKey": "x" } })).await["it"].take();
        assert_eq!(gone["userErrors"], json!([]));
        let same = server.data(VOID, json!({ "input": { "id": free, "idempotencyKey": "x" } })).await["it"].take();
        assert_eq!(same, gone, "not called off already: the same call");
        let nobody = entity::id::ConversionId::at(entity::Timestamp(1)).to_string();
        let absent = server.data(VOID, json!({ "input": { "id": nobody } })).await["it"].take();
        assert_eq!((&absent["userErrors"][0]["field"], &absent["userErrors"][0]["code"]), (&json!(["id"]), &json!("NOT_FOUND")));
        let reader = server.token(&["engagement:read"]).await;
        let refused = server.graphql_as(Some(&reader), "mutation { conversionVoid(input: { id: \"x\" }) { userErrors { code } } }", json!({})).await;
        assert_eq!(unknown_field(&refused), "conversionVoid");
    }

    async fn a_conversion_outside_is_as_one_that_is_not_there(server: &Server) {
        let cyd = lead(server, "cyd@example.com").await;
        let id = bought(server, &cyd, "10.00", "EUR", "2026-03-06T12:00:00Z").await;
        let token = partner(server, &["engagement:write"], PARTNER).await;
        let nobody = json!(entity::id::ConversionId::at(entity::Timestamp(1)).to_string());
        let amount = json!({ "amount": "1", "currencyCode": "EUR" });
        for (query, more) in [(VOID, json!({})), (REFUND, json!({ "amount": amount }))] {
            let mut said = Vec::new();
            for id in [&id, &nobody] {
                let mut input = more.clone();
                input["id"] = id.clone();
                let answer = server.data_as(&token, query, json!({ "input": input })).await["it"].take();
                said.push(answer.to_string().replace(id.as_str().unwrap(), "…"));
            }
            assert_eq!(said[0], said[1]);
            assert!(said[0].contains("NOT_FOUND"), "{said:?}");
        }
        assert_eq!(lifetime(server, &cyd).await, json!([{ "amount": "10.00" }]));
    }
}
