//! The audit log: who did what to what, from where.

use serde_json::json;

use crate::sessions::{sign_in, tokens, user};
use crate::support::{Database, Server, Setup, command, unknown_field};

const ENTRIES: &str = "query ($filter: AuditFilterInput) { auditEntries(filter: $filter, first: 100) {
    nodes { at actor action subject leadId count address userAgent requestId detail }
} }";

on_both! {
    async fn every_act_is_noted_with_where_it_came_from(database: &Database) {
        let server = Server::start(database, Setup::default().at("2026-03-01T12:00:00Z")).await;
        let ada = user(&server, "ada@example.com", "admin").await;
        sign_in(&server, "ada@example.com", "another password").await;
        let (access, _) = tokens(&server, "ada@example.com").await;
        let asked = server
            .http()
            .post(server.url("/graphql"))
            .bearer_auth(&access)
            .header("user-agent", "curl/8.5.0")
            .header("x-request-id", "the-request")
            .json(&json!({ "query": "mutation { leadCreate(input: { email: \"lead@example.com\" }) { lead { id } } }" }));
        let made: serde_json::Value = asked.send().await.expect("an answer").json().await.expect("JSON");
        let lead = made["data"]["leadCreate"]["lead"]["id"].clone();
        server.set_time("2026-03-01T12:00:05Z");
        let many = "mutation { leadsUpsert(input: { leads: [{ email: \"a@example.com\" }, { email: \"b@example.com\" }] }) { userErrors { message } } }";
        server.data_as(&access, many, json!({})).await;
        let nodes = async |filter: serde_json::Value| {
            let found = server.data_as(&access, ENTRIES, json!({ "filter": filter })).await;
            found["auditEntries"]["nodes"].as_array().expect("a list").clone()
        };
        let created = nodes(json!({ "action": "LEAD_CREATED" })).await;
        assert_eq!(created.len(), 2, "{created:?}");
        assert_eq!((&created[0]["count"], &created[0]["subject"]), (&json!(2), &json!(null)));
        let one = &created[1];
        assert_eq!((&one["actor"], &one["subject"], &one["leadId"]), (&json!(ada), &lead, &lead));
        assert_eq!((&one["address"], &one["userAgent"], &one["requestId"]), (&json!("127.0.0.1"), &json!("curl/8.5.0"), &json!("the-request")));
        assert_eq!(one["at"], "2026-03-01T12:00:00Z");
        let failed = nodes(json!({ "action": "SIGN_IN_FAILED" })).await;
        assert_eq!((failed.len(), &failed[0]["actor"], &failed[0]["subject"]), (1, &json!("nobody"), &json!(ada)));
        assert_eq!(nodes(json!({ "action": "SESSION_STARTED" })).await.len(), 1);
        assert_eq!(nodes(json!({ "actor": ada, "subject": lead })).await.len(), 1);
        assert!(nodes(json!({ "since": "2026-03-01T12:00:06Z" })).await.is_empty());
        assert!(nodes(json!({ "until": "2026-03-01T12:00:00Z" })).await.is_empty());
        // What follows by itself is nobody's act.
        server.settled().await;
        let all = nodes(json!({})).await;
        assert!(all.iter().all(|entry| entry["actor"] != "system"), "{all:?}");
        // A page at a time, each once.
        let page = "query ($after: String) { auditEntries(first: 2, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } } }";
        let (mut seen, mut after) = (Vec::new(), json!(null));
        loop {
            let found = server.data_as(&access, page, json!({ "after": after })).await["auditEntries"].clone();
            seen.extend(found["nodes"].as_array().expect("a list").iter().map(|node| node["id"].to_string()));
            after = found["pageInfo"]["endCursor"].clone();
            if found["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        assert_eq!(seen.len(), all.len());
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all.len());
        // The command line is somebody, too.
        command(database, &["user", "role", "ada@example.com", "admin"]);
        command(database, &["token", "create", "--name", "t", "--scope", "leads:read"]);
        let by_operator = nodes(json!({ "actor": "operator", "action": "TOKEN_CREATED" })).await;
        assert_eq!((by_operator.len(), &by_operator[0]["address"]), (1, &json!(null)), "{by_operator:?}");
        server.stop().await;
    }

    async fn it_is_read_by_those_who_may_and_taken_away_as_a_file(server: &Server) {
        user(server, "ada@example.com", "admin").await;
        user(server, "bob@example.com", "user").await;
        let (ada, _) = tokens(server, "ada@example.com").await;
        let (bob, _) = tokens(server, "bob@example.com").await;
        assert_eq!(unknown_field(&server.graphql_as(Some(&bob), ENTRIES, json!({})).await), "auditEntries");
        let get = async |token: &str, query: &str| {
            let asked = server.http().get(server.url(&format!("/exports/audit{query}"))).bearer_auth(token);
            let answer = asked.send().await.expect("an answer");
            (answer.status().as_u16(), answer.text().await.expect("text"))
        };
        assert_eq!(get(&bob, "").await.0, 403);
        let (status, text) = get(&ada, "").await;
        assert_eq!(status, 200, "{text}");
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(rows.headers().expect("a head").get(3), Some("action"));
        let actions: Vec<String> = rows.records().map(|row| row.expect("a row")[3].to_owned()).collect();
        assert_eq!(actions[0], "AUDIT_EXPORTED", "taking it away is noted first");
        assert_eq!(actions.iter().filter(|action| *action == "SESSION_STARTED").count(), 2);
        let (_, text) = get(&ada, "?format=ndjson&action=SESSION_STARTED").await;
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0]["detail"]["user"].is_string(), "{text}");
        for (query, says) in [("?format=pdf", "one of csv, ndjson"), ("?since=yesterday", "`since` is not a moment"), ("?x=1", "unknown field")] {
            let (status, text) = get(&ada, query).await;
            assert!(status == 400 && text.contains(says), "{text}");
        }
        // An export of leads is an act as well.
        let asked = server.http().get(server.url("/exports/leads")).bearer_auth(&bob);
        assert_eq!(asked.send().await.expect("an answer").status().as_u16(), 200);
        let found = server.data_as(&ada, ENTRIES, json!({ "filter": { "action": "LEADS_EXPORTED" } })).await;
        assert_eq!(found["auditEntries"]["nodes"][0]["detail"], json!({ "format": "csv" }), "{found}");
        // And so is a file that comes in.
        let id = crate::row_filter::upload(server, &bob, "email\na@example.com\n").await;
        let found = server.data_as(&ada, ENTRIES, json!({ "filter": { "action": "FILE_UPLOADED" } })).await;
        assert_eq!(found["auditEntries"]["nodes"][0]["detail"], json!({ "upload": id, "sizeBytes": 20 }), "{found}");
    }
}
