//! What may be spent.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use leadline::jobs::Chore as _;
use leadline::platforms::text_generation::TextCosts;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::model::{Model, PRICE};
use super::{BUDGET, LIMIT_TO, decimal, generate, history, order, refused, with, written};
use crate::platforms::server;
use crate::support::{Database, Server, Setup, until};

async fn limit(server: &Server, connection: &str, limits: Value) -> Value {
    let input = with(json!({ "connectionId": connection }), limits);
    server.data(LIMIT_TO, json!({ "input": input })).await["it"].take()
}

async fn budget(server: &Server, connection: &str) -> Value {
    server.data(BUDGET, json!({ "id": connection })).await["it"].take()
}

on_both! {
    async fn many_at_once_do_not_spend_more_than_there_is(database: &Database) {
        let server = server(database).await;
        let model = Model::start().await;
        let id = model.connect(&server).await;
        // The models are known before, so that a price is held back for the first one, too.
        server.data("query ($id: ID!) { textModels(connectionId: $id) { id } }", json!({ "id": id })).await;
        let ask = async |n: usize| generate(&server, &order(&id, "m", &format!("text {n:02}"))).await;
        let mut calls = FuturesUnordered::new();
        calls.push(ask(0));
        let mut spent = Decimal::ZERO;
        let held = async {
            until("the first is being written", async || model.begun() == 1).await;
            budget(&server, &id).await
        };
        tokio::select! {
            answer = calls.next() => panic!("it is not released yet: {answer:?}"),
            budget = held => spent += decimal(&budget["spentUsd"]),
        }
        assert!(spent > Decimal::ZERO);
        // Room for two more, but for a millionth of a millionth.
        let most = spent * Decimal::from(4) - Decimal::new(1, 12);
        let set = limit(&server, &id, json!({ "usdPerDay": most.to_string() })).await;
        assert_eq!((decimal(&set["budget"]["usdPerDay"]), &set["userErrors"]), (most.normalize(), &json!([])), "{set}");
        for n in 1..=12 {
            calls.push(ask(n));
        }
        for _ in 0..10 {
            let answer = calls.next().await.expect("all answer");
            let (code, message) = refused(&answer);
            assert_eq!(code, "BUDGET_SPENT", "{answer}");
            assert!(message.contains(&most.normalize().to_string()) && message.contains("free again at"), "{message}");
        }
        tokio::select! {
            answer = calls.next() => panic!("none is released yet: {answer:?}"),
            () = until("three are being written", async || model.begun() == 3) => {}
        }
        assert_eq!(decimal(&budget(&server, &id).await["spentUsd"]), spent * Decimal::from(3));
        model.release();
        for _ in 0..3 {
            let answer = calls.next().await.expect("all answer");
            assert_eq!(answer["text"], "Hello world.", "{answer}");
        }
        // Each took 7 tokens read and 3 written.
        let cost = Decimal::new(i64::from(7 * PRICE.0 + 3 * PRICE.1), 6);
        let after = budget(&server, &id).await;
        assert_eq!((decimal(&after["spentUsd"]), &after["spentTokens"]), (cost * Decimal::from(3), &json!(30)), "{after}");
        assert!(calls.next().await.is_none());
        assert_eq!(history(&server).await.len(), 3, "what was refused was never asked for");
        // There is room again, and what is remembered costs nothing.
        written(&server, &order(&id, "m", "text 50")).await;
        limit(&server, &id, json!({ "usdPerDay": "0" })).await;
        assert_eq!(refused(&generate(&server, &order(&id, "m", "text 51")).await).0, "BUDGET_SPENT");
        assert_eq!(written(&server, &order(&id, "m", "text 50")).await["generation"]["fromCache"], true);
    }

    async fn what_texts_cost_is_among_the_costs(database: &Database) {
        const COSTS: &str = "{ costs(first: 10) { nodes { id kind day amount { amount currencyCode } voidedAt } } }";
        let setup = Setup::default().setting("platforms_private_networks", "true").at("2026-03-01T12:00:00Z").without_work();
        let server = Server::start(database, setup).await;
        let model = Model::start().await;
        // A cent for a token written: three cents a text.
        let id = model.connect_with(&server, json!({ "m": { "inputPerMillion": 0, "outputPerMillion": 10000 } })).await;
        let costs = async || {
            TextCosts.run(server.app()).await.unwrap();
            server.data(COSTS, json!({})).await["costs"]["nodes"].take()
        };
        let first = order(&id, "m", "one");
        {
            let asked = generate(&server, &first);
            tokio::pin!(asked);
            tokio::select! {
                answer = &mut asked => panic!("it is not released yet: {answer}"),
                () = until("it is being written", async || model.begun() == 1) => {}
            }
            // What is held back for it is not spent.
            let held = costs().await;
            assert!(held == json!([]) || held[0]["amount"]["amount"] == "0.00", "{held}");
            model.release();
            asked.await;
        }
        let told = costs().await;
        assert_eq!((&told[0]["kind"], &told[0]["day"], &told[0]["amount"]), (&json!("AI"), &json!("2026-03-01"), &json!({ "amount": "0.03", "currencyCode": "USD" })), "{told}");
        // One cost of a day, which grows; looked at twice it is the same.
        written(&server, &order(&id, "m", "two")).await;
        let told = costs().await;
        assert_eq!((told.as_array().unwrap().len(), &told[0]["amount"]["amount"]), (1, &json!("0.06")), "{told}");
        assert_eq!(costs().await, told);
        server.set_time("2026-03-02T12:00:00Z");
        written(&server, &order(&id, "m", "three")).await;
        let told = costs().await;
        assert_eq!((told.as_array().unwrap().len(), &told[0]["day"], &told[0]["amount"]["amount"]), (2, &json!("2026-03-02"), &json!("0.03")), "{told}");
        // What somebody calls off stays so while nothing is added to it.
        let void = "mutation ($id: ID!) { it: costVoid(input: { id: $id }) { userErrors { message } } }";
        server.data(void, json!({ "id": told[1]["id"] })).await;
        let (before, after) = (server.data(COSTS, json!({})).await["costs"]["nodes"].take(), costs().await);
        assert_eq!(before, after);
        assert!(!after[1]["voidedAt"].is_null() || after.as_array().unwrap().len() == 1, "{after}");
    }

    async fn a_new_day_has_its_own_budget(database: &Database) {
        let setup = Setup::default().setting("platforms_private_networks", "true").at("2026-03-01T23:59:00Z");
        let server = Server::start(database, setup).await;
        let model = Model::start().await;
        model.release();
        let id = model.connect(&server).await;
        let set = limit(&server, &id, json!({ "tokensPerDay": 60 })).await;
        assert_eq!((&set["budget"]["tokensPerDay"], &set["budget"]["usdPerDay"]), (&json!(60), &Value::Null), "{set}");
        // 18 tokens are held back for what is read, and 40 for what is written.
        let small = |text: &str| with(order(&id, "m", text), json!({ "maxTokens": 40 }));
        written(&server, &small("one")).await;
        let answer = generate(&server, &small("two")).await;
        let (code, message) = refused(&answer);
        assert_eq!(code, "BUDGET_SPENT");
        assert!(message.contains("60 tokens") && message.contains("2026-03-02T00:00:00"), "{message}");
        assert_eq!(budget(&server, &id).await["resetsAt"].as_str().unwrap()[..19], *"2026-03-02T00:00:00");
        server.set_time("2026-03-02T00:00:00Z");
        written(&server, &small("two")).await;
        assert_eq!(budget(&server, &id).await["spentTokens"], 10);
        // Without a limit there is none.
        assert_eq!(limit(&server, &id, json!({ "tokensPerDay": null })).await["budget"]["tokensPerDay"], Value::Null);
        written(&server, &small("three")).await;
        let days = server.data("{ textUsage(from: \"2026-03-01\", to: \"2026-03-02\", by: DAY) { day requests outputTokens } }", json!({})).await;
        assert_eq!(days["textUsage"], json!([{ "day": "2026-03-01", "requests": 1, "outputTokens": 3 }, { "day": "2026-03-02", "requests": 2, "outputTokens": 6 }]));
    }

    async fn dollars_are_not_promised_where_nobody_knows_the_price(database: &Database) {
        let server = server(database).await;
        let model = Model::start().await;
        model.release();
        let id = model.connect_with(&server, json!({})).await;
        let free = written(&server, &order(&id, "m", "x")).await;
        assert_eq!(free["generation"]["cost"], Value::Null);
        limit(&server, &id, json!({ "usdPerDay": "5" })).await;
        let answer = generate(&server, &order(&id, "m", "y")).await;
        let (code, message) = refused(&answer);
        assert_eq!(code, "PRICE_UNKNOWN");
        assert!(message.contains("limit in tokens"), "{message}");
        limit(&server, &id, json!({ "tokensPerDay": 10_000 })).await;
        written(&server, &order(&id, "m", "y")).await;
        for (wrong, field) in [(json!({ "usdPerDay": "-1" }), "usdPerDay"), (json!({ "tokensPerDay": -1 }), "tokensPerDay"), (json!({ "defaultModel": " " }), "defaultModel")] {
            let answer = limit(&server, &id, wrong).await;
            assert_eq!((&answer["userErrors"][0]["code"], &answer["userErrors"][0]["field"]), (&json!("INVALID_INPUT"), &json!([field])), "{answer}");
        }
        let budgets = server.data("{ textBudgets { nodes { connectionId connection { name } usdPerDay tokensPerDay } } }", json!({})).await;
        assert_eq!(budgets["textBudgets"]["nodes"], json!([{ "connectionId": id, "connection": { "name": "Own" }, "usdPerDay": "5", "tokensPerDay": 10_000 }]));
        // One that is removed has no budget.
        let other = model.connect_with(&server, json!({})).await;
        limit(&server, &other, json!({ "usdPerDay": "7" })).await;
        let listed = async || server.data("{ textBudgets { nodes { usdPerDay } } }", json!({})).await["textBudgets"]["nodes"].take();
        assert_eq!(listed().await, json!([{ "usdPerDay": "7" }, { "usdPerDay": "5" }]));
        let delete = "mutation ($id: ID!) { it: connectionDelete(input: { id: $id }) { userErrors { message } } }";
        assert_eq!(server.data(delete, json!({ "id": other })).await["it"]["userErrors"], json!([]));
        assert_eq!(listed().await, json!([{ "usdPerDay": "5" }]));
        assert_eq!(server.data(BUDGET, json!({ "id": other })).await["it"], Value::Null);
        server.settled().await;
        let told = server.data("{ activity(first: 5, filter: { types: [SETTING_CHANGED] }) { nodes { subject payload } } }", json!({})).await;
        assert_eq!(told["activity"]["nodes"].as_array().unwrap().len(), 3, "{told}");
    }
}
