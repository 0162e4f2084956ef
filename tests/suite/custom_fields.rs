//! Custom fields: defined, filled in, changed, archived.

use serde_json::{Value, json};

use crate::support::{Server, code, unknown_field};

const DEFINE: &str = "mutation ($input: CustomFieldCreateInput!) { customFieldCreate(input: $input) {
    customField { id key label type options required } userErrors { field code } } }";
const LEAD: &str = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) {
    lead { id custom } userErrors { field code } } }";

async fn define(server: &Server, input: Value) -> Value {
    let made = server.data(DEFINE, json!({ "input": input })).await;
    assert_eq!(made["customFieldCreate"]["userErrors"], json!([]), "{made}");
    made["customFieldCreate"]["customField"].clone()
}

on_both! {
    async fn a_field_is_defined_filled_in_and_archived(server: &Server) {
        let mut socket = server.socket(server.admin()).await;
        let query = "subscription { events(types: [CUSTOM_FIELD_CHANGED]) { subject payload } }";
        let mut feed = socket.subscribe(query, json!({})).await;
        let sport = define(server, json!({ "key": "sport", "type": "SELECT", "options": ["run", "bike"] })).await;
        assert_eq!(sport["label"], "sport", "the key where no label is given");
        assert_eq!(feed.data().await["events"], json!({ "subject": sport["id"], "payload": { "change": "CREATED", "key": "sport" } }));
        let made = server.data(LEAD, json!({ "input": { "email": "ann@example.com", "custom": { "sport": "bike" } } })).await;
        assert_eq!(made["leadCreate"]["lead"]["custom"], json!({ "sport": "bike" }));
        let wrong = server.data(LEAD, json!({ "input": { "email": "bob@example.com", "custom": { "sport": "chess" } } })).await;
        assert_eq!(wrong["leadCreate"]["userErrors"], json!([{ "field": ["custom", "sport"], "code": "INVALID" }]));
        let update = "mutation ($input: CustomFieldUpdateInput!) { customFieldUpdate(input: $input) {
            customField { label options } userErrors { code } } }";
        let changed = server.data(update, json!({ "input": { "id": sport["id"], "label": "Sport", "options": ["run", "bike", "chess"] } })).await;
        assert_eq!(changed["customFieldUpdate"]["customField"], json!({ "label": "Sport", "options": ["run", "bike", "chess"] }));
        let now = server.data(LEAD, json!({ "input": { "email": "bob@example.com", "custom": { "sport": "chess" } } })).await;
        assert_eq!(now["leadCreate"]["lead"]["custom"], json!({ "sport": "chess" }));
        let archive = "mutation ($input: CustomFieldArchiveInput!) { customFieldArchive(input: $input) { customField { key } } }";
        server.data(archive, json!({ "input": { "id": sport["id"] } })).await;
        let closed = server.data(LEAD, json!({ "input": { "email": "cid@example.com", "custom": { "sport": "run" } } })).await;
        assert_eq!(closed["leadCreate"]["userErrors"][0]["field"], json!(["custom", "sport"]));
        let listed = server.data("{ customFields { key } all: customFields(includeArchived: true) { key } }", json!({})).await;
        assert_eq!(listed, json!({ "customFields": [], "all": [{ "key": "sport" }] }));
    }

    async fn a_required_field_is_asked_for(server: &Server) {
        define(server, json!({ "key": "region", "type": "TEXT", "required": true })).await;
        let without = server.data(LEAD, json!({ "input": { "email": "ann@example.com" } })).await;
        assert_eq!(without["leadCreate"]["userErrors"][0]["field"], json!(["custom", "region"]));
        let with = server.data(LEAD, json!({ "input": { "email": "ann@example.com", "custom": { "region": "north" } } })).await;
        assert_eq!(with["leadCreate"]["lead"]["custom"], json!({ "region": "north" }));
    }

    async fn wrong_definitions_and_callers_are_refused(server: &Server) {
        let wrong = json!({ "key": "Sport Type", "type": "SELECT", "options": [], "label": " " });
        let wrong = server.data(DEFINE, json!({ "input": wrong })).await;
        let codes: Vec<_> = wrong["customFieldCreate"]["userErrors"].as_array().unwrap().iter()
            .map(|error| error["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["INVALID_KEY", "INVALID_LABEL", "INVALID_OPTIONS"]);
        define(server, json!({ "key": "sport", "type": "TEXT" })).await;
        let twice = server.data(DEFINE, json!({ "input": { "key": "sport", "type": "NUMBER" } })).await;
        assert_eq!(twice["customFieldCreate"]["userErrors"], json!([{ "field": ["key"], "code": "KEY_TAKEN" }]));
        let reader = server.token(&["leads:read"]).await;
        let refused = server.graphql_as(Some(&reader), DEFINE, json!({ "input": { "key": "x", "type": "TEXT" } })).await;
        assert_eq!(unknown_field(&refused), "customFieldCreate");
    }

    async fn a_field_is_defined_once_for_a_key(server: &Server) {
        let input = json!({ "key": "sport", "type": "TEXT", "idempotencyKey": "k" });
        let first = define(server, input.clone()).await;
        assert_eq!(define(server, input).await, first);
        let other = json!({ "input": { "key": "region", "type": "TEXT", "idempotencyKey": "k" } });
        assert_eq!(code(&server.graphql(DEFINE, other).await), "CONFLICT");
    }
}
