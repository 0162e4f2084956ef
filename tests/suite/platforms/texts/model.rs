//! A server that speaks as OpenAI does, and writes when it is told to: `Hello ` at once, `world.` when it is released; of
//! `[[late]]` all of it then, of `[[short]]` all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::platforms::CREATE;
use crate::support::Server;

/// How many pieces of a byte `[[many]]` makes.
pub const MANY: usize = 4_000;
/// US dollars for a million tokens read and written.
pub const PRICE: (u32, u32) = (1, 2);

/// The server.
pub struct Model {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    begun: AtomicUsize,
    hung_up: AtomicUsize,
    released: watch::Sender<bool>,
}

impl Model {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port of loopback");
        let address = format!("http://{}/v1", listener.local_addr().expect("it is bound"));
        let shared = Arc::new(Shared {
            begun: AtomicUsize::new(0),
            hung_up: AtomicUsize::new(0),
            released: watch::Sender::new(false),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                tokio::spawn(async move { serve(stream, &shared).await });
            }
        });
        Self { address, shared }
    }

    /// Connects a server to it, with prices.
    pub async fn connect(&self, server: &Server) -> String {
        self.connect_with(
            server,
            json!({ "m": { "inputPerMillion": PRICE.0, "outputPerMillion": PRICE.1 } }),
        )
        .await
    }

    pub async fn connect_with(&self, server: &Server, prices: Value) -> String {
        let settings = json!({ "baseUrl": self.address, "prices": prices });
        let input = json!({ "platform": "openai", "name": "Own", "settings": settings, "secrets": { "apiKey": "sk-own-0123456789" } });
        let made = server.data(CREATE, json!({ "input": input })).await["it"].take();
        assert_eq!(made["connection"]["state"], "ACTIVE", "{made}");
        made["connection"]["id"].as_str().expect("an id").to_owned()
    }

    /// How many texts were begun.
    pub fn begun(&self) -> usize {
        self.shared.begun.load(Ordering::SeqCst)
    }

    /// How many of them nobody waited for any more.
    pub fn hung_up(&self) -> usize {
        self.shared.hung_up.load(Ordering::SeqCst)
    }

    /// Has all texts written to their end, those to come as well.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> Option<()> {
    let mut seen = Vec::new();
    let mut buffer = [0; 4_096];
    // One request for each connection.
    let (head, body) = loop {
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        seen.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length:")?
                        .trim()
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                break (head.to_owned(), body.to_owned());
            }
        }
    };
    if head.starts_with("GET") {
        let list = json!({ "object": "list", "data": [{ "id": "m", "object": "model" }] }).to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{list}",
            list.len()
        );
        return stream.write_all(answer.as_bytes()).await.ok();
    }
    shared.begun.fetch_add(1, Ordering::SeqCst);
    let mut released = shared.released.subscribe();
    if body.contains("[[late]]") {
        // It thinks before it says anything.
        released.wait_for(|released| *released).await.ok()?;
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(piece("Hello ").as_bytes()).await.ok()?;
    let is_short = body.contains("[[short]]");
    tokio::select! {
        _ = released.wait_for(|released| *released || is_short) => {}
        _ = stream.read(&mut buffer) => {
            shared.hung_up.fetch_add(1, Ordering::SeqCst);
            return None;
        }
    }
    if body.contains("[[fail]]") {
        // It breaks off.
        return stream.shutdown().await.ok();
    }
    if body.contains("[[many]]") {
        for _ in 0..MANY {
            stream.write_all(piece("x").as_bytes()).await.ok()?;
        }
    }
    stream.write_all(piece("world.").as_bytes()).await.ok()?;
    let end = json!({ "id": "c1", "model": "m", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    let usage = json!({ "id": "c1", "model": "m", "choices": [], "usage": { "prompt_tokens": 7, "completion_tokens": 3 } });
    let rest = format!("data: {end}\n\ndata: {usage}\n\ndata: [DONE]\n\n");
    stream.write_all(rest.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

fn piece(text: &str) -> String {
    let chunk =
        json!({ "id": "c1", "model": "m", "choices": [{ "index": 0, "delta": { "content": text } }] });
    format!("data: {chunk}\n\n")
}
