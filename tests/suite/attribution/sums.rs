//! Sums of days, and models side by side.

use serde_json::{Value, json};

use super::{campaign, converted, known_by, lead, refund, touch, void};
use crate::support::{Database, Server, Setup, code, unknown_field};

const SUM: &str = "query ($from: Date!, $to: Date!, $zone: TimeZone, $model: AttributionModel!, $by: AttributionDimension!, $kinds: [ConversionKind!], $first: Int, $asOf: DateTime, $order: Int, $filter: LeadFilter) {
    it: attributionSummary(range: { from: $from, to: $to }, timeZone: $zone, filter: $filter, model: $model, by: $by, kinds: $kinds, first: $first, asOf: $asOf, markovOrder: $order) { current {
        totals { kind conversions value { amount currencyCode } unvalued direct directValue { amount } }
        rows { kind name conversions share value { amount } valueShare } journeys { converted lost } settings { version } } } }";
const COMPARE: &str = "query ($from: Date!, $to: Date!, $by: AttributionDimension!, $asOf: DateTime, $filter: LeadFilter) {
    it: attributionCompare(range: { from: $from, to: $to }, filter: $filter, by: $by, asOf: $asOf) { current { rows { kind name results { model conversions share value { amount } }
        disagreement { least greatest range mean deviation } } journeys { converted lost } totals { conversions } } } }";

async fn sum(server: &Server, model: &str, by: &str, more: Value) -> Value {
    let mut variables = json!({ "from": "2026-03-01", "to": "2026-03-31", "model": model, "by": by });
    for (name, value) in more.as_object().expect("an object") {
        variables[name] = value.clone();
    }
    server.data(SUM, variables).await["it"]["current"].take()
}

/// Name, conversions and money of each row.
fn rows(found: &Value) -> Vec<(String, f64, String)> {
    let rows = found["rows"].as_array().expect("a list").iter();
    let row = |row: &Value| {
        let name = row["name"]
            .as_str()
            .or(row["kind"].as_str())
            .expect("it is there")
            .to_owned();
        (
            name,
            row["conversions"].as_f64().expect("it is there"),
            row["value"]["amount"].as_str().expect("it is there").to_owned(),
        )
    };
    rows.map(row).collect()
}

fn row(name: &str, conversions: f64, money: &str) -> (String, f64, String) {
    (name.to_owned(), conversions, money.to_owned())
}

/// Three who bought and one who did not.
async fn scene(server: &Server) -> [Value; 4] {
    let ann = lead(server, "ann@example.com").await;
    touch(server, &ann, 1, "EMAIL_CLICKED", campaign("Spring")).await;
    touch(server, &ann, 5, "PAGE_VIEWED", json!({})).await;
    touch(server, &ann, 8, "AD_CLICKED", campaign("Meta")).await;
    let bob = lead(server, "bob@example.com").await;
    touch(server, &bob, 2, "AD_CLICKED", campaign("Meta")).await;
    let cyd = lead(server, "cyd@example.com").await;
    let dan = lead(server, "dan@example.com").await;
    touch(server, &dan, 3, "PAGE_VIEWED", json!({})).await;
    touch(server, &dan, 4, "AD_CLICKED", campaign("Meta")).await;
    [
        converted(server, &ann, 10, "PURCHASE", Some("100")).await,
        converted(server, &bob, 12, "PURCHASE", Some("50")).await,
        converted(server, &cyd, 14, "PURCHASE", Some("7")).await,
        converted(server, &bob, 20, "CUSTOMER", None).await,
    ]
}

on_both! {
    async fn credit_adds_up_by_channel_source_campaign_and_type(server: &Server) {
        let [ann, bob, ..] = scene(server).await;
        server.settled().await;
        let found = sum(server, "LINEAR", "CHANNEL", json!({ "kinds": ["PURCHASE"] })).await;
        assert_eq!(rows(&found), [row("ADS", 1.333_333_333, "83.33"), row("EMAIL", 0.333_333_334, "33.34"), row("WEB", 0.333_333_333, "33.33")]);
        assert_eq!(found["totals"], json!([{ "kind": "PURCHASE", "conversions": 3, "value": { "amount": "157.00", "currencyCode": "EUR" },
            "unvalued": 0, "direct": 1, "directValue": { "amount": "7.00" } }]));
        assert_eq!(found["journeys"], json!({ "converted": 2, "lost": 1 }));
        let share: f64 = found["rows"].as_array().unwrap().iter().map(|row| row["valueShare"].as_f64().unwrap()).sum();
        assert!((share - 1.0).abs() < 1e-12, "{found}");
        let all = sum(server, "FIRST_TOUCH", "CAMPAIGN", json!({})).await;
        assert_eq!(rows(&all), [row("Spring", 1.0, "100.00"), row("Meta", 2.0, "50.00")]);
        assert_eq!(all["totals"].as_array().unwrap().len(), 2);
        assert_eq!(all["totals"][0], json!({ "kind": "CUSTOMER", "conversions": 1, "value": { "amount": "0.00", "currencyCode": "EUR" },
            "unvalued": 1, "direct": 0, "directValue": { "amount": "0.00" } }));
        let types = sum(server, "LAST_TOUCH", "TYPE", json!({})).await;
        assert_eq!(rows(&types), [row("AD_CLICKED", 3.0, "150.00")]);
        let sources = sum(server, "LINEAR", "SOURCE", json!({ "kinds": ["PURCHASE"], "first": 1 })).await;
        assert_eq!(rows(&sources), [row("Meta", 1.333_333_333, "83.33"), row("OTHERS", 0.666_666_667, "66.67")]);
        // And on the journey of the lead, of all its conversions: bob's ad led to two.
        let query = "query ($id: ID!, $model: AttributionModel) { conversion(id: $id) { lead { journey { touchpoints(model: $model) {
            engagement { id } type channel source conversions value { amount } } } } } }";
        let touches = async |model: &str| {
            let found = server.data(query, json!({ "id": bob, "model": model })).await;
            found["conversion"]["lead"]["journey"]["touchpoints"].as_array().unwrap().clone()
        };
        for model in ["LINEAR", "SHAPLEY"] {
            let touches = touches(model).await;
            assert_eq!(touches.len(), 1, "{touches:?}");
            assert!(touches[0]["engagement"]["id"].is_string(), "{touches:?}");
            assert_eq!((&touches[0]["source"], touches[0]["conversions"].as_f64(), &touches[0]["value"]["amount"]), (&json!("Meta"), Some(2.0), &json!("50.00")));
        }
        let refused = server.graphql(query, json!({ "id": bob, "model": "MARKOV" })).await;
        assert_eq!(code(&refused), "BAD_USER_INPUT");
        // A refund takes back what was given, and who is called off counts no more.
        refund(server, &ann, "10").await;
        void(server, &bob).await;
        server.settled().await;
        let found = sum(server, "LINEAR", "CHANNEL", json!({ "kinds": ["PURCHASE"] })).await;
        assert_eq!(rows(&found), [row("EMAIL", 0.333_333_334, "30.00"), row("ADS", 0.333_333_333, "30.00"), row("WEB", 0.333_333_333, "30.00")]);
        assert_eq!(found["totals"][0]["conversions"], 2);
        // What comes late lands in the day of its conversion.
        let late = lead(server, "late@example.com").await;
        converted(server, &late, 30, "PURCHASE", Some("3")).await;
        server.settled().await;
        assert_eq!(sum(server, "LINEAR", "CHANNEL", json!({ "from": "2026-03-30" })).await["totals"][0]["direct"], 1);
        touch(server, &late, 29, "SOCIAL_INTERACTION", json!({})).await;
        server.settled().await;
        let found = sum(server, "LINEAR", "CHANNEL", json!({ "from": "2026-03-30" })).await;
        assert_eq!(rows(&found), [row("SOCIAL", 1.0, "3.00")]);
    }

    async fn what_was_known_then_is_summed_up_as_of_then(server: &Server) {
        let [ann, bob, cyd, _] = scene(server).await;
        server.settled().await;
        let first = known_by(server).await;
        let mut then = Vec::new();
        for model in ["FIRST_TOUCH", "LAST_TOUCH", "LINEAR", "TIME_DECAY", "U_SHAPED", "W_SHAPED", "MARKOV", "SHAPLEY"] {
            for (by, more) in [("CHANNEL", json!({})), ("SOURCE", json!({ "kinds": ["PURCHASE"] })), ("TYPE", json!({ "zone": "Asia/Kolkata", "to": "2026-03-12" }))] {
                let found = sum(server, model, by, more.clone()).await;
                then.push((model, by, more, found));
            }
        }
        let compared = async |more: Value| {
            let mut variables = json!({ "from": "2026-03-01", "to": "2026-03-31", "by": "CHANNEL" });
            variables["asOf"] = more;
            server.data(COMPARE, variables).await["it"]["current"].take()
        };
        let beside = compared(Value::Null).await;
        assert_eq!(then[0].3["journeys"], json!({ "converted": 3, "lost": 1 }));
        let as_of_first = async || {
            for (model, by, more, found) in &then {
                let mut more = more.clone();
                more["asOf"] = json!(first);
                assert_eq!(&sum(server, model, by, more).await, found, "{model} by {by}");
            }
            assert_eq!(compared(json!(first)).await, beside);
        };
        as_of_first().await;
        // Late news: a touch, a conversion, a refund, other settings, and one that is called off, which are all known later.
        let lead = server.data("query ($id: ID!) { node(id: $id) { ... on Conversion { lead { id } } } }", json!({ "id": ann })).await["node"]["lead"]["id"].take();
        touch(server, &lead, 9, "EMAIL_CLICKED", campaign("Spring")).await;
        converted(server, &lead, 11, "PURCHASE", Some("1000")).await;
        refund(server, &ann, "40").await;
        void(server, &bob).await;
        // One more that has ended in nothing, and the one that had goes on; another turns out to have converted before.
        let eve = super::lead(server, "eve@example.com").await;
        touch(server, &eve, 6, "PAGE_VIEWED", json!({})).await;
        touch(server, &eve, 7, "EMAIL_CLICKED", json!({})).await;
        let query = "{ leads(first: 1, filter: { email: { eq: \"dan@example.com\" } }) { nodes { id } } }";
        let dan = server.data(query, json!({})).await["leads"]["nodes"][0]["id"].take();
        touch(server, &dan, 29, "FORM_SUBMITTED", json!({})).await;
        converted(server, &dan, 30, "CUSTOMER", None).await;
        let query = "mutation { it: attributionSettingsUpdate(input: { windowDays: 2 }) { userErrors { message } } }";
        assert_eq!(server.data(query, json!({})).await["it"]["userErrors"], json!([]));
        server.settled().await;
        as_of_first().await;
        // What is known by now is what the sums say that are kept.
        let second = known_by(server).await;
        refund(server, &cyd, "7").await;
        server.settled().await;
        let found = sum(server, "LINEAR", "CHANNEL", json!({ "asOf": second, "kinds": ["PURCHASE"] })).await;
        assert_eq!(rows(&found), [row("EMAIL", 1.5, "1030.00"), row("ADS", 0.5, "30.00")]);
        assert_eq!(found["totals"][0]["directValue"]["amount"], "7.00");
        for (model, at) in [("LINEAR", "2026-03-15T00:00:00Z"), ("MARKOV", "2026-03-15T00:00:00Z"), ("MARKOV", "1969-12-31T00:00:00Z")] {
            let nothing = sum(server, model, "CHANNEL", json!({ "asOf": at })).await;
            assert_eq!((&nothing["rows"], &nothing["totals"]), (&json!([]), &json!([])), "nobody knew of them");
            assert_eq!(nothing["journeys"], json!({ "converted": 0, "lost": 0 }));
        }
    }

    async fn a_chain_of_higher_order_remembers_more_touches(server: &Server) {
        let [ann, ..] = scene(server).await;
        server.settled().await;
        // By hand, of windows of two touches (email-web web-ads!, ads!, ads!, web-ads-): three of four convert, and of them one sixth
        // passed e-mail, a third web, all ads; of 150 euros a third, two thirds and all.
        let found = sum(server, "MARKOV", "CHANNEL", json!({ "order": 2 })).await;
        let told = rows(&found);
        let names: Vec<(&str, &str)> = told.iter().map(|row| (row.0.as_str(), row.2.as_str())).collect();
        assert_eq!(names, [("ADS", "75.00"), ("WEB", "50.00"), ("EMAIL", "25.00")], "{found}");
        for (row, expected) in told.iter().zip([2.0, 2.0 / 3.0, 1.0 / 3.0]) {
            assert!((row.1 - expected).abs() < 1e-9, "{row:?} is not {expected}");
        }
        assert_eq!(found["journeys"], json!({ "converted": 3, "lost": 1 }));
        let first = sum(server, "MARKOV", "CHANNEL", json!({})).await;
        assert_ne!(first["rows"], found["rows"]);
        assert_eq!((&first["totals"], &first["journeys"]), (&found["totals"], &found["journeys"]));
        assert_eq!(sum(server, "MARKOV", "CHANNEL", json!({ "order": 1 })).await, first);
        let cut = sum(server, "MARKOV", "CHANNEL", json!({ "order": 4, "first": 1 })).await;
        assert_eq!(rows(&cut).iter().map(|row| row.0.as_str()).collect::<Vec<_>>(), ["ADS", "OTHERS"]);
        let customers = sum(server, "MARKOV", "CHANNEL", json!({ "order": 2, "kinds": ["CUSTOMER"] })).await;
        assert_eq!(customers["journeys"], json!({ "converted": 1, "lost": 1 }));
        let none = sum(server, "MARKOV", "CHANNEL", json!({ "order": 2, "from": "2020-01-01", "to": "2020-12-31" })).await;
        assert_eq!((&none["rows"], &none["journeys"]), (&json!([]), &json!({ "converted": 0, "lost": 0 })));
        // The same of what was known then, whatever came later.
        let then = known_by(server).await;
        void(server, &ann).await;
        server.settled().await;
        assert_eq!(sum(server, "MARKOV", "CHANNEL", json!({ "order": 2, "asOf": then })).await, found);
        assert_ne!(sum(server, "MARKOV", "CHANNEL", json!({ "order": 2 })).await["rows"], found["rows"]);
        for (model, order) in [("MARKOV", 0), ("MARKOV", 5), ("MARKOV", -1), ("LINEAR", 2), ("SHAPLEY", 1)] {
            let variables = json!({ "from": "2026-03-01", "to": "2026-03-31", "model": model, "by": "CHANNEL", "order": order });
            assert_eq!(code(&server.graphql(SUM, variables).await), "BAD_USER_INPUT", "{model} {order}");
        }
    }

    async fn days_are_those_of_the_time_zone(database: &Database) {
        let server = &Server::start(database, Setup::default().at("2026-03-12T12:00:00Z")).await;
        let ann = lead(server, "ann@example.com").await;
        touch(server, &ann, 1, "EMAIL_CLICKED", json!({})).await;
        for (at, amount) in [("09T18:29:59Z", "1"), ("09T18:30:00Z", "2"), ("10T12:00:00Z", "4"), ("11T18:29:59Z", "8"), ("11T18:30:00Z", "16")] {
            let query = "mutation ($input: ConversionRecordInput!) { conversionRecord(input: $input) { userErrors { message } } }";
            let input = json!({ "leadId": ann, "kind": "PURCHASE", "occurredAt": format!("2026-03-{at}"), "value": { "amount": amount, "currencyCode": "EUR" } });
            server.data(query, json!({ "input": input })).await;
        }
        server.settled().await;
        for model in ["LINEAR", "MARKOV", "SHAPLEY"] {
            for (from, to, zone, money) in [
                ("2026-03-10", "2026-03-11", "Asia/Kolkata", "14.00"), ("2026-03-10", "2026-03-10", "Asia/Kolkata", "6.00"),
                ("2026-03-10", "2026-03-11", "UTC", "28.00"), ("2026-03-01", "2026-03-31", "America/Sao_Paulo", "31.00"),
            ] {
                let found = sum(server, model, "CHANNEL", json!({ "from": from, "to": to, "zone": zone })).await;
                assert_eq!(rows(&found).iter().map(|row| row.2.as_str()).collect::<Vec<_>>(), [money], "{model} {from} {to} {zone}");
                assert_eq!(found["totals"][0]["value"]["amount"], money);
            }
        }
        // The last days up to today, as reports have them.
        let worth = "current { worth: totals { value { amount } } }";
        let query = format!("{{ summary: attributionSummary(range: {{ lastDays: 3 }}, model: LINEAR, by: CHANNEL) {{ {worth} }}
            compare: attributionCompare(range: {{ lastDays: 1 }}, timeZone: \"Asia/Kolkata\") {{ {worth} }} }}");
        let last = server.data(&query, json!({})).await;
        assert_eq!((&last["summary"]["current"]["worth"][0]["value"]["amount"], &last["compare"]["current"]["worth"][0]["value"]["amount"]), (&json!("28.00"), &json!("16.00")));
        for range in ["{ lastDays: 0 }", "{ lastDays: 7, from: \"2026-03-01\" }", "{ from: \"2026-03-01\" }", "{}"] {
            let query = format!("{{ attributionCompare(range: {range}) {{ asOf }} }}");
            assert_eq!(code(&server.graphql(&query, json!({})).await), "BAD_USER_INPUT", "{range}");
        }
        for more in [json!({ "zone": "Mars/Olympus" }), json!({ "from": "2026-04-01" }), json!({ "from": "1999-01-01" }), json!({ "first": 0 })] {
            let mut variables = json!({ "from": "2026-03-01", "to": "2026-03-31", "model": "LINEAR", "by": "CHANNEL" });
            for (name, value) in more.as_object().unwrap() {
                variables[name] = value.clone();
            }
            assert_eq!(code(&server.graphql(SUM, variables).await), "BAD_USER_INPUT", "{more}");
        }
    }

    async fn models_stand_side_by_side(server: &Server) {
        scene(server).await;
        server.settled().await;
        let found = server.data(COMPARE, json!({ "from": "2026-03-01", "to": "2026-03-31", "by": "CHANNEL" })).await["it"]["current"].take();
        let names: Vec<_> = found["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["ADS", "EMAIL", "WEB"], "{found}");
        let share = |row: usize, model: usize| found["rows"][row]["results"][model]["share"].as_f64().unwrap();
        for model in 0..8 {
            let sum: f64 = (0..3).map(|row| share(row, model)).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{model}: {found}");
        }
        // Three conversions, two of which passed nothing but ads.
        let ads = &found["rows"][0];
        let by_model = |model: usize| ads["results"][model]["conversions"].as_f64().unwrap();
        assert_eq!((by_model(0), by_model(1)), (2.0, 3.0));
        assert!((by_model(7) - (2.0 + 1.0 / 3.0)).abs() < 1e-9, "Shapley: {ads}");
        // By hand, of four journeys (email web ads!, ads!, ads!, web ads-): without ads none converts; without e-mail a
        // fourth begins nowhere; of what begins with web, all go on to ads, of which three of four convert.
        let effects = [1.0, 0.25, 0.5];
        for (row, effect) in effects.iter().enumerate() {
            let expected = effect / effects.iter().sum::<f64>();
            assert!((share(row, 6) - expected).abs() < 1e-9, "Markov: {} is not {expected}", share(row, 6));
        }
        let disagreement = &ads["disagreement"];
        let (least, greatest) = (disagreement["least"].as_f64().unwrap(), disagreement["greatest"].as_f64().unwrap());
        assert_eq!(greatest, 100.0, "the last touch is always an ad: {ads}");
        assert!((disagreement["range"].as_f64().unwrap() - (greatest - least)).abs() < 1e-9);
        assert_eq!(found["journeys"], json!({ "converted": 3, "lost": 1 }));
        let none = server.data(COMPARE, json!({ "from": "2020-03-01", "to": "2020-03-31", "by": "CHANNEL" })).await["it"]["current"].take();
        assert_eq!((&none["rows"], &none["journeys"]), (&json!([]), &json!({ "converted": 0, "lost": 0 })));
        let reader = server.token(&["engagement:read"]).await;
        for (query, field) in [(COMPARE, "attributionCompare"), (SUM, "attributionSummary")] {
            let variables = json!({ "from": "2026-03-01", "to": "2026-03-31", "by": "CHANNEL", "model": "LINEAR" });
            assert_eq!(unknown_field(&server.graphql_as(Some(&reader), query, variables).await), field);
        }
    }
}
