//! Whoever listens to a text loses the connection, comes back, or wants no more of it.

use serde_json::{Value, json};

use super::model::Model;
use super::{BUDGET, GENERATING, asked, history, order, sandbox, with, written};
use crate::platforms::{connect, server};
use crate::support::{Database, Feed, Server, Setup, code, until};

const CANCEL: &str = "mutation ($id: ID!) { it: textGenerationCancel(input: { id: $id }) { generation { id state } userErrors { field code } } }";

/// All that a subscription says up to its end: the text and the last piece.
async fn heard(feed: &mut Feed) -> (String, Value) {
    let mut text = String::new();
    loop {
        let piece = feed.data().await["it"].take();
        text.push_str(piece["text"].as_str().expect("a text"));
        if !piece["generation"].is_null() || piece["userErrors"] != json!([]) {
            feed.ended().await;
            return (text, piece);
        }
    }
}

/// What is told behind a place to whoever has a token.
async fn behind(server: &Server, token: &str, after: &str, input: Option<&Value>) -> (String, Value) {
    let mut socket = server.socket(token).await;
    let variables = json!({ "after": after, "input": input });
    heard(&mut socket.subscribe(GENERATING, variables).await).await
}

/// The id of a cursor's text.
fn text_of(cursor: &Value) -> String {
    let cursor = cursor.as_str().expect("a cursor");
    cursor.split(':').next().expect("an id").to_owned()
}

/// The first piece of a text, whose listener then loses the connection.
async fn left(server: &Server, order: &Value) -> Value {
    let mut socket = server.socket(server.admin()).await;
    let mut feed = socket.subscribe(GENERATING, json!({ "input": order })).await;
    let piece = feed.data().await["it"].take();
    assert_eq!(
        (&piece["generation"], &piece["userErrors"]),
        (&Value::Null, &json!([])),
        "{piece}"
    );
    piece
}

async fn stands(server: &Server, id: &str, state: &str) -> Value {
    let mut row = Value::Null;
    until(&format!("the text is {state}"), async || {
        row = history(server)
            .await
            .into_iter()
            .find(|row| row["id"] == id)
            .unwrap_or_default();
        row["state"] == state
    })
    .await;
    row
}

on_both! {
    async fn who_lost_the_connection_is_told_the_rest_and_the_end(database: &Database) {
        let server = server(database).await;
        for key in ["openrouter", "anthropic"] {
            let (sandbox, model) = sandbox(key).await;
            let connection = connect(&server, key, key, &sandbox).await;
            let order = order(&connection, &model, "a long story of bicycles");
            let first = left(&server, &order).await;
            let id = text_of(&first["cursor"]);
            // It goes on to its end, and costs what it costs.
            let row = stands(&server, &id, "DONE").await;
            assert!(!row["cost"].is_null(), "{row}");
            let (rest, end) = behind(&server, server.admin(), first["cursor"].as_str().unwrap(), None).await;
            assert_eq!((&end["generation"]["id"], &end["generation"]["fromCache"]), (&json!(id), &json!(false)), "{end}");
            let whole = format!("{}{rest}", first["text"].as_str().unwrap());
            assert_eq!(written(&server, &order).await["text"], whole);
            // The same call with `after` says the same, the id alone all of it, and behind the end there is the end.
            let (again, _) = behind(&server, server.admin(), first["cursor"].as_str().unwrap(), Some(&order)).await;
            assert_eq!(again, rest);
            assert_eq!(behind(&server, server.admin(), &id, None).await.0, whole);
            let (nothing, last) = behind(&server, server.admin(), end["cursor"].as_str().unwrap(), None).await;
            assert_eq!((&nothing[..], &last["generation"]["id"], &last["cursor"]), ("", &json!(id), &end["cursor"]), "{last}");
            assert_eq!(asked(&sandbox), 1, "it was asked for once");
        }
        // One entry for each text, and one for each that was given from memory.
        assert_eq!(history(&server).await.len(), 4);
    }

    async fn who_comes_back_while_it_is_written_hears_each_piece_once(database: &Database) {
        let server = server(database).await;
        let model = Model::start().await;
        let connection = model.connect(&server).await;
        let first = left(&server, &order(&connection, "m", "slow")).await;
        assert_eq!(first["text"], "Hello ");
        let mut socket = server.socket(server.admin()).await;
        let mut back = socket.subscribe(GENERATING, json!({ "after": first["cursor"] })).await;
        let mut twice = socket.subscribe(GENERATING, json!({ "after": text_of(&first["cursor"]) })).await;
        assert_eq!(twice.data().await["it"]["text"], "Hello ");
        assert_eq!((model.begun(), model.hung_up()), (1, 0));
        model.release();
        let (rest, end) = heard(&mut back).await;
        assert_eq!((&rest[..], &end["generation"]["state"]), ("world.", &json!("DONE")), "{end}");
        assert_eq!(heard(&mut twice).await.0, "world.");
        assert_eq!((model.begun(), model.hung_up(), history(&server).await.len()), (1, 0, 1));
    }

    async fn what_is_cancelled_costs_no_more_and_what_there_is_of_it_is_told(database: &Database) {
        let server = server(database).await;
        let model = Model::start().await;
        let connection = model.connect(&server).await;
        let first = left(&server, &order(&connection, "m", "slow")).await;
        let id = text_of(&first["cursor"]);
        // Nobody listens, and it goes on all the same.
        for _ in 0..20 {
            assert_eq!(history(&server).await[0]["state"], "RUNNING");
        }
        assert_eq!(model.hung_up(), 0);
        let mut socket = server.socket(server.admin()).await;
        let mut listening = socket.subscribe(GENERATING, json!({ "after": first["cursor"] })).await;
        let cancelled = server.data(CANCEL, json!({ "id": id })).await["it"].take();
        assert_eq!((&cancelled["generation"]["id"], &cancelled["userErrors"]), (&json!(id), &json!([])), "{cancelled}");
        let (nothing, end) = heard(&mut listening).await;
        assert_eq!((&nothing[..], &end["userErrors"][0]["code"]), ("", &json!("CANCELLED")), "{end}");
        until("the platform is hung up on", async || model.hung_up() == 1).await;
        let row = stands(&server, &id, "CANCELLED").await;
        assert_eq!((&row["problem"], &row["cost"]), (&json!("CANCELLED"), &Value::Null), "{row}");
        let tokens = server.data(BUDGET, json!({ "id": connection })).await["it"]["spentTokens"].as_i64().unwrap();
        assert!(tokens > 0 && tokens < 100, "{tokens}");
        // Once more changes nothing; what was written until then is told.
        let again = server.data(CANCEL, json!({ "id": id })).await["it"].take();
        assert_eq!(again, json!({ "generation": { "id": id, "state": "CANCELLED" }, "userErrors": [] }));
        let (text, end) = behind(&server, server.admin(), &id, None).await;
        assert_eq!((&text[..], &end["userErrors"][0]["code"]), ("Hello ", &json!("CANCELLED")), "{end}");
        let nobody = entity::id::TextId::at(entity::Timestamp(1)).to_string();
        let none = server.data(CANCEL, json!({ "id": nobody })).await["it"].take();
        assert_eq!(none["userErrors"], json!([{ "field": ["id"], "code": "NOT_FOUND" }]));
        // Who reads cannot cancel.
        let reader = server.token(&["content:read"]).await;
        let refused = server.graphql_as(Some(&reader), CANCEL, json!({ "id": id })).await;
        assert_eq!(crate::support::unknown_field(&refused), "textGenerationCancel");
    }

    async fn a_text_of_another_server_is_cancelled_and_taken_up_there(database: &Database) {
        let setup = || Setup::default().setting("platforms_private_networks", "true");
        let one = Server::start(database, setup()).await;
        let other = Server::start(database, setup().without_work()).await;
        let model = Model::start().await;
        let connection = model.connect(&one).await;
        let first = left(&one, &order(&connection, "m", "to be cancelled")).await;
        other.data(CANCEL, json!({ "id": text_of(&first["cursor"]) })).await;
        until("the platform is hung up on", async || model.hung_up() == 1).await;
        stands(&other, &text_of(&first["cursor"]), "CANCELLED").await;
        // The rest of one that is written elsewhere is told when it is there.
        let first = left(&one, &order(&connection, "m", "to be taken up")).await;
        let mut socket = other.socket(one.admin()).await;
        let mut back = socket.subscribe(GENERATING, json!({ "after": first["cursor"] })).await;
        model.release();
        let (rest, end) = heard(&mut back).await;
        assert_eq!((&rest[..], &end["generation"]["id"]), ("world.", &json!(text_of(&first["cursor"]))), "{end}");
        assert_eq!(model.begun(), 2);
    }

    async fn a_text_is_told_to_nobody_else(database: &Database) {
        let server = server(database).await;
        let model = Model::start().await;
        model.release();
        let connection = model.connect(&server).await;
        let secret = order(&connection, "m", "a secret");
        let first = left(&server, &secret).await;
        // Behind `Hello `, whatever came with the first piece.
        let cursor = &format!("{}:6", text_of(&first["cursor"]));
        stands(&server, &text_of(&first["cursor"]), "DONE").await;
        let other = server.token(&["content:write"]).await;
        let chance = with(secret.clone(), json!({ "cache": false }));
        for input in [None, Some(order(&connection, "m", "something else")), Some(chance)] {
            let (text, end) = behind(&server, &other, cursor, input.as_ref()).await;
            assert_eq!((&text[..], &end["userErrors"][0]["code"], &end["cursor"]), ("", &json!("NOT_FOUND"), &Value::Null), "{end}");
        }
        // Who asks for the same would be given it anyway, at no cost; once, however often they come back.
        for _ in 0..2 {
            let (text, end) = behind(&server, &other, cursor, Some(&secret)).await;
            assert_eq!((&text[..], &end["generation"]["fromCache"]), ("world.", &json!(true)), "{end}");
        }
        assert_eq!((model.begun(), history(&server).await.len()), (1, 2));
        // A place that the text does not have, and what is none.
        let beyond = format!("{}:500", text_of(&first["cursor"]));
        let (_, end) = behind(&server, server.admin(), &beyond, None).await;
        assert_eq!(end["userErrors"][0]["code"], "INVALID_INPUT", "{end}");
        let mut socket = server.socket(server.admin()).await;
        for variables in [json!({ "after": "ev7" }), json!({})] {
            let said = socket.subscribe(GENERATING, variables).await.next().await;
            assert_eq!(code(&said), "BAD_USER_INPUT", "{said}");
        }
    }

    async fn where_no_texts_are_kept_the_rest_is_told_while_it_is_written_alone(database: &Database) {
        let setup = Setup::default().setting("platforms_private_networks", "true").setting("text_kept_hours", "0");
        let server = Server::start(database, setup).await;
        let model = Model::start().await;
        let connection = model.connect(&server).await;
        let first = left(&server, &order(&connection, "m", "slow")).await;
        let mut socket = server.socket(server.admin()).await;
        let mut back = socket.subscribe(GENERATING, json!({ "after": first["cursor"] })).await;
        model.release();
        assert_eq!(heard(&mut back).await.0, "world.");
        let (text, end) = behind(&server, server.admin(), first["cursor"].as_str().unwrap(), None).await;
        assert_eq!((&text[..], &end["userErrors"][0]["code"]), ("", &json!("GONE")), "{end}");
    }

    async fn long_texts_take_no_short_ones_place(database: &Database) {
        let server = server(database).await;
        let model = Model::start().await;
        let connection = model.connect(&server).await;
        let ask = async |text: String| written(&server, &order(&connection, "m", &text)).await;
        // More than the platform is asked for at a time otherwise; it thinks before it says anything.
        let long = futures_util::future::join_all((0..12).map(|n| ask(format!("[[late]] {n}"))));
        let short = async {
            until("all are on their way", async || model.begun() == 12).await;
            let short = ask("[[short]]".to_owned()).await;
            assert_eq!(short["text"], "Hello world.", "{short}");
            model.release();
        };
        let (long, ()) = tokio::join!(long, short);
        assert!(long.iter().all(|answer| answer["text"] == "Hello world."), "{long:?}");
    }
}
