//! Whether a healthy client is harmed by one that sends what nobody should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::client::{Connection, load};
use crate::scenarios::{Row, size, with_leads};
use crate::server::Backend;

/// Connections of the hostile client; each sends as fast as it is answered.
const HOSTILE: usize = 4;

const LEAD: &str = "query($id: ID!) { lead(id: $id) { id displayName email stage tags { name } } }";

/// Documents with 10,000 aliases, with 50,000 directives, with introspection in circles, of 5 MiB.
fn documents() -> Vec<Bytes> {
    let aliases: String = (0..10_000).map(|n| format!("a{n}: version ")).collect();
    let mut circle = "name".to_owned();
    for _ in 0..12 {
        circle = format!("fields {{ type {{ {circle} }} }}");
    }
    let query = |text: String| Bytes::from(json!({ "query": text }).to_string());
    vec![
        query(format!("{{ {aliases} }}")),
        query(format!("{{ version {} }}", "@skip(if: false) ".repeat(50_000))),
        query(format!("{{ __schema {{ types {{ {circle} }} }} }}")),
        query(format!("{{ {} }}", "version ".repeat(5 << 17))),
    ]
}

/// Sends them until told to stop; counts what was sent.
async fn attack(
    address: String,
    token: String,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let documents = documents();
    let mut connection = Connection::open(&address, &token).await?;
    for document in documents.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // What is far too large is refused before it is read, and the connection with it.
        if connection.post(document.clone()).await.is_err() {
            connection = Connection::open(&address, &token).await?;
        }
        sent.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Runs clients on a thread of their own: what they cost is not to be waited for by the client that is measured.
fn apart<F>(clients: Vec<F>) -> anyhow::Result<JoinHandle<anyhow::Result<()>>>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let run = move || {
        let clients = futures_util::future::try_join_all(clients);
        runtime.block_on(clients).map(drop)
    };
    Ok(std::thread::spawn(run))
}

/// Requests for leads, one after the other and not in their order.
fn reads(ids: &[String]) -> impl Fn(u64) -> Bytes + Clone + Send + Sync + 'static {
    let body = |id| Bytes::from(json!({ "query": LEAD, "variables": { "id": id } }).to_string());
    let bodies: Arc<[Bytes]> = ids.iter().map(body).collect();
    move |n| {
        let count = bodies.len() as u64;
        bodies[usize::try_from((n * 7919) % count).expect("below the length")].clone()
    }
}

fn is_lead(answer: &[u8]) -> bool {
    answer.starts_with(b"{\"data\":{\"lead\":{")
}

/// A client's latencies, alone and beside a hostile one.
pub fn hostile(runtime: &Runtime, backend: &Backend) -> anyhow::Result<Vec<Row>> {
    let (deployment, server, token, ids) = with_leads(runtime, backend, 10_000)?;
    let other = deployment.token()?;
    let reads = reads(&ids);
    let seconds = Duration::from_secs(size("BENCH_SECONDS", 10));
    let healthy = || async {
        load(
            &server.address,
            &token,
            4,
            Duration::from_secs(2),
            seconds,
            reads.clone(),
            is_lead,
        )
        .await
    };
    let quiet = runtime.block_on(healthy())?;
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU64::new(0));
    let attacks = (0..HOSTILE).map(|_| {
        let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
        attack(server.address.clone(), other.clone(), stop, sent)
    });
    let attacks = apart(attacks.collect())?;
    let beside = runtime.block_on(healthy());
    stop.store(true, Ordering::Relaxed);
    attacks
        .join()
        .map_err(|_| anyhow::anyhow!("the attack panicked"))??;
    let (beside, sent) = (beside?, sent.load(Ordering::Relaxed));
    Ok(vec![Row {
        what: format!("`lead(id)`, 4 connections, alone and beside {HOSTILE} that send hostile documents"),
        figure: format!(
            "{:.0}/s, p50 {:.2} ms, p99 {:.1} ms alone, {:.0}/s, {:.2} ms, {:.1} ms beside ({:.1} times) while {sent} were sent",
            quiet.per_second,
            quiet.ms(0.5),
            quiet.ms(0.99),
            beside.per_second,
            beside.ms(0.5),
            beside.ms(0.99),
            beside.ms(0.99) / quiet.ms(0.99),
        ),
        wanted: "at most twice",
    }])
}

/// Sign-ins sent each second.
const SIGN_INS: u64 = 200;

/// Readers, alone and beside sign-ins each of which is of another account and from another address, so that no limit of
/// guesses refuses it before it is hashed. That there are no such accounts is all the same: they are hashed alike.
pub fn sign_ins(runtime: &Runtime, backend: &Backend) -> anyhow::Result<Vec<Row>> {
    let (_deployment, server, token, ids) = with_leads(runtime, backend, 10_000)?;
    let query = "mutation ($input: SignInInput!) { signIn(input: $input) { userErrors { code } } }";
    let sign_in = move |n: u64| {
        let input = json!({ "input": { "email": format!("somebody{n}@example.com"), "password": "a password of the bench" } });
        Bytes::from(json!({ "query": query, "variables": input }).to_string())
    };
    let reads = reads(&ids);
    let seconds = Duration::from_secs(size("BENCH_SECONDS", 10));
    let readers = || async {
        load(
            &server.address,
            &token,
            64,
            Duration::from_secs(2),
            seconds,
            reads.clone(),
            is_lead,
        )
        .await
    };
    let quiet = runtime.block_on(readers())?;
    let stop = Arc::new(AtomicBool::new(false));
    let (answered, hashed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let flood = (0..SIGN_INS).map(|n| {
        let (stop, address) = (Arc::clone(&stop), server.address.clone());
        let (answered, hashed) = (Arc::clone(&answered), Arc::clone(&hashed));
        async move {
            let mut connection = Connection::open(&address, "").await?;
            let mut round = 0;
            tokio::time::sleep(Duration::from_millis(n * 1_000 / SIGN_INS)).await;
            let mut due = tokio::time::interval(Duration::from_secs(1));
            while !stop.load(Ordering::Relaxed) {
                due.tick().await;
                let from = format!("10.{round}.{}.{}", n / 250, n % 250);
                let body = sign_in(round * SIGN_INS + n);
                let answer = connection.post_from(&from, body).await?;
                round += 1;
                answered.fetch_add(1, Ordering::Relaxed);
                let looked_at = answer.starts_with(b"{\"data\":{\"signIn\":{");
                hashed.fetch_add(u64::from(looked_at), Ordering::Relaxed);
            }
            anyhow::Ok(())
        }
    });
    let flood = apart(flood.collect())?;
    let beside = runtime.block_on(readers());
    stop.store(true, Ordering::Relaxed);
    flood
        .join()
        .map_err(|_| anyhow::anyhow!("the flood panicked"))??;
    let beside = beside?;
    let (answered, hashed) = (answered.load(Ordering::Relaxed), hashed.load(Ordering::Relaxed));
    Ok(vec![Row {
        what: format!("`lead(id)`, 64 connections, alone and beside {SIGN_INS} sign-ins a second"),
        figure: format!(
            "{:.0}/s, p99 {:.1} ms alone, {:.0}/s, {:.1} ms beside ({:.1} times) while {hashed} of {answered} were hashed",
            quiet.per_second,
            quiet.ms(0.99),
            beside.per_second,
            beside.ms(0.99),
            beside.ms(0.99) / quiet.ms(0.99),
        ),
        wanted: "at most twice",
    }])
}
