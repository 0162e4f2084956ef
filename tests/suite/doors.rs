//! What surrounds every request, whatever it asks for: its id, headers of protection, CORS, time for its headers.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Backend, LIMIT, Server, Setup, with_database};

/// One request to each door: method, path, status.
const DOORS: &[(&str, &str, u16)] = &[
    ("GET", "/", 200),
    ("GET", "/assets/none.js", 404),
    ("GET", "/graphql", 405),
    ("POST", "/graphql", 415),
    ("GET", "/graphql/ws", 400),
    ("POST", "/graphql/stream", 415),
    ("POST", "/uploads", 401),
    ("GET", "/exports/leads", 401),
    ("GET", "/health/live", 200),
    ("GET", "/health/ready", 200),
    ("GET", "/metrics", 200),
    ("GET", "/nowhere", 404),
];

async fn knock(server: &Server, method: &str, path: &str, pairs: &[(&str, &str)]) -> (u16, HeaderMap) {
    let mut request = server
        .http()
        .request(method.parse().expect("a method"), server.url(path));
    for (name, value) in pairs {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("the server answers");
    (response.status().as_u16(), response.headers().clone())
}

#[test]
fn every_answer_has_a_request_id_and_headers_of_protection() {
    with_database(Backend::Sqlite, async |database| {
        let plain = Server::start(database, Setup::default()).await;
        for (method, path, status) in DOORS {
            let (answered, headers) = knock(&plain, method, path, &[("x-request-id", "abc-1")]).await;
            assert_eq!(answered, *status, "{method} {path}");
            for (name, value) in [
                ("x-request-id", "abc-1"),
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
            ] {
                assert_eq!(headers[name], value, "{method} {path}");
                assert_eq!(headers.get_all(name).iter().count(), 1, "{method} {path}");
            }
            let policy = headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            assert_eq!(
                policy.contains("script-src 'self'"),
                *path == "/" || path.starts_with("/assets")
            );
            assert!(headers.contains_key("permissions-policy"), "{method} {path}");
            assert!(
                !headers.contains_key("strict-transport-security"),
                "{method} {path}"
            );
            let (_, headers) = knock(&plain, method, path, &[("x-request-id", "not an id")]).await;
            assert_eq!(headers["x-request-id"].len(), 32, "{method} {path}");
        }
        plain.stop().await;
        let setup = Setup::default().setting("public_url", "https://leads.example.com");
        let tls = Server::start(database, setup).await;
        for (method, path, _) in DOORS {
            let (_, headers) = knock(&tls, method, path, &[]).await;
            assert_eq!(
                headers["strict-transport-security"], "max-age=31536000",
                "{method} {path}"
            );
        }
        tls.stop().await;
    });
}

#[test]
fn only_named_origins_may_call_from_a_browser() {
    with_database(Backend::Sqlite, async |database| {
        let setup = Setup::default().setting("cors_origins", "https://crm.example.com");
        let server = Server::start(database, setup).await;
        for path in ["/graphql", "/graphql/stream", "/uploads"] {
            for (origin, allowed) in [("https://crm.example.com", true), ("https://evil.example", false)] {
                let asked = [
                    ("origin", origin),
                    ("access-control-request-method", "POST"),
                    (
                        "access-control-request-headers",
                        "authorization,content-type,x-leadline-client",
                    ),
                ];
                let (status, headers) = knock(&server, "OPTIONS", path, &asked).await;
                assert_eq!(status, 200);
                let named = headers
                    .get("access-control-allow-origin")
                    .map(|origin| origin.to_str().unwrap());
                assert_eq!(named, allowed.then_some(origin), "{path} {origin}");
                let may = headers["access-control-allow-headers"].to_str().unwrap();
                assert!(
                    ["authorization", "content-type", "x-leadline-client"]
                        .iter()
                        .all(|name| may.contains(name))
                );
            }
        }
        server.stop().await;
        let server = Server::start(database, Setup::default()).await;
        let (_, headers) = knock(
            &server,
            "POST",
            "/graphql",
            &[("origin", "https://crm.example.com")],
        )
        .await;
        assert!(!headers.contains_key("access-control-allow-origin"));
        server.stop().await;
    });
}

#[test]
fn an_upload_that_another_site_may_have_had_sent_is_refused() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default()).await;
        let send = async |pairs: &[(&str, &str)]| {
            let form = reqwest::multipart::Part::bytes(b"email\n".to_vec()).file_name("leads.csv");
            let form = reqwest::multipart::Form::new().part("file", form);
            let mut request = server.http().post(server.url("/uploads")).multipart(form);
            for (name, value) in pairs {
                request = request.header(*name, *value);
            }
            let response = request.send().await.unwrap();
            (
                response.status().as_u16(),
                response.json::<Value>().await.unwrap(),
            )
        };
        let (status, answer) = send(&[("cookie", "session=1"), ("origin", "https://evil.example")]).await;
        assert_eq!(status, 403);
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "FORBIDDEN");
        assert!(
            error["message"].as_str().unwrap().contains("x-leadline-client"),
            "{answer}"
        );
        // Proven, and then asked who it is.
        assert_eq!(send(&[("x-leadline-client", "1")]).await.0, 401);
        let bearer = format!("Bearer {}", server.admin());
        assert_eq!(send(&[("authorization", &bearer)]).await.0, 201);
        server.stop().await;
    });
}

#[test]
fn a_socket_with_cookies_is_for_pages_of_this_origin() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default()).await;
        let shake = [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "graphql-transport-ws"),
            ("cookie", "session=1"),
        ];
        let own = format!("http://{}", server.address());
        for (origin, status) in [("https://evil.example", 403), (own.as_str(), 101)] {
            let pairs: Vec<_> = shake.into_iter().chain([("origin", origin)]).collect();
            assert_eq!(
                knock(&server, "GET", "/graphql/ws", &pairs).await.0,
                status,
                "{origin}"
            );
        }
        server.stop().await;
    });
}

#[test]
fn headers_that_do_not_come_in_time_end_the_connection() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default().setting("http_header_seconds", "1")).await;
        // Before the connection: the server counts from when it takes it.
        let begun = std::time::Instant::now();
        let mut slow = TcpStream::connect(server.address()).await.unwrap();
        slow.write_all(b"POST /graphql HTTP/1.1\r\nhost: x\r\nx-a: ")
            .await
            .unwrap();
        let mut said = Vec::new();
        // A byte now and then does not help.
        let ended = timeout(LIMIT, async {
            loop {
                let mut piece = [0; 1024];
                tokio::select! {
                    read = slow.read(&mut piece) => match read {
                        Ok(0) | Err(_) => break,
                        Ok(count) => said.extend_from_slice(&piece[..count]),
                    },
                    () = tokio::time::sleep(Duration::from_millis(100)) => {}
                }
                if slow.write_all(b"a").await.is_err() {
                    break;
                }
            }
        });
        ended.await.expect("the server ends it");
        assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
        let said = String::from_utf8_lossy(&said);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
        // Others are served meanwhile and afterwards.
        assert!(server.data("{ version }", json!({})).await["version"].is_string());
        server.stop().await;
    });
}

#[test]
fn connections_beyond_the_most_wait_until_others_end() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default().setting("http_connections", "10")).await;
        let mut idle = Vec::new();
        for _ in 0..10 {
            idle.push(TcpStream::connect(server.address()).await.unwrap());
        }
        let mut late = TcpStream::connect(server.address()).await.unwrap();
        late.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        let waited = timeout(Duration::from_millis(500), late.read_to_string(&mut answer)).await;
        assert!(waited.is_err() && answer.is_empty(), "{answer}");
        idle.pop();
        timeout(LIMIT, late.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        drop(idle);
        server.stop().await;
    });
}

#[test]
fn the_end_of_a_socket_is_answered() {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default()).await;
        let mut request = format!("ws://{}/graphql/ws", server.address())
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        let (mut wire, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        wire.send(Message::Close(None)).await.unwrap();
        let answer = timeout(LIMIT, wire.next()).await.unwrap();
        assert!(matches!(answer, Some(Ok(Message::Close(_)))), "{answer:?}");
        assert!(
            timeout(LIMIT, wire.next())
                .await
                .unwrap()
                .is_none_or(|last| last.is_err())
        );
        server.stop().await;
    });
}
