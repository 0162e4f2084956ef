//! Reports: how far leads get, how promising they are, what became of each month's, what sources bring.

mod arrivals;
mod files;
mod happened;
mod live;
mod told;

use entity::lead_score;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use crate::support::{Server, until};

/// A lead that becomes known at a moment; its id.
async fn lead(server: &Server, at: &str, email: &str, source: Option<&str>) -> Value {
    server.set_time(at);
    let query = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } userErrors { message } } }";
    let made = server
        .data(query, json!({ "input": { "email": email, "source": source } }))
        .await["leadCreate"]
        .take();
    assert_eq!(made["userErrors"], json!([]), "{made}");
    made["lead"]["id"].clone()
}

/// Something that a lead does.
async fn engage(server: &Server, lead: &Value, at: &str, kind: &str) {
    let input = json!({ "leadId": lead, "type": kind, "occurredAt": at });
    let query = "mutation ($input: EngagementRecordInput!) { it: engagementRecord(input: $input) { userErrors { message } } }";
    let made = server.data(query, json!({ "input": input })).await["it"].take();
    assert_eq!(made["userErrors"], json!([]), "{made}");
}

/// What came of a lead; the id of the conversion.
async fn converted(server: &Server, lead: &Value, at: &str, kind: &str, euros: Option<&str>) -> Value {
    let query = "mutation ($input: ConversionRecordInput!) { it: conversionRecord(input: $input) { conversion { id } userErrors { message } } }";
    let mut input = json!({ "leadId": lead, "kind": kind, "occurredAt": at });
    if let Some(amount) = euros {
        input["value"] = json!({ "amount": amount, "currencyCode": "EUR" });
    }
    let made = server.data(query, json!({ "input": input })).await["it"].take();
    assert_eq!(made["userErrors"], json!([]), "{made}");
    made["conversion"]["id"].clone()
}

async fn moved(server: &Server, lead: &Value, at: &str, stage: &str) {
    server.set_time(at);
    let query = "mutation ($input: LeadStageChangeInput!) { it: leadStageChange(input: $input) { userErrors { message } } }";
    let input = json!({ "leadId": lead, "stage": stage, "reason": "said so" });
    assert_eq!(
        server.data(query, json!({ "input": input })).await["it"]["userErrors"],
        json!([])
    );
}

/// Waits until reports know of all that happened, and of all that time has changed.
async fn told(server: &Server) {
    // Time takes scores down a moment after it has passed, of which events tell.
    until("scores have been looked at", async || {
        let now = server.app().clock().now();
        let due = lead_score::Entity::find().filter(lead_score::Column::DueAt.lte(now));
        due.one(server.app().db().read())
            .await
            .expect("scores are readable")
            .is_none()
    })
    .await;
    server.settled().await;
    until("reports have looked at all leads", async || {
        let verified = leadline::insight::analytics::verify(server.app())
            .await
            .expect("it is there");
        verified.pending == 0
    })
    .await;
}
