use std::future::pending;
use std::io;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::serve::Listener;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error as WireError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;
use crate::http::testing::{Probe, TestGateway, TestSchema, schema};

/// A server on a port of its own.
struct Server {
    service: GraphqlWs<TestSchema, TestGateway>,
    gateway: Arc<TestGateway>,
    address: std::net::SocketAddr,
    probe: Probe,
    drops: mpsc::UnboundedReceiver<()>,
}

/// Longest wait of a test for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

async fn serve_with(limits: SocketLimits) -> Server {
    serve_seats(Seats::new(100), limits).await
}

async fn serve_seats(seats: Seats, limits: SocketLimits) -> Server {
    let (schema, probe, drops) = schema();
    let gateway = Arc::new(TestGateway::default());
    let service = GraphqlWs::new(schema, gateway.clone(), seats, limits);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/graphql/ws", service.route());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Server {
        service,
        gateway,
        address,
        probe,
        drops,
    }
}

async fn serve() -> Server {
    serve_with(SocketLimits::default()).await
}

impl Server {
    async fn connect(&self) -> Client<TcpStream> {
        Client::over(TcpStream::connect(self.address).await.unwrap()).await
    }

    /// A client that was acknowledged.
    async fn open(&self) -> Client<TcpStream> {
        let mut client = self.connect().await;
        client.init(json!({"token": "good-ada"})).await;
        client
    }
}

struct Client<S>(WebSocketStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn over(stream: S) -> Self {
        let mut request = "ws://localhost/graphql/ws".into_client_request().unwrap();
        request.headers_mut().insert(
            "sec-websocket-protocol",
            "soap, graphql-transport-ws".parse().unwrap(),
        );
        request
            .headers_mut()
            .insert("x-request-id", "sock".parse().unwrap());
        let (wire, response) = client_async(request, stream).await.unwrap();
        assert_eq!(
            response.headers()["sec-websocket-protocol"],
            "graphql-transport-ws"
        );
        Self(wire)
    }

    async fn say(&mut self, message: Json) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn init(&mut self, payload: Json) {
        self.say(json!({"type": "connection_init", "payload": payload}))
            .await;
        assert_eq!(self.hear().await, json!({"type": "connection_ack"}));
    }

    async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({"type": "subscribe", "id": id, "payload": {"query": query}}))
            .await;
    }

    async fn raw(&mut self) -> Result<Message, WireError> {
        timeout(PATIENCE, self.0.next())
            .await
            .expect("the server says something")
            .expect("the socket is open")
    }

    async fn hear(&mut self) -> Json {
        match self.raw().await.unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("not a text: {other:?}"),
        }
    }

    /// Reads on to the close frame.
    async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.raw().await.unwrap() {
                Message::Close(Some(frame)) => return (frame.code.into(), frame.reason.to_string()),
                Message::Close(None) => panic!("closed without a code"),
                _ => {}
            }
        }
    }
}

fn code_of(error: &Json) -> (&str, &str) {
    assert_eq!(error["type"], "error");
    let errors = error["payload"].as_array().unwrap();
    assert_eq!(errors.len(), 1);
    (
        errors[0]["extensions"]["code"].as_str().unwrap(),
        errors[0]["message"].as_str().unwrap(),
    )
}

#[tokio::test]
async fn queries_mutations_and_subscriptions_share_a_socket() {
    let server = serve().await;
    let mut client = server.open().await;
    client.subscribe("q", "{ hello requestId }").await;
    assert_eq!(
        client.hear().await,
        json!({"type": "next", "id": "q", "payload": {"data": {"hello": "hello good-ada", "requestId": "sock:1"}}})
    );
    assert_eq!(client.hear().await, json!({"type": "complete", "id": "q"}));
    client.subscribe("m", "mutation { double(n: 21) }").await;
    assert_eq!(
        client.hear().await,
        json!({"type": "next", "id": "m", "payload": {"data": {"double": 42}}})
    );
    assert_eq!(client.hear().await, json!({"type": "complete", "id": "m"}));
    client.subscribe("s", "subscription { count(to: 40) }").await;
    for n in 1..=40 {
        assert_eq!(
            client.hear().await,
            json!({"type": "next", "id": "s", "payload": {"data": {"count": n}}})
        );
    }
    assert_eq!(client.hear().await, json!({"type": "complete", "id": "s"}));
    // The id is free again.
    client.subscribe("s", "subscription { count(to: 0) }").await;
    assert_eq!(client.hear().await, json!({"type": "complete", "id": "s"}));
    client.0.close(None).await.unwrap();
}

#[tokio::test]
async fn operations_have_their_turns_beside_a_flood() {
    let server = serve().await;
    let mut client = server.open().await;
    client.subscribe("flood", "subscription { flood }").await;
    client.subscribe("q", "{ sum(a: 1, b: 2) }").await;
    loop {
        let message = client.hear().await;
        if message["id"] == "q" {
            assert_eq!(message["payload"], json!({"data": {"sum": 3}}));
            break;
        }
    }
}

#[tokio::test]
async fn what_cannot_run_is_an_error_and_the_socket_lives_on() {
    let server = serve_with(SocketLimits {
        query_timeout: Duration::from_millis(50),
        ..Default::default()
    })
    .await;
    let mut client = server.open().await;
    for (query, code) in [
        ("{", "BAD_USER_INPUT"),
        ("{ nothing }", "BAD_USER_INPUT"),
        ("subscription { nothing }", "BAD_USER_INPUT"),
        ("{ overBudget }", "RATE_LIMITED"),
        ("{ endless }", "TIMEOUT"),
        ("{ panicking }", "INTERNAL"),
    ] {
        client.subscribe("1", query).await;
        let error = client.hear().await;
        assert_eq!(
            (error["id"].as_str(), code_of(&error).0),
            (Some("1"), code),
            "{query}"
        );
        assert!(
            error["payload"][0]["extensions"]["requestId"]
                .as_str()
                .unwrap()
                .starts_with("sock:"),
            "{query}"
        );
    }
    client.subscribe("1", "subscription { unopened }").await;
    assert_eq!(
        code_of(&client.hear().await),
        ("BAD_USER_INPUT", "the cursor is older than the log")
    );

    client.subscribe("1", "subscription { panicking }").await;
    assert_eq!(client.hear().await["payload"], json!({"data": {"panicking": 0}}));
    assert_eq!(code_of(&client.hear().await), ("INTERNAL", "internal error"));

    client.subscribe("1", "{ failing sum(a: 1, b: 1) }").await;
    let next = client.hear().await;
    assert_eq!(
        (&next["type"], &next["payload"]["data"]),
        (&json!("next"), &json!({"sum": 2}))
    );
    assert_eq!(
        next["payload"]["errors"][0]["extensions"],
        json!({"code": "NOT_FOUND", "requestId": "sock:9"})
    );
    assert_eq!(client.hear().await, json!({"type": "complete", "id": "1"}));

    client.subscribe("1", "{ failingNonNull }").await;
    let next = client.hear().await;
    assert_eq!(
        (&next["type"], next["payload"].get("data")),
        (&json!("next"), Some(&Json::Null))
    );
    assert_eq!(client.hear().await, json!({"type": "complete", "id": "1"}));
}

#[tokio::test]
async fn complete_of_the_client_drops_the_operation() {
    let mut server = serve().await;
    let mut client = server.open().await;
    client.subscribe("1", "subscription { silent }").await;
    client.say(json!({"type": "complete", "id": "unknown"})).await;
    client.say(json!({"type": "complete", "id": "1"})).await;
    // Answered after the two above.
    client.say(json!({"type": "ping"})).await;
    assert_eq!(client.hear().await, json!({"type": "pong"}));
    client.subscribe("1", "subscription { silent }").await;
    client.0.close(None).await.unwrap();
    timeout(PATIENCE, server.drops.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_that_breaks_drops_its_operations() {
    let mut server = serve().await;
    let mut client = server.open().await;
    client.subscribe("1", "subscription { silent }").await;
    client
        .say(json!({"type": "ping", "payload": {"a": [1, "x"]}}))
        .await;
    assert_eq!(
        client.hear().await,
        json!({"type": "pong", "payload": {"a": [1, "x"]}})
    );
    drop(client);
    timeout(PATIENCE, server.drops.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_unknown_subprotocol_is_4406() {
    let server = serve().await;
    for offer in ["", "sec-websocket-protocol: graphql-ws\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!(
            "GET /graphql/ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(
            head.starts_with("HTTP/1.1 101 ") && !head.contains("sec-websocket-protocol"),
            "{head}"
        );
        let mut client = Client(WebSocketStream::from_raw_socket(stream, Role::Client, None).await);
        assert_eq!(
            client.closed().await,
            (4406, "Subprotocol not acceptable".to_owned())
        );
    }
}

#[tokio::test]
async fn no_init_in_time_is_4408() {
    let server = serve_with(SocketLimits {
        init_timeout: Duration::from_millis(20),
        ..Default::default()
    })
    .await;
    let mut client = server.connect().await;
    assert_eq!(
        client.closed().await,
        (4408, "Connection initialisation timeout".to_owned())
    );
}

#[tokio::test]
async fn a_second_init_is_4429_acknowledged_or_not() {
    let server = serve().await;
    let mut client = server.open().await;
    client.say(json!({"type": "connection_init"})).await;
    assert_eq!(
        client.closed().await,
        (4429, "Too many initialisation requests".to_owned())
    );

    let mut client = server.connect().await;
    client
        .say(json!({"type": "connection_init", "payload": {"token": "stuck"}}))
        .await;
    client.say(json!({"type": "connection_init"})).await;
    assert_eq!(client.closed().await.0, 4429);
}

#[tokio::test]
async fn subscribe_before_the_acknowledgement_is_4401() {
    let server = serve().await;
    let mut client = server.connect().await;
    client.subscribe("1", "{ hello }").await;
    assert_eq!(client.closed().await, (4401, "Unauthorized".to_owned()));

    let mut client = server.connect().await;
    client
        .say(json!({"type": "connection_init", "payload": {"token": "stuck"}}))
        .await;
    client.subscribe("1", "{ hello }").await;
    assert_eq!(client.closed().await.0, 4401);
}

#[tokio::test]
async fn refusals_close_the_socket() {
    let server = serve_with(SocketLimits {
        admission_timeout: Duration::from_millis(20),
        ..Default::default()
    })
    .await;
    for (token, code, reason) in [
        ("bad", 4403, "Forbidden: unknown token"),
        ("other", 4403, "Forbidden: not this way"),
        ("away", 1013, "the database is away"),
        ("stuck", 1013, "admission took too long"),
    ] {
        let mut client = server.connect().await;
        client
            .say(json!({"type": "connection_init", "payload": {"token": token}}))
            .await;
        assert_eq!(client.closed().await, (code, reason.to_owned()));
    }
    // Nobody may come in here, and ask for what nobody may ask.
    let mut client = server.connect().await;
    client.say(json!({"type": "connection_init"})).await;
    assert_eq!(client.hear().await, json!({"type": "connection_ack"}));
}

#[tokio::test]
async fn a_revoked_token_closes_live_sockets_with_4403() {
    let server = serve().await;
    let mut client = server.open().await;
    client.subscribe("1", "subscription { silent }").await;
    client.say(json!({"type": "ping"})).await;
    assert_eq!(client.hear().await["type"], "pong");
    server.gateway.revoked.cancel();
    assert_eq!(
        client.closed().await,
        (4403, "Forbidden: token revoked".to_owned())
    );

    let mut client = server.connect().await;
    client
        .say(json!({"type": "connection_init", "payload": {"token": "good"}}))
        .await;
    assert_eq!(client.closed().await.0, 4403);
}

#[tokio::test]
async fn an_id_in_use_is_4409() {
    let server = serve().await;
    let mut client = server.open().await;
    client.subscribe("x", "subscription { silent }").await;
    client.subscribe("x", "{ hello }").await;
    assert_eq!(
        client.closed().await,
        (4409, "Subscriber for x already exists".to_owned())
    );
}

#[tokio::test]
async fn bad_messages_are_4400() {
    let server = serve().await;
    let long = format!(r#"{{"type":"{}"}}"#, "ü".repeat(300));
    for message in ["nonsense", r#"{"type":"next","id":"1","payload":{}}"#, &long] {
        let mut client = server.open().await;
        client.0.send(Message::text(message)).await.unwrap();
        let (code, reason) = client.closed().await;
        assert_eq!(code, 4400, "{reason}");
        assert!((1..=123).contains(&reason.len()), "{reason}");
    }
    let mut client = server.open().await;
    client
        .0
        .send(Message::binary(br#"{"type":"ping"}"#.to_vec()))
        .await
        .unwrap();
    assert_eq!(
        client.closed().await,
        (4400, "binary messages are not accepted".to_owned())
    );
}

#[tokio::test]
async fn a_message_over_the_limit_is_1009() {
    let server = serve_with(SocketLimits {
        message_bytes: 2_000,
        ..Default::default()
    })
    .await;
    let ping = |bytes: usize| {
        let frame = r#"{"type":"ping","payload":{"a":""}}"#;
        frame.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - frame.len())))
    };
    let mut client = server.open().await;
    client.0.send(Message::text(ping(2_000))).await.unwrap();
    assert_eq!(client.hear().await["type"], "pong");
    client.0.send(Message::text(ping(2_001))).await.unwrap();
    assert_eq!(
        client.closed().await,
        (1009, "message larger than 2000 bytes".to_owned())
    );
    // Refused by its frame header already.
    let mut client = server.open().await;
    client.0.send(Message::text(ping(4_001))).await.unwrap();
    assert_eq!(client.closed().await, (1009, "message too large".to_owned()));
}

#[tokio::test]
async fn a_caller_with_too_many_sockets_is_told_to_come_again() {
    let server = serve_seats(Seats::new(2), SocketLimits::default()).await;
    let first = server.open().await;
    let _second = server.open().await;
    let mut third = server.connect().await;
    third
        .say(json!({"type": "connection_init", "payload": {"token": "good-ada"}}))
        .await;
    let reason = "too many live connections of this caller; at most 2";
    assert_eq!(third.closed().await, (1013, reason.to_owned()));
    // Another caller is not meant.
    let mut other = server.connect().await;
    other.init(json!({"token": "good-bob"})).await;
    drop(first);
    loop {
        let mut again = server.connect().await;
        again
            .say(json!({"type": "connection_init", "payload": {"token": "good-ada"}}))
            .await;
        match again.raw().await.unwrap() {
            Message::Text(text) => break assert_eq!(text.as_str(), r#"{"type":"connection_ack"}"#),
            // The server has not yet seen that the first is gone.
            Message::Close(_) => {}
            other => panic!("neither let in nor sent away: {other:?}"),
        }
    }
}

#[tokio::test]
async fn one_operation_too_many_is_refused_alone() {
    let server = serve_with(SocketLimits {
        operations: 2,
        ..Default::default()
    })
    .await;
    let mut client = server.open().await;
    for id in ["1", "2", "3"] {
        client.subscribe(id, "subscription { silent }").await;
    }
    let error = client.hear().await;
    assert_eq!(error["id"], "3");
    assert_eq!(
        code_of(&error),
        (
            "RATE_LIMITED",
            "too many live operations on this socket; at most 2"
        )
    );
    client.say(json!({"type": "complete", "id": "1"})).await;
    client.subscribe("3", "{ sum(a: 1, b: 1) }").await;
    assert_eq!(client.hear().await["payload"], json!({"data": {"sum": 2}}));
}

#[tokio::test]
async fn the_server_pings_and_closes_a_silent_socket_with_4408() {
    let limits = SocketLimits {
        ping_interval: Duration::from_millis(30),
        pong_timeout: Duration::from_millis(500),
        ..Default::default()
    };
    let server = serve_with(limits).await;
    let mut client = server.open().await;
    for _ in 0..2 {
        assert_eq!(client.hear().await, json!({"type": "ping"}));
        client.say(json!({"type": "pong", "payload": {"t": 1}})).await;
    }
    assert_eq!(client.hear().await, json!({"type": "ping"}));
    assert_eq!(
        client.closed().await,
        (4408, "Ping timeout: nothing came back".to_owned())
    );
}

#[tokio::test]
async fn shutting_down_closes_with_1012_and_refuses_new_sockets() {
    let mut server = serve().await;
    let mut client = server.open().await;
    client.subscribe("1", "subscription { silent }").await;
    client.say(json!({"type": "ping"})).await;
    assert_eq!(client.hear().await["type"], "pong");
    assert_eq!(server.service.open_sockets(), 1);
    let service = server.service.clone();
    let down = tokio::spawn(async move { service.shut_down().await });
    assert_eq!(client.closed().await, (1012, "Service restart".to_owned()));
    timeout(PATIENCE, server.drops.recv()).await.unwrap().unwrap();
    // The client confirms by reading on.
    assert!(client.0.next().await.is_none());
    timeout(PATIENCE, down).await.unwrap().unwrap();
    assert_eq!(server.service.open_sockets(), 0);

    let request = "ws://localhost/graphql/ws".into_client_request().unwrap();
    match client_async(request, TcpStream::connect(server.address).await.unwrap()).await {
        Err(WireError::Http(response)) => assert_eq!(response.status(), 503),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_no_handshake_is_refused() {
    let server = serve().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET /graphql/ws HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

/// Connections in memory, whose buffers hold no more than they are told.
struct Pipe(mpsc::Receiver<DuplexStream>);

impl Listener for Pipe {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(stream) => (stream, ()),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

const PIPE_BYTES: usize = 4 * 1024;

/// A client over a connection that holds [`PIPE_BYTES`].
async fn narrow(limits: SocketLimits) -> (Client<DuplexStream>, Probe, mpsc::UnboundedReceiver<()>) {
    let (schema, probe, drops) = schema();
    let service = GraphqlWs::new(schema, Arc::new(TestGateway::default()), Seats::new(1), limits);
    let (connections, pipe) = mpsc::channel(1);
    let router = Router::new().route("/graphql/ws", service.route());
    tokio::spawn(async move { axum::serve(Pipe(pipe), router).await });
    let (ours, theirs) = duplex(PIPE_BYTES);
    connections.send(theirs).await.unwrap();
    let mut client = Client::over(ours).await;
    client.init(json!({})).await;
    (client, probe, drops)
}

#[tokio::test]
async fn a_stalled_reader_is_bounded_in_count_and_closed_with_4900() {
    let limits = SocketLimits {
        queue_messages: 32,
        stall_timeout: Duration::from_millis(100),
        close_timeout: PATIENCE,
        ..Default::default()
    };
    let (mut client, probe, mut drops) = narrow(limits).await;
    // The end of `silent` tells when the server has given up, without reading.
    client.subscribe("silent", "subscription { silent }").await;
    client.subscribe("flood", "subscription { flood }").await;
    timeout(PATIENCE, drops.recv()).await.unwrap().unwrap();
    // Each event is over 1,000 bytes: 32 in the queue, and what the write buffer and the connection hold.
    let held = (socket::WRITE_BUFFER_BYTES + PIPE_BYTES) as u64 / 1_000 + 2;
    let taken = probe.taken.load(Ordering::SeqCst);
    assert!(
        (32..=32 + held).contains(&taken),
        "{taken} events taken, {held} held by buffers"
    );
    assert_eq!(
        client.closed().await,
        (4900, "slow consumer: resume with the last cursor".to_owned())
    );
    assert_eq!(probe.taken.load(Ordering::SeqCst), taken);
}

#[tokio::test]
async fn a_stalled_reader_is_bounded_in_bytes() {
    let limits = SocketLimits {
        queue_bytes: 10_000,
        stall_timeout: Duration::from_millis(100),
        close_timeout: Duration::from_millis(20),
        ..Default::default()
    };
    let (mut client, probe, mut drops) = narrow(limits).await;
    client.subscribe("silent", "subscription { silent }").await;
    client.subscribe("flood", "subscription { flood }").await;
    timeout(PATIENCE, drops.recv()).await.unwrap().unwrap();
    let held = (socket::WRITE_BUFFER_BYTES + PIPE_BYTES) as u64 / 1_000 + 2;
    let taken = probe.taken.load(Ordering::SeqCst);
    assert!((9..=11 + held).contains(&taken), "{taken} events taken");
}

#[tokio::test]
async fn a_slow_reader_that_goes_on_reading_is_served() {
    let limits = SocketLimits {
        queue_messages: 4,
        stall_timeout: Duration::from_millis(500),
        ..Default::default()
    };
    let (mut client, probe, _drops) = narrow(limits).await;
    client.subscribe("flood", "subscription { flood }").await;
    for n in 0..500 {
        let next = client.hear().await;
        assert_eq!(
            next["payload"]["data"]["flood"].as_str().unwrap(),
            format!("{n:0>1000}")
        );
        let ahead = probe.taken.load(Ordering::SeqCst) - (n + 1);
        assert!(ahead <= 40, "{ahead} events ahead of the reader");
    }
}

#[tokio::test]
async fn pings_of_a_client_that_does_not_read_are_bounded() {
    let limits = SocketLimits {
        queue_messages: 8,
        stall_timeout: Duration::from_millis(100),
        close_timeout: Duration::from_millis(20),
        ..Default::default()
    };
    let (mut client, _probe, _drops) = narrow(limits).await;
    let payload = "x".repeat(1_000);
    let mut sent = 0;
    // The server stops reading, so the client cannot go on for ever; it is closed in the end.
    while let Ok(Ok(())) = timeout(
        PATIENCE,
        client.0.send(Message::text(format!(
            r#"{{"type":"ping","payload":{{"a":"{payload}"}}}}"#
        ))),
    )
    .await
    {
        sent += 1;
        assert!(sent < 1_000, "pings are taken without bound");
    }
    assert!(sent >= 8, "{sent}");
}

/// Reads the numbers of `counted` up to the end.
async fn numbers<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>) -> Vec<i64> {
    let mut numbers = Vec::new();
    loop {
        let message = client.hear().await;
        match message["type"].as_str().unwrap() {
            "next" => numbers.push(message["payload"]["data"]["counted"].as_i64().unwrap()),
            "complete" => return numbers,
            other => panic!("{other}: {message}"),
        }
    }
}

#[tokio::test]
async fn who_watch_the_same_are_served_by_one_execution() {
    let server = serve().await;
    let mut clients = Vec::new();
    for n in 0..20 {
        let mut client = server.open().await;
        client
            .subscribe(&format!("s{n}"), "subscription { counted(to: 300, slow: true) }")
            .await;
        clients.push(client);
    }
    for client in &mut clients {
        let numbers = numbers(client).await;
        let first = numbers[0];
        assert_eq!(
            numbers,
            (first..=300).collect::<Vec<_>>(),
            "all of them, once, in order"
        );
    }
    assert_eq!(server.probe.taken.load(Ordering::SeqCst), 1, "one execution");
    // The group is gone with its end: who comes now begins another.
    let mut late = server.open().await;
    late.subscribe("s", "subscription { counted(to: 300, slow: true) }")
        .await;
    assert_eq!(numbers(&mut late).await, (1..=300).collect::<Vec<_>>());
    assert_eq!(server.probe.taken.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_crowd_is_told_all_in_order_in_handfuls() {
    let server = serve().await;
    let mut crowd = Vec::new();
    for _ in 0..70 {
        crowd.push(server.open().await);
    }
    for client in &mut crowd {
        client
            .subscribe("s", "subscription { counted(to: 800, slow: true) }")
            .await;
    }
    for client in &mut crowd {
        let numbers = numbers(client).await;
        let first = numbers[0];
        assert_eq!(
            numbers,
            (first..=800).collect::<Vec<_>>(),
            "all of them, once, in order"
        );
    }
}

#[tokio::test]
async fn who_lags_behind_the_others_goes_on_alone_and_misses_nothing() {
    let (mut client, probe, mut drops) = narrow(SocketLimits::default()).await;
    client
        .subscribe("s", "subscription { counted(to: 5000, slow: false) }")
        .await;
    // What lies between is soon full; the group goes on to its end without the client, who begins to read only then.
    timeout(PATIENCE, drops.recv()).await.unwrap().unwrap();
    assert_eq!(numbers(&mut client).await, (1..=5_000).collect::<Vec<_>>());
    assert_eq!(probe.taken.load(Ordering::SeqCst), 2, "together, then alone");
}

#[tokio::test]
async fn other_rights_are_another_execution() {
    let server = serve().await;
    let mut ada = server.open().await;
    let mut ben = server.connect().await;
    ben.init(json!({"token": "good-ben"})).await;
    for client in [&mut ada, &mut ben] {
        client
            .subscribe("s", "subscription { counted(to: 100, slow: true) }")
            .await;
    }
    for client in [&mut ada, &mut ben] {
        assert_eq!(numbers(client).await, (1..=100).collect::<Vec<_>>());
    }
    assert_eq!(server.probe.taken.load(Ordering::SeqCst), 2);
}
