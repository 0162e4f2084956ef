//! Who is let in, and what the server does when what it needs is away. The first three tests show the three kinds there
//! are: a query, a subscription, a call that is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use entity::EventKind;
use entity::id::LeadId;
use leadline::app::App;
use leadline::db::{Tx, sql};
use leadline::error::Error;
use leadline::events::{self, Event, Handler, NewEvent};
use leadline::identity::{Caller, create_token, revoke_token};
use leadline::jobs::{JobContext, JobKind, JobOutcome, enqueue, wake};
use sea_orm::{ConnectionTrait as _, DbBackend};
use serde_json::{Value, json};

use crate::support::{
    Backend, Database, Nats, Postgres, Server, Setup, code, run, unknown_field, until, with_database,
};

const CREATE: &str = "mutation ($input: LeadCreateInput!) {
    leadCreate(input: $input) { lead { id email } userErrors { field code message } }
}";

on_both! {
    async fn a_lead_that_was_made_can_be_read(server: &Server) {
        let made = server.data(CREATE, json!({ "input": { "email": "Ann@Example.com" } })).await;
        assert_eq!(made["leadCreate"]["userErrors"], json!([]));
        let id = &made["leadCreate"]["lead"]["id"];
        let read = server.data("query ($id: ID!) { lead(id: $id) { email } }", json!({ "id": id })).await;
        assert_eq!(read, json!({ "lead": { "email": "ann@example.com" } }));
    }

    async fn a_subscriber_sees_a_lead_being_made(server: &Server) {
        let token = server.token(&["leads:read"]).await;
        let mut socket = server.socket(&token).await;
        let mut feed = socket.subscribe("subscription { leadChanged { event lead { email } } }", json!({})).await;
        server.data(CREATE, json!({ "input": { "email": "ann@example.com" } })).await;
        assert_eq!(
            feed.data().await,
            json!({ "leadChanged": { "event": "LEAD_CREATED", "lead": { "email": "ann@example.com" } } })
        );
    }

    async fn a_reader_may_not_make_a_lead(server: &Server) {
        let token = server.token(&["leads:read"]).await;
        let answer = server.graphql_as(Some(&token), CREATE, json!({ "input": { "email": "a@example.com" } })).await;
        assert_eq!(unknown_field(&answer), "leadCreate");
        server.settled().await;
        let leads = server.data("{ leads { nodes { id } } }", json!({})).await;
        assert_eq!(leads["leads"]["nodes"], json!([]));
    }
}

const UNIMPORTANT: &str = "{ version }";

on_both! {
    async fn tokens_that_do_not_count_are_refused(server: &Server) {
        let expired = create_token(
            server.app(), &Caller::operator(), "expired", &["admin".to_owned()],
            Some(server.app().clock().now().plus_seconds(1)),
        ).await.unwrap().secret;
        until("it has expired", async || server.post(Some(&expired), UNIMPORTANT, json!({})).await.0 == 401).await;
        let elsewhere = Database::create(Backend::Sqlite).unwrap();
        let elsewhere = Server::start(&elsewhere, Setup::default()).await;
        let (rest, last) = server.admin().split_at(server.admin().len() - 1);
        let mistyped = format!("{rest}{}", if last == "x" { "y" } else { "x" });
        for (what, token) in [
            ("of another deployment", elsewhere.admin()),
            ("mistyped", &mistyped),
            ("no token at all", "secret"),
            ("expired", &expired),
        ] {
            let (status, answer) = server.post(Some(token), UNIMPORTANT, json!({})).await;
            assert_eq!((status, code(&answer)), (401, "UNAUTHENTICATED"), "{what}");
            assert_eq!(server.knock(Some(token)).await.closed().await, 4403, "{what}");
        }
    }

    async fn a_revoked_token_is_refused_and_its_socket_closed(server: &Server) {
        let created = create_token(
            server.app(), &Caller::operator(), "for a while", &["leads:read".to_owned()], None,
        ).await.unwrap();
        let mut other = server.socket(server.admin()).await;
        let mut socket = server.socket(&created.secret).await;
        let mut feed = socket.subscribe("subscription { leadChanged { leadId } }", json!({})).await;
        revoke_token(server.app(), &Caller::operator(), created.token.id).await.unwrap();
        assert_eq!(socket.closed().await, 4403);
        feed.ended().await;
        let (status, _) = server.post(Some(&created.secret), UNIMPORTANT, json!({})).await;
        assert_eq!(status, 401);
        // Nobody else is troubled.
        let mut feed = other.subscribe(UNIMPORTANT, json!({})).await;
        assert_eq!(feed.data().await["version"], env!("CARGO_PKG_VERSION"));
        feed.ended().await;
    }

    async fn a_completed_subscription_says_nothing_more(server: &Server) {
        let mut socket = server.socket(server.admin()).await;
        let query = "subscription { leadChanged { lead { email } } }";
        let watchers = server.app().bus().watchers();
        let mut first = socket.subscribe(query, json!({})).await;
        first.complete();
        first.ended().await;
        until("the server has ended it", async || server.app().bus().watchers() == watchers).await;
        let mut second = socket.subscribe(query, json!({})).await;
        server.data(CREATE, json!({ "input": { "email": "ann@example.com" } })).await;
        assert_eq!(second.data().await["leadChanged"]["lead"]["email"], "ann@example.com");
    }

    async fn a_fixed_clock_is_what_the_server_goes_by(database: &Database) {
        let server = Server::start(database, Setup::default().at("2026-03-01T12:00:00Z")).await;
        let made_at = async |email: &str| {
            let query = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { createdAt } } }";
            let made = server.data(query, json!({ "input": { "email": email } })).await;
            made["leadCreate"]["lead"]["createdAt"].clone()
        };
        assert_eq!(made_at("a@example.com").await, "2026-03-01T12:00:00Z");
        server.set_time("2026-03-02T12:00:00Z");
        assert_eq!(made_at("b@example.com").await, "2026-03-02T12:00:00Z");
        server.stop().await;
    }

    async fn the_statements_of_a_page_do_not_grow_with_it(server: &Server) {
        for n in 0..12 {
            server.data(CREATE, json!({ "input": { "email": format!("a{n}@example.com") } })).await;
        }
        server.settled().await;
        let page = "query ($first: Int!) { leads(first: $first) { nodes { id email stage } } }";
        let before = server.statements();
        server.costs_the_same(page, json!({ "first": 2 }), json!({ "first": 12 })).await;
        assert!(server.statements() > before, "statements are counted");
    }
}

#[test]
fn a_database_that_is_away_comes_back_by_itself() {
    let Some(mut postgres) = Postgres::start() else {
        return;
    };
    run(async {
        let database = Database::create_on(&postgres);
        let server = Server::start(&database, Setup::default()).await;
        let ready = async || {
            let response = server
                .http()
                .get(server.url("/health/ready"))
                .send()
                .await
                .expect("it answers");
            (
                response.status().as_u16(),
                response.json::<Value>().await.expect("JSON"),
            )
        };
        assert_eq!(ready().await, (200, json!({ "status": "ready" })));
        postgres.stop();
        until("it says that the database is away", async || {
            ready().await.0 == 503
        })
        .await;
        assert_eq!(ready().await.1["away"][0]["what"], "database");
        let live = server
            .http()
            .get(server.url("/health/live"))
            .send()
            .await
            .expect("it answers");
        assert_eq!(
            live.status().as_u16(),
            200,
            "a process that lives is not to be started anew"
        );
        let query = "{ leads { nodes { id } } }";
        let (status, answer) = server.post(Some(server.admin()), query, json!({})).await;
        let message = &answer["errors"][0]["message"];
        assert_eq!(
            (status, message),
            (503, &json!("the database is away; try again shortly"))
        );
        postgres.start_again();
        until("it is ready again", async || ready().await.0 == 200).await;
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket
            .subscribe("subscription { leadChanged { lead { email } } }", json!({}))
            .await;
        server
            .data(CREATE, json!({ "input": { "email": "ann@example.com" } }))
            .await;
        assert_eq!(
            feed.data().await["leadChanged"]["lead"]["email"],
            "ann@example.com"
        );
        server.settled().await;
        server.stop().await;
    });
}

/// Makes one lead.
struct Making;

#[async_trait]
impl JobKind for Making {
    fn kind(&self) -> &'static str {
        "test.making"
    }

    async fn run(&self, app: &App, _job: &JobContext) -> Result<JobOutcome, Error> {
        let tx = app.db().begin().await?;
        let id = LeadId::at(app.clock().now());
        let event = NewEvent::of_lead(EventKind::LeadCreated, id, json!({}));
        events::append(&tx, "system", app.clock().now(), vec![event]).await?;
        tx.commit().await?;
        Ok(JobOutcome::Finished)
    }
}

on_both! {
    async fn when_it_is_settled_jobs_are_done_and_their_events_handled(database: &Database) {
        let db = database.open().await;
        db.write().execute_unprepared("CREATE TABLE counted (position BIGINT)").await.unwrap();
        let server = Server::start(database, Setup::default().job(Making).handler(Arc::new(Counting))).await;
        let app = server.app();
        let tx = app.db().begin().await.unwrap();
        let job = enqueue(&tx, &Caller::operator(), app.clock().now(), "test.making", &json!({}), None).await.unwrap();
        tx.commit().await.unwrap();
        wake(app, job.id).await;
        server.settled().await;
        let job = server.data("query ($id: ID!) { job(id: $id) { state } }", json!({ "id": job.id.to_string() })).await;
        assert_eq!(job, json!({ "job": { "state": "SUCCEEDED" } }));
        let counted = sql(app.db().backend(), "SELECT position FROM counted", []);
        assert_eq!(app.db().read().query_all_raw(counted).await.unwrap().len(), 1);
    }
}

on_both! {
    async fn what_another_process_handled_is_not_handled_again(database: &Database) {
        let db = database.open().await;
        db.write().execute_unprepared("CREATE TABLE counted (position BIGINT)").await.unwrap();
        let server = Server::start(database, Setup::default().handler(Arc::new(Counting))).await;
        let app = server.app();
        let make = async |handled_elsewhere: bool| {
            let tx = app.db().begin().await.unwrap();
            let id = LeadId::at(app.clock().now());
            let event = NewEvent::of_lead(EventKind::LeadCreated, id, json!({}));
            events::append(&tx, "system", app.clock().now(), vec![event]).await.unwrap();
            if handled_elsewhere {
                let text = "UPDATE event_cursor SET position = (SELECT last_position + ? FROM event_head) WHERE name = ?";
                // On SQLite it has its position already.
                let ahead = i64::from(app.db().backend() == DbBackend::Postgres);
                tx.execute_raw(sql(tx.backend(), text, [ahead.into(), "test.counting".into()])).await.unwrap();
            }
            tx.commit().await.unwrap();
            server.settled().await;
            let counted = sql(app.db().backend(), "SELECT position FROM counted", []);
            app.db().read().query_all_raw(counted).await.unwrap().len()
        };
        assert_eq!(make(false).await, 1);
        assert_eq!(make(true).await, 1);
        assert_eq!(make(false).await, 2);
    }
}

/// Writes down each lead that is made.
struct Counting;

#[async_trait]
impl Handler for Counting {
    fn name(&self) -> &'static str {
        "test.counting"
    }

    fn kinds(&self) -> &'static [EventKind] {
        &[EventKind::LeadCreated]
    }

    async fn handle(&self, _app: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        for event in events {
            let position = event.position.into();
            let text = "INSERT INTO counted (position) VALUES (?)";
            tx.execute_raw(sql(tx.backend(), text, [position])).await?;
        }
        Ok(())
    }
}

#[test]
fn two_servers_and_two_workers_are_one_system() {
    const LEADS: usize = 40;
    with_database(Backend::Postgres, async |database| {
        let Some(nats) = Nats::start().await else { return };
        let db = database.open().await;
        // No key: an event handled twice would be there twice.
        db.write()
            .execute_unprepared("CREATE TABLE counted (position BIGINT)")
            .await
            .unwrap();
        let setup = || Setup::default().setting("nats_url", nats.url());
        let (one, other) = tokio::join!(
            Server::start(database, setup().without_work()),
            Server::start(database, setup().without_work()),
        );
        let (worker, another) = tokio::join!(
            Server::start(database, setup().without_http().handler(Arc::new(Counting))),
            Server::start(database, setup().without_http().handler(Arc::new(Counting))),
        );
        // A token of one server counts on the other.
        let token = one.token(&["leads:read"]).await;
        let (mut near, mut far) = (one.socket(&token).await, other.socket(&token).await);
        let query = "subscription { leadChanged { cursor event leadId } }";
        let mut near = near.subscribe(query, json!({})).await;
        let mut far = far.subscribe(query, json!({})).await;
        let made = futures_util::future::join_all((0..LEADS).map(async |n| {
            let server = if n % 2 == 0 { &one } else { &other };
            let made = server
                .data(
                    CREATE,
                    json!({ "input": { "email": format!("a{n}@example.com") } }),
                )
                .await;
            made["leadCreate"]["lead"]["id"].as_str().unwrap().to_owned()
        }))
        .await;
        let mut seen = BTreeSet::new();
        while seen.len() < LEADS {
            let change = near.data().await;
            assert_eq!(far.data().await, change, "both see the same in the same order");
            if change["leadChanged"]["event"] == "LEAD_CREATED" {
                let id = change["leadChanged"]["leadId"].as_str().unwrap().to_owned();
                assert!(seen.insert(id), "seen twice: {change}");
            }
        }
        assert_eq!(seen, made.into_iter().collect::<BTreeSet<_>>());
        tokio::join!(worker.settled(), another.settled());
        let counted = "SELECT count(*) AS all_of_them, count(DISTINCT position) AS different FROM counted";
        let row = db
            .read()
            .query_one_raw(sql(db.backend(), counted, []))
            .await
            .unwrap()
            .unwrap();
        let count = |column: &str| row.try_get::<i64>("", column).unwrap();
        assert_eq!((count("all_of_them"), count("different")), (40, 40));
        tokio::join!(one.stop(), other.stop(), worker.stop(), another.stop());
    });
}
