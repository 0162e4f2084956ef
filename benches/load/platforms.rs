//! Outside platforms: webhooks that come in, a shop that is read. The platforms are their stand-ins, in this process.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use integrations::SystemClock;
use integrations::platform::shopify::SandboxShop;
use integrations::sandbox::{Running, start};
use leadline::db::{Db, DbOptions, sql};
use ring::hmac::{HMAC_SHA256, Key, sign};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::client::{Connection, Wire};
use crate::scenarios::{Row, size};
use crate::server::{Backend, Deployment};

/// For how long webhooks come.
const SECONDS: u64 = 10;
/// Over how many connections: so many that the server's pace does not become that of its clients.
const CONNECTIONS: u64 = 1_024;

/// A shop with so many customers that lets itself be asked as fast as one can.
async fn shop(customers: usize) -> anyhow::Result<Running> {
    let sandbox = SandboxShop::with(customers, 1, 1, 1)
        .unlimited()
        .sandbox(Arc::new(SystemClock));
    Ok(start(sandbox, Arc::new(SystemClock)).await?)
}

/// Connects the server to a shop; answers the connection's id.
async fn connect(connection: &mut Connection, shop: &Running) -> anyhow::Result<String> {
    let setup = shop.sandbox().setup(&shop.base);
    let mut secrets = setup.secrets;
    if let Some(credentials) = setup.credentials
        && secrets.get("accessToken").is_none()
    {
        secrets["accessToken"] = json!(credentials.access_token.expose());
    }
    let create = "mutation ($input: ConnectionCreateInput!) { connectionCreate(input: $input) { connection { id } userErrors { message } } }";
    let input =
        json!({ "platform": "shopify", "name": "Shop", "settings": setup.settings, "secrets": secrets });
    let made = connection.graphql(create, json!({ "input": input })).await?;
    let id = made["connectionCreate"]["connection"]["id"].as_str();
    id.map(str::to_owned)
        .ok_or_else(|| anyhow::anyhow!("the shop is not connected: {made}"))
}

/// All customers of a shop become leads, from the first request to the last commit.
pub fn sync(runtime: &Runtime, backend: &Backend) -> anyhow::Result<Vec<Row>> {
    let customers = size("BENCH_SHOP_CUSTOMERS", 100_000);
    let deployment = Deployment::new(backend)?;
    let token = deployment.token()?;
    let server = deployment.serve(&[])?;
    let mut rows = Vec::new();
    runtime.block_on(async {
        let shop = shop(usize::try_from(customers)?).await?;
        let mut connection = Connection::open(&server.address, &token).await?;
        let id = connect(&mut connection, &shop).await?;
        for (what, wanted) in [
            ("customers of a shop become leads", "5,000 customers/s, under 200 MB"),
            ("the same again, all of them (nothing changes)", ""),
        ] {
            let sync = "mutation ($input: ConnectionSyncInput!) { connectionSync(input: $input) { sync { id } userErrors { message } } }";
            let input = json!({ "id": id, "kinds": ["CUSTOMERS"], "full": true });
            let begun = Instant::now();
            let started = connection.graphql(sync, json!({ "input": input })).await?;
            let of = started["connectionSync"]["sync"]["id"].clone();
            let read = loop {
                let query = "query ($id: ID!) { sync(id: $id) { endedAt state counts { created updated unchanged refused } failure { message } } }";
                let read = connection.graphql(query, json!({ "id": of })).await?["sync"].take();
                if !read["endedAt"].is_null() {
                    break read;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            let elapsed = begun.elapsed();
            anyhow::ensure!(read["state"] == "SUCCEEDED", "{read}");
            let seen: u64 = ["created", "updated", "unchanged"]
                .iter()
                .filter_map(|what| read["counts"][0][what].as_u64())
                .sum();
            anyhow::ensure!(seen == customers, "{read}");
            rows.push(Row {
                what: format!("{customers} {what}"),
                figure: format!(
                    "{:.0} customers/s, peak {} MB",
                    customers as f64 / elapsed.as_secs_f64(),
                    server.peak_bytes() / 1_000_000
                ),
                wanted,
            });
        }
        anyhow::Ok(())
    })?;
    Ok(rows)
}

/// What the door answered over one connection.
struct Answered {
    kept: Vec<String>,
    refused: u64,
    refused_without_time: u64,
    latency_us: Histogram<u64>,
}

/// Webhooks of orders come at a rate; those that were acknowledged are looked for afterwards.
pub fn webhooks(runtime: &Runtime, backend: &Backend) -> anyhow::Result<Vec<Row>> {
    let per_second = size("BENCH_WEBHOOKS_PER_SECOND", 10_000);
    let deployment = Deployment::new(backend)?;
    let token = deployment.token()?;
    let server = deployment.serve(&[])?;
    runtime.block_on(async {
        let shop = shop(10).await?;
        let mut admin = Connection::open(&server.address, &token).await?;
        let id = connect(&mut admin, &shop).await?;
        let register = "mutation ($id: ID!) { connectionWebhooksRegister(input: { id: $id }) { userErrors { message } } }";
        admin.graphql(register, json!({ "id": id })).await?;
        let orders = shop.sandbox().happen("order_created");
        let order = orders.first().ok_or_else(|| anyhow::anyhow!("no webhook is registered"))?;
        let mut order_body: Value = serde_json::from_slice(&order.body)?;
        let secret = shop.sandbox().setup(&shop.base).secrets["clientSecret"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let headers: String = order
            .headers
            .iter()
            .filter(|(name, _)| !matches!(*name, "x-shopify-hmac-sha256" | "x-shopify-webhook-id"))
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let path = format!("/webhooks/{id}");
        order_body["id"] = json!("ORDER");
        let text = order_body.to_string();
        let (head, tail) = text.split_once("\"ORDER\"").ok_or_else(|| anyhow::anyhow!("no id in it"))?;
        let key = Key::new(HMAC_SHA256, secret.as_bytes());
        let body = |n: u64| format!("{head}{}{tail}", 7_000_000_000_000_u64 + n);
        // Signed beforehand: a platform does that on its own machines.
        let signatures: Arc<Vec<String>> = Arc::new(
            (0..per_second * SECONDS)
                .map(|n| STANDARD.encode(sign(&key, body(n).as_bytes())))
                .collect(),
        );
        let start = format!("POST {path} HTTP/1.1\r\nhost: bench\r\n{headers}content-length: {}\r\n", body(0).len());
        let mut wires = Vec::new();
        for _ in 0..CONNECTIONS {
            wires.push(Wire::open(&server.address).await?);
        }
        let begin = Instant::now() + Duration::from_millis(200);
        let mut tasks = Vec::new();
        for (worker, mut wire) in (0..CONNECTIONS).zip(wires) {
            let (signatures, start) = (Arc::clone(&signatures), start.clone());
            let (head, tail) = (head.to_owned(), tail.to_owned());
            tasks.push(tokio::spawn(async move {
                let mut answered = Answered {
                    kept: Vec::new(),
                    refused: 0,
                    refused_without_time: 0,
                    latency_us: Histogram::new(3)?,
                };
                for n in (worker..per_second * SECONDS).step_by(usize::try_from(CONNECTIONS)?) {
                    let due = begin + Duration::from_secs_f64(n as f64 / per_second as f64);
                    tokio::time::sleep_until(due.into()).await;
                    if begin.elapsed() > Duration::from_secs(SECONDS) {
                        break;
                    }
                    let signature = &signatures[usize::try_from(n)?];
                    let request = format!(
                        "{start}x-shopify-hmac-sha256: {signature}\r\nx-shopify-webhook-id: bench-{n}\r\n\r\n{head}{}{tail}",
                        7_000_000_000_000_u64 + n
                    );
                    let sent = Instant::now();
                    let (status, come_again) = wire.send(request.as_bytes()).await?;
                    let elapsed = u64::try_from(sent.elapsed().as_micros())?;
                    match status {
                        200 => {
                            answered.latency_us.record(elapsed)?;
                            answered.kept.push(format!("bench-{n}"));
                        }
                        503 => {
                            answered.refused += 1;
                            answered.refused_without_time += u64::from(!come_again);
                        }
                        other => anyhow::bail!("answered {other}"),
                    }
                }
                anyhow::Ok(answered)
            }));
        }
        let (mut kept, mut refused) = (HashSet::new(), 0);
        let mut latency_us = Histogram::<u64>::new(3)?;
        for task in tasks {
            let answered = task.await??;
            anyhow::ensure!(answered.refused_without_time == 0, "a 503 without `Retry-After`");
            kept.extend(answered.kept);
            refused += answered.refused;
            latency_us.add(answered.latency_us)?;
        }
        let acknowledged = kept.len();
        let offered = latency_us.len() + refused;
        // Killed at once: what was acknowledged is there all the same.
        let peak = server.peak_bytes() / 1_000_000;
        drop(server);
        let db = Db::open(&DbOptions::new(deployment.url())).await?;
        let rows = db.read().query_all_raw(sql(db.backend(), "SELECT headers FROM webhook_delivery", [])).await?;
        for row in rows {
            let headers: Vec<(String, String)> = serde_json::from_str(&row.try_get::<String>("", "headers")?)?;
            for (_, id) in headers.iter().filter(|(name, _)| name == "x-shopify-webhook-id") {
                kept.remove(id);
            }
        }
        db.close().await?;
        let lost = kept.len();
        let figure = format!(
            "{:.0}/s acknowledged, {:.0}/s refused with 503, p99 {:.0} ms, {lost} of {acknowledged} lost after a kill, peak {peak} MB",
            acknowledged as f64 / SECONDS as f64,
            refused as f64 / SECONDS as f64,
            latency_us.value_at_quantile(0.99) as f64 / 1_000.0,
        );
        Ok(vec![Row {
            what: format!("webhooks of orders for {SECONDS} s: {} of {per_second}/s offered", offered / SECONDS),
            figure,
            wanted: "10,000/s, p99 under 100 ms, none lost",
        }])
    })
}
