//! What led to conversions: one explained, sums of days, models side by side, settings.

mod arrivals;
mod one;
mod reference;
mod settings;
mod some_leads;
mod sums;

use serde_json::{Value, json};

use crate::support::{Server, until};

/// A lead's id.
async fn lead(server: &Server, email: &str) -> Value {
    let query = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } } }";
    server.data(query, json!({ "input": { "email": email } })).await["leadCreate"]["lead"]["id"].clone()
}

/// An engagement of a day of March; its id.
async fn touch(server: &Server, lead: &Value, day: u32, kind: &str, more: Value) -> Value {
    let mut input =
        json!({ "leadId": lead, "type": kind, "occurredAt": format!("2026-03-{day:02}T12:00:00Z") });
    for (name, value) in more.as_object().expect("an object") {
        input[name] = value.clone();
    }
    let query = "mutation ($input: EngagementRecordInput!) { it: engagementRecord(input: $input) { engagement { id } userErrors { message } } }";
    let made = server.data(query, json!({ "input": input })).await["it"].take();
    assert_eq!(made["userErrors"], json!([]), "{made}");
    made["engagement"]["id"].clone()
}

fn campaign(name: &str) -> Value {
    json!({ "source": { "kind": "CAMPAIGN", "name": name } })
}

/// A conversion of noon of a day of March; its id.
async fn converted(server: &Server, lead: &Value, day: u32, kind: &str, euros: Option<&str>) -> Value {
    let query = "mutation ($input: ConversionRecordInput!) { it: conversionRecord(input: $input) { conversion { id } userErrors { message } } }";
    let mut input =
        json!({ "leadId": lead, "kind": kind, "occurredAt": format!("2026-03-{day:02}T12:00:00Z") });
    if let Some(amount) = euros {
        input["value"] = json!({ "amount": amount, "currencyCode": "EUR" });
    }
    let made = server.data(query, json!({ "input": input })).await["it"].take();
    assert_eq!(made["userErrors"], json!([]), "{made}");
    made["conversion"]["id"].clone()
}

/// A moment after all that was done and before all that will be.
async fn known_by(server: &Server) -> String {
    let clock = server.app().clock();
    let done = clock.now();
    let at = async |after| {
        until("the clock goes on", async || clock.now() > after).await;
        clock.now()
    };
    let moment = at(done).await;
    at(moment).await;
    moment.to_string()
}

/// Gives euros of a conversion back.
async fn refund(server: &Server, id: &Value, euros: &str) {
    let query = "mutation ($id: ID!, $amount: Decimal!) { it: conversionRefund(input: { id: $id, amount: { amount: $amount, currencyCode: \"EUR\" } }) {
        userErrors { message } } }";
    let done = server.data(query, json!({ "id": id, "amount": euros })).await["it"].take();
    assert_eq!(done["userErrors"], json!([]), "{done}");
}

/// Calls a conversion off.
async fn void(server: &Server, id: &Value) {
    let query = "mutation ($id: ID!) { it: conversionVoid(input: { id: $id }) { userErrors { message } } }";
    let done = server.data(query, json!({ "id": id })).await["it"].take();
    assert_eq!(done["userErrors"], json!([]), "{done}");
}
