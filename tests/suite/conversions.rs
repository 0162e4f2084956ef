//! Conversions: recorded once, shown with their lead, heard of by those who follow.

use entity::conversion;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::{Server, code, unknown_field};

const LEAD: &str = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } } }";
const RECORD: &str = "mutation ($input: ConversionRecordInput!) { conversionRecord(input: $input) {
    conversion { id kind name value { amount currencyCode } metadata occurredAt lead { id } } duplicate
    userErrors { field code } } }";

async fn lead(server: &Server, email: &str) -> Value {
    server.data(LEAD, json!({ "input": { "email": email } })).await["leadCreate"]["lead"]["id"].clone()
}

on_both! {
    async fn a_conversion_is_recorded_and_makes_a_customer(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe("subscription { events(types: [CONVERSION_RECORDED]) { leadId subject payload } }", json!({})).await;
        let mut moves = socket.subscribe("subscription { stageChanged { to cause leadId } }", json!({})).await;
        let input = json!({
            "leadId": id, "kind": "CUSTOMER", "value": { "amount": "99.90", "currencyCode": "EUR" },
            "metadata": { "plan": "pro" }, "dedupeKey": "order-1"
        });
        let made = server.data(RECORD, json!({ "input": input })).await["conversionRecord"].take();
        let conversion = &made["conversion"];
        assert_eq!(made["duplicate"], false);
        assert_eq!(conversion["value"], json!({ "amount": "99.90", "currencyCode": "EUR" }));
        assert_eq!((&conversion["metadata"], &conversion["lead"]["id"]), (&json!({ "plan": "pro" }), &id));
        let told = feed.data().await["events"].take();
        assert_eq!((&told["subject"], &told["leadId"]), (&conversion["id"], &id));
        assert_eq!(told["payload"]["valueMinor"], 9_990);
        assert_eq!(moves.data().await["stageChanged"], json!({ "to": "CUSTOMER", "cause": "CONVERSION", "leadId": id }));
        let again = server.data(RECORD, json!({ "input": input })).await["conversionRecord"].take();
        assert_eq!((&again["conversion"]["id"], &again["duplicate"]), (&conversion["id"], &json!(true)));
        server.settled().await;
        let query = "query ($lead: ID!, $id: ID!) { conversion(id: $id) { kind } lead(id: $lead) {
            stage conversions { id } journey { lifetimeValue { amount } } } }";
        let read = server.data(query, json!({ "lead": id, "id": conversion["id"] })).await;
        assert_eq!(read, json!({
            "conversion": { "kind": "CUSTOMER" },
            "lead": { "stage": "CUSTOMER", "conversions": [{ "id": conversion["id"] }], "journey": { "lifetimeValue": [{ "amount": "99.90" }] } },
        }));
    }

    async fn all_are_listed_the_latest_first(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let item = |day: u32, kind: &str, name: Value| json!({
            "leadId": id, "kind": kind, "name": name, "occurredAt": format!("2026-01-{day:02}T12:00:00Z")
        });
        let items: Vec<Value> = (1..=5)
            .map(|day| if day == 3 { item(day, "CUSTOM", json!("demo")) } else { item(day, "PURCHASE", Value::Null) })
            .collect();
        let query = "mutation ($input: ConversionsRecordInput!) { conversionsRecord(input: $input) { results { userErrors { code } } } }";
        server.data(query, json!({ "input": { "items": items } })).await;
        let query = "query ($filter: ConversionFilterInput, $after: String) { conversions(first: 2, filter: $filter, after: $after) {
            nodes { occurredAt lead { id } } pageInfo { hasNextPage endCursor } } }";
        let mut days = Vec::new();
        let mut after = Value::Null;
        loop {
            let page = server.data(query, json!({ "after": after })).await["conversions"].take();
            let nodes = page["nodes"].as_array().expect("a list");
            assert!(nodes.iter().all(|node| node["lead"]["id"] == id), "{page}");
            days.push(nodes.iter().map(|node| node["occurredAt"].as_str().expect("a moment")[8..10].to_owned()).collect::<Vec<_>>());
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        assert_eq!(days, [vec!["05", "04"], vec!["03", "02"], vec!["01"]]);
        let filter = json!({ "kinds": ["PURCHASE"], "from": "2026-01-02T12:00:00Z", "to": "2026-01-04T12:00:00Z" });
        let page = server.data(query, json!({ "filter": filter })).await["conversions"]["nodes"].take();
        assert_eq!(page.as_array().expect("a list").len(), 1, "the 2nd; the 3rd is another kind, the 4th too late: {page}");
        let nobody = server.token(&["leads:read"]).await;
        let refused = server.graphql_as(Some(&nobody), "{ conversions { nodes { id } } }", json!({})).await;
        assert_eq!(unknown_field(&refused), "conversions");
    }

    async fn many_are_answered_one_by_one_and_once_for_a_key(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let items = json!([
            { "leadId": id, "kind": "PURCHASE", "value": { "amount": "1", "currencyCode": "EUR" } },
            { "leadId": id, "kind": "CUSTOM" },
            { "leadId": id, "kind": "PURCHASE", "value": { "amount": "1.001", "currencyCode": "EUR" } },
        ]);
        let query = "mutation ($input: ConversionsRecordInput!) { conversionsRecord(input: $input) {
            results { conversion { id } userErrors { field code } } } }";
        let first = server.data(query, json!({ "input": { "items": items, "idempotencyKey": "k" } })).await;
        let results = &first["conversionsRecord"]["results"];
        assert_eq!(results[1]["userErrors"], json!([{ "field": ["name"], "code": "MISSING" }]));
        assert_eq!(results[2]["userErrors"], json!([{ "field": ["value"], "code": "MALFORMED" }]));
        let again = server.data(query, json!({ "input": { "items": items, "idempotencyKey": "k" } })).await;
        assert_eq!(again, first, "although the moment, which was not given, is another");
        let count = conversion::Entity::find().all(server.app().db().read()).await.unwrap().len();
        assert_eq!(count, 1);
        let other = json!({ "input": { "items": [items[0]], "idempotencyKey": "k" } });
        assert_eq!(code(&server.graphql(query, other).await), "CONFLICT");
    }

    async fn wrong_conversions_and_callers_are_refused(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let input = json!({ "leadId": id, "kind": "CUSTOMER", "name": "x", "occurredAt": "2999-01-01T00:00:00Z" });
        let wrong = server.data(RECORD, json!({ "input": input })).await;
        assert_eq!(wrong["conversionRecord"]["userErrors"], json!([
            { "field": ["name"], "code": "NOT_ALLOWED" }, { "field": ["occurredAt"], "code": "OUT_OF_RANGE" },
        ]));
        let nobody = json!({ "leadId": entity::id::LeadId::at(entity::Timestamp(1)), "kind": "CUSTOMER" });
        let nobody = server.data(RECORD, json!({ "input": nobody })).await;
        assert_eq!(nobody["conversionRecord"]["userErrors"], json!([{ "field": ["leadId"], "code": "LEAD_NOT_FOUND" }]));
        let many: Vec<_> = (0..1_001).map(|_| json!({ "leadId": id, "kind": "PURCHASE" })).collect();
        let query = "mutation ($input: ConversionsRecordInput!) { conversionsRecord(input: $input) {
            results { duplicate } userErrors { field message code } } }";
        let answer = server.data(query, json!({ "input": { "items": many } })).await;
        assert_eq!(answer["conversionsRecord"], json!({ "results": [], "userErrors": [
            { "field": ["items"], "message": "1001 are too many: at most 1000 at once", "code": "TOO_MANY" },
        ] }));
        let few = json!({ "input": { "items": [{ "leadId": id, "kind": "PURCHASE" }] } });
        assert_eq!(server.data(query, few).await["conversionsRecord"]["userErrors"], json!([]));
        let reader = server.token(&["engagement:read", "leads:write"]).await;
        let input = json!({ "input": { "leadId": id, "kind": "CUSTOMER" } });
        assert_eq!(unknown_field(&server.graphql_as(Some(&reader), RECORD, input).await), "conversionRecord");
        let stranger = server.token(&["leads:read"]).await;
        let query = "query ($id: ID!) { lead(id: $id) { conversions { id } } }";
        assert_eq!(unknown_field(&server.graphql_as(Some(&stranger), query, json!({ "id": id })).await), "conversions");
    }

    async fn erasing_a_lead_blanks_what_its_conversions_say(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let input = json!({ "leadId": id, "kind": "CUSTOM", "name": "booked", "metadata": { "who": "Ann" } });
        server.data(RECORD, json!({ "input": input })).await;
        server.data("mutation ($input: LeadRemovalInput!) { leadErase(input: $input) { leadId } }", json!({ "input": { "id": id } })).await;
        server.settled().await;
        let rows = conversion::Entity::find().all(server.app().db().read()).await.unwrap();
        assert_eq!((rows.len(), rows[0].metadata.as_str()), (1, "{}"));
    }

    async fn the_statements_for_conversions_do_not_grow_with_the_page(server: &Server) {
        for n in 0..12 {
            let id = lead(server, &format!("a{n}@example.com")).await;
            server.data(RECORD, json!({ "input": { "leadId": id, "kind": "PURCHASE" } })).await;
        }
        server.settled().await;
        let page = "query ($first: Int!) { leads(first: $first) { nodes { id conversions { kind lead { id } } } } }";
        server.costs_the_same(page, json!({ "first": 2 }), json!({ "first": 12 })).await;
    }
}
