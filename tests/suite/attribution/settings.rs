//! Settings, and sums made anew by them.

use serde_json::{Value, json};

use super::{converted, lead, touch};
use crate::support::{Backend, Database, Server, Setup, unknown_field, until, with_database};

const KNOWN: &str = "{ attributionSettings { settings { version windowDays halfLifeDays uShaped { first last rest } wShaped { opportunity } isSummedUp }
    answering { version isSummedUp } } }";
const UPDATE: &str =
    "mutation ($input: AttributionSettingsUpdateInput!) { it: attributionSettingsUpdate(input: $input) {
    settings { version windowDays touchTypes } job { kind } userErrors { field code message } } }";
const FIRST: &str = "{ it: attributionSummary(range: { from: \"2026-03-01\", to: \"2026-03-31\" }, model: FIRST_TOUCH, by: CHANNEL) {
    current { rows { name } settings { version } journeys { converted lost } totals { direct } } } }";

async fn summed_up(server: &Server) {
    until("sums are made anew", async || {
        server.data(KNOWN, json!({})).await["attributionSettings"]["settings"]["isSummedUp"] == json!(true)
    })
    .await;
    server.settled().await;
}

async fn scene(server: &Server) {
    let ann = lead(server, "ann@example.com").await;
    touch(server, &ann, 1, "EMAIL_CLICKED", json!({})).await;
    touch(server, &ann, 8, "AD_VIEWED", json!({})).await;
    touch(server, &ann, 9, "PAGE_VIEWED", json!({})).await;
    converted(server, &ann, 10, "PURCHASE", Some("100")).await;
    server.settled().await;
}

/// How many rows of each table there are of other versions than this.
async fn others(server: &Server, version: i32) -> Vec<i64> {
    use sea_orm::ConnectionTrait as _;
    let mut counts = Vec::new();
    for table in [
        "attribution_trail",
        "attribution_credit",
        "attribution_paths",
        "attribution_total",
    ] {
        let text = format!("SELECT count(*) AS n FROM {table} WHERE version <> {version}");
        let db = server.app().db().read();
        let statement = sea_orm::Statement::from_string(db.get_database_backend(), text);
        let row = db
            .query_one_raw(statement)
            .await
            .expect("it is there")
            .expect("it is there");
        counts.push(row.try_get::<i64>("", "n").expect("it is there"));
    }
    counts
}

on_both! {
    async fn sums_are_by_the_former_settings_until_those_by_the_new_ones_are_made(database: &Database) {
        let server = Server::start(database, Setup::default()).await;
        scene(&server).await;
        let fresh = server.data(KNOWN, json!({})).await["attributionSettings"].take();
        assert_eq!(fresh, json!({ "settings": { "version": 1, "windowDays": 90, "halfLifeDays": 7.0, "uShaped": { "first": 0.4, "last": 0.4, "rest": 0.2 },
            "wShaped": { "opportunity": 0.3 }, "isSummedUp": true }, "answering": { "version": 1, "isSummedUp": true } }));
        assert_eq!(server.data(FIRST, json!({})).await["it"]["current"]["rows"], json!([{ "name": "EMAIL" }]));
        server.stop().await;

        // Nobody works: the job waits, and the former sums answer.
        let server = Server::start(database, Setup::default().without_work()).await;
        let input = json!({ "windowDays": 5, "expectedVersion": 1 });
        let changed = server.data(UPDATE, json!({ "input": input })).await["it"].take();
        assert_eq!((&changed["settings"]["version"], &changed["job"]["kind"], &changed["userErrors"]), (&json!(2), &json!("attribution.recompute"), &json!([])));
        let outdated = server.data(UPDATE, json!({ "input": input })).await["it"]["userErrors"][0].take();
        assert_eq!((&outdated["field"], &outdated["code"]), (&json!(["expectedVersion"]), &json!("OUTDATED")));
        let same = server.data(UPDATE, json!({ "input": { "windowDays": 5 } })).await["it"].take();
        assert_eq!((&same["settings"]["version"], &same["job"]), (&json!(2), &Value::Null));
        let found = server.data(FIRST, json!({})).await["it"]["current"].take();
        assert_eq!((&found["rows"], &found["settings"]["version"]), (&json!([{ "name": "EMAIL" }]), &json!(1)));
        // Others before those were ever in force.
        let types = json!({ "touchTypes": ["PAGE_VIEWED", "EMAIL_CLICKED"] });
        let changed = server.data(UPDATE, json!({ "input": types })).await["it"].take();
        assert_eq!(changed["settings"], json!({ "version": 3, "windowDays": 5, "touchTypes": ["EMAIL_CLICKED", "PAGE_VIEWED"] }));
        assert_eq!(changed["job"], Value::Null, "the one that waits will do it");
        server.stop().await;

        let server = Server::start(database, Setup::default()).await;
        summed_up(&server).await;
        let found = server.data(FIRST, json!({})).await["it"]["current"].take();
        assert_eq!(found, json!({ "rows": [{ "name": "WEB" }], "settings": { "version": 3 }, "journeys": { "converted": 1, "lost": 0 }, "totals": [{ "direct": 0 }] }));
        until("the former sums are gone", async || others(&server, 3).await == [0; 4]).await;
        let told = server.data("{ activity(first: 9, filter: { types: [ATTRIBUTION_CHANGED] }) { nodes { payload } } }", json!({})).await;
        let told: Vec<_> = told["activity"]["nodes"].as_array().unwrap().iter().map(|node| node["payload"].clone()).collect();
        assert_eq!(told, [json!({ "version": 3, "state": "ACTIVE" }), json!({ "version": 3, "state": "BUILDING" }), json!({ "version": 2, "state": "BUILDING" })]);
        server.stop().await;
    }

    async fn what_is_summed_up_for_the_first_time_is_not_complete(database: &Database) {
        let server = Server::start(database, Setup::default()).await;
        scene(&server).await;
        server.stop().await;
        // Nobody works.
        let server = Server::start(database, Setup::default().without_work()).await;
        let query = "query ($filter: LeadFilter, $asOf: DateTime) { it: attributionCompare(range: { from: \"2026-03-01\", to: \"2026-03-31\" }, filter: $filter, asOf: $asOf) { isComplete } }";
        let some = json!({ "filter": { "email": { "eq": "ann@example.com" } } });
        let is_complete = async |more: &Value| server.data(query, more.clone()).await["it"]["isComplete"].take();
        assert_eq!((is_complete(&json!({})).await, is_complete(&some).await), (json!(true), json!(true)));
        // As after an upgrade that brings attribution.
        let db = server.app().db().write();
        sea_orm::ConnectionTrait::execute_unprepared(db, "UPDATE attribution_settings SET state = 'BUILDING'").await.unwrap();
        assert_eq!((is_complete(&json!({})).await, is_complete(&some).await), (json!(false), json!(false)));
        assert_eq!(is_complete(&json!({ "asOf": "2026-03-20T00:00:00Z" })).await, true, "it is made of what happened itself");
        let file = server.url("/exports/reports/attribution?from=2026-03-01&to=2026-03-31");
        let file = server.http().get(file).bearer_auth(server.admin()).send().await.unwrap();
        let name = file.headers()["content-disposition"].to_str().unwrap();
        assert!(name.contains("-incomplete.csv"), "{name}");
    }

    async fn other_weights_take_the_trails_that_there_are(server: &Server) {
        scene(server).await;
        let weights = "{ it: attributionSummary(range: { from: \"2026-02-10\", to: \"2026-03-31\" }, model: U_SHAPED, by: CHANNEL) {
            current { rows { name conversions } settings { version } } } }";
        let rows = async || server.data(weights, json!({})).await["it"]["current"]["rows"].take();
        let row = |name: &str, conversions: f64| json!({ "name": name, "conversions": conversions });
        assert_eq!(rows().await, json!([row("EMAIL", 0.4), row("WEB", 0.4), row("ADS", 0.2)]));
        // What no event tells of is seen where trails are made from the rows, and nowhere else.
        let db = server.app().db().write();
        sea_orm::ConnectionTrait::execute_unprepared(db, "UPDATE engagement SET channel = 'SOCIAL' WHERE channel = 'WEB'").await.unwrap();
        let input = json!({ "uShaped": { "first": 0.5, "last": 0.3, "rest": 0.2 } });
        server.data(UPDATE, json!({ "input": input })).await;
        summed_up(server).await;
        assert_eq!(rows().await, json!([row("EMAIL", 0.5), row("WEB", 0.3), row("ADS", 0.2)]));
        until("the former sums are gone", async || others(server, 2).await == [0; 4]).await;
        leadline::insight::attribution::rebuild(server.app(), &leadline::identity::Caller::system()).await.unwrap();
        summed_up(server).await;
        assert_eq!(rows().await, json!([row("EMAIL", 0.5), row("SOCIAL", 0.3), row("ADS", 0.2)]));
        assert_eq!(leadline::insight::attribution::verify(server.app()).await.unwrap().named, [""; 0]);
    }

    async fn wrong_settings_and_callers_are_refused(server: &Server) {
        for (input, field) in [
            (json!({ "windowDays": 0 }), "windowDays"), (json!({ "windowDays": -1 }), "windowDays"), (json!({ "windowDays": 366 }), "windowDays"),
            (json!({ "halfLifeDays": 0 }), "halfLifeDays"), (json!({ "halfLifeDays": 366 }), "halfLifeDays"),
            (json!({ "touchTypes": [] }), "touchTypes"), (json!({ "touchTypes": ["EMAIL_SENT"] }), "touchTypes"),
            (json!({ "uShaped": { "first": 0, "last": 0, "rest": 0 } }), "uShaped"),
            (json!({ "wShaped": { "first": 1, "opportunity": -1, "last": 1, "rest": 1 } }), "wShaped"),
        ] {
            let refused = server.data(UPDATE, json!({ "input": input })).await["it"].take();
            let fault = &refused["userErrors"][0];
            assert_eq!((&refused["settings"], &fault["field"], &fault["code"]), (&Value::Null, &json!([field]), &json!("OUT_OF_RANGE")), "{input}");
        }
        let reader = server.token(&["revenue:read", "revenue:write"]).await;
        let refused = server.graphql_as(Some(&reader), UPDATE, json!({ "input": {} })).await;
        assert_eq!(unknown_field(&refused), "attributionSettingsUpdate");
        assert_eq!(server.data_as(&reader, KNOWN, json!({})).await["attributionSettings"]["settings"]["version"], 1);
        let stranger = server.token(&["engagement:read"]).await;
        assert_eq!(unknown_field(&server.graphql_as(Some(&stranger), KNOWN, json!({})).await), "attributionSettings");
    }
}

#[test]
fn what_was_there_before_attribution_is_summed_up() {
    with_database(Backend::Sqlite, async |database| {
        let server = Server::start(database, Setup::default()).await;
        scene(&server).await;
        server.stop().await;
        let db = database.open().await;
        for text in [
            "DELETE FROM attribution_trail",
            "DELETE FROM attribution_credit",
            "DELETE FROM attribution_paths",
            "DELETE FROM attribution_total",
            "UPDATE attribution_settings SET state = 'BUILDING'",
        ] {
            sea_orm::ConnectionTrait::execute_unprepared(db.write(), text)
                .await
                .unwrap();
        }
        db.close().await.unwrap();
        let server = Server::start(database, Setup::default()).await;
        summed_up(&server).await;
        let found = server.data(FIRST, json!({})).await["it"]["current"].take();
        assert_eq!(found["rows"], json!([{ "name": "EMAIL" }]));
        server.stop().await;
    });
}
