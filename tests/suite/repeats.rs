//! Calls that are made again with the same key: one effect and one answer, from whoever they come at once, and after a
//! crash as well.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use entity::{connection, idempotency, lead};
use integrations::sandbox::Running;
use leadline::db::sql;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sea_orm::{ConnectionTrait as _, EntityTrait as _};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::every_field::Model;
use crate::row_filter::upload;
use crate::support::{Database, Process, Server, Setup, ask, code, command, http, until};

/// How many make the same call at once.
const TWINS: usize = 100;
/// How often the server is killed.
const ROUNDS: u64 = 6;
/// Calls under way when it is.
const CALLS: usize = 12;
/// Of what is drawn; the same for every run.
const SEED: u64 = 20_261_121;

const CREATE: &str = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { outcome lead { id } userErrors { code } } }";

/// What the cases are about.
struct Scene {
    lead: String,
    other: String,
    draft: String,
    published: String,
    file: String,
    connection: String,
    sink: String,
    audience: String,
    shared: String,
    mailer: String,
    failed: String,
    /// Two conversions that are worth something.
    sold: [String; 2],
    /// Deals: three that are open, and one that was lost.
    deals: [String; 4],
    /// A stage that none of them is in.
    stage: String,
    /// One that writes texts, by this model.
    texts: (String, String),
    _sandbox: Running,
}

/// A platform that writes texts, connected.
async fn writer(server: &Server) -> (String, String, Running) {
    let clock: Arc<dyn integrations::Clock> = Arc::new(integrations::SystemClock);
    let all = integrations::all();
    let platform = all
        .iter()
        .find(|platform| platform.manifest().key == "openrouter")
        .expect("it is offered");
    let sandbox = integrations::sandbox::start(platform.sandbox(Arc::clone(&clock)), clock)
        .await
        .expect("a port of loopback");
    let setup = sandbox.sandbox().setup(&sandbox.base);
    let query = "mutation ($input: ConnectionCreateInput!) { it: connectionCreate(input: $input) { connection { id } } }";
    let input = json!({ "platform": "openrouter", "name": "t", "settings": setup.settings, "secrets": setup.secrets });
    let made = server.data(query, json!({ "input": input })).await["it"].take();
    let id = made["connection"]["id"].as_str().expect("it is made").to_owned();
    let model = sandbox
        .sandbox()
        .cases()
        .text_generator
        .expect("it has models")
        .model;
    (id, model, sandbox)
}

/// A connection that is used, though nobody is at the other end.
async fn connected(server: &Server) -> String {
    let query = "mutation { it: connectionCreate(input: { platform: \"shopify\", name: \"y\", settings: { shop:
        \"y.myshopify.com\", clientId: \"y\" }, secrets: { clientSecret: \"y\" } }) { connection { id } userErrors { message } } }";
    let made = server.data(query, json!({})).await["it"].take();
    let id = made["connection"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"))
        .to_owned();
    let active = connection::Entity::update_many()
        .col_expr(connection::Column::State, "ACTIVE".into())
        .exec(server.app().db().write());
    active.await.expect("it is active");
    id
}

/// The same of a platform with audiences; and an audience of it that nothing is being told of.
async fn audience(server: &Server) -> (String, String) {
    let query = "mutation { it: connectionCreate(input: { platform: \"meta\", name: \"y\", settings: { appId: \"1\", adAccountId: \"1\" },
        secrets: { appSecret: \"y\", verifyToken: \"y\" } }) { connection { id } userErrors { message } } }";
    let made = server.data(query, json!({})).await["it"].take();
    let sink = made["connection"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"));
    let db = server.app().db().write();
    // That it does not work is known, so that it is not switched off for it.
    let active = connection::Entity::update_many()
        .col_expr(connection::Column::State, "ACTIVE".into())
        .col_expr(connection::Column::ProblemKind, "UNAUTHORISED".into());
    active.exec(db).await.expect("it is active");
    let id = entity::id::AudienceId::at(entity::Timestamp(1));
    let columns = "id, connection_id, kind, name, description, filter, state, external_id, generation, failures, created_by, created_at, updated_at";
    let text = format!(
        "INSERT INTO audience ({columns}) VALUES (?, ?, 'CUSTOM', 'y', '', '{{}}', 'READY', '1', 1, 0, 'system', 1, 1)"
    );
    let connection: entity::id::ConnectionId = sink.parse().expect("an id");
    let insert = sql(
        db.get_database_backend(),
        &text,
        [id.0.into(), connection.0.into()],
    );
    db.execute_raw(insert).await.expect("an audience");
    (sink.to_owned(), id.to_string())
}

/// A connection with which conversions are shared.
async fn shared(server: &Server) -> String {
    let query = "mutation { it: connectionCreate(input: { platform: \"meta\", name: \"z\", settings: { appId: \"1\" }, secrets: {
        appSecret: \"z\", verifyToken: \"z\" } }) { connection { id } userErrors { message } } }";
    let made = server.data(query, json!({})).await["it"].take();
    let id = made["connection"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"))
        .to_owned();
    let query = "mutation ($id: ID!) { it: conversionSharingUpdate(input: { connectionId: $id, enabled: true, rules: [{ happening: CONVERSION,
        conversionKind: QUALIFIED, sharedAs: LEAD }] }) { userErrors { message } } }";
    let done = server.data(query, json!({ "id": id })).await["it"].take();
    assert_eq!(done["userErrors"], json!([]), "{done}");
    id
}

/// A connection for mail, though nobody is at the other end.
async fn mailer(server: &Server) -> String {
    let query = "mutation { it: connectionCreate(input: { platform: \"smtp\", name: \"z\", settings: { host: \"127.0.0.1\", port: 9,
        encryption: \"NONE\", user: \"z@example.org\" }, secrets: { password: \"some password\" } }) { connection { id state } userErrors { message } } }";
    let made = server.data(query, json!({})).await["it"].take();
    made["connection"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"))
        .to_owned()
}

/// A conversion that is worth something.
async fn sold(server: &Server, lead: &str) -> String {
    let query = "mutation ($id: ID!) { it: conversionRecord(input: { leadId: $id, kind: PURCHASE, value: { amount: \"10\", currencyCode: \"EUR\" } }) {
        conversion { id } userErrors { message } } }";
    let made = server.data(query, json!({ "id": lead })).await["it"].take();
    made["conversion"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"))
        .to_owned()
}

/// An open deal.
async fn deal(server: &Server, lead: &str) -> String {
    let query = "mutation ($id: ID!) { it: dealCreate(input: { leadId: $id, name: \"x\", value: { amount: \"10\", currencyCode: \"EUR\" } }) {
        deal { id } userErrors { message } } }";
    let made = server.data(query, json!({ "id": lead })).await["it"].take();
    made["deal"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"))
        .to_owned()
}

/// A deal that was lost.
async fn lost(server: &Server, lead: &str) -> String {
    let id = deal(server, lead).await;
    let query =
        "mutation ($id: ID!) { it: dealLose(input: { id: $id, reason: \"x\" }) { userErrors { message } } }";
    let done = server.data(query, json!({ "id": id })).await["it"].take();
    assert_eq!(done["userErrors"], json!([]), "{done}");
    id
}

/// The last stage of deals.
async fn last_stage(server: &Server) -> String {
    let stages = server.data("{ dealStages { stages { id } } }", json!({})).await;
    let stages = stages["dealStages"]["stages"].as_array().expect("a list");
    stages.last().expect("a stage")["id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

/// A message that failed.
async fn failed(server: &Server, connection: &str) -> String {
    let query = "mutation ($id: ID!) { it: messageSend(input: { connectionId: $id, to: \"f@example.com\", purpose: TRANSACTIONAL,
        content: { email: { subject: \"x\", text: \"x\" } } }) { message { id } userErrors { message } } }";
    let made = server.data(query, json!({ "id": connection })).await["it"].take();
    let id = made["message"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"))
        .to_owned();
    // Until nobody is about to hand it over any more.
    until("the message is given up", async || {
        let db = server.app().db().write();
        let ended = sql(
            db.get_database_backend(),
            "UPDATE message SET state = 'FAILED', due_at = NULL WHERE state IN ('QUEUED', 'FAILED')",
            [],
        );
        db.execute_raw(ended)
            .await
            .expect("it is written")
            .rows_affected()
            > 0
    })
    .await;
    id
}

impl Scene {
    async fn new(server: &Server) -> Self {
        let made = server.data("mutation { a: leadCreate(input: { email: \"a@example.com\" }) { lead { id } } b: leadCreate(input: {
            email: \"b@example.com\" }) { lead { id } } c: scoreModelDraftCreate(input: {}) { model { id } }
            d: scoreModelDraftCreate(input: {}) { model { id } } }", json!({})).await;
        let id = |path: &str| {
            made.pointer(path)
                .and_then(Value::as_str)
                .expect("an id")
                .to_owned()
        };
        let (sink, audience) = audience(server).await;
        let mailer = mailer(server).await;
        let (writes, model, sandbox) = writer(server).await;
        Self {
            texts: (writes, model),
            _sandbox: sandbox,
            lead: id("/a/lead/id"),
            other: id("/b/lead/id"),
            draft: id("/c/model/id"),
            published: id("/d/model/id"),
            file: upload(server, server.admin(), "email\nc@example.com\n").await,
            connection: connected(server).await,
            sink,
            audience,
            shared: shared(server).await,
            mailer: mailer.clone(),
            failed: failed(server, &mailer).await,
            sold: [
                sold(server, &id("/a/lead/id")).await,
                sold(server, &id("/b/lead/id")).await,
            ],
            deals: [
                deal(server, &id("/a/lead/id")).await,
                deal(server, &id("/a/lead/id")).await,
                deal(server, &id("/a/lead/id")).await,
                lost(server, &id("/a/lead/id")).await,
            ],
            stage: last_stage(server).await,
        }
    }

    /// What a mutation is given, where its rows are, how many it makes, and what is asked of its payload.
    fn case(&self, mutation: &str) -> (Value, &'static str, i64, &'static str) {
        let Self {
            lead,
            other,
            draft,
            published,
            file,
            connection,
            sink,
            audience,
            shared,
            mailer,
            failed,
            sold: [voided, refunded],
            deals: [moved, won, given_up, closed],
            stage,
            texts: (writes, model),
            _sandbox: _,
        } = self;
        let at = "2026-01-05T10:00:00Z";
        match mutation {
            "leadCreate" => (
                json!({ "email": "new@example.com" }),
                "lead",
                1,
                "outcome lead { id } userErrors { code }",
            ),
            "leadUpsert" => (
                json!({ "email": "newer@example.com" }),
                "lead",
                1,
                "outcome lead { id } userErrors { code }",
            ),
            "leadsCreate" => (
                json!({ "leads": [{ "email": "l1@example.com" }, { "email": "l2@example.com" }] }),
                "lead",
                2,
                "results { outcome lead { id } userErrors { code } } userErrors { code }",
            ),
            "leadsUpsert" => (
                json!({ "leads": [{ "email": "u1@example.com" }, { "email": "u2@example.com" }] }),
                "lead",
                2,
                "results { outcome lead { id } userErrors { code } } userErrors { code }",
            ),
            "consentRecord" => (
                json!({ "leadId": lead, "channel": "SMS", "state": "GRANTED" }),
                "consent_record",
                1,
                "record { id } userErrors { code }",
            ),
            "consentsRecord" => (
                json!({ "consents": [{ "leadId": lead, "channel": "EMAIL", "state": "GRANTED" },
                    { "leadId": other, "channel": "EMAIL", "state": "DENIED" }] }),
                "consent_record",
                2,
                "results { record { id } userErrors { code } } userErrors { code }",
            ),
            "conversionRecord" => (
                json!({ "leadId": lead, "kind": "PURCHASE" }),
                "conversion",
                1,
                "duplicate conversion { id } userErrors { code }",
            ),
            "conversionsRecord" => (
                json!({ "items": [{ "leadId": lead, "kind": "PURCHASE" }, { "leadId": other, "kind": "PURCHASE" }] }),
                "conversion",
                2,
                "results { conversion { id } userErrors { code } } userErrors { code }",
            ),
            // Neither makes a row of its own, but what somebody does is noted.
            "conversionVoid" => (
                json!({ "id": voided }),
                "audit_entry",
                1,
                "conversion { id voidedAt } userErrors { code }",
            ),
            "conversionRefund" => (
                json!({ "id": refunded, "amount": { "amount": "2.50", "currencyCode": "EUR" } }),
                "audit_entry",
                1,
                "conversion { id refunded { amount } } userErrors { code }",
            ),
            "costsRecord" => (
                json!({ "items": [{ "kind": "AI", "day": "2026-03-01", "amount": { "amount": "1", "currencyCode": "EUR" } }] }),
                "cost",
                1,
                "results { duplicate cost { id recordedAt } userErrors { code } } userErrors { code }",
            ),
            "currencyRatesRecord" => (
                json!({ "items": [{ "currencyCode": "USD", "day": "2026-03-02", "rate": "1.1" }, { "currencyCode": "JPY", "day": "2026-03-02", "rate": "162" }] }),
                "currency_rate",
                2,
                "results { rate { rate recordedAt } userErrors { code } } job { id } userErrors { code }",
            ),
            "dealCreate" => (
                json!({ "leadId": lead, "name": "x" }),
                "deal",
                1,
                "deal { id version } userErrors { code }",
            ),
            "dealMove" => (
                json!({ "id": moved, "stageId": stage }),
                "deal_move",
                1,
                "deal { version stage { id } } userErrors { code }",
            ),
            "dealWin" => (
                json!({ "id": won }),
                "conversion",
                1,
                "deal { version conversion { id } } userErrors { code }",
            ),
            "dealLose" => (
                json!({ "id": given_up, "reason": "x" }),
                "deal_move",
                1,
                "deal { version closedAt } userErrors { code }",
            ),
            "dealReopen" => (
                json!({ "id": closed }),
                "deal_move",
                1,
                "deal { version state } userErrors { code }",
            ),
            "engagementRecord" => (
                json!({ "leadId": lead, "type": "EMAIL_SENT" }),
                "engagement",
                1,
                "duplicate engagement { id } userErrors { code }",
            ),
            "engagementsRecord" => (
                json!({ "items": [{ "leadId": lead, "type": "EMAIL_SENT" }, { "leadId": other, "type": "EMAIL_OPENED" }] }),
                "engagement",
                2,
                "recorded duplicates refused userErrors { code }",
            ),
            "noteAdd" => (
                json!({ "leadId": lead, "body": "x" }),
                "note",
                1,
                "note { id } userErrors { code }",
            ),
            "tagCreate" => (json!({ "name": "x" }), "tag", 1, "tag { id } userErrors { code }"),
            "customFieldCreate" => (
                json!({ "key": "x", "type": "TEXT" }),
                "custom_field",
                1,
                "customField { id } userErrors { code }",
            ),
            "leadStageChange" => (
                json!({ "leadId": lead, "stage": "ENGAGED", "reason": "x" }),
                "stage_stay",
                1,
                "stay { id } userErrors { code }",
            ),
            "leadsStageChange" => (
                json!({ "items": [{ "leadId": lead, "stage": "LOST", "reason": "x" }, { "leadId": other, "stage": "LOST", "reason": "x" }] }),
                "stage_stay",
                2,
                "items { stay { id } userErrors { code } } userErrors { code }",
            ),
            "leadsImport"
            | "engagementsImport"
            | "conversionsImport"
            | "costsImport"
            | "currencyRatesImport" => {
                let mut input = json!({ "uploadId": file });
                if mutation == "engagementsImport" {
                    input["defaults"] = json!([{ "target": "type", "value": "EMAIL_SENT" }, { "target": "occurred_at", "value": at }]);
                } else if mutation == "costsImport" {
                    input["defaults"] = json!([{ "target": "kind", "value": "AI" }, { "target": "day", "value": "2026-03-01" },
                        { "target": "currency", "value": "EUR" }, { "target": "amount", "value": "1" }]);
                } else if mutation == "currencyRatesImport" {
                    input["defaults"] = json!([{ "target": "day", "value": "2026-03-01" }, { "target": "rate.USD", "value": "1.1" }]);
                } else if mutation == "conversionsImport" {
                    input["defaults"] = json!([{ "target": "kind", "value": "PURCHASE" }, { "target": "occurred_at", "value": at }]);
                }
                (input, "job", 1, "job { id } userErrors { code }")
            }
            "lifetimeModelFit" => (json!({}), "job", 1, "job { id }"),
            "scoreModelDraftCreate" => (json!({}), "score_model", 1, "model { id } userErrors { code }"),
            "scoreModelBacktest" => (
                json!({ "draftId": draft }),
                "job",
                1,
                "job { id } userErrors { code }",
            ),
            "scoreModelPublish" => (
                json!({ "id": published }),
                "job",
                1,
                "model { id version } job { id } userErrors { code }",
            ),
            "scoresRecalculate" => (json!({}), "job", 1, "job { id }"),
            // It waits for its owner's consent, so that nobody is asked.
            "connectionCreate" => (
                json!({ "platform": "shopify", "name": "x", "settings": { "shop": "x.myshopify.com", "clientId": "x" },
                    "secrets": { "clientSecret": "x" } }),
                "connection",
                1,
                "connection { id state } userErrors { code message }",
            ),
            "conversionBackfill" => (
                json!({ "connectionId": shared, "since": server_moment() }),
                "job",
                1,
                "job { id } userErrors { code message }",
            ),
            "connectionSync" => (
                json!({ "id": connection }),
                "sync_run",
                1,
                "sync { id } job { id } userErrors { code message }",
            ),
            "audienceCreate" => (
                json!({ "connectionId": sink, "name": "x", "filter": {} }),
                "audience",
                1,
                "audience { id } userErrors { code message }",
            ),
            "audienceLookalike" => (
                json!({ "id": audience, "name": "x", "country": "DE", "ratio": 0.01 }),
                "audience",
                1,
                "audience { id } userErrors { code message }",
            ),
            "audienceSync" => (
                json!({ "id": audience }),
                "audience_sync",
                1,
                "sync { id } job { id } userErrors { code message }",
            ),
            "messageSend" => (
                json!({ "connectionId": mailer, "leadId": lead, "purpose": "TRANSACTIONAL", "content": { "email": { "subject": "x", "text": "x" } } }),
                "message",
                1,
                "message { id } userErrors { code message }",
            ),
            "messageResend" => (
                json!({ "id": failed }),
                "message",
                1,
                "message { id resendOf { id } } userErrors { code message }",
            ),
            "textGenerate" => (
                json!({ "connectionId": writes, "model": model, "messages": [{ "role": "USER", "text": "bicycles" }] }),
                "text_generation",
                1,
                "text generation { id fromCache cost } userErrors { code message }",
            ),
            other => panic!("`{other}` takes a key and is new: say here what it makes"),
        }
    }
}

/// A moment of a minute ago.
fn server_moment() -> String {
    let now = leadline::clock::Clock::system().now();
    entity::Timestamp(now.micros() / 60_000_000 * 60_000_000)
        .plus_seconds(-60)
        .to_rfc3339()
}

async fn count(server: &Server, table: &str) -> i64 {
    let db = server.app().db().read();
    // Jobs that follow from what was done come by themselves, sooner or later.
    let asked_for = match table {
        "job" => " WHERE kind NOT IN ('revenue.revalue', 'reports.rebuild', 'attribution.recompute')",
        _ => "",
    };
    let counted = db
        .query_one_raw(sql(
            db.get_database_backend(),
            &format!("SELECT COUNT(*) FROM {table}{asked_for}"),
            [],
        ))
        .await;
    let row = counted.expect("it is asked").expect("a row");
    row.try_get_by_index(0).expect("a number")
}

on_both! {
    async fn a_hundred_at_once_with_one_key_have_one_effect_and_one_answer(database: &Database) {
        let server = Server::start(database, Setup::default().setting("graphql_budget", "0").setting("platforms_private_networks", "true")).await;
        let scene = Scene::new(&server).await;
        let model = Model::whole();
        let takes_key = |ty: &String| leadline::api::sdl().split(&format!("\ninput {ty} {{")).nth(1)
            .is_some_and(|rest| rest.split("\n}").next().is_some_and(|body| body.contains("\tidempotencyKey: String")));
        let mut cases = 0;
        for field in model.fields["Mutation"].iter().filter(|field| field.arguments.iter().any(takes_key)) {
            let (name, input) = (&field.name, &field.arguments[0]);
            let (mut given, table, made, payload) = scene.case(name);
            given["idempotencyKey"] = json!(name);
            let query = format!("mutation ($input: {input}!) {{ {name}(input: $input) {{ {payload} }} }}");
            server.settled().await;
            let before = count(&server, table).await;
            let twins = (0..TWINS).map(|_| server.graphql(&query, json!({ "input": given })));
            let answers = futures_util::future::join_all(twins).await;
            let answers: BTreeSet<String> = answers.iter().map(|answer| {
                assert!(answer.get("errors").is_none(), "{name}: {answer}");
                answer["data"].to_string()
            }).collect();
            let answer: Value = serde_json::from_str(answers.first().unwrap()).unwrap();
            assert_eq!(answers.len(), 1, "{name}: {answers:?}");
            let faults = &answer[name]["userErrors"];
            assert!(*faults == json!([]) || ["lifetimeModelFit", "scoresRecalculate"].contains(&name.as_str()) && faults.is_null(), "{name}: {answer}");
            assert_eq!(count(&server, table).await - before, made, "{name}: {answer}");
            cases += 1;
        }
        assert!(cases > 20, "{cases} mutations take a key");
        server.stop().await;
    }

    async fn what_was_done_when_the_server_was_killed_is_not_done_again(database: &Database) {
        let token = command(database, &["token", "create", "--name", "t", "--scope", "admin"]).out.trim().to_owned();
        let http = http();
        let post = async |address: SocketAddr, key: &str| {
            let input = json!({ "email": format!("{key}@example.com"), "firstName": key, "idempotencyKey": key });
            ask(&http, address, Some(&token), CREATE, json!({ "input": input })).await
        };
        // Somebody who does not hear the answer: the server is killed when the lead is there.
        let process = Process::start(database, &["serve"]);
        let address = process.address().await;
        let body = json!({ "query": CREATE, "variables": { "input": { "email": "deaf@example.com", "firstName": "deaf", "idempotencyKey": "deaf" } } }).to_string();
        let mut wire = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        wire.write_all(request.as_bytes()).await.unwrap();
        let db = database.open().await;
        until("the lead is there", async || !lead::Entity::find().all(db.read()).await.unwrap().is_empty()).await;
        process.kill();
        drop(wire);

        let mut dice = StdRng::seed_from_u64(SEED);
        let mut heard: Vec<(String, Option<Value>)> = vec![("deaf".to_owned(), None)];
        for round in 0..ROUNDS {
            let process = Process::start(database, &["serve"]);
            let address = process.address().await;
            // A first one, so that all is warm.
            heard.push((format!("warm{round}"), Some(post(address, &format!("warm{round}")).await.1)));
            let calls: Vec<_> = (0..CALLS).map(|n| {
                let key = format!("key{round}x{n}");
                let (token, variables) = (token.clone(), json!({ "input": { "email": format!("{key}@example.com"), "firstName": key, "idempotencyKey": key } }));
                let client = reqwest::Client::new();
                tokio::spawn(async move {
                    let request = client.post(format!("http://{address}/graphql")).bearer_auth(&token)
                        .json(&json!({ "query": CREATE, "variables": variables }));
                    let answer = match request.send().await {
                        Ok(answer) => answer.json::<Value>().await.ok(),
                        Err(_) => None,
                    };
                    (key, answer)
                })
            }).collect();
            tokio::time::sleep(Duration::from_millis(dice.random_range(0..40))).await;
            process.kill();
            for call in calls {
                heard.push(call.await.unwrap());
            }
        }
        let done: BTreeSet<String> = idempotency::Entity::find().all(db.read()).await.unwrap().into_iter().map(|row| row.key).collect();
        let unheard = heard.iter().filter(|(key, answer)| answer.is_none() && done.contains(key)).count();
        assert!(unheard >= 1, "at least the deaf one's was done and not answered");

        let process = Process::start(database, &["serve"]);
        let address = process.address().await;
        let mut ids = BTreeSet::new();
        for (key, before) in &heard {
            let (_, again) = post(address, key).await;
            let id = again["data"]["leadCreate"]["lead"]["id"].as_str().unwrap_or_else(|| panic!("{key}: {again}"));
            assert!(ids.insert(id.to_owned()), "{key}: {again}");
            if let Some(before) = before {
                assert_eq!(before["data"], again["data"], "{key}");
            }
        }
        // One for each key, and the key is its name.
        let leads = lead::Entity::find().all(db.read()).await.unwrap();
        let names: BTreeSet<String> = leads.iter().filter_map(|lead| lead.first_name.clone()).collect();
        assert_eq!((leads.len(), names), (heard.len(), heard.iter().map(|(key, _)| key.clone()).collect()));
        let stored: BTreeSet<String> = leads.iter().map(|lead| lead.id.to_string()).collect();
        assert_eq!(stored, ids);
        // Another input with a key that was used is refused still.
        let other = json!({ "input": { "email": "other@example.com", "idempotencyKey": "deaf" } });
        let (_, refused) = ask(&http, address, Some(&token), CREATE, other).await;
        assert_eq!(code(&refused), "CONFLICT");
        process.end();
    }
}
