//! Subscriptions through the npm packages graphql-ws and graphql-sse, unmodified, over the real server.

use serde_json::{Value, json};

use crate::support::{Backend, Client, Database, Server, Setup, free_port, until, with_database};
use leadline::identity::{Caller, create_token, revoke_token};

const WATCH: &str = "subscription { leadChanged { event lead { email } } }";

fn start(server: &Server) -> Option<Client> {
    Client::start("subscriptions.mjs", &server.url(""), server.admin())
}

/// Waits until a subscription is at work, so that it sees what happens from now on.
async fn watched(server: &Server, watchers: usize) {
    until("the subscription is at work", async || {
        server.app().bus().watchers() > watchers
    })
    .await;
}

async fn make(server: &Server, email: &str) {
    let query =
        "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { userErrors { message } } }";
    let made = server.data(query, json!({ "input": { "email": email } })).await;
    assert_eq!(made["leadCreate"]["userErrors"], json!([]));
}

fn created(email: &str) -> Value {
    json!({ "next": { "data": { "leadChanged": { "event": "LEAD_CREATED", "lead": { "email": email } } } } })
}

async fn on_port(database: &Database, port: u16) -> Server {
    Server::start(
        database,
        Setup::default().setting("listen", format!("127.0.0.1:{port}")),
    )
    .await
}

/// A client that watches goes on by itself after the server was started anew.
async fn survives_a_restart(database: &Database, by: &str) {
    let port = free_port();
    let server = on_port(database, port).await;
    let Some(mut client) = start(&server) else { return };
    let watchers = server.app().bus().watchers();
    client
        .tell(json!({ "by": by, "query": WATCH, "attempts": 1000 }))
        .await;
    assert_eq!(client.says().await, json!({ "connecting": false }));
    assert_eq!(client.says().await, json!({ "connected": true }));
    watched(&server, watchers).await;
    make(&server, "ann@example.com").await;
    assert_eq!(client.says().await, created("ann@example.com"));
    server.stop().await;

    let server = on_port(database, port).await;
    if by == "ws" {
        assert_eq!(
            client.says().await,
            json!({ "closed": 1012, "reason": "Service restart" })
        );
    }
    loop {
        let said = client.says().await;
        if said == json!({ "connected": true }) {
            break;
        }
        // Tries while nobody listened.
        assert!(
            said == json!({ "connecting": true }) || said["closed"] == 1006,
            "{said}"
        );
    }
    watched(&server, watchers).await;
    make(&server, "bob@example.com").await;
    assert_eq!(client.says().await, created("bob@example.com"));
    client.tell(json!({ "end": true })).await;
    assert_eq!(client.next().await, None);
    server.stop().await;
}

#[test]
fn graphql_ws_goes_on_after_a_restart() {
    with_database(Backend::Sqlite, async |database| {
        survives_a_restart(database, "ws").await
    });
}

#[test]
fn graphql_sse_goes_on_after_a_restart() {
    with_database(Backend::Sqlite, async |database| {
        survives_a_restart(database, "sse").await
    });
}

#[test]
fn graphql_ws_gives_up_after_codes_that_no_retry_mends_and_retries_after_others() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default()).await;
        let Some(mut client) = start(&server) else { return };
        for code in [4400, 4401, 4406, 4409, 4429] {
            client
                .tell(json!({ "by": "ws", "query": WATCH, "break": code }))
                .await;
            let mut connecting = 0;
            let mut closed = None;
            let error = loop {
                let said = client.says().await;
                match said {
                    said if said.get("connecting").is_some() => connecting += 1,
                    said if said.get("closed").is_some() => closed = said["closed"].as_u64(),
                    said if said.get("error").is_some() => break said["error"].clone(),
                    said => assert_eq!(said, json!({ "connected": true })),
                }
            };
            assert_eq!((connecting, closed, error), (1, Some(code), json!(code)));
        }
        // A token may count again, or another be given: the client tries as often as it was told to.
        let (known, last) = server.admin().split_at(server.admin().len() - 1);
        let unknown = format!("{known}{}", if last == "x" { "y" } else { "x" });
        client
            .tell(json!({ "by": "ws", "query": WATCH, "token": unknown, "attempts": 2 }))
            .await;
        for again in [false, true, true] {
            assert_eq!(client.says().await, json!({ "connecting": again }));
            assert_eq!(client.says().await["closed"], 4403);
        }
        assert_eq!(client.says().await, json!({ "error": 4403 }));
        // Who says nothing in three seconds.
        let begun = std::time::Instant::now();
        client
            .tell(json!({ "by": "ws", "query": WATCH, "break": 4408, "attempts": 1 }))
            .await;
        for again in [false, true] {
            assert_eq!(client.says().await, json!({ "connecting": again }));
            assert_eq!(client.says().await["closed"], 4408);
        }
        assert!(begun.elapsed().as_secs() >= 6, "{:?}", begun.elapsed());
        assert_eq!(client.says().await, json!({ "error": 4408 }));
        client.tell(json!({ "end": true })).await;
        assert_eq!(client.next().await, None);
        server.stop().await;
    });
}

#[test]
fn graphql_sse_runs_queries_and_tells_errors_as_results() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default()).await;
        let Some(mut client) = start(&server) else { return };
        client
            .tell(json!({ "by": "sse", "query": "{ leadsCount { count } }" }))
            .await;
        assert_eq!(client.says().await, json!({ "connecting": false }));
        assert_eq!(client.says().await, json!({ "connected": true }));
        let said = client.says().await;
        assert_eq!(said["next"]["data"], json!({ "leadsCount": { "count": 0 } }));
        assert_eq!(client.says().await, json!({ "complete": true }));

        client
            .tell(json!({ "by": "sse", "query": "subscription { nothing }" }))
            .await;
        assert_eq!(client.says().await, json!({ "connecting": false }));
        assert_eq!(client.says().await, json!({ "connected": true }));
        let said = client.says().await;
        let error = &said["next"]["errors"][0]["extensions"];
        assert_eq!(error["code"], "BAD_USER_INPUT", "{said}");
        assert!(error["requestId"].is_string(), "{said}");
        assert_eq!(client.says().await, json!({ "complete": true }));
        client.tell(json!({ "end": true })).await;
        assert_eq!(client.next().await, None);
        server.stop().await;
    });
}

#[test]
fn a_revoked_token_ends_its_streams() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default()).await;
        let Some(mut client) = start(&server) else { return };
        let scopes = ["leads:read".to_owned()];
        let operator = Caller::operator();
        let created = create_token(server.app(), &operator, "for a while", &scopes, None)
            .await
            .unwrap();
        let watchers = server.app().bus().watchers();
        client
            .tell(json!({ "by": "sse", "query": WATCH, "token": created.secret }))
            .await;
        assert_eq!(client.says().await, json!({ "connecting": false }));
        assert_eq!(client.says().await, json!({ "connected": true }));
        watched(&server, watchers).await;
        revoke_token(server.app(), &operator, created.token.id)
            .await
            .unwrap();
        let said = client.says().await;
        assert_eq!(
            said["next"]["errors"][0]["extensions"]["code"], "UNAUTHENTICATED",
            "{said}"
        );
        assert_eq!(client.says().await, json!({ "complete": true }));
        until("nobody watches any more", async || {
            server.app().bus().watchers() == watchers
        })
        .await;
        client.tell(json!({ "end": true })).await;
        assert_eq!(client.next().await, None);
        server.stop().await;
    });
}

#[test]
fn sockets_and_streams_of_a_caller_share_its_seats() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default().setting("graphql_connections", "2")).await;
        let other = server.token(&["leads:read"]).await;
        let mut socket = server.socket(server.admin()).await;
        let stream = async |token: &str| {
            let request = server
                .http()
                .post(server.url("/graphql/stream"))
                .bearer_auth(token);
            request.json(&json!({ "query": WATCH })).send().await.unwrap()
        };
        let first = stream(server.admin()).await;
        assert_eq!(first.status(), 200);
        let refused = stream(server.admin()).await;
        assert_eq!(refused.status(), 429);
        assert!(refused.headers().contains_key("retry-after"));
        let refused: Value = refused.json().await.unwrap();
        assert_eq!(refused["errors"][0]["extensions"]["code"], "RATE_LIMITED");
        assert_eq!(server.knock(Some(server.admin())).await.closed().await, 1013);
        assert_eq!(stream(&other).await.status(), 200, "another caller is not meant");
        // What is closed is free again.
        drop(first);
        until("the seat is free", async || {
            stream(server.admin()).await.status() == 200
        })
        .await;
        let mut feed = socket.subscribe("{ version }", json!({})).await;
        assert!(feed.data().await["version"].is_string());
        server.stop().await;
    });
}
