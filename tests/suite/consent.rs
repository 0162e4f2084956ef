//! Consent: who may be written to, and the proof of it.

use entity::consent_record;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::{Server, code, unknown_field};

const LEAD: &str = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } } }";
const RECORD: &str = "mutation ($input: ConsentRecordInput!) { consentRecord(input: $input) {
    record { id channel purpose state at source wording ip userAgent }
    lead { consents { channel purpose state } } userErrors { field code } } }";
const HISTORY: &str =
    "query ($id: ID!) { lead(id: $id) { consents { channel state since record { wording ip } }
    consentHistory { nodes { state at } } } }";

async fn lead(server: &Server, email: &str) -> Value {
    server.data(LEAD, json!({ "input": { "email": email } })).await["leadCreate"]["lead"]["id"].clone()
}

fn word(lead: &Value, state: &str, at: &str) -> Value {
    json!({ "leadId": lead, "channel": "EMAIL", "state": state, "at": at, "source": "newsletter form" })
}

on_both! {
    async fn the_newest_word_is_in_force_whatever_the_order(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let mut socket = server.socket(server.admin()).await;
        let query = "subscription { events(types: [CONSENT_CHANGED]) { leadId payload } }";
        let mut feed = socket.subscribe(query, json!({})).await;
        let input = json!({
            "leadId": id, "channel": "EMAIL", "state": "GRANTED", "at": "2026-03-02T10:00:00Z", "source": "form",
            "wording": "Yes, write to me", "ip": "203.0.113.7", "userAgent": "Firefox"
        });
        let given = server.data(RECORD, json!({ "input": input })).await["consentRecord"].take();
        assert_eq!(given["record"]["ip"], "203.0.113.7");
        assert_eq!(given["lead"]["consents"], json!([{ "channel": "EMAIL", "purpose": "MARKETING", "state": "GRANTED" }]));
        assert_eq!(feed.data().await["events"], json!({
            "leadId": id,
            "payload": { "channel": "EMAIL", "purpose": "MARKETING", "state": "GRANTED", "before": null },
        }));
        // A word said before, heard of later.
        server.data(RECORD, json!({ "input": word(&id, "DENIED", "2026-03-01T10:00:00Z") })).await;
        let read = server.data(HISTORY, json!({ "id": id })).await["lead"].take();
        assert_eq!(read["consents"], json!([{
            "channel": "EMAIL", "state": "GRANTED", "since": "2026-03-02T10:00:00Z",
            "record": { "wording": "Yes, write to me", "ip": "203.0.113.7" },
        }]));
        assert_eq!(read["consentHistory"]["nodes"], json!([
            { "state": "GRANTED", "at": "2026-03-02T10:00:00Z" }, { "state": "DENIED", "at": "2026-03-01T10:00:00Z" },
        ]));
        server.data(RECORD, json!({ "input": word(&id, "WITHDRAWN", "2026-03-03T10:00:00Z") })).await;
        let told = feed.data().await["events"]["payload"].take();
        assert_eq!((&told["state"], &told["before"]), (&json!("WITHDRAWN"), &json!("GRANTED")));
    }

    async fn many_words_are_answered_one_by_one(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let mut wrong = word(&id, "GRANTED", "2026-03-01T10:00:00Z");
        wrong["ip"] = json!("not an address");
        let words = json!([word(&id, "GRANTED", "2026-03-01T10:00:00Z"), wrong, word(&id, "GRANTED", "2026-03-01T10:00:00Z")]);
        let query = "mutation ($input: ConsentsRecordInput!) { consentsRecord(input: $input) {
            results { record { id } userErrors { field code } } userErrors { code } } }";
        let answer = server.data(query, json!({ "input": { "consents": words, "idempotencyKey": "k" } })).await["consentsRecord"].take();
        let results = &answer["results"];
        assert_eq!(results[0]["record"]["id"], results[2]["record"]["id"], "the same word is one");
        assert_eq!(results[1], json!({ "record": null, "userErrors": [{ "field": ["consents", "1", "ip"], "code": "INVALID" }] }));
        let again = server.data(query, json!({ "input": { "consents": words, "idempotencyKey": "k" } })).await;
        assert_eq!(again["consentsRecord"], answer);
        let other = json!({ "input": { "consents": [word(&id, "DENIED", "2026-03-01T10:00:00Z")], "idempotencyKey": "k" } });
        assert_eq!(code(&server.graphql(query, other).await), "CONFLICT");
    }

    async fn a_word_without_a_moment_is_recorded_once_for_a_key(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let input = json!({ "leadId": id, "channel": "SMS", "state": "GRANTED", "idempotencyKey": "k" });
        let first = server.data(RECORD, json!({ "input": input })).await;
        let second = server.data(RECORD, json!({ "input": input })).await;
        assert_eq!(second, first, "although the moment, which was not given, is another");
        let read = server.data(HISTORY, json!({ "id": id })).await;
        assert_eq!(read["lead"]["consentHistory"]["nodes"].as_array().unwrap().len(), 1);
    }

    async fn wrong_words_and_callers_are_refused(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let ahead = server.data(RECORD, json!({ "input": word(&id, "GRANTED", "2999-01-01T00:00:00Z") })).await;
        assert_eq!(ahead["consentRecord"]["userErrors"], json!([{ "field": ["at"], "code": "INVALID" }]));
        let reader = server.token(&["leads:read"]).await;
        let input = json!({ "input": word(&id, "GRANTED", "2026-03-01T10:00:00Z") });
        assert_eq!(unknown_field(&server.graphql_as(Some(&reader), RECORD, input).await), "consentRecord");
    }

    async fn erasing_a_lead_blanks_the_proof_and_keeps_the_word(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let input = json!({
            "leadId": id, "channel": "EMAIL", "state": "GRANTED", "at": "2026-03-02T10:00:00Z", "wording": "Yes",
            "ip": "203.0.113.7", "userAgent": "Firefox"
        });
        server.data(RECORD, json!({ "input": input })).await;
        server.data("mutation ($input: LeadRemovalInput!) { leadErase(input: $input) { leadId } }", json!({ "input": { "id": id } })).await;
        let words = consent_record::Entity::find().all(server.app().db().read()).await.unwrap();
        let words: Vec<_> = words.into_iter().map(|word| (word.wording, word.ip, word.user_agent)).collect();
        assert_eq!(words, [(Some("Yes".to_owned()), None, None)]);
    }

    async fn the_statements_for_consents_do_not_grow_with_the_page(server: &Server) {
        for n in 0..12 {
            let id = lead(server, &format!("a{n}@example.com")).await;
            server.data(RECORD, json!({ "input": word(&id, "GRANTED", "2026-03-01T10:00:00Z") })).await;
        }
        server.settled().await;
        let page = "query ($first: Int!) { leads(first: $first) { nodes { id consents { state record { source } }
            consentHistory(first: 3) { nodes { state } } } } }";
        server.costs_the_same(page, json!({ "first": 2 }), json!({ "first": 12 })).await;
    }
}
