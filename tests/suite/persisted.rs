//! Documents by their hashes, and documents that are expected.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Backend, Database, Server, Setup, code, command, until, with_database};

const QUERY: &str = "query Leads { leads(first: 1) { nodes { id } } }";

fn hash(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Asks by a hash, with the text or without.
async fn ask(server: &Server, token: Option<&str>, query: Option<&str>, hash: &str) -> Value {
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    let mut request = server.http().post(server.url("/graphql")).json(&match query {
        Some(query) => json!({ "query": query, "extensions": extensions }),
        None => json!({ "extensions": extensions }),
    });
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.expect("the server answers");
    response.json().await.expect("it answers JSON")
}

#[test]
fn a_document_is_asked_for_once_and_then_known_by_its_hash() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default().setting("graphql_get", "true")).await;
        let admin = Some(server.admin());
        let found = json!({ "leads": { "nodes": [] } });
        let answer = ask(&server, admin, None, &hash(QUERY)).await;
        assert_eq!(code(&answer), "PERSISTED_QUERY_NOT_FOUND");
        assert_eq!(answer["errors"][0]["message"], "PersistedQueryNotFound");
        let answer = ask(&server, admin, Some(QUERY), &hash("something else")).await;
        assert_eq!(code(&answer), "BAD_USER_INPUT");
        assert_eq!(
            ask(&server, admin, Some(QUERY), &hash(QUERY)).await["data"],
            found
        );
        assert_eq!(ask(&server, admin, None, &hash(QUERY)).await["data"], found);
        // By GET, which is what it is for.
        let mut url = url::Url::parse(&server.url("/graphql")).unwrap();
        let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash(QUERY) } });
        url.query_pairs_mut()
            .append_pair("extensions", &extensions.to_string());
        let response = server
            .http()
            .get(url)
            .bearer_auth(server.admin())
            .send()
            .await
            .unwrap();
        assert_eq!(response.json::<Value>().await.unwrap()["data"], found);
        // Another server asks again.
        let elsewhere = Database::create(Backend::Sqlite).unwrap();
        let other = Server::start(&elsewhere, Setup::default()).await;
        let answer = ask(&other, Some(other.admin()), None, &hash(QUERY)).await;
        assert_eq!(code(&answer), "PERSISTED_QUERY_NOT_FOUND");
        // Who is nobody leaves nothing.
        assert!(ask(&other, None, Some("{ version }"), &hash("{ version }")).await["data"].is_object());
        let answer = ask(&other, Some(other.admin()), None, &hash("{ version }")).await;
        assert_eq!(code(&answer), "PERSISTED_QUERY_NOT_FOUND");
        other.stop().await;
        server.stop().await;
    });
}

#[test]
fn only_expected_documents_run_where_that_is_enforced() {
    with_database(Backend::Sqlite, async |database| {
        let manifest = database.folder().join("manifest.json");
        let operation = json!({ "id": hash(QUERY), "name": "Leads", "type": "query", "body": QUERY });
        let apollo =
            json!({ "format": "apollo-persisted-query-manifest", "version": 1, "operations": [operation] });
        let plain = json!({ hash(QUERY): QUERY });
        for file in [apollo, plain] {
            std::fs::write(&manifest, file.to_string()).unwrap();
            let setup = |way: &str| {
                Setup::default()
                    .setting("graphql_safelist", way)
                    .setting("graphql_safelist_manifest", manifest.display().to_string())
            };
            let server = Server::start(database, setup("enforce")).await;
            let same = "query Leads {\n  leads(first: 1) { nodes { id } } # the same\n}";
            for query in [QUERY, same] {
                let answer = server.graphql(query, json!({})).await;
                assert_eq!(answer["data"]["leads"]["nodes"], json!([]), "{answer}");
            }
            let answer = ask(&server, Some(server.admin()), None, &hash(QUERY)).await;
            assert_eq!(
                answer["data"]["leads"]["nodes"],
                json!([]),
                "known from the start: {answer}"
            );
            let other = "{ leads(first: 2) { nodes { id } } }";
            assert_eq!(code(&server.graphql(other, json!({})).await), "FORBIDDEN");
            let mut socket = server.socket(server.admin()).await;
            let said = socket
                .subscribe("subscription { leadChanged { cursor } }", json!({}))
                .await
                .next()
                .await;
            assert_eq!(code(&said), "FORBIDDEN");
            server.stop().await;

            let server = Server::start(database, setup("log")).await;
            let count = async || {
                let page = server
                    .http()
                    .get(server.url("/metrics"))
                    .send()
                    .await
                    .unwrap()
                    .text()
                    .await
                    .unwrap();
                let line = page.lines().find(|line| {
                    line.starts_with("leadline_graphql_outside_safelist_total{outcome=\"run\"}")
                });
                line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            };
            let before = count().await;
            assert!(server.graphql(QUERY, json!({})).await["data"].is_object());
            assert_eq!(count().await, before);
            assert!(server.graphql(other, json!({})).await["data"].is_object());
            assert_eq!(count().await, before + 1);
            server.stop().await;
        }
    });
}

#[test]
fn a_bad_manifest_stops_the_start_and_says_why() {
    with_database(Backend::Sqlite, async |database| {
        let manifest = database.folder().join("bad.json");
        std::fs::write(&manifest, r#"{"a":"{ leads {"}"#).unwrap();
        let path = manifest.display().to_string();
        let said = command(
            database,
            &[
                "serve",
                "--graphql-safelist",
                "enforce",
                "--graphql-safelist-manifest",
                &path,
            ],
        );
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains("bad.json"), "{said:?}");
        assert!(
            said.err.contains("the document of `a` cannot be parsed"),
            "{said:?}"
        );
        assert!(said.err.contains("hint: name a manifest"), "{said:?}");
    });
}

#[test]
fn a_token_may_be_bound_to_expected_documents() {
    with_database(Backend::Sqlite, async |database| {
        let manifest = database.folder().join("manifest.json");
        std::fs::write(&manifest, json!({ hash(QUERY): QUERY }).to_string()).unwrap();
        let listed = || Setup::default().setting("graphql_safelist_manifest", manifest.display().to_string());
        let server = Server::start(database, listed()).await;
        let make = "mutation ($input: ApiTokenCreateInput!) { apiTokenCreate(input: $input) { secret token { id safelist }
            userErrors { code } } }";
        let input = json!({ "name": "app", "scopes": ["leads:read", "tokens:write"], "safelist": "ENFORCE" });
        let made = server.data(make, json!({ "input": input })).await["apiTokenCreate"].take();
        assert_eq!(made["token"]["safelist"], "ENFORCE", "{made}");
        let app = made["secret"].as_str().unwrap();
        let other = "{ leads(first: 2) { nodes { id } } }";
        assert!(server.graphql_as(Some(app), QUERY, json!({})).await["data"].is_object());
        assert_eq!(
            code(&server.graphql_as(Some(app), other, json!({})).await),
            "FORBIDDEN"
        );
        assert!(
            server.graphql(other, json!({})).await["data"].is_object(),
            "nobody else is bound"
        );
        let export = async |token: &str| {
            let asked = server.http().get(server.url("/exports/leads")).bearer_auth(token);
            asked.send().await.unwrap().status().as_u16()
        };
        assert_eq!(
            (export(app).await, export(server.admin()).await),
            (403, 200),
            "nor by another door"
        );
        // It gets no other one by itself, and is let go by who may.
        let mut socket = server.socket(app).await;
        let update = "mutation ($input: ApiTokenUpdateInput!) { apiTokenUpdate(input: $input) { token { safelist } userErrors { code } } }";
        let id = &made["token"]["id"];
        assert_eq!(
            code(
                &server
                    .graphql_as(
                        Some(app),
                        update,
                        json!({ "input": { "id": id, "safelist": null } })
                    )
                    .await
            ),
            "FORBIDDEN"
        );
        let changed = server
            .data(update, json!({ "input": { "id": id, "safelist": null } }))
            .await;
        assert_eq!(
            changed["apiTokenUpdate"],
            json!({ "token": { "safelist": null }, "userErrors": [] })
        );
        assert_eq!(socket.closed().await, 4403);
        until("it is let go", async || {
            server.graphql_as(Some(app), other, json!({})).await["data"].is_object()
        })
        .await;
        server.stop().await;

        // Where the server is stricter, a token does not make it less so.
        let server = Server::start(database, listed().setting("graphql_safelist", "enforce")).await;
        let loose = server.app();
        let draft = leadline::identity::token::TokenDraft {
            name: "loose".to_owned(),
            scopes: vec!["leads:read".to_owned()],
            expires_at: None,
            rows: leadline::identity::Rows::All,
            networks: Vec::new(),
            origins: Vec::new(),
            budget: None,
            safelist: Some(entity::Safelist::Off),
        };
        let made = leadline::identity::token::create(loose, &leadline::identity::Caller::operator(), draft)
            .await
            .unwrap();
        assert_eq!(
            code(&server.graphql_as(Some(&made.secret), other, json!({})).await),
            "FORBIDDEN"
        );
        server.stop().await;
    });
}
