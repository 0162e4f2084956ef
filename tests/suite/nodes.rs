//! Anything by its id, and what becomes of an answer of which a part fails.

use entity::Timestamp;
use entity::id::{LeadId, TokenId};
use serde_json::{Value, json};

use crate::support::{Server, code};

const LEAD: &str = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } } }";
const NODE: &str = "query ($id: ID!) { node(id: $id) { __typename id } }";
const NODES: &str =
    "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Lead { email } ... on Note { body } } }";

/// What is found, and the scope that it asks for.
pub const SCOPES: &[(&str, &str)] = &[
    ("Lead", "leads:read"),
    ("Note", "leads:read"),
    ("Tag", "leads:read"),
    ("CustomField", "leads:read"),
    ("ConsentRecord", "leads:read"),
    ("Upload", "leads:read"),
    ("Engagement", "engagement:read"),
    ("Conversion", "engagement:read"),
    ("Deal", "engagement:read"),
    ("StageStay", "lifecycle:read"),
    ("ScoreModel", "scoring:read"),
    ("Job", "jobs:read"),
];

async fn lead(server: &Server, email: &str) -> Value {
    server.data(LEAD, json!({ "input": { "email": email } })).await["leadCreate"]["lead"]["id"].clone()
}

/// One of each kind of thing, with the scope that it asks for.
async fn one_of_each(server: &Server) -> Vec<(&'static str, Value, &'static str)> {
    let id = lead(server, "ann@example.com").await;
    let made = async |query: &str, input: Value, path: &str| {
        let answer = server.data(query, json!({ "input": input })).await;
        answer
            .pointer(path)
            .unwrap_or_else(|| panic!("no {path} in {answer}"))
            .clone()
    };
    let note = made(
        "mutation ($input: NoteAddInput!) { it: noteAdd(input: $input) { note { id } } }",
        json!({ "leadId": id, "body": "x" }),
        "/it/note/id",
    )
    .await;
    let tag = made(
        "mutation ($input: TagCreateInput!) { it: tagCreate(input: $input) { tag { id } } }",
        json!({ "name": "x" }),
        "/it/tag/id",
    )
    .await;
    let field = made("mutation ($input: CustomFieldCreateInput!) { it: customFieldCreate(input: $input) { customField { id } } }",
        json!({ "key": "x", "type": "TEXT" }), "/it/customField/id").await;
    let consent = made(
        "mutation ($input: ConsentRecordInput!) { it: consentRecord(input: $input) { record { id } } }",
        json!({ "leadId": id, "channel": "EMAIL", "state": "GRANTED" }),
        "/it/record/id",
    )
    .await;
    let engagement = made("mutation ($input: EngagementRecordInput!) { it: engagementRecord(input: $input) { engagement { id } } }",
        json!({ "leadId": id, "type": "EMAIL_SENT" }), "/it/engagement/id").await;
    let conversion = made("mutation ($input: ConversionRecordInput!) { it: conversionRecord(input: $input) { conversion { id } } }",
        json!({ "leadId": id, "kind": "QUALIFIED" }), "/it/conversion/id").await;
    let deal = made(
        "mutation ($input: DealCreateInput!) { it: dealCreate(input: $input) { deal { id } } }",
        json!({ "leadId": id, "name": "x" }),
        "/it/deal/id",
    )
    .await;
    let stay = made(
        "mutation ($input: LeadStageChangeInput!) { it: leadStageChange(input: $input) { stay { id } } }",
        json!({ "leadId": id, "stage": "LOST", "reason": "x" }),
        "/it/stay/id",
    )
    .await;
    let model = made("mutation ($input: ScoreModelDraftCreateInput!) { it: scoreModelDraftCreate(input: $input) { model { id } } }",
        json!({}), "/it/model/id").await;
    let job = server
        .data("mutation { scoresRecalculate { job { id } } }", json!({}))
        .await["scoresRecalculate"]["job"]["id"]
        .clone();
    let all = [
        ("Lead", id),
        ("Note", note),
        ("Tag", tag),
        ("CustomField", field),
        ("ConsentRecord", consent),
        ("Engagement", engagement),
        ("Conversion", conversion),
        ("Deal", deal),
        ("StageStay", stay),
        ("ScoreModel", model),
        ("Job", job),
    ];
    let scope = |name: &str| {
        SCOPES
            .iter()
            .find(|(known, _)| *known == name)
            .expect("a scope")
            .1
    };
    all.map(|(name, id)| (name, id, scope(name))).into()
}

on_both! {
    async fn anything_is_found_by_its_id_with_its_scope(server: &Server) {
        let all = one_of_each(server).await;
        for (name, id, scope) in &all {
            let found = server.data(NODE, json!({ "id": id })).await;
            assert_eq!(found, json!({ "node": { "__typename": name, "id": id } }));
            let token = server.token(&[*scope]).await;
            assert_eq!(server.data_as(&token, NODE, json!({ "id": id })).await["node"]["id"], *id, "{name}");
            let other = server.token(&[if *scope == "leads:read" { "jobs:read" } else { "leads:read" }]).await;
            let refused = server.graphql_as(Some(&other), NODE, json!({ "id": id })).await;
            assert_eq!((code(&refused), &refused["data"]), ("FORBIDDEN", &json!({ "node": null })), "{name}");
        }
        let ids: Vec<&Value> = all.iter().rev().map(|(_, id, _)| id).collect();
        let found = server.data(NODES, json!({ "ids": ids })).await;
        let told: Vec<&Value> = found["nodes"].as_array().unwrap().iter().map(|node| &node["id"]).collect();
        assert_eq!(told, ids, "in the order of the ids");
    }

    async fn what_is_not_there_is_null_and_what_is_no_id_an_error(server: &Server) {
        let nobody = LeadId::at(Timestamp(1)).to_string();
        assert_eq!(server.data(NODE, json!({ "id": nobody })).await, json!({ "node": null }));
        let ann = lead(server, "ann@example.com").await;
        let found = server.data(NODES, json!({ "ids": [nobody, ann, nobody] })).await;
        assert_eq!(found["nodes"], json!([null, { "__typename": "Lead", "id": ann, "email": "ann@example.com" }, null]));
        let token = TokenId::at(Timestamp(1)).to_string();
        for wrong in ["nonsense", "what_01h455vb4pex5vsknk084sn02q", "lead_short", token.as_str()] {
            let answer = server.graphql(NODE, json!({ "id": wrong })).await;
            assert_eq!(code(&answer), "BAD_USER_INPUT", "{wrong}");
            assert_eq!(answer["data"], json!({ "node": null }));
        }
        let many: Vec<_> = (0..101).map(|_| nobody.clone()).collect();
        let answer = server.graphql(NODES, json!({ "ids": many })).await;
        assert_eq!((code(&answer), &answer["data"]), ("BAD_USER_INPUT", &Value::Null), "a list may not be null");
        let erase = "mutation ($input: LeadRemovalInput!) { leadDelete(input: $input) { leadId } }";
        server.data(erase, json!({ "input": { "id": ann } })).await;
        assert_eq!(server.data(NODE, json!({ "id": ann })).await, json!({ "node": null }));
    }

    async fn the_statements_for_nodes_do_not_grow_with_them(server: &Server) {
        let note = "mutation ($input: NoteAddInput!) { noteAdd(input: $input) { note { id } } }";
        let ann = lead(server, "ann@example.com").await;
        let mut ids = Vec::new();
        for n in 0..12 {
            ids.push(lead(server, &format!("a{n}@example.com")).await);
            let made = server.data(note, json!({ "input": { "leadId": ann, "body": "x" } })).await;
            ids.push(made["noteAdd"]["note"]["id"].clone());
        }
        server.settled().await;
        server.costs_the_same(NODES, json!({ "ids": ids[..4] }), json!({ "ids": ids })).await;
    }

    async fn a_part_that_fails_is_null_and_the_rest_is_told(server: &Server) {
        let ann = lead(server, "ann@example.com").await;
        let query = "query ($id: ID!) { version lead(id: $id) { email } none: job(id: \"lead_x\") { id } ...More }
            fragment More on Query { part: lead(id: $id) { email engagements(after: \"x\") { nodes { id } } } }";
        let answer = server.graphql(query, json!({ "id": ann })).await;
        let email = json!({ "email": "ann@example.com" });
        let told = json!({ "version": env!("CARGO_PKG_VERSION"), "lead": email, "none": null, "part": null });
        assert_eq!(answer["data"], told, "a job may be null, a connection may not");
        let mut paths: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| error["path"].to_string()).collect();
        paths.sort();
        assert_eq!(paths, [r#"["none"]"#, r#"["part","engagements"]"#]);
    }

    async fn introspection_shows_a_caller_what_the_token_may_use(server: &Server) {
        let query = "{ __schema { queryType { fields { name } } mutationType { fields { name } } subscriptionType { fields { name } }
            types { name } } }";
        let names = |list: &Value| list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        let token = server.token(&["jobs:read"]).await;
        let shown = server.data_as(&token, query, json!({})).await["__schema"].take();
        let mut queries = names(&shown["queryType"]["fields"]);
        queries.sort();
        assert_eq!(queries, ["importRejections", "job", "jobs", "me", "node", "nodes", "signInOptions", "version"]);
        // Of a dashboard anybody may ask what time it is.
        assert_eq!(names(&shown["subscriptionType"]["fields"]), ["jobProgressed", "dashboardUpdated"]);
        assert!(!names(&shown["types"]).contains(&"TagPayload".to_owned()), "what mutations answer");
        let all = server.data(query, json!({})).await["__schema"].take();
        assert!(names(&all["mutationType"]["fields"]).contains(&"tagCreate".to_owned()));
    }

    async fn a_document_has_its_limits(server: &Server) {
        let nested = |depth: usize| {
            let mut text = "{ id }".to_owned();
            for n in 0..depth {
                text = if n % 2 == 0 { format!("{{ lead {text} }}") } else { format!("{{ notes(first: 1) {{ nodes {text} }} }}") };
            }
            text
        };
        let query = |depth: usize| format!("query ($id: ID!) {{ node(id: $id) {{ ... on Note {} }} }}", nested(depth));
        let note = entity::id::NoteId::at(Timestamp(1)).to_string();
        assert_eq!(server.data(&query(7), json!({ "id": note })).await, json!({ "node": null }), "12 deep at most");
        assert_eq!(code(&server.graphql(&query(9), json!({ "id": note })).await), "TOO_COMPLEX");
        let costly = "{ leads(first: 100) { nodes { engagements(first: 100) { nodes { id } } } } }";
        let refused = server.graphql(costly, json!({})).await;
        assert_eq!(code(&refused), "TOO_COMPLEX");
        let message = refused["errors"][0]["message"].as_str().expect("a text");
        assert!(message.starts_with("the document has more than 5000 points; a field is one"), "{message}");
    }
}
