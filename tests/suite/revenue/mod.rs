//! What is earned and spent: conversions taken back, deals, costs, rates of exchange.

mod costs;
mod deals;
mod lifetime;
mod rates;
mod reversals;

use serde_json::{Value, json};

use crate::support::{Server, until};

/// A lead's id.
async fn lead(server: &Server, email: &str) -> Value {
    let query = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } } }";
    server.data(query, json!({ "input": { "email": email } })).await["leadCreate"]["lead"]["id"].clone()
}

/// A conversion of a lead that is worth something; its id.
async fn bought(server: &Server, lead: &Value, amount: &str, currency: &str, at: &str) -> Value {
    let query = "mutation ($input: ConversionRecordInput!) { it: conversionRecord(input: $input) { conversion { id } userErrors { message } } }";
    let input = json!({ "leadId": lead, "kind": "PURCHASE", "occurredAt": at, "value": { "amount": amount, "currencyCode": currency } });
    let made = server.data(query, json!({ "input": input })).await["it"].take();
    assert_eq!(made["userErrors"], json!([]), "{made}");
    made["conversion"]["id"].clone()
}

/// Records rates of days; the answer.
async fn rates(server: &Server, items: &[(&str, &str, &str)]) -> Value {
    let query = "mutation ($input: CurrencyRatesRecordInput!) { it: currencyRatesRecord(input: $input) {
        results { rate { currencyCode day rate } userErrors { field code message } } job { id } userErrors { code } } }";
    let items: Vec<_> = items
        .iter()
        .map(|(currency, day, rate)| json!({ "currencyCode": currency, "day": day, "rate": rate }))
        .collect();
    server.data(query, json!({ "input": { "items": items } })).await["it"].take()
}

/// Waits until amounts are told anew.
async fn retold(server: &Server) {
    until("amounts are told anew", async || {
        let query =
            "{ jobs(first: 100, kinds: [\"revenue.revalue\"], states: [QUEUED, RUNNING]) { nodes { id } } }";
        server.data(query, json!({})).await["jobs"]["nodes"] == json!([])
    })
    .await;
}
