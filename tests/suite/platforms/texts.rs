//! Texts that models write: as a whole, as they are written, from memory, within a budget.

mod failing;
mod model;
mod returning;
mod spending;

use integrations::sandbox::Running;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use self::model::Model;
use super::{connect, run, server};
use crate::support::{Database, Server, Setup, unknown_field, until};

const GENERATE: &str = "mutation ($input: TextGenerateInput!) { it: textGenerate(input: $input) { text generation { id state
    finish model writtenBy fromCache cost durationMs createdBy connection { name } tokens { input cacheRead cacheWrite output reasoning } }
    userErrors { field code message } } }";
const GENERATING: &str =
    "subscription ($input: TextGenerateInput, $after: String) { it: textGenerating(input: $input, after: $after) { cursor text
    generation { id state fromCache cost tokens { output } } userErrors { code message } } }";
const HISTORY: &str =
    "{ textGenerations(first: 100) { nodes { id state problem problemMessage fromCache cost model endedAt
    tokens { input cacheRead cacheWrite output } } } }";
const BUDGET: &str = "query ($id: ID!) { it: textBudget(connectionId: $id) { usdPerDay tokensPerDay defaultModel spentUsd spentTokens
    resetsAt updatedBy } }";
const LIMIT_TO: &str =
    "mutation ($input: TextBudgetUpdateInput!) { it: textBudgetUpdate(input: $input) { budget { usdPerDay
    tokensPerDay defaultModel spentUsd } userErrors { field code message } } }";

/// A platform's sandbox and a model that it has.
async fn sandbox(key: &str) -> (Running, String) {
    let all = integrations::all();
    let platform = all.iter().find(|platform| platform.manifest().key == key);
    let platform = platform.expect("it is offered");
    let running = run(|clock| platform.sandbox(clock)).await;
    let cases = running.sandbox().cases();
    (running, cases.text_generator.expect("it has models").model)
}

/// How many texts a sandbox was asked for.
fn asked(sandbox: &Running) -> usize {
    let requests = sandbox.requests();
    requests.iter().filter(|request| request.method == "POST").count()
}

fn order(connection: &str, model: &str, text: &str) -> Value {
    json!({ "connectionId": connection, "model": model, "messages": [{ "role": "USER", "text": text }] })
}

fn with(mut order: Value, more: Value) -> Value {
    let more = more.as_object().expect("an object").clone();
    order.as_object_mut().expect("an object").extend(more);
    order
}

async fn generate(server: &Server, order: &Value) -> Value {
    server.data(GENERATE, json!({ "input": order })).await["it"].take()
}

/// A text that is there.
async fn written(server: &Server, order: &Value) -> Value {
    let answer = generate(server, order).await;
    assert_eq!(answer["userErrors"], json!([]), "{answer}");
    assert_eq!(answer["generation"]["state"], "DONE", "{answer}");
    answer
}

/// The code of the one user error, and its message.
fn refused(answer: &Value) -> (&str, &str) {
    assert_eq!(
        (&answer["text"], &answer["generation"]),
        (&Value::Null, &Value::Null),
        "{answer}"
    );
    let errors = answer["userErrors"].as_array().expect("a list");
    assert_eq!(errors.len(), 1, "{answer}");
    (
        errors[0]["code"].as_str().expect("a code"),
        errors[0]["message"].as_str().expect("a message"),
    )
}

async fn history(server: &Server) -> Vec<Value> {
    let mut found = server.data(HISTORY, json!({})).await["textGenerations"]["nodes"].take();
    found.as_array_mut().expect("a list").drain(..).collect()
}

fn decimal(value: &Value) -> Decimal {
    let text = value.as_str().unwrap_or_else(|| panic!("a decimal: {value}"));
    text.parse().expect("a decimal")
}

on_both! {
    async fn a_text_is_written_counted_and_remembered(database: &Database) {
        let server = server(database).await;
        for (key, prompt) in [("openrouter", "bicycles"), ("openai", "tents"), ("anthropic", "kayaks")] {
            let (sandbox, model) = sandbox(key).await;
            let id = connect(&server, key, key, &sandbox).await;
            let order = with(order(&id, &model, prompt), json!({ "system": "You write for a shop." }));
            let first = written(&server, &order).await;
            let text = first["text"].as_str().unwrap();
            assert!(text.contains(prompt), "{first}");
            let generation = &first["generation"];
            assert_eq!((&generation["finish"], &generation["fromCache"]), (&json!("COMPLETE"), &json!(false)), "{first}");
            assert_eq!((&generation["model"], &generation["connection"]["name"]), (&json!(model), &json!(key)), "{first}");
            assert!(generation["tokens"]["output"].as_i64() > Some(10), "{first}");
            let cost = decimal(&generation["cost"]);
            assert!(cost > Decimal::ZERO, "{first}");
            assert_eq!(asked(&sandbox), 1);
            // The same again: from memory, at no cost.
            let again = written(&server, &order).await;
            assert_eq!((&again["text"], &again["generation"]["fromCache"]), (&first["text"], &json!(true)), "{again}");
            assert_eq!(decimal(&again["generation"]["cost"]), Decimal::ZERO);
            assert_ne!(again["generation"]["id"], generation["id"]);
            assert_eq!(asked(&sandbox), 1);
            // Asked anew, where that is wanted, or chance is.
            let anew = written(&server, &with(order.clone(), json!({ "cache": false }))).await;
            let chance = written(&server, &with(order.clone(), json!({ "temperature": 0.7 }))).await;
            assert_eq!((&anew["generation"]["fromCache"], &chance["generation"]["fromCache"]), (&json!(false), &json!(false)));
            assert_eq!(asked(&sandbox), 3);
            let chance_again = with(order.clone(), json!({ "temperature": 0.7, "cache": true }));
            assert_eq!(written(&server, &chance_again).await["generation"]["fromCache"], true);
            assert_eq!(asked(&sandbox), 3);
            // What was spent is the sum, to the last digit.
            let sum: Decimal = [&first, &anew, &chance].iter().map(|answer| decimal(&answer["generation"]["cost"])).sum();
            let budget = server.data(BUDGET, json!({ "id": id })).await["it"].take();
            assert_eq!((decimal(&budget["spentUsd"]), &budget["usdPerDay"]), (sum, &Value::Null), "{budget}");
            let tokens: i64 = [&first, &anew, &chance].iter().map(|answer| {
                let tokens = &answer["generation"]["tokens"];
                ["input", "cacheRead", "cacheWrite", "output"].iter().map(|kind| tokens[kind].as_i64().unwrap()).sum::<i64>()
            }).sum();
            assert_eq!(budget["spentTokens"], tokens, "{budget}");
            let usage = server.data("query ($from: Date!, $to: Date!) { days: textUsage(from: $from, to: $to, by: DAY) { day requests fromCache failed unpriced cost }
                it: textUsage(from: $from, to: $to, by: CONNECTION) { connectionId requests fromCache failed unpriced inputTokens outputTokens cost } }",
                json!({ "from": "2020-01-01", "to": "2020-01-01" })).await;
            assert_eq!(usage, json!({ "days": [], "it": [] }));
            let usage = server.data("query ($from: Date!, $to: Date!) { it: textUsage(from: $from, to: $to, by: CONNECTION) { connectionId requests fromCache
                failed unpriced inputTokens outputTokens cost } models: textUsage(from: $from, to: $to, by: MODEL) { model requests }
                days: textUsage(from: $from, to: $to, by: DAY) { day requests } }", days()).await;
            let own = usage["it"].as_array().unwrap().iter().find(|part| part["connectionId"] == *id).unwrap_or_else(|| panic!("{usage}"));
            assert_eq!((&own["requests"], &own["fromCache"], &own["failed"], &own["unpriced"]), (&json!(5), &json!(2), &json!(0), &json!(0)), "{own}");
            assert_eq!(decimal(&own["cost"]), sum);
            assert!(usage["models"].to_string().contains(&model), "{usage}");
        }
        let all = history(&server).await;
        assert_eq!(all.len(), 15);
        assert!(all.iter().all(|one| one["state"] == "DONE" && !one["endedAt"].is_null()), "{all:?}");
        // What happened is told, and never the text.
        server.settled().await;
        let events = server.data("{ activity(first: 100, filter: { types: [TEXT_GENERATED] }) { nodes { subject payload } } }", json!({})).await;
        assert_eq!(events["activity"]["nodes"].as_array().unwrap().len(), 15);
        let told = events.to_string();
        assert!(told.contains("\"cost\"") && !told.contains("bicycles") && !told.contains("tents"), "{told}");
    }

    async fn a_text_is_told_as_it_is_written(database: &Database) {
        let server = server(database).await;
        let (sandbox, model) = sandbox("openrouter").await;
        let id = connect(&server, "openrouter", "Texts", &sandbox).await;
        let order = order(&id, &model, "bicycles");
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe(GENERATING, json!({ "input": order })).await;
        let (mut text, mut pieces) = (String::new(), 0);
        let end = loop {
            let piece = feed.data().await["it"].take();
            if !piece["generation"].is_null() || piece["userErrors"] != json!([]) {
                break piece;
            }
            pieces += 1;
            text.push_str(piece["text"].as_str().unwrap());
        };
        feed.ended().await;
        assert_eq!((&end["text"], &end["userErrors"]), (&json!(""), &json!([])), "{end}");
        assert!(decimal(&end["generation"]["cost"]) > Decimal::ZERO, "{end}");
        assert!(pieces > 1, "{pieces} pieces");
        // The same as a whole, and from memory.
        let whole = written(&server, &order).await;
        assert_eq!((&whole["text"], &whole["generation"]["fromCache"]), (&json!(text), &json!(true)));
        let mut feed = socket.subscribe(GENERATING, json!({ "input": order })).await;
        let (first, end) = (feed.data().await["it"].take(), feed.data().await["it"].take());
        assert_eq!((&first["text"], &end["generation"]["fromCache"]), (&json!(text), &json!(true)));
        feed.ended().await;
        assert_eq!(asked(&sandbox), 1);
        // What cannot be is the one thing that is told.
        let mut feed = socket.subscribe(GENERATING, json!({ "input": with(order, json!({ "maxTokens": 0 })) })).await;
        assert_eq!(feed.data().await["it"]["userErrors"][0]["code"], "INVALID_INPUT");
        feed.ended().await;
    }

    async fn json_is_written_by_a_schema_and_models_are_listed(database: &Database) {
        let server = server(database).await;
        let (sandbox, model) = sandbox("openai").await;
        let id = connect(&server, "openai", "Texts", &sandbox).await;
        let schema = json!({ "type": "object", "properties": { "headline": { "type": "string" } }, "required": ["headline"], "additionalProperties": false });
        let answer = written(&server, &with(order(&id, &model, "tents"), json!({ "jsonSchema": schema }))).await;
        let read: Value = serde_json::from_str(answer["text"].as_str().unwrap()).unwrap();
        assert!(read["headline"].is_string(), "{answer}");
        let query = "query ($id: ID!, $search: String) { textModels(connectionId: $id, search: $search, first: 500) { id name inputPrice outputPrice } }";
        let models = server.data(query, json!({ "id": id })).await["textModels"].take();
        let listed = models.as_array().unwrap();
        let own = listed.iter().find(|one| one["id"] == *model).unwrap_or_else(|| panic!("{models}"));
        assert!(decimal(&own["outputPrice"]) > decimal(&own["inputPrice"]), "{own}");
        let before = sandbox.requests().len();
        let found = server.data(query, json!({ "id": id, "search": model.to_uppercase() })).await["textModels"].take();
        assert!(found.as_array().unwrap().iter().all(|one| one["id"].as_str().unwrap().contains(&model)), "{found}");
        assert!(!found.as_array().unwrap().is_empty() && found.as_array().unwrap().len() < listed.len());
        assert_eq!(sandbox.requests().len(), before, "they are remembered");
        // The connection's own model, where none is named.
        let unnamed = json!({ "connectionId": id, "messages": [{ "role": "USER", "text": "tents" }] });
        assert_eq!(refused(&generate(&server, &unnamed).await).0, "NO_MODEL");
        let set = server.data(LIMIT_TO, json!({ "input": { "connectionId": id, "defaultModel": model } })).await["it"].take();
        assert_eq!((&set["budget"]["defaultModel"], &set["userErrors"]), (&json!(model), &json!([])), "{set}");
        assert_eq!(written(&server, &unnamed).await["generation"]["model"], *model);
    }

    async fn the_same_at_the_same_moment_is_asked_once(database: &Database) {
        let server = server(database).await;
        let model = Model::start().await;
        let id = model.connect(&server).await;
        let order = order(&id, "m", "the same");
        let all = (0..20).map(|_| generate(&server, &order));
        let released = async {
            until("one is asked", async || model.begun() == 1).await;
            // All the others are there by now, or find it in memory.
            model.release();
        };
        let (answers, ()) = tokio::join!(futures_util::future::join_all(all), released);
        assert_eq!(model.begun(), 1);
        let own = answers.iter().filter(|answer| answer["generation"]["fromCache"] == false).count();
        assert_eq!(own, 1, "{answers:?}");
        assert!(answers.iter().all(|answer| answer["text"] == "Hello world."), "{answers:?}");
        assert_eq!(history(&server).await.len(), 20);
    }

    async fn many_small_pieces_are_few_messages(database: &Database) {
        let server = server(database).await;
        let model = Model::start().await;
        model.release();
        let id = model.connect(&server).await;
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe(GENERATING, json!({ "input": order(&id, "m", "[[many]]") })).await;
        let (mut text, mut messages) = (String::new(), 0);
        loop {
            let piece = feed.data().await["it"].take();
            if !piece["generation"].is_null() {
                break;
            }
            assert_eq!(piece["userErrors"], json!([]), "{piece}");
            text.push_str(piece["text"].as_str().unwrap());
            messages += 1;
        }
        assert_eq!(text.len(), "Hello ".len() + model::MANY + "world.".len());
        assert!(messages * 20 < model::MANY, "{messages} messages");
    }

    async fn who_goes_hangs_up_at_the_platform(database: &Database) {
        let server = server(database).await;
        let model = Model::start().await;
        let id = model.connect(&server).await;
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe(GENERATING, json!({ "input": order(&id, "m", "slow") })).await;
        assert_eq!(feed.data().await["it"]["text"], "Hello ");
        // Somebody else who waits for the same keeps it going.
        let mut other = server.socket(server.admin()).await;
        let mut theirs = other.subscribe(GENERATING, json!({ "input": order(&id, "m", "slow") })).await;
        assert_eq!(theirs.data().await["it"]["text"], "Hello ");
        feed.complete();
        assert_eq!(history(&server).await[0]["state"], "RUNNING");
        assert_eq!((model.begun(), model.hung_up()), (1, 0));
        theirs.complete();
        until("the platform is hung up on", async || model.hung_up() == 1).await;
        let mut row = Value::Null;
        until("it is written down", async || {
            row = history(&server).await.swap_remove(0);
            row["state"] != "RUNNING"
        }).await;
        assert_eq!((&row["state"], &row["problem"], &row["cost"]), (&json!("CANCELLED"), &json!("CANCELLED"), &Value::Null), "{row}");
        // What it may have taken counts, and no more.
        let budget = server.data(BUDGET, json!({ "id": id })).await["it"].take();
        let tokens = budget["spentTokens"].as_i64().unwrap();
        assert!(tokens > 0 && tokens < 100, "{budget}");
        // What was given up is nothing to be given.
        model.release();
        let again = written(&server, &order(&id, "m", "slow")).await;
        assert_eq!((&again["text"], &again["generation"]["fromCache"]), (&json!("Hello world."), &json!(false)));
    }

    async fn a_call_with_a_key_is_done_once(database: &Database) {
        let server = server(database).await;
        let model = Model::start().await;
        let id = model.connect(&server).await;
        let keyed = with(order(&id, "m", "once"), json!({ "cache": false, "idempotencyKey": "k" }));
        let twins = futures_util::future::join_all((0..8).map(|_| generate(&server, &keyed)));
        let released = async {
            until("it is asked", async || model.begun() == 1).await;
            model.release();
        };
        let (answers, ()) = tokio::join!(twins, released);
        let first = &answers[0];
        assert_eq!(first["text"], "Hello world.", "{first}");
        assert!(answers.iter().all(|answer| answer == first), "{answers:?}");
        assert_eq!(generate(&server, &keyed).await, *first);
        assert_eq!((model.begun(), history(&server).await.len()), (1, 1));
        // Another request with the same key is a mistake.
        let other = with(keyed.clone(), json!({ "maxTokens": 5 }));
        let answer = server.graphql(GENERATE, json!({ "input": other })).await;
        assert_eq!(crate::support::code(&answer), "CONFLICT");
        // A failure is the answer, too.
        let failing = with(order(&id, "m", "[[fail]]"), json!({ "idempotencyKey": "f" }));
        let failed = generate(&server, &failing).await;
        let (failed_code, _) = refused(&failed);
        assert_eq!((generate(&server, &failing).await, failed_code), (failed.clone(), "BROKE_OFF"));
    }

    async fn texts_are_kept_sealed_and_for_so_long(database: &Database) {
        use leadline::jobs::Chore as _;
        use leadline::platforms::text_generation::TextUpkeep;
        use sea_orm::EntityTrait as _;
        let setup = Setup::default().setting("platforms_private_networks", "true").at("2026-03-01T12:00:00Z");
        let server = Server::start(database, setup).await;
        let model = Model::start().await;
        model.release();
        let id = model.connect(&server).await;
        let keyed = with(order(&id, "m", "kept"), json!({ "idempotencyKey": "k" }));
        let first = written(&server, &keyed).await;
        let answers = async || entity::text_answer::Entity::find().all(server.app().db().read()).await.unwrap();
        let kept = answers().await;
        assert_eq!(kept.len(), 1);
        assert!(!kept[0].text.windows(5).any(|part| part == b"Hello"), "it is sealed");
        server.set_time("2026-03-02T11:59:00Z");
        TextUpkeep.run(server.app()).await.unwrap();
        assert_eq!(generate(&server, &keyed).await, first);
        assert_eq!(written(&server, &order(&id, "m", "kept")).await["generation"]["fromCache"], true);
        server.set_time("2026-03-02T12:00:00Z");
        // Before it is removed it is not given any more.
        assert_eq!(refused(&generate(&server, &keyed).await).0, "GONE");
        TextUpkeep.run(server.app()).await.unwrap();
        assert!(answers().await.is_empty());
        let anew = written(&server, &order(&id, "m", "kept")).await;
        assert_eq!((&anew["generation"]["fromCache"], model.begun()), (&json!(false), 2));
        // What was used is known for longer, and not for ever.
        assert_eq!(history(&server).await.len(), 3);
        server.set_time("2027-05-01T12:00:00Z");
        TextUpkeep.run(server.app()).await.unwrap();
        assert_eq!(history(&server).await, Vec::<Value>::new());
    }

    async fn who_may_not_asks_for_nothing(database: &Database) {
        let server = server(database).await;
        let model = Model::start().await;
        let id = model.connect(&server).await;
        let reader = server.token(&["content:read", "connections:write"]).await;
        let ask = json!({ "input": order(&id, "m", "x") });
        let answer = server.graphql_as(Some(&reader), GENERATE, ask.clone()).await;
        assert_eq!(unknown_field(&answer), "textGenerate");
        let mut socket = server.socket(&reader).await;
        let mut feed = socket.subscribe(GENERATING, ask).await;
        assert_eq!(unknown_field(&feed.next().await), "textGenerating");
        // Who writes does not set the limits.
        let writer = server.token(&["content:write"]).await;
        let limits = server.graphql_as(Some(&writer), LIMIT_TO, json!({ "input": { "connectionId": id, "usdPerDay": "100" } })).await;
        assert_eq!(unknown_field(&limits), "textBudgetUpdate");
        assert_eq!(server.data_as(&reader, BUDGET, json!({ "id": id })).await["it"]["spentTokens"], 0);
        assert_eq!(model.begun(), 0);
    }
}

/// From some days ago to some days ahead.
fn days() -> Value {
    let today = leadline::clock::Clock::system().now();
    let day = |days: i64| today.plus_days(days).to_rfc3339()[..10].to_owned();
    json!({ "from": day(-2), "to": day(2) })
}
