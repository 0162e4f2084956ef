//! The server is asked to end while all kinds of things are going on.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use entity::{JobState, job, lead};
use futures_util::StreamExt as _;
use sea_orm::{EntityTrait as _, PaginatorTrait as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Database, Process, Socket, ask, command, http, until};

/// What running requests get to end, in seconds.
const GRACE: u64 = 5;
/// Rows of the import that is going on; more than are done before the end.
const ROWS: usize = 30_000;
/// Leads of the call that is going on.
const BATCH: usize = 200;
/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

const IMPORT: &str =
    "mutation ($id: ID!) { leadsImport(input: { uploadId: $id }) { job { id } userErrors { message } } }";
const MANY: &str = "mutation ($input: LeadsCreateInput!) { leadsCreate(input: $input) { results { outcome } userErrors { code } } }";

/// Sends a request but for the end of its body.
async fn begin(address: SocketAddr, token: &str, path: &str, body: &str) -> (TcpStream, String) {
    let mut wire = TcpStream::connect(address).await.expect("it listens");
    let (first, rest) = body.split_at(body.len() / 2);
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{first}",
        body.len()
    );
    wire.write_all(request.as_bytes()).await.expect("it is sent");
    (wire, rest.to_owned())
}

/// Sends the end, if there is one; answers what came until the server closed the connection.
async fn finish((mut wire, rest): (TcpStream, String)) -> String {
    wire.write_all(rest.as_bytes()).await.expect("it is sent");
    let mut answer = String::new();
    let read = timeout(PATIENCE, wire.read_to_string(&mut answer))
        .await
        .expect("in time");
    assert!(read.is_ok() || answer.is_empty(), "{answer}");
    answer
}

on_both! {
    async fn what_runs_ends_well_or_goes_on_elsewhere(database: &Database) {
        let token = command(database, &["token", "create", "--name", "t", "--scope", "admin"]).out.trim().to_owned();
        let process = Process::start(database, &["serve", "--shutdown-grace-seconds", &GRACE.to_string()]);
        let address = process.address().await;
        let http = http();

        // A job.
        let rows: String = (0..ROWS).map(|n| format!("a{n}@example.com,Ann {n}\n")).collect();
        let sent = http.post(format!("http://{address}/uploads?fileName=x.csv")).bearer_auth(&token).body(format!("email,first_name\n{rows}"));
        let file: Value = sent.send().await.unwrap().json().await.unwrap();
        let (_, begun) = ask(&http, address, Some(&token), IMPORT, json!({ "id": file["id"] })).await;
        let job: entity::id::JobId = begun["data"]["leadsImport"]["job"]["id"].as_str().unwrap().parse().unwrap();
        let db = database.open().await;
        let stands = async || job::Entity::find_by_id(job).one(db.read()).await.unwrap().unwrap();

        // Whoever watches, by a socket and by a stream.
        let mut socket = Socket::open(address, Some(&token)).await;
        socket.let_in().await;
        let _feed = socket.subscribe("subscription { jobProgressed { job { id } } }", json!({})).await;
        let stream = http.post(format!("http://{address}/graphql/stream")).bearer_auth(&token).header("accept", "text/event-stream")
            .json(&json!({ "query": "subscription { leadChanged { cursor } }" })).send().await.unwrap();
        assert_eq!(stream.status(), 200);
        let mut stream = stream.bytes_stream();

        // Requests that the server has begun to read: two files and a call with much to do.
        let content = "email\nlate@example.com\n";
        let late = begin(address, &token, "/uploads?fileName=x.csv", content).await;
        let never = begin(address, &token, "/uploads?fileName=x.csv", content).await;
        let leads: Vec<Value> = (0..BATCH).map(|n| json!({ "email": format!("b{n}@example.com") })).collect();
        let call = json!({ "query": MANY, "variables": { "input": { "leads": leads } } }).to_string();
        let busy = begin(address, &token, "/graphql", &call).await;
        until("the import is under way", async || stands().await.done > 0).await;
        tokio::time::sleep(Duration::from_millis(500)).await;

        let asked = Instant::now();
        let ended = tokio::task::spawn_blocking(move || process.end());
        // Sockets are told to come back, to this server when it is there again or to another.
        assert_eq!(timeout(PATIENCE, socket.closed()).await.unwrap(), 1012);
        timeout(PATIENCE, async { while let Some(Ok(_)) = stream.next().await {} }).await.unwrap();
        let watchers_gone = asked.elapsed();
        until("nobody new is let in", async || TcpStream::connect(address).await.is_err()).await;
        let shut = asked.elapsed();
        // What was being answered is answered.
        let (busy, late) = tokio::join!(finish(busy), finish(late));
        assert!(late.starts_with("HTTP/1.1 201"), "{late}");
        assert!(busy.starts_with("HTTP/1.1 200") && busy.matches("\"CREATED\"").count() == BATCH, "{busy}");
        // Who never ends is not waited for longer than was said.
        assert_eq!(timeout(PATIENCE, ended).await.unwrap().unwrap(), Some(0));
        let took = asked.elapsed();
        assert!(took < Duration::from_secs(2 * GRACE + 6), "it took {took:?}");
        let early = Duration::from_secs(GRACE - 1);
        assert!(watchers_gone < early && shut < early, "{watchers_gone:?}, {shut:?} of {took:?}");
        assert_eq!(finish((never.0, String::new())).await, "", "it was cut off");

        // The job was given back, not left behind: another takes it up at once, and nothing is done twice.
        let left = stands().await;
        assert!((1..ROWS as i64).contains(&left.done), "{left:?}");
        assert_eq!(left.state, JobState::Queued, "{left:?}");
        let process = Process::start(database, &["serve"]);
        process.address().await;
        until("the import ends", async || stands().await.state == JobState::Succeeded).await;
        let done = stands().await;
        assert_eq!(done.done, ROWS as i64, "{done:?}");
        assert_eq!(lead::Entity::find().count(db.read()).await.unwrap(), (ROWS + BATCH) as u64);
        process.end();
    }
}
