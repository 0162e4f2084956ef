//! What happens when a resource of the server runs out.

use entity::Timestamp;
use futures_util::future::join_all;
use leadline::events;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::support::{
    Backend, Database, Process, Server, Setup, ask, code, command, http, until, with_database,
};

const CREATE: &str = "mutation ($input: LeadCreateInput!) {
    leadCreate(input: $input) { lead { id } userErrors { message } }
}";

async fn create(server: &Server, n: usize) -> Value {
    let input = json!({ "email": format!("a{n}@example.com"), "companyName": "x".repeat(180) });
    server.graphql(CREATE, json!({ "input": input })).await
}

async fn count(server: &Server) -> i64 {
    let data = server.data("{ leadsCount { count } }", json!({})).await;
    data["leadsCount"]["count"].as_i64().expect("a number")
}

on_both! {
    async fn more_writers_than_connections_wait_for_each_other(database: &Database) {
        // A transaction that reads beside itself must not wait for those that wait for it.
        let setup = Setup::default().setting("database_max_connections", "4");
        let server = Server::start(database, setup).await;
        let made = join_all((0..12).map(|n| create(&server, n))).await;
        for answer in &made {
            assert_eq!(answer["data"]["leadCreate"]["userErrors"], json!([]), "{answer}");
        }
        assert_eq!(count(&server).await, 12);
        server.stop().await;
    }

    async fn what_is_past_its_time_leaves_the_log_and_an_older_cursor_is_told_so(database: &Database) {
        let server = Server::start(database, Setup::default().at("2026-01-01T12:00:00Z")).await;
        create(&server, 0).await;
        create(&server, 1).await;
        server.settled().await;
        server.set_time("2026-02-15T12:00:00Z");
        create(&server, 2).await;
        server.settled().await;
        let db = server.app().db();
        let before = Timestamp::parse_rfc3339("2026-02-01T00:00:00Z").expect("a moment");
        let prune = async || {
            let tx = db.begin().await.expect("a transaction");
            let removed = events::prune(&tx, before).await.expect("it prunes");
            tx.commit().await.expect("a commit");
            removed
        };
        // Cursors of handlers may stay a little behind what does not concern them, and the log waits for them.
        assert_eq!(prune().await, 0);
        let text = "UPDATE event_cursor SET position = (SELECT last_position FROM event_head WHERE id = 1)";
        db.write().execute_unprepared(text).await.expect("an update");
        let (last, _) = events::head(db.read()).await.expect("a head");
        let all = events::page(db.read(), 0, None, &[], None, 1_000).await.expect("a page");
        let old = all.iter().filter(|event| event.at < before).count();
        assert!(old >= 2 && old < all.len(), "{old} of {}", all.len());
        assert_eq!(prune().await, u64::try_from(old).expect("few"));
        assert_eq!(prune().await, 0, "nothing twice");
        let (still, oldest) = events::head(db.read()).await.expect("a head");
        assert!(still >= last, "what time alone changes may have been told meanwhile");
        let kept = events::page(db.read(), 0, None, &[], None, 1_000).await.expect("a page");
        assert_eq!(kept[..all.len() - old], all[old..]);
        assert_eq!(oldest, kept[0].position);
        // A cursor from before is told so, one at the edge goes on.
        let mut socket = server.socket(server.admin()).await;
        let query = "subscription ($after: String) { leadChanged(after: $after) { event lead { companyName } } }";
        let mut late = socket.subscribe(query, json!({ "after": "ev0" })).await;
        let refused = late.next().await;
        let message = refused["errors"][0]["message"].as_str().expect("a text");
        assert!(message.contains("older than the retained log"), "{refused}");
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe(query, json!({ "after": format!("ev{}", oldest - 1) })).await;
        assert_eq!(feed.data().await["leadChanged"]["event"], "LEAD_CREATED");
        server.stop().await;
    }
}

#[test]
fn statements_are_not_planned_anew_for_what_is_bound() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default()).await;
        let db = server.app().db();
        let options = db
            .read()
            .query_all_raw(leadline::db::sql(db.backend(), "PRAGMA compile_options", []));
        let options: Vec<String> = options
            .await
            .expect("a pragma")
            .iter()
            .map(|row| row.try_get_by_index(0).expect("a text"))
            .collect();
        for wanted in ["ENABLE_QPSG", "DEFAULT_MEMSTATUS=0"] {
            assert!(
                options.iter().any(|option| option == wanted),
                "{wanted}: {options:?}"
            );
        }
        server.stop().await;
    });
}

#[test]
fn a_full_disk_is_named_and_nothing_is_half_written() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default()).await;
        create(&server, 0).await;
        server.settled().await;
        // SQLite itself refuses pages beyond this, as it does when the disk has no more.
        let limit = async |pages: &str| {
            let text = format!("PRAGMA max_page_count = {pages}");
            server
                .app()
                .db()
                .write()
                .execute_unprepared(&text)
                .await
                .expect("a pragma");
        };
        let mut made = 1;
        // More than once: SQLite ends a refused transaction itself, and what follows must not be taken for a part of it.
        for _ in 0..3 {
            limit("1").await;
            let refused = loop {
                let answer = create(&server, made).await;
                if answer["data"]["leadCreate"]["lead"].is_object() {
                    made += 1;
                    assert!(made < 10_000, "the limit is never met");
                    continue;
                }
                break answer;
            };
            assert_eq!(code(&refused), "UNAVAILABLE", "{refused}");
            let message = refused["errors"][0]["message"].as_str().expect("a text");
            assert!(message.contains("disk of the database is full"), "{message}");
            assert_eq!(count(&server).await, i64::try_from(made).expect("few"));
        }
        limit("1000000").await;
        assert!(create(&server, made).await["data"]["leadCreate"]["lead"].is_object());
        assert_eq!(count(&server).await, i64::try_from(made).expect("few") + 1);
        server.settled().await;
        server.stop().await;
    });
}

#[test]
fn what_is_acknowledged_after_a_commit_failed_is_there() {
    with_database(Backend::Sqlite, async |database| {
        let said = command(database, &["token", "create", "--name", "t", "--scope", "admin"]);
        let token = said.out.trim().to_owned();
        let http = http();
        let post = async |address, query: &str, variables: Value| {
            ask(&http, address, Some(&token), query, variables).await.1
        };
        let process = Process::start_to_be_limited(database, &["serve"]);
        let address = process.address().await;
        let input = |n: usize| json!({ "input": { "email": format!("a{n}@example.com") } });
        let acknowledged = |answer: &Value| answer["data"]["leadCreate"]["lead"].is_object();
        assert!(acknowledged(&post(address, CREATE, input(0)).await));
        // Statements find room in memory; the commit has to write, and fails. SQLite then ends the transaction itself.
        process.limit_files(Some(0));
        for n in 1..4 {
            let refused = post(address, CREATE, input(n)).await;
            assert!(
                refused["errors"].is_array() && !acknowledged(&refused),
                "{refused}"
            );
        }
        process.limit_files(None);
        until("changes are taken again", async || {
            acknowledged(&post(address, CREATE, input(4)).await)
        })
        .await;
        for n in 5..10 {
            let answer = post(address, CREATE, input(n)).await;
            assert!(acknowledged(&answer), "{answer}");
        }
        process.kill();
        let process = Process::start(database, &["serve"]);
        let address = process.address().await;
        let answer = post(address, "{ leadsCount { count } }", json!({})).await;
        assert_eq!(answer["data"]["leadsCount"]["count"], 7, "{answer}");
        process.end();
    });
}
