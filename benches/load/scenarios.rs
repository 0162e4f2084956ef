//! What is measured.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::client::{Connection, load};
use crate::hostile::{hostile, sign_ins};
use crate::platforms::{sync, webhooks};
use crate::reports::reports;
use crate::server::{Backend, Deployment, Server};

/// One line of the table.
pub struct Row {
    pub what: String,
    pub figure: String,
    pub wanted: &'static str,
}

type Scenario = fn(&Runtime, &Backend) -> anyhow::Result<Vec<Row>>;

/// All of them, by name.
pub const ALL: &[(&str, Scenario)] = &[
    ("cold-start", cold_start),
    ("import", import),
    ("engagements", engagements),
    ("rescoring", rescoring),
    ("lead", lead),
    ("page", page),
    ("subscribers", subscribers),
    ("hostile", hostile),
    ("sign-ins", sign_ins),
    ("webhooks", webhooks),
    ("shop", sync),
    ("reports", reports),
];

/// Reads a size from the environment, so that a quick look and the full measurement are one program.
pub fn size(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn cold_start(runtime: &Runtime, backend: &Backend) -> anyhow::Result<Vec<Row>> {
    let deployment = Deployment::new(backend)?;
    let token = deployment.token()?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let server = deployment.serve(&[])?;
        runtime.block_on(async {
            let mut connection = Connection::open(&server.address, &token).await?;
            connection
                .graphql("{ leads(first: 1) { nodes { id } } }", json!({}))
                .await
        })?;
        times.push(server.started.elapsed());
    }
    times.sort();
    Ok(vec![Row {
        what: "cold start to first answer (median of 5)".into(),
        figure: format!("{} ms", times[2].as_millis()),
        wanted: "under 300 ms",
    }])
}

fn write_leads(path: &std::path::Path, rows: u64, tags: bool) -> anyhow::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    writeln!(
        file,
        "external_id,email,first_name,last_name,company,city,country,source,created_at{}",
        if tags { ",tags" } else { "" }
    )?;
    let sources = [
        "paid_search",
        "organic_search",
        "referral",
        "social",
        "email",
        "direct_traffic",
    ];
    for n in 0..rows {
        writeln!(
            file,
            "crm-{n},person{n}@example{}.com,First{n},Last{n},Company {},City {},DE,{},2026-0{}-{:02}{}",
            n % 5_000,
            n % 50_000,
            n % 800,
            sources[usize::try_from(n % 6)?],
            1 + n % 9,
            1 + n % 28,
            if tags {
                format!(",group {};group {}", n % 7, 7 + n % 11)
            } else {
                String::new()
            }
        )?;
    }
    Ok(file.flush()?)
}

fn import(_: &Runtime, backend: &Backend) -> anyhow::Result<Vec<Row>> {
    let rows = size("BENCH_IMPORT_ROWS", 1_000_000);
    let deployment = Deployment::new(backend)?;
    let file = deployment.path("leads.csv");
    write_leads(&file, rows, false)?;
    let path = file.to_string_lossy().into_owned();
    let first = deployment.run(&["import", "leads", &path])?;
    let again = deployment.run(&["import", "leads", &path])?;
    let rate = |elapsed: Duration| rows as f64 / elapsed.as_secs_f64();
    Ok(vec![
        Row {
            what: format!("import of {rows} leads from CSV"),
            figure: format!(
                "{:.0} rows/s, peak {} MB",
                rate(first.elapsed),
                first.peak_bytes.max(again.peak_bytes) / 1_000_000
            ),
            wanted: "20,000 rows/s, under 200 MB",
        },
        Row {
            what: "the same file again (nothing changes)".into(),
            figure: format!("{:.0} rows/s", rate(again.elapsed)),
            wanted: "",
        },
    ])
}

/// A server over some leads; answers their ids.
pub fn with_leads(
    runtime: &Runtime,
    backend: &Backend,
    leads: u64,
) -> anyhow::Result<(Deployment, Server, String, Vec<String>)> {
    let deployment = Deployment::new(backend)?;
    let token = deployment.token()?;
    let file = deployment.path("leads.csv");
    write_leads(&file, leads, true)?;
    deployment.run(&["import", "leads", &file.to_string_lossy()])?;
    let server = deployment.serve(&[])?;
    let ids = runtime.block_on(async {
        let mut connection = Connection::open(&server.address, &token).await?;
        let mut ids = Vec::new();
        let mut after = Value::Null;
        while (ids.len() as u64) < leads.min(20_000) {
            let query = "query($after: String) { leads(first: 100, after: $after) { nodes { id } pageInfo { endCursor } } }";
            let page = connection.graphql(query, json!({ "after": after })).await?;
            let nodes = page["leads"]["nodes"].as_array().cloned().unwrap_or_default();
            anyhow::ensure!(!nodes.is_empty(), "fewer leads than were imported");
            ids.extend(nodes.iter().filter_map(|node| node["id"].as_str().map(str::to_owned)));
            after = page["leads"]["pageInfo"]["endCursor"].clone();
        }
        anyhow::Ok(ids)
    })?;
    deployment.settle()?;
    Ok((deployment, server, token, ids))
}

const RECORD: &str = "mutation($input: EngagementsRecordInput!) { engagementsRecord(input: $input) { recorded results { userErrors { message } } } }";

fn engagement_batch(ids: &[String], n: u64, count: u64) -> Bytes {
    let types = [
        "PAGE_VIEWED",
        "EMAIL_OPENED",
        "EMAIL_CLICKED",
        "FORM_SUBMITTED",
        "LINK_CLICKED",
    ];
    let items: Vec<Value> = (0..count)
        .map(|i| {
            let k = n * count + i;
            // A spread that is the same in every run, over leads and over the last month.
            let lead = &ids[usize::try_from((k * 7919) % ids.len() as u64).expect("below the length")];
            json!({
                "leadId": lead,
                "type": types[usize::try_from(k % 5).expect("below five")],
                "occurredAt": format!("{}T{:02}:{:02}:00Z", day(1 + k % 20), k % 24, k % 60),
                "dedupeKey": format!("bench-{k}"),
                "title": "Pricing",
                "source": { "kind": "CAMPAIGN", "id": "c1", "name": "Autumn" },
            })
        })
        .collect();
    serde_json::to_vec(&json!({ "query": RECORD, "variables": { "input": { "items": items } } }))
        .expect("plain JSON")
        .into()
}

/// The day so many days ago, as `2026-11-21`.
fn day(ago: u64) -> String {
    let ago = i64::try_from(ago).expect("some days");
    let at = chrono::DateTime::from_timestamp_micros(now_micros() - ago * 86_400_000_000);
    at.expect("a moment of this century")
        .format("%Y-%m-%d")
        .to_string()
}

fn engagements(runtime: &Runtime, backend: &Backend) -> anyhow::Result<Vec<Row>> {
    let batches = size("BENCH_ENGAGEMENT_BATCHES", 300);
    let (_deployment, server, token, ids) = with_leads(runtime, backend, 20_000)?;
    let (elapsed, recorded) = runtime.block_on(async {
        let bodies: Vec<Bytes> = (0..batches).map(|n| engagement_batch(&ids, n, 1_000)).collect();
        let bodies = Arc::new(bodies);
        let next = Arc::new(AtomicU64::new(0));
        let begin = Instant::now();
        let mut tasks = Vec::new();
        for _ in 0..4 {
            let mut connection = Connection::open(&server.address, &token).await?;
            let (bodies, next) = (Arc::clone(&bodies), Arc::clone(&next));
            tasks.push(tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(body) = usize::try_from(n).ok().and_then(|n| bodies.get(n)) else {
                        return anyhow::Ok(());
                    };
                    let answer = connection.post(body.clone()).await?;
                    anyhow::ensure!(
                        !answer.windows(9).any(|part| part == b"\"message\""),
                        "{}",
                        String::from_utf8_lossy(&answer)
                    );
                }
            }));
        }
        for task in tasks {
            task.await??;
        }
        // Until journeys, summaries and stale marks hold every event: the handlers have nothing left.
        let mut connection = Connection::open(&server.address, &token).await?;
        let wanted = batches * 1_000;
        loop {
            let query = format!(
                "{{ activitySummary(by: MONTH, from: \"{}\") {{ nodes {{ total }} }} }}",
                day(31)
            );
            let data = connection.graphql(&query, json!({})).await?;
            let total: u64 = data["activitySummary"]["nodes"].as_array().map_or(0, |nodes| {
                nodes.iter().filter_map(|node| node["total"].as_u64()).sum()
            });
            if total >= wanted {
                return anyhow::Ok((begin.elapsed(), total));
            }
            anyhow::ensure!(
                begin.elapsed() < Duration::from_secs(180),
                "the handlers stand at {total} of {wanted}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })?;
    Ok(vec![Row {
        what: "engagements through GraphQL in batches of 1,000, until derived state holds them".into(),
        figure: format!(
            "{:.0} events/s, peak {} MB",
            recorded as f64 / elapsed.as_secs_f64(),
            server.peak_bytes() / 1_000_000
        ),
        wanted: "20,000 events/s",
    }])
}

fn rescoring(runtime: &Runtime, backend: &Backend) -> anyhow::Result<Vec<Row>> {
    let leads = size("BENCH_RESCORE_LEADS", 200_000);
    let (_deployment, server, token, _) = with_leads(runtime, backend, leads)?;
    let row = |what: &str, rate: f64| Row {
        what: format!("rescoring of {leads} leads in bulk, {what}"),
        figure: format!("{rate:.0} leads/s"),
        wanted: "50,000 leads/s",
    };
    runtime.block_on(async {
        let mut connection = Connection::open(&server.address, &token).await?;
        let data = connection
            .graphql("mutation { scoresRecalculate { job { id } } }", json!({}))
            .await?;
        let same = job_rate(&mut connection, &data["scoresRecalculate"]["job"]["id"]).await?;
        // A model that gives every lead another score: who the lead is counts for more, what it did for less.
        let query = format!("{{ scoreModel {{ definition {{ {DEFINITION} }} }} }}");
        let mut definition = connection.graphql(&query, json!({})).await?["scoreModel"]["definition"].take();
        definition["weights"] = json!({
            "demographic": 0.35, "behavioral": 0.15, "firmographic": 0.2, "engagement": 0.2, "intent": 0.1,
        });
        let draft = "mutation($input: ScoreModelDraftCreateInput!) { scoreModelDraftCreate(input: $input) { model { id } \
                     userErrors { message } } }";
        let input = json!({ "input": { "definition": definition } });
        let data = connection.graphql(draft, input).await?;
        let id = &data["scoreModelDraftCreate"]["model"]["id"];
        let publish = "mutation($id: ID!) { scoreModelPublish(input: { id: $id }) { job { id } } }";
        let data = connection.graphql(publish, json!({ "id": id })).await?;
        let other = job_rate(&mut connection, &data["scoreModelPublish"]["job"]["id"]).await?;
        anyhow::Ok(vec![row("no score changes", same), row("a new model changes every score", other)])
    })
}

/// All numbers of a scoring model.
const DEFINITION: &str = "weights { demographic behavioral firmographic engagement intent } \
    demographic { email firstName lastName phone location customerType primaryInterest interests primaryInterestField } \
    behavioral { perEvent { type points } perActiveDay activeDaysLimit activeDaysWindow } \
    firmographic { base targetLocation targetLocations { country region city } customerTypes { name points values } \
      sources { name points values } } \
    engagement { recency { days points } older emailConsent smsConsent stages { stage points } stageShare } \
    intent { highIntent { type points } highIntentLimit highIntentWindow stages { stage points } perReply repliesLimit \
      repliesWindow } \
    grades { aPlus a bPlus b cPlus c } temperatures { hot warm } decay { pointsPerDay }";

/// Waits for the end of a job; answers how many it did in a second.
async fn job_rate(connection: &mut Connection, id: &Value) -> anyhow::Result<f64> {
    loop {
        let query = "query($id: ID!) { job(id: $id) { state done error durationSeconds } }";
        let data = connection.graphql(query, json!({ "id": id })).await?;
        let job = &data["job"];
        match job["state"].as_str() {
            Some("SUCCEEDED") => {
                let seconds = job["durationSeconds"].as_f64().unwrap_or(f64::NAN);
                return Ok(job["done"].as_f64().unwrap_or(0.0) / seconds);
            }
            Some("QUEUED" | "RUNNING") => tokio::time::sleep(Duration::from_millis(50)).await,
            _ => anyhow::bail!("{job}"),
        }
    }
}

const LEAD: &str = "query($id: ID!) { lead(id: $id) { id displayName email stage score { current grade temperature } \
                    journey { touchPoints trend churnRisk lastActivityAt } \
                    engagements(first: 10) { nodes { id type channel occurredAt } } } }";

fn lead(runtime: &Runtime, backend: &Backend) -> anyhow::Result<Vec<Row>> {
    let (deployment, server, token, ids) = with_leads(runtime, backend, 10_000)?;
    runtime.block_on(async {
        let mut connection = Connection::open(&server.address, &token).await?;
        for n in 0..100 {
            connection.post(engagement_batch(&ids, n, 1_000)).await?;
        }
        anyhow::Ok(())
    })?;
    deployment.settle()?;
    let bodies: Vec<Bytes> = ids
        .iter()
        .map(|id| serde_json::to_vec(&json!({ "query": LEAD, "variables": { "id": id } })).map(Bytes::from))
        .collect::<Result<_, _>>()?;
    let seconds = Duration::from_secs(size("BENCH_SECONDS", 10));
    let count = bodies.len() as u64;
    let result = runtime.block_on(load(
        &server.address,
        &token,
        64,
        Duration::from_secs(2),
        seconds,
        move |n| bodies[usize::try_from((n * 7919) % count).expect("below the length")].clone(),
        |answer| answer.starts_with(b"{\"data\":{\"lead\":{"),
    ))?;
    Ok(vec![Row {
        what: "`lead(id)` with score, journey, last 10 engagements, 64 connections".into(),
        figure: format!(
            "{:.0} requests/s, p50 {:.1} ms, p99 {:.1} ms",
            result.per_second,
            result.ms(0.5),
            result.ms(0.99)
        ),
        wanted: "4,000 requests/s, p99 under 40 ms",
    }])
}

const PAGE: &str = "query($after: String) { leads(first: 50, after: $after) { nodes { id displayName email stage createdAt \
                    score { current grade temperature } tags { name colour } } pageInfo { endCursor hasNextPage } } }";

fn page(runtime: &Runtime, backend: &Backend) -> anyhow::Result<Vec<Row>> {
    let (_deployment, server, token, _) = with_leads(runtime, backend, 10_000)?;
    let bodies: Vec<Bytes> = runtime.block_on(async {
        let mut connection = Connection::open(&server.address, &token).await?;
        let mut after = Value::Null;
        let mut bodies = Vec::new();
        for _ in 0..100 {
            let variables = json!({ "after": after });
            let data = connection.graphql(PAGE, variables.clone()).await?;
            bodies.push(Bytes::from(serde_json::to_vec(
                &json!({ "query": PAGE, "variables": variables }),
            )?));
            after = data["leads"]["pageInfo"]["endCursor"].clone();
        }
        anyhow::Ok(bodies)
    })?;
    let count = bodies.len() as u64;
    let result = runtime.block_on(load(
        &server.address,
        &token,
        64,
        Duration::from_secs(2),
        Duration::from_secs(size("BENCH_SECONDS", 10)),
        move |n| bodies[usize::try_from(n % count).expect("below the length")].clone(),
        |answer| answer.starts_with(b"{\"data\":{\"leads\":{"),
    ))?;
    Ok(vec![Row {
        what: "a page of 50 leads with score, stage and tags, 64 connections".into(),
        figure: format!(
            "{:.0} requests/s, p50 {:.1} ms, p99 {:.1} ms",
            result.per_second,
            result.ms(0.5),
            result.ms(0.99)
        ),
        wanted: "1,000 requests/s",
    }])
}

fn subscribers(runtime: &Runtime, backend: &Backend) -> anyhow::Result<Vec<Row>> {
    let watchers = size("BENCH_SUBSCRIBERS", 1_000);
    let seconds = size("BENCH_SECONDS", 10);
    let deployment = Deployment::new(backend)?;
    let token = deployment.token()?;
    let server = deployment.serve(&[])?;
    let before = server.peak_bytes();
    let (latency, received, rate) = runtime.block_on(watch(&server, &token, watchers, seconds))?;
    let due = (watchers - watchers / 100) * seconds * 100;
    let peak = server.peak_bytes();
    Ok(vec![Row {
        what: format!("{watchers} subscribers, 100 events/s to all, 1 % of the readers stalled"),
        figure: format!(
            "{rate:.0} events/s, {received} of {due} messages, commit to socket p50 {:.1} ms, p99 {:.1} ms, peak {} MB ({} MB before)",
            latency.value_at_quantile(0.5) as f64 / 1_000.0,
            latency.value_at_quantile(0.99) as f64 / 1_000.0,
            peak / 1_000_000,
            before / 1_000_000
        ),
        wanted: "p99 under 100 ms, bounded memory",
    }])
}

/// Connections that create leads.
const WRITERS: u64 = 10;

/// Opens the sockets, then creates 100 leads a second. An event says when it was recorded (`at`), one machine has one
/// clock: what lies between that and the arrival is the latency.
async fn watch(
    server: &Server,
    token: &str,
    watchers: u64,
    seconds: u64,
) -> anyhow::Result<(Histogram<u64>, u64, f64)> {
    let (ready_tx, mut ready) = tokio::sync::mpsc::channel(64);
    let mut tasks = Vec::new();
    for n in 0..watchers {
        let stalled = n % 100 == 99;
        let mut request = format!("ws://{}/graphql/ws", server.address).into_client_request()?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
        // The default buffer of 128 KiB is filled with zeros at each read: more work than all else that a reader does here.
        let config = WebSocketConfig::default().read_buffer_size(4 * 1024);
        let (mut socket, _) =
            tokio_tungstenite::connect_async_with_config(request, Some(config), true).await?;
        let init =
            json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {token}") } });
        socket.send(Message::text(init.to_string())).await?;
        let _ack = socket.next().await;
        let subscribe = json!({ "id": "1", "type": "subscribe", "payload": { "query": "subscription { leadChanged { cursor at leadId event } }" } });
        socket.send(Message::text(subscribe.to_string())).await?;
        let ready_tx = ready_tx.clone();
        tasks.push(tokio::spawn(async move {
            let mut latency = Histogram::<u64>::new(3)?;
            let mut received = 0_u64;
            ready_tx.send(()).await?;
            drop(ready_tx);
            if stalled {
                tokio::time::sleep(Duration::from_secs(seconds + 4)).await;
                return anyhow::Ok((latency, received));
            }
            let end = tokio::time::Instant::now() + Duration::from_secs(seconds + 4);
            while let Ok(Some(message)) = tokio::time::timeout_at(end, socket.next()).await {
                let message = message?;
                let Message::Text(text) = message else { continue };
                received += 1;
                // Each socket reads all; every tenth looks at the clock, for the sake of the server's two cores.
                if n % 10 != 0 {
                    continue;
                }
                let Some(at) = text
                    .split("\"at\":\"")
                    .nth(1)
                    .and_then(|rest| rest.split('"').next())
                else {
                    continue;
                };
                let at = chrono::DateTime::parse_from_rfc3339(at)?;
                let passed = now_micros() - at.timestamp_micros();
                latency.record(u64::try_from(passed.max(1))?)?;
            }
            Ok((latency, received))
        }));
    }
    drop(ready_tx);
    while ready.recv().await.is_some() {}
    // Several writers, as an answer waits for its commit while the next event is due.
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let mut connection = Connection::open(&server.address, token).await?;
        writers.push(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(10 * WRITERS));
            for n in 0..seconds * 100 / WRITERS {
                ticks.tick().await;
                let create =
                    "mutation($input: LeadCreateInput!) { leadCreate(input: $input) { userErrors { message } } }";
                let email = format!("watch{writer}-{n}@example.com");
                connection
                    .graphql(create, json!({ "input": { "email": email } }))
                    .await?;
            }
            anyhow::Ok(())
        }));
    }
    let begin = Instant::now();
    for writer in writers {
        writer.await??;
    }
    let rate = (seconds * 100) as f64 / begin.elapsed().as_secs_f64();
    let mut latency = Histogram::<u64>::new(3)?;
    let mut received = 0;
    for task in tasks {
        let (of_one, count) = task.await??;
        latency.add(of_one)?;
        received += count;
    }
    Ok((latency, received, rate))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the latency is measured against the machine's clock"
)]
pub fn now_micros() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
