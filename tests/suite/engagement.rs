//! Engagements through the API: recorded once, late and out of order, weighed, listed, added up.

use entity::engagement;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::{Server, code, unknown_field};

const LEAD: &str = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } } }";
const RECORD: &str = "mutation ($input: EngagementRecordInput!) { engagementRecord(input: $input) {
    engagement { id type channel humanConfidence lead { id } revenue { amount } } duplicate userErrors { field code } } }";
const MANY: &str = "mutation ($input: EngagementsRecordInput!) { engagementsRecord(input: $input) {
    results { engagement { id } duplicate userErrors { field code } } recorded duplicates refused userErrors { code } } }";
const LIST: &str =
    "query ($id: ID!, $first: Int, $last: Int, $after: String, $before: String, $types: [EngagementType!]!) {
    lead(id: $id) { engagements(first: $first, last: $last, after: $after, before: $before, types: $types) {
        nodes { type occurredAt } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";

async fn lead(server: &Server, email: &str) -> Value {
    server.data(LEAD, json!({ "input": { "email": email } })).await["leadCreate"]["lead"]["id"].clone()
}

fn item(lead: &Value, kind: &str, at: &str) -> Value {
    json!({ "leadId": lead, "type": kind, "occurredAt": at })
}

fn kinds(page: &Value) -> Vec<&str> {
    page["nodes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|node| node["type"].as_str().expect("a type"))
        .collect()
}

on_both! {
    async fn an_engagement_is_recorded_once_and_heard_of(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let mut socket = server.socket(server.admin()).await;
        let query = "subscription { engagementRecorded { leadId engagement { type } lead { email } } }";
        let mut feed = socket.subscribe(query, json!({})).await;
        let input = json!({
            "identity": { "kind": "EMAIL", "value": "Ann@Example.com" }, "type": "PURCHASE_MADE", "dedupeKey": "order-1",
            "occurredAt": "2026-03-01T10:00:00Z", "revenue": { "amount": "12.50", "currencyCode": "EUR" }
        });
        let made = server.data(RECORD, json!({ "input": input })).await["engagementRecord"].take();
        assert_eq!(made["engagement"]["lead"]["id"], id);
        assert_eq!(
            (&made["engagement"]["channel"], &made["engagement"]["revenue"]["amount"], &made["duplicate"]),
            (&json!("WEB"), &json!("12.50"), &json!(false))
        );
        assert_eq!(feed.data().await["engagementRecorded"], json!({
            "leadId": id, "engagement": { "type": "PURCHASE_MADE" }, "lead": { "email": "ann@example.com" },
        }));
        let again = server.data(RECORD, json!({ "input": input })).await["engagementRecord"].take();
        assert_eq!((&again["engagement"]["id"], &again["duplicate"]), (&made["engagement"]["id"], &json!(true)));
        let read = server.data("query ($id: ID!) { engagement(id: $id) { type } }", json!({ "id": made["engagement"]["id"] })).await;
        assert_eq!(read["engagement"]["type"], "PURCHASE_MADE");
    }

    async fn a_batch_answers_each_item_and_is_done_once_for_a_key(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let mut twin = item(&id, "PAGE_VIEWED", "2026-03-01T10:00:00Z");
        twin["dedupeKey"] = json!("view-1");
        let items = json!([
            twin, twin, { "leadId": id, "type": "CUSTOM" }, { "type": "PAGE_VIEWED" }, { "leadId": id, "type": "EMAIL_REPLIED" },
        ]);
        let first = server.data(MANY, json!({ "input": { "items": items, "idempotencyKey": "k" } })).await["engagementsRecord"].take();
        assert_eq!((&first["recorded"], &first["duplicates"], &first["refused"]), (&json!(2), &json!(1), &json!(2)));
        let results = &first["results"];
        assert_eq!(results[1]["duplicate"], true);
        assert_eq!(results[2]["userErrors"], json!([{ "field": ["customName"], "code": "MISSING" }]));
        assert_eq!(results[3]["userErrors"], json!([{ "field": ["leadId"], "code": "MISSING" }]));
        let again = server.data(MANY, json!({ "input": { "items": items, "idempotencyKey": "k" } })).await;
        assert_eq!(again["engagementsRecord"], first, "although the moment, which was not given, is another");
        let other = json!({ "input": { "items": [twin], "idempotencyKey": "k" } });
        assert_eq!(code(&server.graphql(MANY, other).await), "CONFLICT");
        assert_eq!(engagement::Entity::find().all(server.app().db().read()).await.unwrap().len(), 2);
    }

    async fn a_scanner_that_clicks_every_link_at_once_is_found_out_late(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let mail = |kind: &str, second: u32, url: Option<&str>| json!({
            "leadId": id, "type": kind, "occurredAt": format!("2026-03-01T10:00:{second:02}Z"), "messageId": "m1",
            "messageLinkCount": 2, "url": url
        });
        let one = server.data(RECORD, json!({ "input": mail("EMAIL_CLICKED", 30, Some("https://example.com/a")) })).await;
        assert_eq!(one["engagementRecord"]["engagement"]["humanConfidence"], 1.0);
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe("subscription { events(types: [ENGAGEMENT_REWEIGHED]) { subject payload } }", json!({})).await;
        // The other link within five seconds: the first click was a scanner's too.
        let two = server.data(RECORD, json!({ "input": mail("EMAIL_CLICKED", 32, Some("https://example.com/b")) })).await;
        assert_eq!(two["engagementRecord"]["engagement"]["humanConfidence"], 0.1);
        let told = feed.data().await["events"].take();
        assert_eq!(told["subject"], one["engagementRecord"]["engagement"]["id"]);
        assert_eq!((&told["payload"]["fromMilli"], &told["payload"]["toMilli"]), (&json!(1000), &json!(100)));
    }

    async fn engagements_are_paged_both_ways_and_filtered(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        // Handed in out of order.
        let items = json!([
            item(&id, "EMAIL_OPENED", "2026-03-03T10:00:00Z"), item(&id, "EMAIL_SENT", "2026-03-01T10:00:00Z"),
            item(&id, "EMAIL_CLICKED", "2026-03-04T10:00:00Z"), item(&id, "EMAIL_DELIVERED", "2026-03-02T10:00:00Z"),
        ]);
        server.data(MANY, json!({ "input": { "items": items } })).await;
        let list = async |more: Value| {
            let mut variables = json!({ "id": id, "types": [] });
            variables.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            server.data(LIST, variables).await["lead"]["engagements"].take()
        };
        let first = list(json!({ "first": 3 })).await;
        assert_eq!(kinds(&first), ["EMAIL_CLICKED", "EMAIL_OPENED", "EMAIL_DELIVERED"]);
        let second = list(json!({ "first": 3, "after": first["pageInfo"]["endCursor"] })).await;
        assert_eq!((kinds(&second), &second["pageInfo"]["hasNextPage"]), (vec!["EMAIL_SENT"], &json!(false)));
        let back = list(json!({ "last": 2, "before": second["pageInfo"]["startCursor"] })).await;
        assert_eq!((kinds(&back), &back["pageInfo"]["hasPreviousPage"]), (vec!["EMAIL_OPENED", "EMAIL_DELIVERED"], &json!(true)));
        let some = list(json!({ "first": 3, "types": ["EMAIL_SENT", "EMAIL_OPENED"] })).await;
        assert_eq!(kinds(&some), ["EMAIL_OPENED", "EMAIL_SENT"]);
        server.settled().await;
        let stats = "query ($lead: ID) { engagementStats(filter: { leadId: $lead }, from: \"2026-03-01\", to: \"2026-03-31\") {
            total byType { type count } byDay { day count } } }";
        let all = server.data(stats, json!({})).await;
        assert_eq!(all["engagementStats"]["total"], 4);
        assert_eq!(all["engagementStats"]["byDay"][0], json!({ "day": "2026-03-01", "count": 1 }));
        assert_eq!(server.data(stats, json!({ "lead": id })).await, all, "one lead's own, and the summaries of all");
    }

    async fn wrong_engagements_and_callers_are_refused(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let mut wrong = item(&id, "EMAIL_SENT", "2999-01-01T00:00:00Z");
        wrong["value"] = json!(101);
        wrong["ip"] = json!("nowhere");
        let answer = server.data(RECORD, json!({ "input": wrong })).await["engagementRecord"].take();
        let mut errors: Vec<_> = answer["userErrors"].as_array().unwrap().iter()
            .map(|error| (error["field"][0].as_str().unwrap(), error["code"].as_str().unwrap())).collect();
        errors.sort_unstable();
        assert_eq!(errors, [("ip", "MALFORMED"), ("occurredAt", "OUT_OF_RANGE"), ("value", "OUT_OF_RANGE")]);
        let known = json!({ "kind": "EXTERNAL", "namespace": "my shop", "value": "1" });
        let answer = server.data(RECORD, json!({ "input": { "identity": known, "type": "EMAIL_SENT" } })).await;
        assert_eq!(answer["engagementRecord"]["userErrors"], json!([{ "field": ["identity", "namespace"], "code": "MALFORMED" }]));
        let many: Vec<_> = (0..1_001).map(|_| json!({ "leadId": id, "type": "EMAIL_SENT" })).collect();
        let answer = server.data(MANY, json!({ "input": { "items": many } })).await;
        assert_eq!(answer["engagementsRecord"]["userErrors"], json!([{ "code": "TOO_MANY" }]));
        let reader = server.token(&["engagement:read"]).await;
        let input = json!({ "input": item(&id, "EMAIL_SENT", "2026-03-01T10:00:00Z") });
        assert_eq!(unknown_field(&server.graphql_as(Some(&reader), RECORD, input).await), "engagementRecord");
        let stranger = server.token(&["leads:read"]).await;
        let refused = server.graphql_as(Some(&stranger), LIST, json!({ "id": id, "types": [] })).await;
        assert_eq!(unknown_field(&refused), "engagements");
    }

    async fn erasing_a_lead_blanks_its_engagements(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let mut full = item(&id, "PAGE_VIEWED", "2026-03-01T10:00:00Z");
        for (key, value) in [
            ("ip", json!("203.0.113.7")), ("userAgent", json!("Firefox")), ("url", json!("https://example.com/ann")),
            ("title", json!("Ann")), ("city", json!("Berlin")), ("region", json!("Berlin")), ("metadata", json!({ "who": "Ann" })),
        ] {
            full[key] = value;
        }
        server.data(RECORD, json!({ "input": full })).await;
        server.data("mutation ($input: LeadRemovalInput!) { leadErase(input: $input) { leadId } }", json!({ "input": { "id": id } })).await;
        server.settled().await;
        let rows = engagement::Entity::find().all(server.app().db().read()).await.unwrap();
        let row = &rows[0];
        assert_eq!(rows.len(), 1, "what it counts stays");
        assert_eq!(
            [&row.ip, &row.user_agent, &row.url, &row.title, &row.city, &row.region, &row.metadata],
            [&None, &None, &None, &None, &None, &None, &None]
        );
        let identities = entity::lead_identity::Entity::find().all(server.app().db().read()).await.unwrap();
        assert_eq!(identities.len(), 0);
    }

    async fn the_statements_for_engagements_do_not_grow_with_the_page(server: &Server) {
        let mut items = Vec::new();
        for n in 0..12 {
            let id = lead(server, &format!("a{n}@example.com")).await;
            items.push(item(&id, "EMAIL_SENT", "2026-03-01T10:00:00Z"));
            items.push(item(&id, "EMAIL_OPENED", "2026-03-02T10:00:00Z"));
        }
        server.data(MANY, json!({ "input": { "items": items } })).await;
        server.settled().await;
        let page = "query ($first: Int!) { leads(first: $first) { nodes { id engagements(first: 1) { nodes { type lead { id } } } } } }";
        let shown = server.data(page, json!({ "first": 12 })).await;
        assert_eq!(shown["leads"]["nodes"][5]["engagements"]["nodes"][0]["type"], "EMAIL_OPENED");
        server.costs_the_same(page, json!({ "first": 2 }), json!({ "first": 12 })).await;
    }
}
