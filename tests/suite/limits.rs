//! The bounds of a document: just under one a query is answered, just over it is refused before anything is read.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Backend, Server, Setup, code, with_database};

/// Low bounds, so that each can be met by a document that is valid otherwise.
const BOUNDS: &[(&str, &str)] = &[
    ("graphql_max_tokens", "40"),
    ("graphql_max_depth", "3"),
    ("graphql_max_introspection_depth", "4"),
    ("graphql_max_cost", "40"),
    ("graphql_max_aliases", "2"),
    ("graphql_max_directives", "3"),
    ("graphql_max_page", "10"),
    ("graphql_max_bytes", "1KiB"),
];

fn bounded() -> Setup {
    BOUNDS
        .iter()
        .fold(Setup::default(), |setup, (key, value)| setup.setting(key, *value))
}

#[test]
fn just_under_each_bound_is_answered_and_just_over_refused_before_any_work() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, bounded()).await;
        let token = server.token(&["leads:read"]).await;
        let fields = |count: usize| format!("{{ {} }}", "version ".repeat(count));
        let skips = |count: usize| {
            format!(
                "{{ version {} }}",
                "... @skip(if: false) { version } ".repeat(count)
            )
        };
        for (what, under, over) in [
            ("more than 40 tokens", fields(38), fields(39)),
            (
                "nested 4 deep; at most 3",
                "{ leads(first: 1) { nodes { id } } }".to_owned(),
                "{ leads(first: 1) { nodes { tags { name } } } }".to_owned(),
            ),
            (
                "introspection is nested 5 deep; at most 4",
                "{ __schema { queryType { fields { name } } } }".to_owned(),
                "{ __schema { queryType { fields { type { name } } } } }".to_owned(),
            ),
            (
                "more than 40 points",
                "{ leads(first: 10) { nodes { id email stage } } }".to_owned(),
                "{ version leads(first: 10) { nodes { id email stage } } }".to_owned(),
            ),
            (
                "under more than 2 aliases",
                "{ a: version b: version version }".to_owned(),
                "{ a: version b: version c: version }".to_owned(),
            ),
            ("more than 3 directives", skips(3), skips(4)),
            (
                "a page of 11 rows is asked for; at most 10",
                "{ leads(last: 10) { nodes { id } } }".to_owned(),
                "{ leads(last: 11) { nodes { id } } }".to_owned(),
            ),
        ] {
            let answer = server.graphql_as(Some(&token), &under, json!({})).await;
            assert!(answer.get("errors").is_none(), "{what}: {answer}");
            let before = server.statements();
            let answer = server.graphql_as(Some(&token), &over, json!({})).await;
            assert_eq!(server.statements(), before, "{what}");
            let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
            assert!(message.contains(what), "{what}: {answer}");
            assert_eq!(code(&answer), "TOO_COMPLEX");
            assert_eq!(answer.get("data"), None);
        }
        // Ten times as many tokens for the deployment's own.
        for (count, refused) in [(398, false), (399, true)] {
            let answer = server
                .graphql(&fields(count).replace("version ", "a "), json!({}))
                .await;
            let message = answer["errors"][0]["message"].as_str().unwrap();
            assert_eq!(message.contains("more than 400 tokens"), refused, "{message}");
        }
        server.stop().await;
    });
}

#[test]
fn a_request_over_the_size_is_413() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, bounded()).await;
        let post = async |path: &str, bytes: usize| {
            let frame = r#"{"query":"{ version }"}"#;
            let body = format!("{frame}{}", " ".repeat(bytes - frame.len()));
            let request = server.http().post(server.url(path)).bearer_auth(server.admin());
            let response = request
                .header("content-type", "application/json")
                .body(body)
                .send();
            response.await.unwrap().status().as_u16()
        };
        for path in ["/graphql", "/graphql/stream"] {
            assert_eq!(post(path, 1024).await, 200, "{path}");
            assert_eq!(post(path, 1025).await, 413, "{path}");
        }
        let mut socket = server.socket(server.admin()).await;
        let query = format!("{{ version }} # {}", "x".repeat(1024));
        socket.subscribe(&query, json!({})).await.ended().await;
        assert_eq!(socket.closed().await, 1009);
        server.stop().await;
    });
}

/// Reads until the answer has been told to this word.
async fn read_to(stream: &mut TcpStream, word: &str) -> String {
    let mut told = Vec::new();
    while !String::from_utf8_lossy(&told).contains(word) {
        let read = stream.read_buf(&mut told).await.expect("an answer");
        assert!(read > 0, "it ends with {}", String::from_utf8_lossy(&told));
    }
    String::from_utf8(told).expect("text")
}

#[test]
fn a_refusal_arrives_while_what_it_refuses_is_still_sent() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default()).await;
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let post = |path: &str, bytes: usize, more: &str| {
            format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{more}content-length: {bytes}\r\n\r\n")
        };
        // A little that nobody reads: the connection is as good as before.
        let head = post("/webhooks/nonsense", 1_000, "");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_to(&mut stream, "no such connection\n").await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        assert!(!answer.contains("connection: close"), "{answer}");
        stream.write_all(&[b'x'; 1_000]).await.unwrap();

        // Much: it is taken all the same, and the client is told that the connection ends.
        let head = post("/uploads?kind=LEADS", 8 << 20, "");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_to(&mut stream, "}").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        for _ in 0..8 {
            stream.write_all(&vec![b'x'; 1 << 20]).await.expect("it is taken");
        }
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("it ends well");

        // A client that waits to be told sends nothing, and is not told to; more than anybody waits for is not taken.
        for (bytes, more) in [(1_000, "expect: 100-continue\r\n"), (1 << 30, "")] {
            let mut stream = TcpStream::connect(server.address()).await.unwrap();
            let head = post("/uploads?kind=LEADS", bytes, more);
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("it ends well");
            assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
            assert!(answer.contains("connection: close"), "{answer}");
        }
        server.stop().await;
    });
}

#[test]
fn a_megabyte_of_tokens_or_brackets_costs_little() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default()).await;
        let token = server.token(&["leads:read"]).await;
        let aliases: String = (0..10_000).map(|n| format!("a{n}: version ")).collect();
        for (query, what) in [
            (format!("{{ {} }}", "a ".repeat(500_000)), "tokens"),
            (format!("{{ {aliases} }}"), "aliases"),
            (format!("{{ version {} }}", "@a ".repeat(50_000)), "directives"),
            (format!("{{ lead(id: {}", "[".repeat(900_000)), "nested"),
            ("{a".repeat(400_000), "nested"),
        ] {
            let begun = std::time::Instant::now();
            for token in [server.admin(), &token] {
                let answer = server.graphql_as(Some(token), &query, json!({})).await;
                let message = answer["errors"][0]["message"].as_str().unwrap();
                assert!(message.contains(what), "{message}");
                assert_eq!(code(&answer), "TOO_COMPLEX");
            }
            // Sending and reading it takes a while in a build without optimization; parsing it takes ten times as long.
            assert!(begun.elapsed().as_secs() < 5, "{what}: {:?}", begun.elapsed());
        }
        server.stop().await;
    });
}

#[test]
fn names_are_suggested_in_development_alone() {
    with_database(Backend::Sqlite, async |database| {
        let messages = async |server: &Server| {
            let mut all = Vec::new();
            for query in [
                "{ leadz { nodes { id } } }",
                "{ leads(firstt: 1) { nodes { id } } }",
                "{ version @deprecated(reasn: \"old\") }",
            ] {
                let answer = server.graphql(query, json!({})).await;
                assert_eq!(code(&answer), "BAD_USER_INPUT");
                let errors = answer["errors"].as_array().unwrap().iter();
                all.extend(errors.map(|error: &Value| error["message"].as_str().unwrap().to_owned()));
            }
            all
        };
        let server = Server::start(database, Setup::default()).await;
        let told = messages(&server).await;
        assert!(
            told.iter().all(|message| !message.contains("Did you mean")),
            "{told:?}"
        );
        server.stop().await;
        let server = Server::start(database, Setup::default().setting("graphql_suggestions", "true")).await;
        let told = messages(&server).await;
        let suggested = told
            .iter()
            .filter(|message| message.contains("Did you mean"))
            .count();
        assert!(suggested >= 2, "{told:?}");
        server.stop().await;
    });
}
