//! Costs: by hand, by file, by platforms.

use serde_json::{Value, json};

use super::{rates, retold};
use crate::imports::{import, rejections};
use crate::support::{Server, unknown_field};

const RECORD: &str = "mutation ($input: CostsRecordInput!) { it: costsRecord(input: $input) {
    results { cost { id kind amount { amount currencyCode } reportingAmount { amount currencyCode } day source campaign note voidedAt }
        duplicate userErrors { field code message } } userErrors { code } } }";
const LIST: &str = "query ($filter: CostFilterInput, $first: Int, $after: String) { it: costs(filter: $filter, first: $first, after: $after) {
    nodes { id kind day amount { amount } source campaign } pageInfo { hasNextPage endCursor } } }";
const VOID: &str = "mutation ($id: ID!) { it: costVoid(input: { id: $id }) { cost { id voidedAt } userErrors { field code } } }";

fn cost(kind: &str, day: &str, amount: &str, more: Value) -> Value {
    let mut cost = json!({ "kind": kind, "day": day, "amount": { "amount": amount, "currencyCode": "EUR" } });
    for (name, value) in more.as_object().expect("an object") {
        cost[name] = value.clone();
    }
    cost
}

async fn record(server: &Server, items: Vec<Value>) -> Vec<Value> {
    let answer = server.data(RECORD, json!({ "input": { "items": items } })).await["it"].take();
    assert_eq!(answer["userErrors"], json!([]), "{answer}");
    answer["results"].as_array().expect("a list").clone()
}

async fn listed(server: &Server, filter: Value) -> Vec<Value> {
    let page = server.data(LIST, json!({ "filter": filter, "first": 100 })).await["it"].take();
    page["nodes"].as_array().expect("a list").clone()
}

on_both! {
    async fn costs_are_recorded_listed_and_taken_back(server: &Server) {
        let made = record(server, vec![
            cost("AD_SPEND", "2026-03-01", "120.50", json!({ "source": " meta ", "campaign": "Spring", "note": "first week", "dedupeKey": "a" })),
            cost("AD_SPEND", "2026-03-03", "80", json!({ "source": "google", "campaign": "" })),
            cost("OPERATING", "2026-03-02", "0", json!({})),
            cost("AD_SPEND", "2026-03-09", "1", json!({ "dedupeKey": "a" })),
        ]).await;
        let first = &made[0]["cost"];
        assert_eq!(*first, json!({ "id": first["id"], "kind": "AD_SPEND", "amount": { "amount": "120.50", "currencyCode": "EUR" },
            "reportingAmount": { "amount": "120.50", "currencyCode": "EUR" }, "day": "2026-03-01", "source": "meta", "campaign": "Spring",
            "note": "first week", "voidedAt": null }));
        assert_eq!((&made[1]["cost"]["campaign"], &made[3]["duplicate"], &made[3]["cost"]["id"]), (&Value::Null, &json!(true), &first["id"]));
        let days = |costs: Vec<Value>| costs.iter().map(|cost| cost["day"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(days(listed(server, json!({})).await), ["2026-03-03", "2026-03-02", "2026-03-01"]);
        assert_eq!(days(listed(server, json!({ "kinds": ["AD_SPEND"], "to": "2026-03-02" })).await), ["2026-03-01"]);
        assert_eq!(days(listed(server, json!({ "from": "2026-03-02", "sources": ["google", "meta"] })).await), ["2026-03-03"]);
        assert_eq!(days(listed(server, json!({ "campaigns": ["Spring"] })).await), ["2026-03-01"]);
        let (mut seen, mut after) = (Vec::new(), Value::Null);
        loop {
            let page = server.data(LIST, json!({ "first": 2, "after": after })).await["it"].take();
            seen.extend(days(page["nodes"].as_array().unwrap().clone()));
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        assert_eq!(seen, ["2026-03-03", "2026-03-02", "2026-03-01"]);
        let gone = server.data(VOID, json!({ "id": first["id"] })).await["it"].take();
        assert!(gone["cost"]["voidedAt"].is_string() && gone["userErrors"] == json!([]), "{gone}");
        let again = server.data(VOID, json!({ "id": first["id"] })).await["it"].take();
        assert_eq!(again, json!({ "cost": null, "userErrors": [{ "field": ["id"], "code": "ALREADY_VOIDED" }] }));
        let nobody = entity::id::CostId::at(entity::Timestamp(1)).to_string();
        assert_eq!(server.data(VOID, json!({ "id": nobody })).await["it"]["userErrors"][0]["code"], "NOT_FOUND");
        assert_eq!(listed(server, json!({})).await.len(), 2);
        assert_eq!(listed(server, json!({ "withVoided": true })).await.len(), 3);
        let one = server.data("query ($id: ID!) { cost(id: $id) { recordedBy recordedAt voidedAt } }", json!({ "id": first["id"] })).await;
        assert!(one["cost"]["voidedAt"].is_string(), "{one}");
        let told = server.data("{ activity(first: 9, filter: { types: [COST_CHANGED] }) { nodes { subject payload } } }", json!({})).await;
        assert_eq!(told["activity"]["nodes"].as_array().unwrap().len(), 4, "three recorded, one taken back: {told}");
    }

    async fn wrong_costs_are_answered_one_by_one(server: &Server) {
        let far = "x".repeat(201);
        let in_currency = |code: &str, amount: &str| json!({ "kind": "AI", "day": "2026-03-06", "amount": { "amount": amount, "currencyCode": code } });
        let items = vec![
            cost("AI", "2026-03-06", "-1", json!({})),
            cost("AI", "2026-03-06", "1.005", json!({})),
            in_currency("XXL", "1"),
            in_currency("BRL", "1"),
            cost("AI", "2999-01-01", "1", json!({})),
            cost("AI", "2026-03-06", "1", json!({ "source": far })),
            cost("AI", "2026-03-06", "1", json!({ "dedupeKey": "" })),
            cost("AI", "2026-03-06", "1", json!({ "note": "a\u{0}b" })),
            cost("AI", "2026-03-06", "1", json!({})),
        ];
        let made = record(server, items.clone()).await;
        let told: Vec<_> = made.iter().map(|one| {
            let fault = &one["userErrors"][0];
            (fault["field"][0].as_str().unwrap_or("-"), fault["code"].as_str().unwrap_or("-"))
        }).collect();
        assert_eq!(told, [("amount", "OUT_OF_RANGE"), ("amount", "MALFORMED"), ("amount", "MALFORMED"), ("amount", "RATE_UNKNOWN"),
            ("day", "OUT_OF_RANGE"), ("source", "TOO_LONG"), ("dedupeKey", "MALFORMED"), ("note", "MALFORMED"), ("-", "-")]);
        assert!(made[3]["userErrors"][0]["message"].as_str().unwrap().contains("from BRL to EUR is known on 2026-03-06"), "{}", made[3]);
        // With a rate it is taken, and its worth is that of its day.
        rates(server, &[("BRL", "2026-03-06", "6.25")]).await;
        let made = record(server, vec![in_currency("BRL", "100")]).await;
        assert_eq!(made[0]["cost"]["reportingAmount"], json!({ "amount": "16.00", "currencyCode": "EUR" }));
        retold(server).await;
        rates(server, &[("BRL", "2026-03-06", "5")]).await;
        retold(server).await;
        let one = server.data("query ($id: ID!) { cost(id: $id) { reportingAmount { amount } } }", json!({ "id": made[0]["cost"]["id"] })).await;
        assert_eq!(one["cost"]["reportingAmount"]["amount"], "20.00");
        let many: Vec<_> = (0..1_001).map(|_| cost("AI", "2026-03-06", "1", json!({}))).collect();
        let refused = server.data(RECORD, json!({ "input": { "items": many } })).await["it"].take();
        assert_eq!((&refused["results"], &refused["userErrors"]), (&json!([]), &json!([{ "code": "TOO_MANY" }])));
        let reader = server.token(&["revenue:read"]).await;
        let refused = server.graphql_as(Some(&reader), VOID, json!({ "id": made[0]["cost"]["id"] })).await;
        assert_eq!(unknown_field(&refused), "costVoid");
        let stranger = server.token(&["leads:read"]).await;
        let refused = server.graphql_as(Some(&stranger), "{ costs { nodes { id } } }", json!({})).await;
        assert_eq!(unknown_field(&refused), "costs");
    }

    async fn files_that_overlap_count_nothing_twice(server: &Server) {
        let march = "Date,Cost,Currency,Type,Campaign,utm_source,Notes\n2026-03-01,10.50,EUR,AD_SPEND,Spring,meta,\n2026-03-02,11,EUR,ad spend,Spring,meta,second\n2026-03-02,11,EUR,AD_SPEND,Spring,meta,second\n";
        let done = import(server, "costsImport", "march.csv", march, json!({})).await;
        assert_eq!(done.figures(), [2, 0, 1, 0], "the same row twice is one cost: {done:?}");
        let more = format!("{march}2026-03-03,12,EUR,AI,,,\n2026-03-03,12,GBP,AI,,,\n2026-03-03,-1,EUR,AI,,,\n2026-03-03,x,EUR,AI,,,\n2026-03-03,1,EUR,FUN,,,\n,1,EUR,AI,,,\n");
        let done = import(server, "costsImport", "more.csv", more.as_str(), json!({})).await;
        assert_eq!(done.figures(), [1, 0, 3, 5], "{done:?}");
        let told: Vec<_> = rejections(server, &done.job).await.iter().map(|row| (row.0, row.1.clone().unwrap_or("-".to_owned()))).collect();
        assert_eq!(told, [(6, "Cost"), (7, "Cost"), (8, "Cost"), (9, "Type"), (10, "-")].map(|(line, column)| (line, column.to_owned())));
        let costs = listed(server, json!({})).await;
        assert_eq!(costs.len(), 3);
        assert_eq!((&costs[1]["source"], &costs[1]["campaign"], &costs[1]["amount"]["amount"]), (&json!("meta"), &json!("Spring"), &json!("11.00")));
        let writer = server.token(&["engagement:write"]).await;
        let refused = server.graphql_as(Some(&writer), &crate::imports::mutation("costsImport"), json!({ "input": { "uploadId": "x" } })).await;
        assert_eq!(unknown_field(&refused), "costsImport");
    }
}
