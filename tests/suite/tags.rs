//! Tags: made, changed, hung on leads, removed.

use serde_json::{Value, json};

use crate::support::{Server, code, unknown_field};

const MAKE: &str = "mutation ($input: TagCreateInput!) { tagCreate(input: $input) {
    tag { id name colour category } userErrors { field code message } } }";
const LEAD: &str = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } } }";
const TAG: &str = "mutation ($input: LeadsTagInput!) { leadsTag(input: $input) {
    results { leadId addedIds removedIds userErrors { field code } } userErrors { field code message } } }";

async fn lead(server: &Server, email: &str) -> Value {
    server.data(LEAD, json!({ "input": { "email": email } })).await["leadCreate"]["lead"]["id"].clone()
}

async fn tag(server: &Server, input: Value) -> Value {
    let made = server.data(MAKE, json!({ "input": input })).await;
    assert_eq!(made["tagCreate"]["userErrors"], json!([]), "{made}");
    made["tagCreate"]["tag"]["id"].clone()
}

on_both! {
    async fn a_tag_is_made_changed_and_hung_on_a_lead(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        server.settled().await;
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe("subscription { leadChanged { event leadId lead { tags { name } } } }", json!({})).await;
        let vip = tag(server, json!({ "name": " VIP ", "colour": "#1E90FF", "category": "Rank" })).await;
        let added = server.data(
            "mutation ($input: LeadTagsAddInput!) { leadTagsAdd(input: $input) {
                lead { tags { name colour category leadsCount } } addedIds removedIds userErrors { code } } }",
            json!({ "input": { "leadId": id, "tagIds": [vip], "names": ["new one"], "createMissing": true } }),
        ).await;
        assert_eq!(added["leadTagsAdd"]["lead"]["tags"], json!([
            { "name": "new one", "colour": null, "category": null, "leadsCount": 1 },
            { "name": "VIP", "colour": "#1e90ff", "category": "Rank", "leadsCount": 1 },
        ]));
        assert_eq!(added["leadTagsAdd"]["addedIds"].as_array().unwrap().len(), 2);
        assert_eq!(feed.data().await["leadChanged"], json!({
            "event": "LEAD_TAGGED", "leadId": id, "lead": { "tags": [{ "name": "new one" }, { "name": "VIP" }] },
        }));
        let renamed = server.data(
            "mutation ($input: TagUpdateInput!) { tagUpdate(input: $input) { tag { name category } userErrors { code } } }",
            json!({ "input": { "id": vip, "name": "Very important", "category": null } }),
        ).await;
        assert_eq!(renamed["tagUpdate"], json!({ "tag": { "name": "Very important", "category": null }, "userErrors": [] }));
        let listed = server.data("{ tags(filter: { text: \"IMPORT\" }) { nodes { name } } }", json!({})).await;
        assert_eq!(listed["tags"]["nodes"], json!([{ "name": "Very important" }]));
        let filter = json!({ "tags": { "any": ["very important"] } });
        let found = server.data("query ($filter: LeadFilter) { leads(filter: $filter) { nodes { id } } }", json!({ "filter": filter })).await;
        assert_eq!(found["leads"]["nodes"], json!([{ "id": id }]));
    }

    async fn removing_a_tag_tells_of_each_lead_that_lost_it(server: &Server) {
        let (ann, bob) = (lead(server, "ann@example.com").await, lead(server, "bob@example.com").await);
        let old = tag(server, json!({ "name": "old" })).await;
        let input = json!({ "leadIds": [ann, bob], "add": [old] });
        let tagged = server.data(TAG, json!({ "input": input })).await;
        assert_eq!(tagged["leadsTag"]["results"][1]["addedIds"], json!([old]));
        server.settled().await;
        let mut socket = server.socket(server.admin()).await;
        let query = "subscription { events(types: [LEAD_TAGGED, TAG_CHANGED]) { type leadId subject payload } }";
        let mut feed = socket.subscribe(query, json!({})).await;
        let removed = server.data(
            "mutation ($input: TagDeleteInput!) { tagDelete(input: $input) { deletedId userErrors { code } } }",
            json!({ "input": { "id": old } }),
        ).await;
        assert_eq!(removed["tagDelete"], json!({ "deletedId": old, "userErrors": [] }));
        let mut lost = Vec::new();
        for _ in 0..2 {
            let told = feed.data().await["events"].take();
            assert_eq!((&told["type"], &told["payload"]), (&json!("LEAD_TAGGED"), &json!({ "added": [], "removed": [old] })));
            lost.push(told["leadId"].as_str().unwrap().to_owned());
        }
        lost.sort();
        let mut both = [ann.as_str().unwrap(), bob.as_str().unwrap()];
        both.sort_unstable();
        assert_eq!(lost, both);
        let told = feed.data().await["events"].take();
        assert_eq!((&told["type"], &told["subject"]), (&json!("TAG_CHANGED"), &old));
        let left = server.data("{ leads { nodes { tags { name } } } tags { nodes { id } } }", json!({})).await;
        assert_eq!(left, json!({ "leads": { "nodes": [{ "tags": [] }, { "tags": [] }] }, "tags": { "nodes": [] } }));
    }

    async fn wrong_tags_say_what_is_wrong(server: &Server) {
        let id = lead(server, "ann@example.com").await;
        let wrong = server.data(MAKE, json!({ "input": { "name": "a;b", "colour": "red" } })).await;
        let errors: Vec<_> = wrong["tagCreate"]["userErrors"].as_array().unwrap().iter()
            .map(|error| (error["field"][0].as_str().unwrap(), error["code"].as_str().unwrap())).collect();
        assert_eq!(errors, [("name", "INVALID_NAME"), ("colour", "INVALID")]);
        tag(server, json!({ "name": "VIP" })).await;
        let twice = server.data(MAKE, json!({ "input": { "name": " vip" } })).await;
        assert_eq!(twice["tagCreate"]["userErrors"][0]["code"], "NAME_TAKEN");
        let input = json!({ "leadIds": [id], "addNames": ["nobody made this"] });
        let missing = server.data(TAG, json!({ "input": input })).await;
        assert_eq!(missing["leadsTag"]["results"], json!([]));
        assert_eq!(missing["leadsTag"]["userErrors"][0]["field"], json!(["addNames", "0"]));
        let reader = server.token(&["leads:read"]).await;
        let refused = server.graphql_as(Some(&reader), MAKE, json!({ "input": { "name": "x" } })).await;
        assert_eq!(unknown_field(&refused), "tagCreate");
    }

    async fn a_tag_is_made_once_for_a_key(server: &Server) {
        let input = json!({ "name": "VIP", "idempotencyKey": "one" });
        let first = server.data(MAKE, json!({ "input": input })).await;
        assert_eq!(server.data(MAKE, json!({ "input": input })).await, first, "not taken: the same call");
        let other = json!({ "name": "other", "idempotencyKey": "one" });
        let refused = server.graphql(MAKE, json!({ "input": other })).await;
        assert_eq!(code(&refused), "CONFLICT");
        // What was refused has not used its key.
        let wrong = json!({ "name": "a;b", "idempotencyKey": "two" });
        let answer = server.data(MAKE, json!({ "input": wrong })).await;
        assert_eq!(answer["tagCreate"]["userErrors"][0]["code"], "INVALID_NAME");
        let right = json!({ "name": "b", "idempotencyKey": "two" });
        assert_eq!(server.data(MAKE, json!({ "input": right })).await["tagCreate"]["tag"]["name"], "b");
    }

    async fn the_statements_for_tags_do_not_grow_with_the_page(server: &Server) {
        let vip = tag(server, json!({ "name": "VIP" })).await;
        let mut ids = Vec::new();
        for n in 0..12 {
            ids.push(lead(server, &format!("a{n}@example.com")).await);
        }
        server.data(TAG, json!({ "input": { "leadIds": ids, "add": [vip] } })).await;
        server.settled().await;
        let page = "query ($first: Int!) { leads(first: $first) { nodes { id tags { name leadsCount } } } }";
        server.costs_the_same(page, json!({ "first": 2 }), json!({ "first": 12 })).await;
    }
}
