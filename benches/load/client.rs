//! A frugal HTTP/1.1 client: what it costs is taken from the server's two cores.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One kept-alive connection to the server under test.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authorization: String,
}

impl Connection {
    /// Connects.
    pub async fn open(address: &str, token: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            authorization: format!("Bearer {token}"),
        })
    }

    /// Sends a GraphQL request whose JSON is ready; answers the body.
    pub async fn post(&mut self, body: Bytes) -> anyhow::Result<Bytes> {
        let authorization = self.authorization.clone();
        self.send("authorization", &authorization, body).await
    }

    /// The same of nobody, who comes from an address by way of a proxy.
    pub async fn post_from(&mut self, address: &str, body: Bytes) -> anyhow::Result<Bytes> {
        self.send("x-forwarded-for", address, body).await
    }

    async fn send(&mut self, header: &str, value: &str, body: Bytes) -> anyhow::Result<Bytes> {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/graphql")
            .header("host", "bench")
            .header("content-type", "application/json")
            .header(header, value)
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        anyhow::ensure!(
            status.is_success(),
            "{status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(body)
    }

    /// Sends a query with variables; answers `data`, an error of any kind fails.
    pub async fn graphql(&mut self, query: &str, variables: Value) -> anyhow::Result<Value> {
        let body = serde_json::to_vec(&serde_json::json!({ "query": query, "variables": variables }))?;
        let answer: Value = serde_json::from_slice(&self.post(body.into()).await?)?;
        anyhow::ensure!(answer.get("errors").is_none(), "{answer}");
        Ok(answer["data"].clone())
    }
}

/// One kept-alive connection over which bytes go that are ready, and of the answer only what tells one from another is read:
/// at ten thousand a second a whole client would take more of the machine than the server.
pub struct Wire {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Wire {
    /// Connects.
    pub async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            answer: Vec::with_capacity(1_024),
        })
    }

    /// Sends a request; answers the status, and whether it was said when to come again.
    pub async fn send(&mut self, request: &[u8]) -> anyhow::Result<(u16, bool)> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        let head = loop {
            anyhow::ensure!(
                self.stream.read_buf(&mut self.answer).await? > 0,
                "the connection was closed"
            );
            if let Some(end) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = std::str::from_utf8(&self.answer[..head])?.to_ascii_lowercase();
        let status = text.get(9..12).unwrap_or_default().parse()?;
        let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let length: usize = header("content-length: ").unwrap_or("0").parse()?;
        while self.answer.len() < head + length {
            anyhow::ensure!(
                self.stream.read_buf(&mut self.answer).await? > 0,
                "the answer was cut"
            );
        }
        Ok((status, header("retry-after: ").is_some()))
    }
}

/// What a load showed.
pub struct Load {
    /// Requests answered in a second.
    pub per_second: f64,
    /// Latencies in microseconds.
    pub latency_us: Histogram<u64>,
}

impl Load {
    /// A quantile in milliseconds.
    pub fn ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1_000.0
    }
}

/// Sends requests over `connections` connections for a while after a warm-up; every answer is looked at by `check`.
pub async fn load(
    address: &str,
    token: &str,
    connections: usize,
    warm_up: Duration,
    duration: Duration,
    body: impl Fn(u64) -> Bytes + Send + Sync + 'static,
    check: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
) -> anyhow::Result<Load> {
    let (body, check) = (Arc::new(body), Arc::new(check));
    let begin = Instant::now() + warm_up;
    let end = begin + duration;
    let mut tasks = Vec::new();
    for worker in 0..connections as u64 {
        let mut connection = Connection::open(address, token).await?;
        let (body, check) = (Arc::clone(&body), Arc::clone(&check));
        tasks.push(tokio::spawn(async move {
            let mut latency = Histogram::<u64>::new(3)?;
            let mut n = worker;
            loop {
                let sent = Instant::now();
                if sent >= end {
                    return anyhow::Ok(latency);
                }
                let answer = connection.post(body(n)).await?;
                n += connections as u64;
                anyhow::ensure!(
                    check(&answer),
                    "unexpected answer: {}",
                    String::from_utf8_lossy(&answer)
                );
                if sent >= begin {
                    latency.record(u64::try_from(sent.elapsed().as_micros())?)?;
                }
            }
        }));
    }
    let mut latency_us = Histogram::<u64>::new(3)?;
    for task in tasks {
        latency_us.add(task.await??)?;
    }
    Ok(Load {
        per_second: latency_us.len() as f64 / duration.as_secs_f64(),
        latency_us,
    })
}
