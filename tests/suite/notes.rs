//! Notes on leads.

use serde_json::{Value, json};

use crate::support::{Server, code, unknown_field};

const LEAD: &str = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } } }";
const ADD: &str = "mutation ($input: NoteAddInput!) { noteAdd(input: $input) {
    note { id body author pinned } userErrors { field code } } }";
const NOTES: &str =
    "query ($id: ID!, $first: Int, $after: String) { lead(id: $id) { notes(first: $first, after: $after) {
    nodes { body } pageInfo { hasNextPage endCursor } } } }";

async fn lead(server: &Server, email: &str) -> Value {
    server.data(LEAD, json!({ "input": { "email": email } })).await["leadCreate"]["lead"]["id"].clone()
}

async fn add(server: &Server, input: Value) -> Value {
    let made = server.data(ADD, json!({ "input": input })).await;
    assert_eq!(made["noteAdd"]["userErrors"], json!([]), "{made}");
    made["noteAdd"]["note"].clone()
}

on_both! {
    async fn notes_are_written_changed_and_removed(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let mut socket = server.socket(server.admin()).await;
        let query = "subscription { events(types: [NOTE_CHANGED]) { leadId subject payload } }";
        let mut feed = socket.subscribe(query, json!({})).await;
        let first = add(server, json!({ "leadId": id, "body": "Called, wants a demo" })).await;
        assert!(first["author"].as_str().unwrap().starts_with("token_"));
        let second = add(server, json!({ "leadId": id, "body": "Second" })).await;
        add(server, json!({ "leadId": id, "body": "Third" })).await;
        for _ in 0..3 {
            assert_eq!(feed.data().await["events"]["payload"], json!({ "change": "ADDED" }));
        }
        let changed = server.data(
            "mutation ($input: NoteUpdateInput!) { noteUpdate(input: $input) { note { body pinned } userErrors { code } } }",
            json!({ "input": { "id": first["id"], "body": "Called twice", "pinned": true } }),
        ).await;
        assert_eq!(changed["noteUpdate"]["note"], json!({ "body": "Called twice", "pinned": true }));
        let told = feed.data().await["events"].take();
        assert_eq!((&told["subject"], &told["leadId"], &told["payload"]), (&first["id"], &id, &json!({ "change": "UPDATED" })));
        let page = server.data(NOTES, json!({ "id": id, "first": 2 })).await["lead"]["notes"].take();
        assert_eq!(page["nodes"], json!([{ "body": "Called twice" }, { "body": "Third" }]), "the pinned one first");
        let rest = json!({ "id": id, "first": 2, "after": page["pageInfo"]["endCursor"] });
        let rest = server.data(NOTES, rest).await["lead"]["notes"].take();
        assert_eq!((&rest["nodes"], &rest["pageInfo"]["hasNextPage"]), (&json!([{ "body": "Second" }]), &json!(false)));
        let removal = "mutation ($input: NoteDeleteInput!) { noteDelete(input: $input) { deletedId userErrors { code } } }";
        let gone = server.data(removal, json!({ "input": { "id": second["id"] } })).await;
        assert_eq!(gone["noteDelete"], json!({ "deletedId": second["id"], "userErrors": [] }));
        assert_eq!(feed.data().await["events"]["payload"], json!({ "change": "DELETED" }));
        let again = server.data(removal, json!({ "input": { "id": second["id"] } })).await;
        assert_eq!(again["noteDelete"]["userErrors"], json!([{ "code": "NOT_FOUND" }]));
    }

    async fn wrong_notes_are_refused(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let empty = server.data(ADD, json!({ "input": { "leadId": id, "body": "  " } })).await;
        assert_eq!(empty["noteAdd"]["userErrors"], json!([{ "field": ["body"], "code": "INVALID_BODY" }]));
        let removal = "mutation ($input: LeadRemovalInput!) { leadDelete(input: $input) { leadId } }";
        server.data(removal, json!({ "input": { "id": id } })).await;
        let gone = server.data(ADD, json!({ "input": { "leadId": id, "body": "x" } })).await;
        assert_eq!(gone["noteAdd"]["userErrors"], json!([{ "field": ["leadId"], "code": "LEAD_NOT_FOUND" }]));
        let foreign = server.graphql(ADD, json!({ "input": { "leadId": "tag_x", "body": "x" } })).await;
        assert_eq!(code(&foreign), "BAD_USER_INPUT");
        let reader = server.token(&["leads:read"]).await;
        let refused = server.graphql_as(Some(&reader), ADD, json!({ "input": { "leadId": id, "body": "x" } })).await;
        assert_eq!(unknown_field(&refused), "noteAdd");
    }

    async fn a_note_is_written_once_for_a_key(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let input = json!({ "leadId": id, "body": "Once", "idempotencyKey": "k" });
        let first = add(server, input.clone()).await;
        assert_eq!(add(server, input).await, first);
        let other = json!({ "leadId": id, "body": "Twice", "idempotencyKey": "k" });
        assert_eq!(code(&server.graphql(ADD, json!({ "input": other })).await), "CONFLICT");
        let notes = server.data(NOTES, json!({ "id": id })).await;
        assert_eq!(notes["lead"]["notes"]["nodes"], json!([{ "body": "Once" }]));
        // A key is its caller's own.
        let token = server.token(&["leads:write"]).await;
        let other = json!({ "input": { "leadId": id, "body": "Mine", "idempotencyKey": "k" } });
        assert_eq!(server.data_as(&token, ADD, other).await["noteAdd"]["note"]["body"], "Mine");
    }

    async fn erasing_a_lead_takes_its_notes_away(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let note = add(server, json!({ "leadId": id, "body": "Secret" })).await;
        let erase = "mutation ($input: LeadRemovalInput!) { leadErase(input: $input) { leadId userErrors { code } } }";
        let erased = server.data(erase, json!({ "input": { "id": id } })).await;
        assert_eq!(erased["leadErase"], json!({ "leadId": id, "userErrors": [] }));
        let found = server.data("query ($id: ID!) { node(id: $id) { id } }", json!({ "id": note["id"] })).await;
        assert_eq!(found, json!({ "node": null }));
    }

    async fn the_statements_for_notes_do_not_grow_with_the_page(server: &Server) {
        for n in 0..12 {
            let id = lead(server, &format!("a{n}@example.com")).await;
            add(server, json!({ "leadId": id, "body": format!("note {n}") })).await;
        }
        server.settled().await;
        let page = "query ($first: Int!) { leads(first: $first) { nodes { id notes(first: 3) { nodes { body } } } } }";
        let shown = server.data(page, json!({ "first": 12 })).await;
        assert_eq!(shown["leads"]["nodes"][0]["notes"]["nodes"], json!([{ "body": "note 11" }]));
        server.costs_the_same(page, json!({ "first": 2 }), json!({ "first": 12 })).await;
    }
}
