//! Sums of some leads, and of the range before.

use serde_json::{Value, json};

use super::{campaign, converted, known_by, lead, refund, touch, void};
use crate::row_filter::partner;
use crate::support::{Database, Server, Setup, code};

const SUM: &str = "query ($range: ReportRangeInput!, $zone: TimeZone, $filter: LeadFilter, $previous: Boolean, $model: AttributionModel!, $by: AttributionDimension!, $kinds: [ConversionKind!], $asOf: DateTime, $order: Int) {
    it: attributionSummary(range: $range, timeZone: $zone, filter: $filter, previous: $previous, model: $model, by: $by, kinds: $kinds, asOf: $asOf, markovOrder: $order) {
        current { ...all } previous { ...all } previousRange { from to } asOf isComplete } }
    fragment all on AttributionSummary { totals { kind conversions value { amount } unvalued direct directValue { amount } }
        rows { kind name conversions value { amount } } journeys { converted lost } }";
const COMPARE: &str = "query ($range: ReportRangeInput!, $filter: LeadFilter, $previous: Boolean, $by: AttributionDimension!, $kinds: [ConversionKind!], $asOf: DateTime) {
    it: attributionCompare(range: $range, filter: $filter, previous: $previous, by: $by, kinds: $kinds, asOf: $asOf) {
        current { ...all } previous { ...all } previousRange { from to } asOf isComplete } }
    fragment all on AttributionComparison { totals { kind conversions value { amount } unvalued direct directValue { amount } }
        rows { kind name results { model conversions value { amount } } } journeys { converted lost } }";

const RULES: [&str; 6] = [
    "FIRST_TOUCH",
    "LAST_TOUCH",
    "LINEAR",
    "TIME_DECAY",
    "U_SHAPED",
    "W_SHAPED",
];
const DIMENSIONS: [&str; 4] = ["CHANNEL", "SOURCE", "CAMPAIGN", "TYPE"];

fn march() -> Value {
    json!({ "from": "2026-03-01", "to": "2026-03-31" })
}

fn named(names: &[&str]) -> Value {
    let emails: Vec<String> = names.iter().map(|name| format!("{name}@example.com")).collect();
    json!({ "email": { "in": emails } })
}

/// All that there are.
fn everybody() -> Value {
    json!({ "not": named(&["nobody"]) })
}

fn with(asked: &Value, more: Value) -> Value {
    let mut asked = asked.clone();
    for (name, value) in more.as_object().expect("an object") {
        asked[name] = value.clone();
    }
    asked
}

async fn sum(server: &Server, asked: &Value) -> Value {
    server.data(SUM, asked.clone()).await["it"].take()
}

/// Ann passed an e-mail, the site and an advertisement, Bob an advertisement and Cyd nothing before they bought; Dan did not buy. The
/// range before has an e-mail of Ann, for which she bought as well.
async fn scene(server: &Server) -> [Value; 5] {
    let ann = lead(server, "ann@example.com").await;
    let early = json!({ "occurredAt": "2026-02-10T12:00:00Z" });
    touch(server, &ann, 1, "EMAIL_CLICKED", with(&campaign("Winter"), early)).await;
    let query = "mutation ($input: ConversionRecordInput!) { it: conversionRecord(input: $input) { conversion { id } userErrors { message } } }";
    let input = json!({ "leadId": ann, "kind": "PURCHASE", "occurredAt": "2026-02-11T12:00:00Z", "value": { "amount": "12.34", "currencyCode": "EUR" } });
    let before = server.data(query, json!({ "input": input })).await["it"]["conversion"]["id"].take();
    touch(server, &ann, 1, "EMAIL_CLICKED", campaign("Spring")).await;
    touch(server, &ann, 5, "PAGE_VIEWED", json!({})).await;
    touch(server, &ann, 8, "AD_CLICKED", campaign("Meta")).await;
    let bob = lead(server, "bob@example.com").await;
    touch(server, &bob, 2, "AD_CLICKED", campaign("Meta")).await;
    let cyd = lead(server, "cyd@example.com").await;
    let dan = lead(server, "dan@example.com").await;
    touch(server, &dan, 3, "PAGE_VIEWED", json!({})).await;
    touch(server, &dan, 4, "AD_CLICKED", campaign("Meta")).await;
    let made = [
        converted(server, &ann, 10, "PURCHASE", Some("100.01")).await,
        converted(server, &bob, 12, "PURCHASE", Some("50")).await,
        converted(server, &cyd, 14, "PURCHASE", Some("7")).await,
        converted(server, &bob, 20, "CUSTOMER", None).await,
        before,
    ];
    server.settled().await;
    made
}

fn cents(money: &Value) -> i64 {
    let amount = money["amount"].as_str().expect("an amount").replace('.', "");
    amount.parse().expect("two decimals")
}

/// The conversions and cents of a name, and of all conversions.
fn told(found: &Value, name: &str) -> (f64, i64) {
    let rows = found["current"]["rows"].as_array().expect("a list").iter();
    let row = rows
        .into_iter()
        .find(|row| row["name"] == name || row["kind"] == name);
    row.map_or((0.0, 0), |row| {
        (
            row["conversions"].as_f64().expect("a number"),
            cents(&row["value"]),
        )
    })
}

fn totals(found: &Value) -> (i64, i64) {
    let all = found["current"]["totals"].as_array().expect("a list").iter();
    all.fold((0, 0), |(conversions, minor), total| {
        (
            conversions + total["conversions"].as_i64().expect("a number"),
            minor + cents(&total["value"]),
        )
    })
}

fn names(found: &Value) -> Vec<String> {
    let rows = found["current"]["rows"].as_array().expect("a list").iter();
    let name = |row: &Value| row["name"].as_str().or(row["kind"].as_str()).map(str::to_owned);
    rows.map(|row| name(row).expect("a name")).collect()
}

on_both! {
    async fn journeys_of_all_leads_say_what_the_sums_say(server: &Server) {
        scene(server).await;
        let then = known_by(server).await;
        let ranges = [(march(), "UTC"), (json!({ "from": "2026-03-05", "to": "2026-03-12" }), "Asia/Kolkata"), (json!({ "from": "2025-12-01", "to": "2026-04-30" }), "America/Sao_Paulo")];
        for (range, zone) in &ranges {
            for kinds in [json!([]), json!(["PURCHASE"])] {
                for by in DIMENSIONS {
                    let asked = json!({ "range": range, "zone": zone, "by": by, "kinds": kinds, "previous": true });
                    for model in RULES.iter().chain(&["MARKOV", "SHAPLEY"]) {
                        let asked = with(&asked, json!({ "model": model }));
                        let sums = sum(server, &asked).await;
                        assert!(sums["isComplete"] == true && sums["previous"].is_object(), "{sums}");
                        for more in [json!({ "filter": everybody() }), json!({ "filter": everybody(), "asOf": then })] {
                            let read = sum(server, &with(&asked, more)).await;
                            for part in ["current", "previous", "previousRange"] {
                                assert_eq!(read[part], sums[part], "{model} by {by} {range} {zone} {kinds}");
                            }
                        }
                    }
                    let sums = server.data(COMPARE, asked.clone()).await["it"].take();
                    for more in [json!({ "filter": everybody() }), json!({ "filter": everybody(), "asOf": then })] {
                        let read = server.data(COMPARE, with(&asked, more)).await["it"].take();
                        for part in ["current", "previous", "previousRange"] {
                            assert_eq!(read[part], sums[part], "by {by} {range} {zone} {kinds}");
                        }
                    }
                }
            }
            let asked = json!({ "range": range, "zone": zone, "by": "CHANNEL", "model": "MARKOV", "order": 2, "previous": true });
            let all = sum(server, &asked).await;
            let read = sum(server, &with(&asked, json!({ "filter": everybody() }))).await;
            assert_eq!((&read["current"], &read["previous"]), (&all["current"], &all["previous"]));
        }
    }

    async fn parts_add_up_to_the_whole(server: &Server) {
        scene(server).await;
        let one = named(&["ann", "dan"]);
        let rest = json!({ "not": one });
        for by in DIMENSIONS {
            for model in RULES.iter().chain(&["MARKOV", "SHAPLEY"]) {
                let asked = json!({ "range": march(), "by": by, "model": model });
                let all = sum(server, &asked).await;
                let parts = [sum(server, &with(&asked, json!({ "filter": one }))).await, sum(server, &with(&asked, json!({ "filter": rest }))).await];
                let [first, second] = parts.each_ref().map(totals);
                assert_eq!((first.0 + second.0, first.1 + second.1), totals(&all), "{model} by {by}");
                assert_eq!((first, second), ((1, 10_001), (3, 5_700)));
                // Markov learns of each part by itself; rules, and sets, look at one journey.
                if *model == "MARKOV" {
                    continue;
                }
                let [first, second] = parts.each_ref().map(names);
                assert!(names(&all).iter().all(|name| first.contains(name) || second.contains(name)));
                for name in names(&all) {
                    let [first, second] = parts.each_ref().map(|part| told(part, &name));
                    let whole = told(&all, &name);
                    assert!((first.0 + second.0 - whole.0).abs() < 1e-9, "{model} by {by}: {name}");
                    // Sets share out the money of all conversions at once, to the minor unit: of parts it may be another one.
                    let most = i64::from(*model == "SHAPLEY");
                    assert!((first.1 + second.1 - whole.1).abs() <= most, "{model} by {by}: {name}");
                }
            }
        }
        // By hand, of two journeys (email web ads!, web ads-): without e-mail a half begins nowhere, without the others none converts.
        let found = sum(server, &json!({ "range": march(), "by": "CHANNEL", "model": "MARKOV", "filter": one })).await;
        for (name, share) in [("ADS", 0.4), ("WEB", 0.4), ("EMAIL", 0.2)] {
            assert!((told(&found, name).0 - share).abs() < 1e-9, "{name}: {found}");
        }
        assert_eq!(found["current"]["journeys"], json!({ "converted": 1, "lost": 1 }));
        let nobody = sum(server, &json!({ "range": march(), "by": "CHANNEL", "model": "MARKOV", "filter": named(&["nobody"]) })).await;
        assert_eq!((&nobody["current"]["rows"], &nobody["current"]["totals"], &nobody["current"]["journeys"]), (&json!([]), &json!([]), &json!({ "converted": 0, "lost": 0 })));
    }

    async fn the_range_before_is_told_beside(server: &Server) {
        let [ann, _, _, bob, before] = scene(server).await;
        let february = json!({ "from": "2026-01-29", "to": "2026-02-28" });
        let then = known_by(server).await;
        refund(server, &before, "2.34").await;
        refund(server, &ann, "0.01").await;
        void(server, &bob).await;
        server.settled().await;
        for more in [json!({}), json!({ "filter": named(&["ann"]) }), json!({ "asOf": then }), json!({ "asOf": then, "filter": named(&["ann"]) })] {
            for (model, order) in [("LINEAR", Value::Null), ("MARKOV", Value::Null), ("SHAPLEY", Value::Null), ("MARKOV", json!(2))] {
                let asked = with(&json!({ "range": march(), "by": "CAMPAIGN", "model": model, "order": order }), more.clone());
                let plain = sum(server, &asked).await;
                assert_eq!((&plain["previous"], &plain["previousRange"]), (&Value::Null, &Value::Null));
                let both = sum(server, &with(&asked, json!({ "previous": true }))).await;
                let earlier = sum(server, &with(&asked, json!({ "range": february }))).await;
                assert_eq!((&both["current"], &both["previous"]), (&plain["current"], &earlier["current"]), "{model} {more}");
                assert_eq!(both["previousRange"], json!({ "from": "2026-01-29", "to": "2026-02-28" }));
                let worth = if more["asOf"].is_null() { "10.00" } else { "12.34" };
                assert_eq!(both["previous"]["totals"][0]["value"]["amount"], worth, "{model} {more}");
                assert_eq!(both["previous"]["rows"][0]["name"], "Winter");
            }
            let asked = with(&json!({ "range": march(), "by": "CHANNEL" }), more.clone());
            let both = server.data(COMPARE, with(&asked, json!({ "previous": true }))).await["it"].take();
            let earlier = server.data(COMPARE, with(&asked, json!({ "range": february }))).await["it"]["current"].take();
            assert_eq!((&both["previous"], &both["previousRange"]["to"]), (&earlier, &json!("2026-02-28")), "{more}");
            let of = if more["asOf"].is_null() { &Value::Null } else { &more["asOf"] };
            assert!(of.is_null() || *of == both["asOf"], "{both}");
        }
    }

    async fn a_filter_is_said_and_may_be_refused(database: &Database) {
        let server = &Server::start(database, Setup::default().at("2026-04-10T12:00:00Z")).await;
        scene(server).await;
        let asked = json!({ "range": march(), "by": "CHANNEL", "model": "LINEAR" });
        for (query, field) in [(SUM, "attributionSummary"), (COMPARE, "attributionCompare")] {
            let answer = server.graphql(query, asked.clone()).await;
            assert_eq!(answer["extensions"]["reads"], Value::Null, "{answer}");
            let nothing = server.graphql(query, with(&asked, json!({ "filter": {} }))).await;
            assert_eq!((&nothing["data"], &nothing["extensions"]["reads"]), (&answer["data"], &Value::Null));
            let some = server.graphql(query, with(&asked, json!({ "filter": named(&["ann"]) }))).await;
            assert_eq!((&some["extensions"]["reads"][0]["field"], &some["extensions"]["reads"][0]["from"]), (&json!(field), &json!("LEADS")), "{some}");
            assert_eq!(some["data"]["it"]["asOf"], "2026-04-10T12:00:00Z");
            // Who a filter holds for is told by who may read leads.
            let token = server.token(&["revenue:read"]).await;
            assert!(server.graphql_as(Some(&token), query, asked.clone()).await["errors"].is_null());
            let refused = server.graphql_as(Some(&token), query, with(&asked, json!({ "filter": named(&["ann"]) }))).await;
            assert_eq!(code(&refused), "FORBIDDEN", "{refused}");
            for wrong in [json!({ "createdAt": { "withinDays": 0 } }), json!({ "custom": [{ "key": "none", "isSet": true }] })] {
                for more in [json!({}), json!({ "asOf": "2026-04-01T00:00:00Z" })] {
                    let refused = server.graphql(query, with(&with(&asked, more), json!({ "filter": wrong }))).await;
                    assert_eq!(code(&refused), "BAD_USER_INPUT", "{refused}");
                }
            }
            for wrong in [json!({ "from": "2026-03-31", "to": "2026-03-01" }), json!({ "from": "2000-01-01", "to": "2026-03-01" })] {
                let refused = server.graphql(query, with(&asked, json!({ "range": wrong, "previous": true }))).await;
                assert_eq!(code(&refused), "BAD_USER_INPUT", "{refused}");
            }
        }
        // Who sees Ann and Bob alone is told of them, of which a filter is a part again.
        let partner = partner(server, &["revenue:read", "leads:read"], "{\"email\":{\"in\":[\"ann@example.com\",\"bob@example.com\"]}}").await;
        for (model, more) in [("LINEAR", json!({})), ("MARKOV", json!({})), ("MARKOV", json!({ "order": 2 })), ("SHAPLEY", json!({ "asOf": "2026-04-10T12:00:00Z" }))] {
            let asked = with(&json!({ "range": march(), "by": "CHANNEL", "model": model }), more);
            let own = server.graphql_as(Some(&partner), SUM, asked.clone()).await;
            assert_eq!(own["extensions"]["reads"][0]["from"], "LEADS", "{own}");
            let theirs = sum(server, &with(&asked, json!({ "filter": named(&["ann", "bob"]) }))).await;
            assert_eq!(own["data"]["it"]["current"], theirs["current"], "{model}");
            let narrower = with(&asked, json!({ "filter": named(&["bob", "cyd"]) }));
            let own = server.data_as(&partner, SUM, narrower).await["it"].take();
            let bob = sum(server, &with(&asked, json!({ "filter": named(&["bob"]) }))).await;
            assert_eq!(own["current"], bob["current"], "{model}");
        }
        // Whatever others are told at the same time who ask for the same, of a moment that has passed as well.
        server.set_time("2026-04-10T13:00:00Z");
        let compare = json!({ "range": march(), "by": "CHANNEL", "filter": everybody() });
        let summary = with(&compare, json!({ "model": "LINEAR" }));
        for (query, asked) in [(COMPARE, &compare), (SUM, &summary), (SUM, &with(&summary, json!({ "asOf": "2026-04-10T12:00:00Z" })))] {
            let ask = async |token: &str| server.data_as(token, query, asked.clone()).await["it"].take();
            let (own, all) = (ask(&partner).await, ask(server.admin()).await);
            let told = |found: &Value| found["current"]["totals"].clone();
            assert_ne!(told(&own), told(&all));
            let (admin, partner) = (server.admin(), partner.as_str());
            let tokens = [admin, partner, admin, partner, admin, partner, admin, partner];
            let found = futures_util::future::join_all(tokens.map(ask)).await;
            for (token, found) in tokens.iter().zip(&found) {
                let wanted = if *token == admin { &all } else { &own };
                assert_eq!(told(found), told(wanted));
            }
        }
    }

    async fn conversions_of_deleted_leads_count_in_sums_alone(server: &Server) {
        scene(server).await;
        let query = "{ leads(first: 1, filter: { email: { eq: \"bob@example.com\" } }) { nodes { id } } }";
        let bob = server.data(query, json!({})).await["leads"]["nodes"][0]["id"].take();
        server.data("mutation ($id: ID!) { leadDelete(input: { id: $id }) { leadId } }", json!({ "id": bob })).await;
        server.settled().await;
        let asked = json!({ "range": march(), "by": "CHANNEL", "model": "LINEAR" });
        assert_eq!(totals(&sum(server, &asked).await), (4, 15_701));
        assert_eq!(totals(&sum(server, &with(&asked, json!({ "filter": everybody() }))).await), (2, 10_701));
    }
}
