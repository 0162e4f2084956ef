//! The server is killed at any moment: nothing that was acknowledged is lost, no batch is there in half, what is derived
//! equals what is recorded, and a subscriber that comes back misses nothing and hears nothing twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use entity::id::LeadId;
use entity::{
    EngagementType, EventKind, activity_day, engagement, event, event_head, journey, lead_identity,
};
use leadline::insight::journeys::{DayActivity, JourneyFacts};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::support::{Database, Process, Server, Setup, Socket, until};

/// How often the server is killed, for each database.
const ROUNDS: u64 = 8;
/// Who sends at the same time.
const SENDERS: u64 = 3;
/// Engagements or leads of one batch.
const BATCH: usize = 40;
/// Leads that all engagements are about.
const LEADS: usize = 30;
/// Of what is drawn; the same for every run.
const SEED: u64 = 20_261_121;

/// What the clients know.
#[derive(Default)]
struct Known {
    /// Batches that were sent, by name.
    sent: BTreeSet<String>,
    /// Those of them that were acknowledged.
    acknowledged: BTreeSet<String>,
}

const RECORD: &str = "mutation ($input: EngagementsRecordInput!) {
    engagementsRecord(input: $input) { recorded duplicates refused userErrors { message } }
}";
const UPSERT: &str = "mutation ($input: LeadsUpsertInput!) {
    leadsUpsert(input: $input) { results { lead { id } userErrors { message } } userErrors { message } }
}";
const HEAR: &str = "subscription ($after: String) {
    engagementRecorded(after: $after) { cursor engagement { dedupeKey } }
}";

/// The name of an item: its batch and its place in it.
fn item(batch: &str, n: usize) -> String {
    format!("{batch}/{n}")
}

/// The batch that an item's name belongs to.
fn batch_of(item: &str) -> &str {
    item.split_once('/').expect("a batch and a place").0
}

fn engagements(batch: &str, leads: &[LeadId], dice: &mut StdRng) -> Value {
    const TYPES: [&str; 5] = [
        "EMAIL_SENT",
        "EMAIL_OPENED",
        "PAGE_VIEWED",
        "FORM_SUBMITTED",
        "EMAIL_REPLIED",
    ];
    let items: Vec<Value> = (0..BATCH)
        .map(|n| {
            json!({
                "leadId": leads[dice.random_range(0..leads.len())],
                "type": TYPES[dice.random_range(0..TYPES.len())],
                "occurredAt": format!("2026-{:02}-{:02}T10:00:00Z", dice.random_range(1..6), dice.random_range(1..28)),
                "dedupeKey": item(batch, n),
            })
        })
        .collect();
    json!({ "input": { "items": items } })
}

fn leads(batch: &str) -> Value {
    let leads: Vec<Value> = (0..BATCH)
        .map(|n| {
            json!({
                "firstName": "Killed",
                "externalIds": [{ "namespace": "killed", "value": item(batch, n) }],
            })
        })
        .collect();
    json!({ "input": { "leads": leads } })
}

/// Sends one batch after another until the server is gone or it is told to stop.
#[expect(clippy::too_many_arguments, reason = "all that one connection needs")]
async fn send(
    address: SocketAddr,
    token: String,
    name: String,
    subjects: Arc<Vec<LeadId>>,
    known: Arc<Mutex<Known>>,
    acknowledged: Arc<AtomicU64>,
    stop: CancellationToken,
    mut dice: StdRng,
) {
    let http = reqwest::Client::new();
    let mut n = 0;
    while !stop.is_cancelled() {
        n += 1;
        let are_leads = n % 4 == 0;
        let batch = format!("{}-{name}-{n}", if are_leads { "leads" } else { "engagements" });
        let (query, variables) = if are_leads {
            (UPSERT, leads(&batch))
        } else {
            (RECORD, engagements(&batch, &subjects, &mut dice))
        };
        known.lock().expect("nobody panics").sent.insert(batch.clone());
        let answer = http
            .post(format!("http://{address}/graphql"))
            .bearer_auth(&token)
            .json(&json!({ "query": query, "variables": variables }))
            .send()
            .await;
        // Who is cut off knows nothing.
        let Ok(answer) = answer else { return };
        let Ok(answer) = answer.json::<Value>().await else {
            return;
        };
        assert!(answer.get("errors").is_none(), "{batch} was answered {answer}");
        if are_leads {
            let results = answer["data"]["leadsUpsert"]["results"]
                .as_array()
                .expect("a list");
            assert_eq!(results.len(), BATCH, "{answer}");
            assert!(
                results.iter().all(|result| result["lead"]["id"].is_string()),
                "{answer}"
            );
        } else {
            assert_eq!(answer["data"]["engagementsRecord"]["recorded"], BATCH, "{answer}");
        }
        known.lock().expect("nobody panics").acknowledged.insert(batch);
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

/// Hears engagements from its last cursor on until the connection ends; keeps what it heard, in order.
async fn listen(
    address: SocketAddr,
    token: String,
    heard: Arc<Mutex<Vec<(String, String)>>>,
    stop: CancellationToken,
    listening: oneshot::Sender<()>,
) {
    let after = heard
        .lock()
        .expect("nobody panics")
        .last()
        .map(|(cursor, _)| cursor.clone());
    let mut socket = Socket::open(address, Some(&token)).await;
    socket.let_in().await;
    let mut feed = socket.subscribe(HEAR, json!({ "after": after })).await;
    let _ = listening.send(());
    loop {
        let said = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = socket.closed() => return,
            said = feed.data() => said,
        };
        heard.lock().expect("nobody panics").push(read(&said));
    }
}

/// Cursor and key of what a subscriber is told.
fn read(said: &Value) -> (String, String) {
    let said = &said["engagementRecorded"];
    (
        said["cursor"].as_str().expect("a text").to_owned(),
        said["engagement"]["dedupeKey"]
            .as_str()
            .expect("a text")
            .to_owned(),
    )
}

/// Compares what is derived with a recount of the engagements.
pub async fn derived_is_a_recount(db: &impl ConnectionTrait, rows: &[engagement::Model]) {
    let mut by_lead: HashMap<LeadId, BTreeMap<EngagementType, i64>> = HashMap::new();
    let mut by_day: HashMap<_, BTreeMap<EngagementType, i64>> = HashMap::new();
    for row in rows {
        *by_lead
            .entry(row.lead_id)
            .or_default()
            .entry(row.engagement_type)
            .or_default() += 1;
        let day = (row.lead_id, row.occurred_at.day());
        *by_day
            .entry(day)
            .or_default()
            .entry(row.engagement_type)
            .or_default() += 1;
    }
    let journeys = journey::Entity::find().all(db).await.expect("it is there");
    let kept: HashMap<LeadId, BTreeMap<EngagementType, i64>> = journeys
        .iter()
        .map(|row| {
            let facts: JourneyFacts = serde_json::from_str(&row.facts).expect("it is there");
            (row.lead_id, facts.by_type.iter().collect::<BTreeMap<_, _>>())
        })
        .filter(|(_, counts)| !counts.is_empty())
        .collect();
    assert_eq!(kept, by_lead, "journeys against the engagements");
    let days = activity_day::Entity::find().all(db).await.expect("it is there");
    let kept: HashMap<_, BTreeMap<EngagementType, i64>> = days
        .iter()
        .map(|row| {
            let activity: DayActivity = serde_json::from_str(&row.activity).expect("it is there");
            (
                (row.lead_id, row.day),
                activity.by_type.iter().collect::<BTreeMap<_, _>>(),
            )
        })
        .filter(|(_, counts)| !counts.is_empty())
        .collect();
    assert_eq!(kept, by_day, "days against the engagements");
}

on_both! {
    async fn nothing_acknowledged_is_lost_and_nothing_is_there_in_half(database: &Database) {
        println!("seed {SEED}");
        let mut dice = StdRng::seed_from_u64(SEED);
        let server = Server::start(database, Setup::default()).await;
        let token = server.admin().to_owned();
        let mut subjects = Vec::new();
        for n in 0..LEADS {
            let email = format!("subject{n}@example.com");
            let made = server
                .data(
                    "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } } }",
                    json!({ "input": { "email": email } }),
                )
                .await;
            subjects.push(made["leadCreate"]["lead"]["id"].as_str().expect("a text").parse::<LeadId>().expect("it is there"));
        }
        // The first event is heard before the first kill: from its cursor on nothing may be missed.
        let first = "engagements-first".to_owned();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut socket = server.socket(&token).await;
        let mut feed = socket.subscribe(HEAR, json!({})).await;
        server.data(RECORD, engagements(&first, &subjects, &mut dice)).await;
        for _ in 0..BATCH {
            let said = read(&feed.data().await);
            heard.lock().expect("nobody panics").push(said);
        }
        drop(socket);
        server.stop().await;
        let subjects = Arc::new(subjects);
        let known = Arc::new(Mutex::new(Known {
            sent: BTreeSet::from([first.clone()]),
            acknowledged: BTreeSet::from([first]),
        }));

        for round in 0..ROUNDS {
            let process = Process::start(database, &["serve"]);
            let address = process.address().await;
            let stop = CancellationToken::new();
            let acknowledged = Arc::new(AtomicU64::new(0));
            let (listening, listens) = oneshot::channel();
            let listener = tokio::spawn(listen(
                address,
                token.clone(),
                Arc::clone(&heard),
                stop.clone(),
                listening,
            ));
            listens.await.expect("it is there");
            let senders: Vec<_> = (0..SENDERS)
                .map(|sender| {
                    tokio::spawn(send(
                        address,
                        token.clone(),
                        format!("{round}-{sender}"),
                        Arc::clone(&subjects),
                        Arc::clone(&known),
                        Arc::clone(&acknowledged),
                        stop.clone(),
                        StdRng::seed_from_u64(dice.random()),
                    ))
                })
                .collect();
            // Killed after some batches, wherever the others are by then.
            let enough = dice.random_range(2..12);
            until("enough is acknowledged", async || acknowledged.load(Ordering::SeqCst) >= enough).await;
            process.kill();
            stop.cancel();
            for sender in senders {
                sender.await.expect("it is there");
            }
            listener.await.expect("it is there");
        }

        // It goes on where it was, and catches up.
        let server = Server::start(database, Setup::default()).await;
        server.settled().await;
        let db = server.app().db().read();
        let known = std::mem::take(&mut *known.lock().expect("nobody panics"));
        assert!(known.acknowledged.len() as u64 >= 2 * ROUNDS);

        // Batches: whole or not at all, and the acknowledged ones whole.
        let rows = engagement::Entity::find().all(db).await.expect("it is there");
        let mut there: BTreeMap<String, usize> = BTreeMap::new();
        for row in &rows {
            let key = row.dedupe_key.as_deref().expect("each has a key");
            *there.entry(batch_of(key).to_owned()).or_default() += 1;
        }
        let identities = lead_identity::Entity::find()
            .filter(lead_identity::Column::Namespace.eq("killed"))
            .all(db)
            .await
            .expect("it is there");
        for identity in &identities {
            *there.entry(batch_of(&identity.value).to_owned()).or_default() += 1;
        }
        for (batch, count) in &there {
            assert_eq!(*count, BATCH, "{batch} is there in part");
            assert!(known.sent.contains(batch), "{batch} was never sent");
        }
        let lost: Vec<_> = known.acknowledged.iter().filter(|batch| !there.contains_key(*batch)).collect();
        assert_eq!(lost, [""; 0], "acknowledged and lost");

        // The log: no gap, and one event for each engagement.
        let log = event::Entity::find().order_by_asc(event::Column::Position).all(db).await.expect("it is there");
        let positions: Vec<i64> = log.iter().map(|event| event.position).collect();
        let head = event_head::Entity::find_by_id(1).one(db).await.expect("it is there").expect("it is there");
        assert_eq!(positions, (head.oldest_position..=head.last_position).collect::<Vec<_>>());
        let keys: HashMap<String, String> = rows
            .iter()
            .map(|row| (row.id.to_string(), row.dedupe_key.clone().expect("it is there")))
            .collect();
        let told: Vec<String> = log
            .iter()
            .filter(|event| event.kind == EventKind::EngagementRecorded)
            .map(|event| keys[&event.subject].clone())
            .collect();
        assert_eq!(told.len(), rows.len());

        // The subscriber: once more from its cursor, up to the end.
        let stop = CancellationToken::new();
        let (listening, _listens) = oneshot::channel();
        let listener = tokio::spawn(listen(
            server.address(),
            token.clone(),
            Arc::clone(&heard),
            stop.clone(),
            listening,
        ));
        until("the subscriber has heard all", async || heard.lock().expect("nobody panics").len() >= told.len()).await;
        stop.cancel();
        listener.await.expect("it is there");
        let heard: Vec<String> = heard.lock().expect("nobody panics").iter().map(|(_, key)| key.clone()).collect();
        assert_eq!(heard, told);

        derived_is_a_recount(db, &rows).await;
        server.stop().await;
    }
}
