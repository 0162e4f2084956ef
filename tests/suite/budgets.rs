//! What callers may spend: how much a query takes, what is said when it is spent, and that servers share it.

use reqwest::Response;
use serde_json::{Value, json};

use crate::support::{Backend, Server, Setup, code, until, with_database};

/// A query of so many points.
fn costing(points: usize) -> String {
    let aliases: String = (1..points).map(|n| format!("a{n}: version ")).collect();
    format!("{{ version {aliases} }}")
}

async fn post(server: &Server, token: Option<&str>, path: &str, query: &str) -> Response {
    let mut request = server
        .http()
        .post(server.url(path))
        .json(&json!({ "query": query }));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.expect("the server answers")
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn a_spent_budget_refuses_one_caller_at_all_doors_and_comes_back() {
    with_database(Backend::Sqlite, async |database| {
        let setup = Setup::default()
            .setting("graphql_max_cost", "20")
            .setting("graphql_max_aliases", "20")
            .setting("graphql_budget", "20")
            .setting("graphql_budget_restore", "1");
        let server = Server::start(database, setup).await;
        let spender = server.token(&["leads:read"]).await;
        for token in [Some(spender.as_str()), None] {
            let answer: Value = post(&server, token, "/graphql", &costing(16))
                .await
                .json()
                .await
                .unwrap();
            let cost = &answer["extensions"]["cost"];
            assert_eq!(
                (number(&cost["requested"]), number(&cost["actual"])),
                (16, 16),
                "{answer}"
            );
            let throttle = &cost["throttle"];
            assert_eq!(
                (number(&throttle["limit"]), number(&throttle["restorePerSecond"])),
                (20, 1)
            );
            assert!((4..10).contains(&number(&throttle["available"])), "{answer}");

            let refused = post(&server, token, "/graphql", &costing(20)).await;
            assert_eq!(refused.status(), 429);
            let wait: u64 = refused.headers()["retry-after"]
                .to_str()
                .unwrap()
                .parse()
                .unwrap();
            assert!((1..=16).contains(&wait), "{wait}");
            let refused: Value = refused.json().await.unwrap();
            assert_eq!(code(&refused), "RATE_LIMITED");
            assert_eq!(refused.get("data"), None);
            assert_eq!(
                number(&refused["errors"][0]["extensions"]["retryAfterSeconds"]),
                wait
            );
        }
        // On sockets and streams it is the same budget.
        let mut socket = server.socket(&spender).await;
        let said = socket.subscribe(&costing(20), json!({})).await.next().await;
        assert_eq!(code(&said), "RATE_LIMITED");
        let said = post(&server, Some(&spender), "/graphql/stream", &costing(20))
            .await
            .text()
            .await
            .unwrap();
        assert!(
            said.contains("\"code\":\"RATE_LIMITED\"") && said.contains("event: complete"),
            "{said}"
        );
        // Another caller is not meant.
        assert_eq!(
            post(&server, Some(server.admin()), "/graphql", &costing(20))
                .await
                .status(),
            200
        );
        until("there is enough again", async || {
            post(&server, None, "/graphql", "{ version }").await.status() == 200
        })
        .await;
        server.stop().await;
    });
}

#[test]
fn what_an_answer_did_not_need_is_given_back() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default().setting("graphql_budget", "5000")).await;
        let page = "{ leads(first: 100) { nodes { id email stage displayName } } }";
        // There are no leads: a hundred times half a thousand points would be ten times the budget.
        for _ in 0..100 {
            let answer: Value = post(&server, Some(server.admin()), "/graphql", page)
                .await
                .json()
                .await
                .unwrap();
            let cost = &answer["extensions"]["cost"];
            assert_eq!(
                (number(&cost["requested"]), number(&cost["actual"])),
                (500, 2),
                "{answer}"
            );
        }
        server.stop().await;
    });
}

#[test]
fn without_a_budget_nothing_is_counted() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default().setting("graphql_budget", "0")).await;
        let answer: Value = post(&server, None, "/graphql", "{ version }")
            .await
            .json()
            .await
            .unwrap();
        assert_eq!(answer.get("extensions"), None);
        server.stop().await;
    });
}

#[test]
fn servers_share_what_a_caller_has_spent() {
    with_database(Backend::Postgres, async |database| {
        let setup = || {
            Setup::default()
                .setting("graphql_max_aliases", "1000")
                .setting("graphql_max_cost", "500")
                .setting("graphql_budget", "1000")
                .setting("graphql_budget_restore", "1")
        };
        let (one, other) = tokio::join!(
            Server::start(database, setup()),
            Server::start(database, setup().without_work()),
        );
        let token = one.token(&["admin"]).await;
        for _ in 0..2 {
            assert_eq!(
                post(&one, Some(&token), "/graphql", &costing(450)).await.status(),
                200
            );
        }
        // The other has not heard of it yet, or does not let this pass any more: the bound of what is spent too much.
        let begun = std::time::Instant::now();
        let first = post(&other, Some(&token), "/graphql", &costing(450))
            .await
            .status()
            .as_u16();
        assert!(first == 200 || first == 429, "{first}");
        let mut asked = 0;
        until("the other has heard of it", async || {
            asked += 1;
            post(&other, Some(&token), "/graphql", "{ version }")
                .await
                .status()
                == 429
        })
        .await;
        assert!(
            asked < 450,
            "by what it let pass itself it would not have refused: {asked}"
        );
        assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
        if first == 200 {
            // What was given out too much is owed at both.
            until("the first has heard of it", async || {
                post(&one, Some(&token), "/graphql", "{ version }").await.status() == 429
            })
            .await;
        }
        // A caller who has spent nothing is served by both.
        for server in [&one, &other] {
            assert_eq!(
                post(server, Some(one.admin()), "/graphql", &costing(100))
                    .await
                    .status(),
                200
            );
        }
        tokio::join!(one.stop(), other.stop());
    });
}
