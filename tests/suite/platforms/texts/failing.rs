//! What goes wrong: the platform, the request, the server itself.

use integrations::sandbox::Failure;
use serde_json::{Value, json};

use super::model::Model;
use super::{
    BUDGET, GENERATE, GENERATING, asked, decimal, generate, history, order, refused, sandbox, with, written,
};
use crate::platforms::{connect, server, shop};
use crate::support::{Database, Process, Server, Setup, command, http, until};

on_both! {
    async fn each_failure_of_the_platform_says_what_can_be_done(database: &Database) {
        let server = server(database).await;
        let (sandbox, model) = sandbox("openrouter").await;
        let id = connect(&server, "openrouter", "Texts", &sandbox).await;
        let fails = async |failure: Failure, text: &str| {
            sandbox.faults.on("chat/completions", failure, 1);
            generate(&server, &order(&id, &model, text)).await
        };
        assert_eq!(refused(&fails(Failure::Malformed, "a").await).0, "PLATFORM_FAULT");
        assert_eq!(refused(&fails(Failure::BodyError, "b").await).0, "PROMPT_TOO_LONG");
        let answer = generate(&server, &order(&id, "nobody/knows-it", "c")).await;
        assert_eq!(refused(&answer).0, "UNKNOWN_MODEL", "{answer}");
        let answer = generate(&server, &order(&id, &model, "[[refuse]]")).await;
        assert_eq!(refused(&answer).0, "CONTENT_REFUSED", "{answer}");
        // One that comes late comes all the same, and so does one that is tried again.
        sandbox.faults.on("chat/completions", Failure::Slow(std::time::Duration::from_millis(300)), 1);
        written(&server, &order(&id, &model, "d")).await;
        // None of that is the connection's fault.
        let health = "query ($id: ID!) { connection(id: $id) { state health { ok problemKind } } }";
        assert_eq!(server.data(health, json!({ "id": id })).await["connection"]["state"], "ACTIVE");
        // Its credentials are: nothing more is asked until somebody mends it.
        let answer = fails(Failure::Unauthorised, "e").await;
        assert_eq!(refused(&answer).0, "CREDENTIALS_REFUSED", "{answer}");
        assert_eq!(server.data(health, json!({ "id": id })).await["connection"],
            json!({ "state": "UNAUTHORISED", "health": { "ok": false, "problemKind": "UNAUTHORISED" } }));
        let before = asked(&sandbox);
        assert_eq!(refused(&generate(&server, &order(&id, &model, "f")).await).0, "CREDENTIALS_REFUSED");
        assert_eq!(asked(&sandbox), before);
        server.data("mutation ($id: ID!) { connectionTest(input: { id: $id }) { ok } }", json!({ "id": id })).await;
        written(&server, &order(&id, &model, "f")).await;
        // Too much: it says for how long.
        let answer = fails(Failure::Throttled { seconds: 120 }, "g").await;
        let (code, message) = refused(&answer);
        assert_eq!(code, "THROTTLED");
        assert!(message.contains("120 s"), "{message}");
        server.data("mutation ($id: ID!) { connectionDisable(input: { id: $id }) { connection { state } } }", json!({ "id": id })).await;
        assert_eq!(refused(&generate(&server, &order(&id, &model, "h")).await).0, "NOT_ACTIVE");
        let rows = history(&server).await;
        let failed: Vec<_> = rows.iter().filter(|row| row["state"] == "FAILED").collect();
        assert_eq!(failed.len(), 6, "{rows:?}");
        for row in &rows {
            let secret = sandbox.sandbox().setup(&sandbox.base).secrets["apiKey"].as_str().unwrap().to_owned();
            assert!(!row.to_string().contains(&secret), "{row}");
        }
        // Nothing stays held back: what counts is what was written, and what refusing took.
        let spent: rust_decimal::Decimal = rows.iter().filter(|row| !row["cost"].is_null()).map(|row| decimal(&row["cost"])).sum();
        let budget = server.data(BUDGET, json!({ "id": id })).await["it"].take();
        assert_eq!(decimal(&budget["spentUsd"]), spent, "{budget} {rows:?}");
    }

    async fn what_cannot_be_is_told_before_anybody_is_asked(database: &Database) {
        let (server, shop) = (server(database).await, shop(1, 1).await);
        let model = Model::start().await;
        let id = model.connect(&server).await;
        let shop = connect(&server, "shopify", "Shop", &shop).await;
        assert_eq!(refused(&generate(&server, &order(&shop, "m", "x")).await).0, "UNSUPPORTED");
        let nobody = entity::id::ConnectionId::at(entity::Timestamp(1)).to_string();
        assert_eq!(refused(&generate(&server, &order(&nobody, "m", "x")).await).0, "NOT_FOUND");
        for (wrong, field) in [
            (json!({ "messages": [] }), "messages"),
            (json!({ "messages": [{ "role": "ASSISTANT", "text": "x" }] }), "messages"),
            (json!({ "messages": [{ "role": "USER", "text": " " }] }), "messages.0.text"),
            (json!({ "temperature": 2.1 }), "temperature"),
            (json!({ "maxTokens": 100_001 }), "maxTokens"),
            (json!({ "jsonSchema": [] }), "jsonSchema"),
            (json!({ "system": "x".repeat(600_000) }), "messages"),
        ] {
            let answer = generate(&server, &with(order(&id, "m", "x"), wrong)).await;
            assert_eq!(refused(&answer).0, "INVALID_INPUT", "{answer}");
            let path: Vec<_> = answer["userErrors"][0]["field"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
            assert_eq!(path.join("."), field);
        }
        let models = server.graphql("query ($id: ID!) { textModels(connectionId: $id) { id } }", json!({ "id": shop })).await;
        assert_eq!(crate::support::code(&models), "BAD_USER_INPUT");
        assert_eq!((model.begun(), history(&server).await.len()), (0, 0));
    }

    async fn a_text_that_breaks_off_is_told_up_to_there(database: &Database) {
        let server = server(database).await;
        let model = Model::start().await;
        model.release();
        let id = model.connect(&server).await;
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe(GENERATING, json!({ "input": order(&id, "m", "[[fail]]") })).await;
        assert_eq!(feed.data().await["it"]["text"], "Hello ");
        let end = feed.data().await["it"].take();
        assert_eq!((&end["text"], &end["generation"]), (&json!(""), &Value::Null), "{end}");
        assert_eq!(end["userErrors"][0]["code"], "BROKE_OFF", "{end}");
        feed.ended().await;
        assert_eq!(model.begun(), 1, "what was begun is not asked for again");
        let row = history(&server).await.swap_remove(0);
        assert_eq!((&row["state"], &row["cost"]), (&json!("FAILED"), &Value::Null), "{row}");
        // Who comes back is told so far, too.
        let mut back = socket.subscribe(GENERATING, json!({ "after": row["id"] })).await;
        assert_eq!(back.data().await["it"]["text"], "Hello ");
        assert_eq!(back.data().await["it"]["userErrors"][0]["code"], "BROKE_OFF");
        back.ended().await;
        // It is not given to the next who asks.
        assert_eq!(refused(&generate(&server, &order(&id, "m", "[[fail]]")).await).0, "BROKE_OFF");
        assert_eq!(model.begun(), 2);
    }

    async fn a_text_whose_server_was_killed_is_closed_and_counts(database: &Database) {
        let token = command(database, &["token", "create", "--name", "t", "--scope", "admin"]).out.trim().to_owned();
        let process = Process::start(database, &["serve", "--platforms-private-networks", "true"]);
        let address = process.address().await;
        let model = Model::start().await;
        let id = {
            let settings = Setup::default().setting("platforms_private_networks", "true").without_work();
            let server = Server::start(database, settings).await;
            let id = model.connect(&server).await;
            server.stop().await;
            id
        };
        let client = http();
        let body = json!({ "query": GENERATE, "variables": { "input": with(order(&id, "m", "lost"), json!({ "idempotencyKey": "k", "maxTokens": 500 })) } });
        let lost = client.post(format!("http://{address}/graphql")).bearer_auth(&token).json(&body).send();
        let killed = async {
            until("it is being written", async || model.begun() == 1).await;
            process.kill();
        };
        let (answer, ()) = tokio::join!(lost, killed);
        assert!(answer.is_err(), "nobody answered: {answer:?}");
        // Some minutes later somebody else looks.
        let later = leadline::clock::Clock::system().now().plus_seconds(300).to_rfc3339();
        let server = Server::start(database, Setup::default().setting("platforms_private_networks", "true").at(&later)).await;
        let mut row = Value::Null;
        until("it is closed", async || {
            row = history(&server).await.swap_remove(0);
            row["state"] != "RUNNING"
        }).await;
        assert_eq!((&row["state"], &row["problem"], &row["cost"]), (&json!("FAILED"), &json!("INTERRUPTED"), &Value::Null), "{row}");
        // Nobody knows what it took: all that was held back for it counts.
        let rows = spending(&server).await;
        assert_eq!(rows.len(), 1);
        assert!(rows[0].tokens >= 500, "{rows:?}");
        // The same call, by whom it was made: the same answer.
        let answer = server.graphql_as(Some(&token), GENERATE, body["variables"].clone()).await["data"]["it"].take();
        assert_eq!(refused(&answer).0, "INTERRUPTED");
        // Nor does who comes back wait for what nobody writes.
        let mut socket = server.socket(&token).await;
        let mut back = socket.subscribe(GENERATING, json!({ "after": row["id"] })).await;
        let end = back.data().await["it"].take();
        assert_eq!((&end["text"], &end["userErrors"][0]["code"]), (&json!(""), &json!("INTERRUPTED")), "{end}");
        back.ended().await;
        assert_eq!(model.begun(), 1);
    }
}

async fn spending(server: &Server) -> Vec<entity::text_spending::Model> {
    use sea_orm::EntityTrait as _;
    let rows = entity::text_spending::Entity::find().all(server.app().db().read());
    rows.await.expect("it is read")
}
