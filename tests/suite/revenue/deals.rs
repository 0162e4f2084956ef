//! Deals: their life and history, what winning them brings about, what is refused.

mod forecast;
mod stages;

use entity::id::DealId;
use entity::{deal, deal_move};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use super::{lead, rates, retold};
use crate::row_filter::{PARTNER, partner};
use crate::support::{Database, Server, Setup, code, unknown_field};

/// When it is at first.
const NOW: &str = "2026-03-10T12:00:00Z";
const DEAL: &str = "id name state reason stage { name } value { amount currencyCode } reportingValue { amount currencyCode } expectedClose
    openedAt closedAt ownerEmail version conversion { id kind value { amount } occurredAt voidedAt metadata }";

/// A server whose clock stands.
async fn open(database: &Database) -> Server {
    Server::start(database, Setup::default().at(NOW)).await
}

/// A change of a deal by its name; the answer.
async fn change_as(server: &Server, token: &str, name: &str, input: Value) -> Value {
    let mut type_name = name.to_owned();
    type_name.replace_range(0..1, "D");
    let query = format!(
        "mutation ($input: {type_name}Input!) {{ it: {name}(input: $input) {{ deal {{ {DEAL} }} userErrors {{ field code message }} }} }}"
    );
    server.data_as(token, &query, json!({ "input": input })).await["it"].take()
}

async fn change(server: &Server, name: &str, input: Value) -> Value {
    change_as(server, server.admin(), name, input).await
}

/// A change that is in order; the deal.
async fn done(server: &Server, name: &str, input: Value) -> Value {
    let mut answer = change(server, name, input).await;
    assert_eq!(answer["userErrors"], json!([]), "{answer}");
    answer["deal"].take()
}

/// A change that is refused: the fields with their codes.
async fn refused(server: &Server, name: &str, input: Value) -> Vec<(String, String)> {
    let answer = change(server, name, input.clone()).await;
    assert_eq!(answer["deal"], json!(null), "{input}");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let errors = answer["userErrors"].as_array().expect("a list").iter();
    errors
        .map(|error| (text(&error["field"][0]), text(&error["code"])))
        .collect()
}

fn fault(field: &str, code: &str) -> Vec<(String, String)> {
    vec![(field.to_owned(), code.to_owned())]
}

/// An amount of money, given.
fn money(amount: &str, currency: &str) -> Value {
    json!({ "amount": amount, "currencyCode": currency })
}

/// The ids of the stages by their names.
async fn stage(server: &Server, name: &str) -> Value {
    let all = server
        .data("{ dealStages { stages { id name } } }", json!({}))
        .await;
    let all = all["dealStages"]["stages"].as_array().expect("a list").clone();
    all.into_iter()
        .find(|stage| stage["name"] == name)
        .expect("the stage")["id"]
        .take()
}

async fn lead_stage(server: &Server, lead: &Value) -> Value {
    server.settled().await;
    let query = "query ($id: ID!) { lead(id: $id) { stage currentStay { enteredAt } } }";
    server.data(query, json!({ "id": lead })).await["lead"].take()
}

fn names(page: &Value) -> Vec<&str> {
    let nodes = page["nodes"].as_array().expect("a list").iter();
    nodes.map(|deal| deal["name"].as_str().expect("a name")).collect()
}

on_both! {
    async fn a_deal_has_a_life_with_a_history(database: &Database) {
        let server = &open(database).await;
        let ann = lead(server, "ann@example.com").await;
        server.set_time("2026-03-12T12:00:00Z");
        let made = done(server, "dealCreate", json!({ "leadId": ann, "name": " Bicycles ", "value": money("1500.5", "eur"), "expectedClose": "2026-04-15",
            "ownerEmail": "Sam@Example.org", "openedAt": "2026-03-11T09:00:00Z" })).await;
        let id = made["id"].clone();
        assert_eq!(made, json!({ "id": id, "name": "Bicycles", "state": "OPEN", "reason": null, "stage": { "name": "Qualification" },
            "value": money("1500.50", "EUR"), "reportingValue": money("1500.50", "EUR"), "expectedClose": "2026-04-15", "openedAt": "2026-03-11T09:00:00Z",
            "closedAt": null, "ownerEmail": "sam@example.org", "version": 1, "conversion": null }));
        // The lead is an opportunity since the deal was opened, though that became known later.
        assert_eq!(lead_stage(server, &ann).await, json!({ "stage": "OPPORTUNITY", "currentStay": { "enteredAt": "2026-03-11T09:00:00Z" } }));

        server.set_time("2026-03-13T12:00:00Z");
        let proposal = stage(server, "Proposal").await;
        let moved = done(server, "dealMove", json!({ "id": id, "stageId": proposal, "expectedVersion": 1 })).await;
        assert_eq!((&moved["stage"]["name"], &moved["version"]), (&json!("Proposal"), &json!(2)));
        assert_eq!(refused(server, "dealMove", json!({ "id": id, "stageId": proposal, "expectedVersion": 1 })).await, fault("expectedVersion", "OUTDATED"));
        let changed = done(server, "dealUpdate", json!({ "id": id, "name": "Two bicycles", "value": money("1200", "EUR"), "expectedClose": null })).await;
        assert_eq!((&changed["name"], &changed["value"]["amount"], &changed["expectedClose"], &changed["ownerEmail"], &changed["version"]),
            (&json!("Two bicycles"), &json!("1200.00"), &json!(null), &json!("sam@example.org"), &json!(3)));
        let same = done(server, "dealUpdate", json!({ "id": id, "name": "Two bicycles", "value": money("1200.00", "eur") })).await;
        assert_eq!(same["version"], 3, "what is so already is no change");
        server.set_time("2026-03-20T12:00:00Z");
        let lost = done(server, "dealLose", json!({ "id": id, "reason": " too dear ", "closedAt": "2026-03-19T10:00:00Z" })).await;
        assert_eq!((&lost["state"], &lost["reason"], &lost["closedAt"], &lost["conversion"]),
            (&json!("LOST"), &json!("too dear"), &json!("2026-03-19T10:00:00Z"), &json!(null)));
        let again = done(server, "dealReopen", json!({ "id": id })).await;
        assert_eq!((&again["state"], &again["reason"], &again["closedAt"], &again["stage"]["name"]), (&json!("OPEN"), &json!(null), &json!(null), &json!("Proposal")));

        let query = "query ($id: ID!) { deal(id: $id) { createdBy history { at fromStage { name } toStage { name } fromState toState reason actor version }
            lead { email deals(first: 1) { nodes { id } pageInfo { hasNextPage } } } } }";
        let found = server.data(query, json!({ "id": id })).await["deal"].take();
        assert_eq!(found["lead"], json!({ "email": "ann@example.com", "deals": { "nodes": [{ "id": id }], "pageInfo": { "hasNextPage": false } } }));
        let actor = &found["createdBy"];
        assert!(actor.as_str().unwrap().starts_with("token_"), "{actor}");
        let step = |at: &str, stages: [Value; 2], states: [Value; 2], reason: Value, version: i32| {
            let [from, to] = stages.map(|name| if name.is_null() { name } else { json!({ "name": name }) });
            json!({ "at": at, "fromStage": from, "toStage": to, "fromState": states[0], "toState": states[1], "reason": reason, "actor": actor, "version": version })
        };
        assert_eq!(found["history"], json!([
            step("2026-03-20T12:00:00Z", [json!("Proposal"), json!("Proposal")], [json!("LOST"), json!("OPEN")], json!(null), 5),
            step("2026-03-19T10:00:00Z", [json!("Proposal"), json!("Proposal")], [json!("OPEN"), json!("LOST")], json!("too dear"), 4),
            step("2026-03-13T12:00:00Z", [json!("Qualification"), json!("Proposal")], [json!("OPEN"), json!("OPEN")], json!(null), 2),
            step("2026-03-11T09:00:00Z", [json!(null), json!("Qualification")], [json!(null), json!("OPEN")], json!(null), 1),
        ]));
        server.settled().await;
        let told = server.data("{ activity(first: 9, filter: { types: [DEAL_CHANGED] }) { nodes { subject leadId payload } } }", json!({})).await;
        let told = told["activity"]["nodes"].as_array().unwrap();
        let changes: Vec<_> = told.iter().map(|event| event["payload"]["change"].as_str().unwrap()).collect();
        assert_eq!(changes, ["REOPENED", "LOST", "UPDATED", "MOVED", "OPENED"]);
        assert!(told.iter().all(|event| event["subject"] == id && event["leadId"] == ann), "{told:?}");
        assert!(!json!(told).to_string().contains("icycles"), "the log holds no texts");
        let node = server.data("query ($id: ID!) { node(id: $id) { __typename ... on Deal { name } } }", json!({ "id": id })).await;
        assert_eq!(node["node"], json!({ "__typename": "Deal", "name": "Two bicycles" }));
    }

    async fn winning_is_a_conversion_until_it_is_taken_back(database: &Database) {
        let server = &open(database).await;
        let ann = lead(server, "ann@example.com").await;
        let touch = "mutation ($id: ID!) { it: engagementRecord(input: { leadId: $id, type: EMAIL_CLICKED, occurredAt: \"2026-03-05T12:00:00Z\" }) { engagement { id } } }";
        server.data(touch, json!({ "id": ann })).await;
        let id = done(server, "dealCreate", json!({ "leadId": ann, "name": "Bicycles", "value": money("100", "EUR"), "openedAt": "2026-03-01T12:00:00Z" })).await["id"].take();
        let won = done(server, "dealWin", json!({ "id": id, "reason": "quick", "closedAt": "2026-03-09T12:00:00Z" })).await;
        let conversion = won["conversion"].clone();
        assert_eq!((&won["state"], &won["reason"], &conversion), (&json!("WON"), &json!("quick"), &json!({ "id": conversion["id"], "kind": "PURCHASE",
            "value": { "amount": "100.00" }, "occurredAt": "2026-03-09T12:00:00Z", "voidedAt": null, "metadata": { "dealId": id } })));
        assert_eq!(lead_stage(server, &ann).await["stage"], "CUSTOMER");
        let credit = "query ($id: ID!) { it: attribution(conversionId: $id, models: [LINEAR]) { value { amount } touchpoints { type } } }";
        let found = server.data(credit, json!({ "id": conversion["id"] })).await["it"].take();
        assert_eq!(found, json!({ "value": { "amount": "100.00" }, "touchpoints": [{ "type": "EMAIL_CLICKED" }] }));
        let sums = "{ it: attributionSummary(range: { from: \"2026-03-01\", to: \"2026-03-31\" }, model: LINEAR, by: CHANNEL) { current { totals { kind conversions value { amount } } } } }";
        let earned = async || {
            server.settled().await;
            server.data(sums, json!({})).await["it"]["current"]["totals"].take()
        };
        assert_eq!(earned().await, json!([{ "kind": "PURCHASE", "conversions": 1, "value": { "amount": "100.00" } }]));
        for (name, input, field, code) in [
            ("dealWin", json!({ "id": id }), "id", "ALREADY_WON"),
            ("dealMove", json!({ "id": id, "stageId": stage(server, "Contract").await }), "id", "CLOSED"),
            ("dealUpdate", json!({ "id": id, "value": money("200", "EUR") }), "value", "CLOSED"),
            ("dealUpdate", json!({ "id": id, "expectedClose": "2026-05-01" }), "expectedClose", "CLOSED"),
        ] {
            assert_eq!(refused(server, name, input).await, fault(field, code), "{name}");
        }
        assert_eq!(done(server, "dealUpdate", json!({ "id": id, "name": "Tandems" })).await["name"], "Tandems");

        // Opened again: called off as a whole, and won again it is another one.
        let again = done(server, "dealReopen", json!({ "id": id })).await;
        assert_eq!((&again["state"], &again["conversion"]), (&json!("OPEN"), &json!(null)));
        let query = "query ($id: ID!) { it: conversion(id: $id) { refunded { amount } voidedAt } }";
        let gone = server.data(query, json!({ "id": conversion["id"] })).await["it"].take();
        assert_eq!(gone, json!({ "refunded": { "amount": "100.00" }, "voidedAt": NOW }));
        assert_eq!(server.data(credit, json!({ "id": conversion["id"] })).await["it"], json!(null));
        assert_eq!(earned().await, json!([]));
        done(server, "dealUpdate", json!({ "id": id, "value": money("80", "EUR") })).await;
        let second = done(server, "dealWin", json!({ "id": id })).await["conversion"].take();
        assert_ne!(second["id"], conversion["id"]);
        assert_eq!((&second["value"]["amount"], &second["occurredAt"]), (&json!("80.00"), &json!(NOW)));
        assert_eq!(earned().await, json!([{ "kind": "PURCHASE", "conversions": 1, "value": { "amount": "80.00" } }]));
        // Lost after all, and then won once more.
        let lost = done(server, "dealLose", json!({ "id": id, "reason": "never paid" })).await;
        assert_eq!((&lost["state"], &lost["conversion"]), (&json!("LOST"), &json!(null)));
        assert!(server.data(query, json!({ "id": second["id"] })).await["it"]["voidedAt"].is_string());
        let third = done(server, "dealWin", json!({ "id": id })).await["conversion"].take();
        let all = server.data("{ conversions { nodes { id voidedAt } } }", json!({})).await;
        let all = all["conversions"]["nodes"].as_array().unwrap().clone();
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|one| one["voidedAt"].is_null() == (one["id"] == third["id"])), "{all:?}");
    }

    async fn a_deal_without_a_value_makes_a_customer(database: &Database) {
        let server = &open(database).await;
        let bob = lead(server, "bob@example.com").await;
        let id = done(server, "dealCreate", json!({ "leadId": bob, "name": "Bicycles" })).await["id"].take();
        let won = done(server, "dealWin", json!({ "id": id })).await;
        assert_eq!((&won["conversion"]["kind"], &won["conversion"]["value"]), (&json!("CUSTOMER"), &json!(null)));
        assert_eq!(lead_stage(server, &bob).await["stage"], "CUSTOMER");
        done(server, "dealReopen", json!({ "id": id })).await;
        let query = "query ($id: ID!) { it: conversion(id: $id) { voidedAt } }";
        assert_eq!(server.data(query, json!({ "id": won["conversion"]["id"] })).await["it"]["voidedAt"], NOW);
    }

    async fn what_is_wrong_is_said(database: &Database) {
        let server = &open(database).await;
        let ann = lead(server, "ann@example.com").await;
        let with = |more: Value| {
            let mut input = json!({ "leadId": ann, "name": "x" });
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            input
        };
        let nobody = entity::id::LeadId::at(entity::Timestamp(1)).to_string();
        let nowhere = entity::id::DealStageId::at(entity::Timestamp(1)).to_string();
        for (more, field, code) in [
            (json!({ "leadId": nobody }), "leadId", "LEAD_NOT_FOUND"),
            (json!({ "name": " " }), "name", "MISSING"),
            (json!({ "name": "x".repeat(201) }), "name", "TOO_LONG"),
            (json!({ "name": "a\u{0}b" }), "name", "MALFORMED"),
            (json!({ "stageId": nowhere }), "stageId", "STAGE_NOT_FOUND"),
            (json!({ "value": money("-1", "EUR") }), "value", "OUT_OF_RANGE"),
            (json!({ "value": money("1.005", "EUR") }), "value", "MALFORMED"),
            (json!({ "value": money("1.5", "jpy") }), "value", "MALFORMED"),
            (json!({ "value": money("1", "XXL") }), "value", "MALFORMED"),
            (json!({ "value": money("1", "") }), "value", "MALFORMED"),
            (json!({ "value": money("90000000000000000", "EUR") }), "value", "OUT_OF_RANGE"),
            (json!({ "expectedClose": "1970-01-01" }), "expectedClose", "OUT_OF_RANGE"),
            (json!({ "expectedClose": "2999-01-01" }), "expectedClose", "OUT_OF_RANGE"),
            (json!({ "ownerEmail": "nobody" }), "ownerEmail", "MALFORMED"),
            (json!({ "openedAt": "2026-03-10T12:00:01Z" }), "openedAt", "OUT_OF_RANGE"),
        ] {
            assert_eq!(refused(server, "dealCreate", with(more.clone())).await, fault(field, code), "{more}");
        }
        // All at once where that can be told.
        let many = with(json!({ "name": "", "ownerEmail": "x", "value": money("-1", "EUR") }));
        let fields: Vec<_> = refused(server, "dealCreate", many).await.into_iter().map(|one| one.0).collect();
        assert_eq!(fields, ["name", "value", "ownerEmail"]);

        let id = done(server, "dealCreate", with(json!({ "openedAt": "2026-03-05T12:00:00Z" }))).await["id"].take();
        let absent = entity::id::DealId::at(entity::Timestamp(1)).to_string();
        for (name, input, field, code) in [
            ("dealReopen", json!({ "id": id }), "id", "ALREADY_OPEN"),
            ("dealReopen", json!({ "id": absent }), "id", "NOT_FOUND"),
            ("dealMove", json!({ "id": id, "stageId": nowhere }), "stageId", "STAGE_NOT_FOUND"),
            ("dealMove", json!({ "id": id, "stageId": stage(server, "Qualification").await }), "stageId", "ALREADY_IN_STAGE"),
            ("dealLose", json!({ "id": id, "reason": " " }), "reason", "MISSING"),
            ("dealLose", json!({ "id": id, "reason": "x".repeat(1_001) }), "reason", "TOO_LONG"),
            ("dealLose", json!({ "id": id, "reason": "x", "closedAt": "2026-03-05T11:59:59Z" }), "closedAt", "OUT_OF_RANGE"),
            ("dealWin", json!({ "id": id, "closedAt": "2026-03-10T12:00:01Z" }), "closedAt", "OUT_OF_RANGE"),
            ("dealWin", json!({ "id": id, "expectedVersion": 7 }), "expectedVersion", "OUTDATED"),
            ("dealUpdate", json!({ "id": id, "name": "" }), "name", "MISSING"),
            ("dealUpdate", json!({ "id": id, "value": money("-0.01", "EUR") }), "value", "OUT_OF_RANGE"),
            ("dealUpdate", json!({ "id": id, "expectedClose": "2026-01-01" }), "expectedClose", "OUT_OF_RANGE"),
        ] {
            assert_eq!(refused(server, name, input.clone()).await, fault(field, code), "{name} {input}");
        }
        done(server, "dealLose", json!({ "id": id, "reason": "x" })).await;
        assert_eq!(refused(server, "dealLose", json!({ "id": id, "reason": "x" })).await, fault("id", "ALREADY_LOST"));
        let untouched = server.data("query ($id: ID!) { deal(id: $id) { version history { version } } }", json!({ "id": id })).await;
        assert_eq!(untouched["deal"], json!({ "version": 2, "history": [{ "version": 2 }, { "version": 1 }] }));
        let reader = server.token(&["engagement:read"]).await;
        for (token, query, field) in [
            (&reader, "mutation { dealCreate(input: { leadId: \"x\", name: \"x\" }) { deal { id } } }", "dealCreate"),
            (&reader, "mutation { dealStagesUpdate(input: { stages: [] }) { userErrors { code } } }", "dealStagesUpdate"),
            (&reader, "{ revenueForecast { total { deals } } }", "revenueForecast"),
            (&server.token(&["leads:read"]).await, "{ deals { nodes { id } } }", "deals"),
            (&server.token(&["leads:read"]).await, "{ leads { nodes { deals { nodes { id } } } } }", "deals"),
        ] {
            assert_eq!(unknown_field(&server.graphql_as(Some(token), query, json!({})).await), field);
        }
        let found = server.data_as(&reader, "query ($id: ID!) { deal(id: $id) { state } }", json!({ "id": id })).await;
        assert_eq!(found["deal"]["state"], "LOST");
    }

    async fn a_call_with_a_key_is_done_once(database: &Database) {
        let server = &open(database).await;
        let ann = lead(server, "ann@example.com").await;
        let input = json!({ "leadId": ann, "name": "Bicycles", "value": money("10", "EUR"), "idempotencyKey": "new" });
        let made = change(server, "dealCreate", input.clone()).await;
        assert_eq!(change(server, "dealCreate", input).await, made);
        let id = &made["deal"]["id"];
        let other = json!({ "input": { "leadId": ann, "name": "Tandems", "idempotencyKey": "new" } });
        let query = "mutation ($input: DealCreateInput!) { dealCreate(input: $input) { deal { id } } }";
        assert_eq!(code(&server.graphql(query, other).await), "CONFLICT");
        for (name, input) in [
            ("dealMove", json!({ "id": id, "stageId": stage(server, "Contract").await })),
            ("dealWin", json!({ "id": id })),
            ("dealLose", json!({ "id": id, "reason": "x" })),
            ("dealReopen", json!({ "id": id })),
        ] {
            let mut input = input;
            input["idempotencyKey"] = json!(name);
            let first = change(server, name, input.clone()).await;
            assert_eq!(first["userErrors"], json!([]), "{name}: {first}");
            assert_eq!(change(server, name, input).await, first, "{name}");
        }
        let found = server.data("query ($id: ID!) { deal(id: $id) { version history { version } } deals { nodes { id } } conversions { nodes { id } } }", json!({ "id": id })).await;
        assert_eq!(found["deal"]["version"], 5);
        let count = |list: &Value| list.as_array().unwrap().len();
        assert_eq!((count(&found["deal"]["history"]), count(&found["deals"]["nodes"]), count(&found["conversions"]["nodes"])), (5, 1, 1));
        // What is refused leaves the key free.
        let key = |reason: &str| json!({ "id": id, "reason": reason, "idempotencyKey": "lost" });
        assert_eq!(refused(server, "dealLose", key(" ")).await, fault("reason", "MISSING"));
        done(server, "dealLose", key("price")).await;
    }

    async fn deals_are_found_and_ordered(database: &Database) {
        let server = &open(database).await;
        let (ann, bob) = (lead(server, "ann@example.com").await, lead(server, "bob@example.com").await);
        let contract = stage(server, "Contract").await;
        for (lead, name, value, close, day) in [
            (&ann, "Äpfel 100%", Some("5"), Some("2026-04-01"), 1),
            (&ann, "Birnen", Some("7"), None, 2),
            (&bob, "äpfel und Birnen", None, Some("2026-03-20"), 3),
            (&bob, "Kirschen_rot", Some("6"), Some("2026-05-01"), 4),
        ] {
            let mut input = json!({ "leadId": lead, "name": name, "expectedClose": close, "openedAt": format!("2026-03-0{day}T12:00:00Z") });
            if let Some(value) = value {
                input["value"] = money(value, "EUR");
            }
            if day == 4 {
                input["stageId"] = contract.clone();
            }
            done(server, "dealCreate", input).await;
        }
        let query = "query ($filter: DealFilterInput, $order: DealOrderInput, $first: Int, $after: String) { it: deals(first: $first, after: $after, filter: $filter, orderBy: $order) {
            nodes { id name lead { email } } pageInfo { hasNextPage endCursor } } }";
        let listed = async |filter: Value, order: Value| server.data(query, json!({ "filter": filter, "order": order, "first": 100 })).await["it"].take();
        assert_eq!(names(&listed(json!({}), json!(null)).await), ["Kirschen_rot", "äpfel und Birnen", "Birnen", "Äpfel 100%"]);
        for (filter, expected) in [
            (json!({ "leadId": ann }), vec!["Birnen", "Äpfel 100%"]),
            (json!({ "search": "ÄPFEL" }), vec!["äpfel und Birnen", "Äpfel 100%"]),
            (json!({ "search": "0%" }), vec!["Äpfel 100%"]),
            (json!({ "search": "n_r" }), vec!["Kirschen_rot"]),
            (json!({ "search": "_" , "leadId": ann }), vec![]),
            (json!({ "stageIds": [contract] }), vec!["Kirschen_rot"]),
            (json!({ "expectedCloseFrom": "2026-04-01" }), vec!["Kirschen_rot", "Äpfel 100%"]),
            (json!({ "expectedCloseFrom": "2026-03-20", "expectedCloseTo": "2026-04-01" }), vec!["äpfel und Birnen", "Äpfel 100%"]),
            (json!({ "states": ["WON", "LOST"] }), vec![]),
        ] {
            assert_eq!(names(&listed(filter.clone(), json!(null)).await), expected, "{filter}");
        }
        let by = |field: &str, direction: &str| json!({ "field": field, "direction": direction });
        for (field, expected) in [
            ("VALUE", ["äpfel und Birnen", "Äpfel 100%", "Kirschen_rot", "Birnen"]),
            ("EXPECTED_CLOSE", ["äpfel und Birnen", "Äpfel 100%", "Kirschen_rot", "Birnen"]),
            ("OPENED_AT", ["Äpfel 100%", "Birnen", "äpfel und Birnen", "Kirschen_rot"]),
        ] {
            assert_eq!(names(&listed(json!({}), by(field, "ASC")).await), expected, "{field}");
            let mut backwards = expected;
            backwards.reverse();
            assert_eq!(names(&listed(json!({}), by(field, "DESC")).await), backwards, "{field}");
            let (mut seen, mut after) = (Vec::new(), Value::Null);
            loop {
                let page = server.data(query, json!({ "order": by(field, "ASC"), "first": 3, "after": after })).await["it"].take();
                seen.extend(names(&page).into_iter().map(str::to_owned));
                if page["pageInfo"]["hasNextPage"] == json!(false) {
                    break;
                }
                after = page["pageInfo"]["endCursor"].clone();
            }
            assert_eq!(seen, expected, "{field}");
        }
        let of_leads = server.data("{ leads(order: { field: NAME, direction: ASC }) { nodes { deals(first: 1) { nodes { name } pageInfo { hasNextPage endCursor } } } } }", json!({})).await;
        let first = &of_leads["leads"]["nodes"][0]["deals"];
        assert_eq!((names(first), &first["pageInfo"]["hasNextPage"]), (vec!["Birnen"], &json!(true)));
        let more = server.data("query ($id: ID!, $after: String) { lead(id: $id) { deals(after: $after) { nodes { name } } } }",
            json!({ "id": ann, "after": first["pageInfo"]["endCursor"] })).await;
        assert_eq!(names(&more["lead"]["deals"]), ["Äpfel 100%"]);

        // Deleted with their lead, and back with it; erased they have no texts.
        let remove = async |name: &str| {
            let query = format!("mutation ($id: ID!) {{ it: {name}(input: {{ id: $id }}) {{ userErrors {{ code }} }} }}");
            assert_eq!(server.data(&query, json!({ "id": bob })).await["it"]["userErrors"], json!([]), "{name}");
            server.settled().await;
        };
        let all = listed(json!({}), json!(null)).await;
        let theirs = all["nodes"][0]["id"].clone();
        done(server, "dealLose", json!({ "id": theirs, "reason": "sour" })).await;
        remove("leadDelete").await;
        assert_eq!(names(&listed(json!({}), json!(null)).await), ["Birnen", "Äpfel 100%"]);
        assert_eq!(refused(server, "dealReopen", json!({ "id": theirs })).await, fault("id", "NOT_FOUND"));
        remove("leadRestore").await;
        assert_eq!(names(&listed(json!({}), json!(null)).await).len(), 4);
        remove("leadErase").await;
        assert_eq!(names(&listed(json!({}), json!(null)).await), ["Birnen", "Äpfel 100%"]);
        let db = server.app().db().read();
        let left = deal::Entity::find_by_id(theirs.as_str().unwrap().parse::<DealId>().unwrap()).one(db).await.unwrap().unwrap();
        assert_eq!((&left.name[..], &left.folded_name[..], left.reason, left.value_minor), ("", "", None, Some(600)), "what it counts stays");
        let moves = deal_move::Entity::find().filter(deal_move::Column::DealId.eq(left.id)).all(db).await.unwrap();
        assert!(moves.len() == 2 && moves.iter().all(|one| one.reason.is_none()), "{moves:?}");
    }

    async fn what_they_are_worth_follows_the_rates(database: &Database) {
        let server = &open(database).await;
        let ann = lead(server, "ann@example.com").await;
        let dollars = |name: &str| json!({ "leadId": ann, "name": name, "value": money("100", "USD"), "openedAt": "2026-02-01T12:00:00Z" });
        let pending = done(server, "dealCreate", dollars("open")).await;
        assert_eq!(pending["reportingValue"], json!(null), "no rate is known");
        rates(server, &[("USD", "2026-02-02", "1.6"), ("USD", "2026-02-20", "1.25")]).await;
        retold(server).await;
        let worth = async |id: &Value| server.data("query ($id: ID!) { deal(id: $id) { reportingValue { amount } version } }", json!({ "id": id })).await["deal"].take();
        // The newest there is, however old: an open deal is worth what it would bring now.
        assert_eq!(worth(&pending["id"]).await, json!({ "reportingValue": { "amount": "80.00" }, "version": 1 }));
        let made = done(server, "dealCreate", dollars("sold")).await;
        assert_eq!(made["reportingValue"], money("80.00", "EUR"));
        let sold = done(server, "dealWin", json!({ "id": made["id"], "closedAt": "2026-02-03T12:00:00Z" })).await;
        assert_eq!(sold["reportingValue"], money("62.50", "EUR"), "closed by the rate of its day");
        rates(server, &[("USD", "2026-02-02", "2"), ("USD", "2026-03-09", "1")]).await;
        retold(server).await;
        assert_eq!(worth(&pending["id"]).await["reportingValue"]["amount"], "100.00");
        assert_eq!(worth(&made["id"]).await["reportingValue"]["amount"], "50.00");
        let again = done(server, "dealReopen", json!({ "id": made["id"] })).await;
        assert_eq!(again["reportingValue"], money("100.00", "EUR"));
        // In another currency of the reports.
        let query = "mutation { currencySettingsUpdate(input: { reportingCurrency: \"USD\" }) { userErrors { code } } }";
        server.data(query, json!({})).await;
        retold(server).await;
        let found = server.data("query ($id: ID!) { deal(id: $id) { reportingValue { amount currencyCode } } }", json!({ "id": pending["id"] })).await;
        assert_eq!(found["deal"]["reportingValue"], money("100.00", "USD"));
    }

    async fn a_deal_outside_is_as_one_that_is_not_there(server: &Server) {
        let cyd = lead(server, "cyd@example.com").await;
        let id = done(server, "dealCreate", json!({ "leadId": cyd, "name": "Bicycles" })).await["id"].take();
        let token = partner(server, &["engagement:write"], PARTNER).await;
        let nobody = json!(entity::id::DealId::at(entity::Timestamp(1)).to_string());
        let contract = stage(server, "Contract").await;
        for (name, more) in [
            ("dealUpdate", json!({ "name": "x" })),
            ("dealMove", json!({ "stageId": contract })),
            ("dealWin", json!({})),
            ("dealLose", json!({ "reason": "x" })),
            ("dealReopen", json!({})),
        ] {
            let mut said = Vec::new();
            for id in [&id, &nobody] {
                let mut input = more.clone();
                input["id"] = id.clone();
                let answer = change_as(server, &token, name, input).await;
                said.push(answer.to_string().replace(id.as_str().unwrap(), "…"));
            }
            assert_eq!(said[0], said[1], "{name}");
            assert!(said[0].contains("NOT_FOUND"), "{said:?}");
        }
        let found = server.data("query ($id: ID!) { deal(id: $id) { version name } }", json!({ "id": id })).await;
        assert_eq!(found["deal"], json!({ "version": 1, "name": "Bicycles" }));
    }
}
