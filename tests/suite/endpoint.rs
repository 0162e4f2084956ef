//! The GraphQL endpoint as clients of others see it: HTTP.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Backend, Client, Server, Setup, with_database};

/// Runs the audits of graphql-http; answers those that failed, and how many there are.
async fn audited(server: &Server) -> Option<(usize, BTreeMap<String, Value>)> {
    let mut client = Client::start("audits.mjs", &server.url(""), server.admin())?;
    let (mut all, mut failed) = (0, BTreeMap::new());
    while let Some(said) = client.next().await {
        all += 1;
        if said["status"] != "ok" {
            failed.insert(said["id"].as_str().expect("an id").to_owned(), said);
        }
    }
    Some((all, failed))
}

#[test]
fn with_get_every_audit_of_graphql_over_http_passes() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default().setting("graphql_get", "true")).await;
        if let Some((all, failed)) = audited(&server).await {
            assert!(failed.is_empty(), "{failed:#?}");
            assert_eq!(all, 61);
        }
        server.stop().await;
    });
}

#[test]
fn without_get_every_audit_passes_but_the_three_that_ask_by_get() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default()).await;
        if let Some((all, failed)) = audited(&server).await {
            let ids: Vec<&str> = failed.keys().map(String::as_str).collect();
            assert_eq!(ids, ["5A70", "6A70", "D6D5"], "{failed:#?}");
            assert_eq!(all, 61);
        }
        server.stop().await;
    });
}

#[test]
fn a_query_by_get_is_answered_and_a_change_is_not_made() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default().setting("graphql_get", "true")).await;
        let get = async |query: &str, cookie: bool, proof: bool| {
            let mut url = url::Url::parse(&server.url("/graphql")).unwrap();
            url.query_pairs_mut().append_pair("query", query);
            let mut request = server.http().get(url);
            if cookie {
                request = request.header("cookie", "session=1");
            }
            request = match proof {
                true => request.bearer_auth(server.admin()),
                false => request,
            };
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let allow = response.headers().get("allow").cloned();
            (status, allow, response.json::<Value>().await.unwrap())
        };
        let (status, _, answer) = get("{ leadsCount { count } }", false, true).await;
        assert_eq!(
            (status, &answer["data"]),
            (200, &json!({ "leadsCount": { "count": 0 } }))
        );
        let create = "mutation { leadCreate(input: { email: \"ann@example.com\" }) { lead { id } } }";
        let (status, allow, answer) = get(create, false, true).await;
        assert_eq!(
            (status, allow.unwrap()),
            (405, "POST".parse().unwrap()),
            "{answer}"
        );
        assert_eq!(answer.get("data"), None);
        let count = server.data("{ leadsCount { count } }", json!({})).await;
        assert_eq!(count["leadsCount"]["count"], 0);
        // What another site may have had sent.
        assert_eq!(get("{ version }", true, false).await.0, 403);
        assert_eq!(get("{ version }", true, true).await.0, 200);
        assert_eq!(get("{ version }", false, false).await.0, 200);
        server.stop().await;
    });
}

#[test]
fn fields_at_the_root_answer_in_the_order_of_the_document() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default()).await;
        // `version` is there at once, the others are read.
        let query = "{ leads { nodes { id } } count: leadsCount { count } version ...Rest } \
                     fragment Rest on Query { jobs { nodes { id } } last: version }";
        let response = server
            .http()
            .post(server.url("/graphql"))
            .bearer_auth(server.admin())
            .json(&json!({ "query": query }))
            .send()
            .await
            .unwrap();
        let text = response.text().await.unwrap();
        let place = |key: &str| {
            let found = text.find(&format!("\"{key}\":"));
            found.unwrap_or_else(|| panic!("{key} in {text}"))
        };
        let places = ["leads", "count\":{\"count", "version", "jobs", "last"].map(place);
        assert!(places.is_sorted(), "{text}");
        server.stop().await;
    });
}
