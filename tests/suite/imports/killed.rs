//! Servers and commands that are killed while they import: what was begun is brought to its end, each row is there once,
//! and a subscriber that comes back has heard of each once and in order.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use entity::id::{JobId, LeadId};
use entity::{EventKind, JobState, engagement, event, import_rejection, job, lead, lead_identity};
use leadline::clock::Clock;
use leadline::db::Db;
use leadline::leads::import::BATCH_ROWS;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{mutation, write};
use crate::killed::derived_is_a_recount;
use crate::support::{Database, Process, Server, Setup, Socket, ask, command, http, until};

/// Rows of a file: five batches.
const ROWS: usize = 5 * BATCH_ROWS;
/// Every so manieth row cannot be used.
const BAD: usize = 400;
const GOOD: usize = ROWS - ROWS / BAD;
/// Leads that the engagements are of.
const LEADS: usize = 50;

fn is_bad(n: usize) -> bool {
    n % BAD == 7
}

fn leads() -> String {
    let mut text = String::from("external_id,first_name,source,stage\n");
    for n in 0..ROWS {
        let stage = if is_bad(n) { "ASLEEP" } else { "CONTACTED" };
        text.push_str(&format!("lead-{n},Name {n},fair,{stage}\n"));
    }
    text
}

fn engagements() -> String {
    let mut text = String::from("external_id,type,occurred_at\n");
    for n in 0..ROWS {
        let kind = match n % 3 {
            _ if is_bad(n) => "DANCED",
            0 => "PAGE_VIEWED",
            1 => "EMAIL_OPENED",
            _ => "FORM_SUBMITTED",
        };
        // Each at a moment of its own: rows that are alike in all would be one engagement.
        let (day, minute, second) = (1 + n / 1_000, n / 60 % 60, n % 60);
        text.push_str(&format!(
            "subject-{},{kind},2026-02-{day:02}T{:02}:{minute:02}:{second:02}Z\n",
            n % LEADS,
            n / 3_600 % 24
        ));
    }
    text
}

fn subjects() -> String {
    let rows = (0..LEADS).map(|n| format!("subject-{n}\n"));
    std::iter::once("external_id\n".to_owned()).chain(rows).collect()
}

/// Hears events of a kind wherever a server listens; comes back with the last cursor when one was killed.
struct Listener {
    token: String,
    kind: &'static str,
    /// Cursor and subject of what was heard, in order.
    heard: Arc<Mutex<Vec<(String, String)>>>,
}

impl Listener {
    fn new(token: &str, kind: &'static str) -> Self {
        Self {
            token: token.to_owned(),
            kind,
            heard: Arc::default(),
        }
    }

    /// Listens until the connection ends or it is told to stop.
    async fn listen(&self, address: SocketAddr, stop: CancellationToken) -> JoinHandle<()> {
        let heard = Arc::clone(&self.heard);
        let after = heard
            .lock()
            .expect("nobody panics")
            .last()
            .map(|(cursor, _)| cursor.clone());
        let mut socket = Socket::open(address, Some(&self.token)).await;
        socket.let_in().await;
        let query = format!(
            "subscription ($after: String) {{ events(types: [{}], after: $after) {{ cursor subject }} }}",
            self.kind
        );
        let mut feed = socket.subscribe(&query, json!({ "after": after })).await;
        tokio::spawn(async move {
            loop {
                let said = tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    _ = socket.closed() => return,
                    said = feed.data() => said,
                };
                let text = |name: &str| said["events"][name].as_str().expect("a text").to_owned();
                heard
                    .lock()
                    .expect("nobody panics")
                    .push((text("cursor"), text("subject")));
            }
        })
    }

    fn count(&self) -> usize {
        self.heard.lock().expect("nobody panics").len()
    }

    fn subjects(&self) -> Vec<String> {
        let heard = self.heard.lock().expect("nobody panics");
        heard.iter().map(|(_, subject)| subject.clone()).collect()
    }
}

async fn upload(address: SocketAddr, token: &str, content: String) -> String {
    let sent = http()
        .post(format!("http://{address}/uploads?fileName=x.csv"))
        .bearer_auth(token)
        .body(content)
        .send()
        .await;
    let sent: Value = sent.expect("it answers").json().await.expect("it answers JSON");
    sent["id"].as_str().expect("an id").to_owned()
}

async fn job_of(db: &Db, id: JobId) -> job::Model {
    let found = job::Entity::find_by_id(id).one(db.read()).await;
    found.expect("it can be read").expect("it is there")
}

/// Starts an import on a server that is killed once so many rows are in, starts another that takes it up and is killed
/// too, and at last one that brings it to its end. Answers that one, and the import as it is then.
async fn import_among_kills(
    database: &Database,
    what: &str,
    content: String,
    kill_at: &[i64],
    listener: &Listener,
) -> (Server, job::Model) {
    let db = database.open().await;
    let stop = CancellationToken::new();
    let mut begun: Option<JobId> = None;
    for &enough in kill_at {
        let process = Process::start(database, &["serve"]);
        let address = process.address().await;
        let listening = listener.listen(address, stop.clone()).await;
        let id = match begun {
            Some(id) => id,
            None => {
                let file = upload(address, &listener.token, content.clone()).await;
                let input = json!({ "input": { "uploadId": file } });
                let (_, answer) = ask(&http(), address, Some(&listener.token), &mutation(what), input).await;
                let id = answer["data"]["payload"]["job"]["id"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{answer}"));
                id.parse().expect("an id")
            }
        };
        begun = Some(id);
        // Who has heard nothing has no cursor to come back with.
        until("enough of the file is in, and heard of", async || {
            job_of(&db, id).await.done >= enough && listener.count() > 0
        })
        .await;
        process.kill();
        listening.await.expect("it ends with the connection");
        let left = job_of(&db, id).await;
        assert_eq!(left.state, JobState::Running, "killed while it was at it");
        assert!((enough..ROWS as i64).contains(&left.done), "{left:?}");
    }
    // Whose clock goes ahead, so that nobody has to wait until the import is taken for left behind.
    let later = Clock::system().now().plus_seconds(600).to_string();
    let server = Server::start(database, Setup::default().at(&later)).await;
    let listening = listener.listen(server.address(), stop.clone()).await;
    let id = begun.expect("set above");
    until("the import ends", async || {
        job_of(&db, id).await.state != JobState::Running
    })
    .await;
    server.settled().await;
    let log = log(&db, listener.kind).await;
    until("the subscriber has heard all", async || {
        listener.count() >= log.len()
    })
    .await;
    stop.cancel();
    listening.await.expect("it is told to stop");
    assert_eq!(listener.subjects(), log, "heard each once, in order");
    let ended = job_of(&db, id).await;
    db.close().await.expect("it closes");
    (server, ended)
}

/// The subjects of the events of a kind, in the order of the log.
async fn log(db: &Db, kind: &str) -> Vec<String> {
    let kind: EventKind = kind.parse().expect("a kind of event");
    let found = event::Entity::find()
        .filter(event::Column::Kind.eq(kind))
        .order_by_asc(event::Column::Position)
        .all(db.read())
        .await;
    found
        .expect("it can be read")
        .into_iter()
        .map(|event| event.subject)
        .collect()
}

async fn is_complete(db: &impl ConnectionTrait, ended: &job::Model, attempts: i32) {
    assert_eq!(
        (ended.state, ended.error.as_deref(), ended.attempts),
        (JobState::Succeeded, None, attempts)
    );
    assert_eq!((ended.done, ended.total), (ROWS as i64, Some(ROWS as i64)));
    let counts: Value = serde_json::from_str(&ended.counts).expect("JSON");
    assert_eq!(
        counts,
        json!({ "created": GOOD, "updated": 0, "unchanged": 0, "rejected": ROWS - GOOD })
    );
    let rejected = import_rejection::Entity::find()
        .filter(import_rejection::Column::JobId.eq(ended.id))
        .order_by_asc(import_rejection::Column::Seq)
        .all(db)
        .await
        .expect("it can be read");
    let lines: Vec<i64> = rejected.iter().map(|row| row.line).collect();
    let expected: Vec<i64> = (0..ROWS).filter(|n| is_bad(*n)).map(|n| n as i64 + 2).collect();
    assert_eq!(lines, expected);
}

/// Every good lead of the file once, with one identity and one event.
async fn leads_are_complete(db: &Db, events: &[String]) {
    let identities = lead_identity::Entity::find()
        .all(db.read())
        .await
        .expect("it can be read");
    let names: BTreeSet<&str> = identities
        .iter()
        .map(|identity| identity.value.as_str())
        .collect();
    assert_eq!((identities.len(), names.len()), (GOOD, GOOD));
    let leads = lead::Entity::find().all(db.read()).await.expect("it can be read");
    assert_eq!(leads.len(), GOOD);
    let ids: BTreeSet<String> = leads.iter().map(|lead| lead.id.to_string()).collect();
    assert_eq!(
        (events.len(), events.iter().cloned().collect::<BTreeSet<_>>()),
        (GOOD, ids)
    );
    let owners: BTreeSet<LeadId> = identities.iter().map(|identity| identity.lead_id).collect();
    assert_eq!(owners.len(), GOOD);
}

/// Every good engagement of the file once, with one event, counted once in all that is derived.
async fn engagements_are_complete(db: &Db, events: &[String]) {
    let rows = engagement::Entity::find()
        .all(db.read())
        .await
        .expect("it can be read");
    let keys: BTreeSet<&str> = rows.iter().filter_map(|row| row.dedupe_key.as_deref()).collect();
    assert_eq!((rows.len(), keys.len()), (GOOD, GOOD));
    let ids: BTreeSet<String> = rows.iter().map(|row| row.id.to_string()).collect();
    assert_eq!(
        (events.len(), events.iter().cloned().collect::<BTreeSet<_>>()),
        (GOOD, ids)
    );
    derived_is_a_recount(db.read(), &rows).await;
}

fn token(database: &Database) -> String {
    let said = command(database, &["token", "create", "--name", "a", "--scope", "admin"]);
    said.out.trim().to_owned()
}

fn import_subjects(database: &Database) {
    let file = write(database, "subjects.csv", subjects()).display().to_string();
    let said = command(database, &["import", "leads", &file]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// Kills a command as soon as a table has so many rows; answers how many it has then.
async fn kill_command<E: sea_orm::EntityTrait>(
    database: &Database,
    arguments: &[&str],
    db: &Db,
    enough: u64,
) -> u64
where
    E::Model: Sync,
{
    let there = async || E::find().count(db.read()).await.expect("it can be read");
    let process = Process::start(database, arguments);
    until("enough is in", async || there().await >= enough).await;
    process.kill();
    let found = there().await;
    assert!(found < GOOD as u64, "it was killed while it was at it");
    found
}

on_both! {
    async fn an_import_of_leads_outlives_its_server(database: &Database) {
        let listener = Listener::new(&token(database), "LEAD_CREATED");
        let (server, ended) = import_among_kills(database, "leadsImport", leads(), &[2 * BATCH_ROWS as i64, 3 * BATCH_ROWS as i64], &listener).await;
        is_complete(server.app().db().read(), &ended, 3).await;
        leads_are_complete(server.app().db(), &listener.subjects()).await;
        let count = server.data("{ leadsCount(filter: { stage: { in: [CONTACTED] } }) { count } }", json!({})).await;
        assert_eq!(count["leadsCount"]["count"], GOOD);
        server.stop().await;
    }

    async fn an_import_of_engagements_outlives_its_server(database: &Database) {
        let listener = Listener::new(&token(database), "ENGAGEMENT_RECORDED");
        import_subjects(database);
        let (server, ended) = import_among_kills(database, "engagementsImport", engagements(), &[2 * BATCH_ROWS as i64], &listener).await;
        is_complete(server.app().db().read(), &ended, 2).await;
        engagements_are_complete(server.app().db(), &listener.subjects()).await;
        server.stop().await;
    }

    async fn a_killed_command_is_simply_run_again(database: &Database) {
        let db = database.open().await;
        let file = write(database, "leads.csv", leads()).display().to_string();
        let arguments = ["import", "leads", &file];
        let there = kill_command::<lead::Entity>(database, &arguments, &db, 3_000).await;
        let said = command(database, &arguments);
        assert_eq!(said.code, Some(0), "{said:?}");
        let first = format!("{ROWS} rows: {} leads created, 0 updated, {there} unchanged, {} rejected\n", GOOD as u64 - there, ROWS - GOOD);
        assert!(said.out.starts_with(&first), "{first}{said:?}");
        let server = Server::start(database, Setup::default()).await;
        server.settled().await;
        leads_are_complete(&db, &log(&db, "LEAD_CREATED").await).await;
        server.stop().await;
        db.close().await.expect("it closes");
    }

    async fn a_killed_command_of_engagements_is_simply_run_again(database: &Database) {
        import_subjects(database);
        let db = database.open().await;
        let file = write(database, "engagements.csv", engagements()).display().to_string();
        let arguments = ["import", "engagements", &file];
        let there = kill_command::<engagement::Entity>(database, &arguments, &db, 3_000).await;
        let said = command(database, &arguments);
        assert_eq!(said.code, Some(0), "{said:?}");
        let first = format!("{ROWS} rows: {} engagements created, 0 updated, {there} unchanged, {} rejected\n", GOOD as u64 - there, ROWS - GOOD);
        assert!(said.out.starts_with(&first), "{first}{said:?}");
        let server = Server::start(database, Setup::default()).await;
        server.settled().await;
        engagements_are_complete(&db, &log(&db, "ENGAGEMENT_RECORDED").await).await;
        server.stop().await;
        db.close().await.expect("it closes");
    }
}
