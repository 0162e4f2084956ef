//! Reports on what happened in some days, by hand.

use serde_json::{Value, json};

use super::{converted, engage, lead, told};
use crate::support::{Database, Server, Setup, code, unknown_field};

const ENGAGEMENTS: &str = "query ($range: ReportRangeInput!, $zone: TimeZone, $filter: LeadFilter, $previous: Boolean, $byDay: Boolean, $top: Int) {
    it: engagementReport(range: $range, timeZone: $zone, filter: $filter, previous: $previous, byDay: $byDay, topLeads: $top) {
        isComplete current { total types { type count } channels { channel count } revenue { amount currencyCode } days { day count }
            topLeads { leadId engagements lead { email } } }
        previousRange { from to } previous { total days { day count } } } }";
const REVENUE: &str = "query ($range: ReportRangeInput!, $zone: TimeZone, $filter: LeadFilter, $previous: Boolean, $byDay: Boolean, $model: AttributionModel) {
    it: revenueReport(range: $range, timeZone: $zone, filter: $filter, previous: $previous, byDay: $byDay, model: $model) { current {
        conversions revenue { amount currencyCode } unvalued cost { amount } unvaluedCosts roi
        kinds { kind conversions revenue { amount } unvalued } sources { source conversions revenue { amount } cost { amount } roi }
        campaigns { campaign conversions revenue { amount } cost { amount } roi } costs { kind amount { amount } unvalued }
        days { day conversions revenue { amount } cost { amount } } }
        previous { conversions revenue { amount } cost { amount } campaigns { campaign revenue { amount } } } } }";

async fn server(database: &Database) -> Server {
    Server::start(database, Setup::default().at("2026-02-01T00:00:00Z")).await
}

/// An engagement with a campaign, and perhaps worth something.
async fn clicked(server: &Server, lead: &Value, at: &str, campaign: &str, euros: Option<&str>) {
    let mut input = json!({ "leadId": lead, "type": "EMAIL_CLICKED", "occurredAt": at,
        "source": { "kind": "CAMPAIGN", "id": campaign, "name": campaign } });
    if let Some(amount) = euros {
        input["revenue"] = json!({ "amount": amount, "currencyCode": "EUR" });
    }
    let query = "mutation ($input: EngagementRecordInput!) { it: engagementRecord(input: $input) { userErrors { message } } }";
    let made = server.data(query, json!({ "input": input })).await["it"].take();
    assert_eq!(made["userErrors"], json!([]), "{made}");
}

fn march() -> Value {
    json!({ "from": "2026-03-01", "to": "2026-03-31" })
}

/// Ann does something on each of three days, Bob once at the end of March in UTC.
async fn scene(server: &Server) -> [Value; 2] {
    let ann = lead(server, "2026-02-02T08:00:00Z", "ann@example.com", Some("ads")).await;
    let bob = lead(server, "2026-02-02T20:00:00Z", "bob@example.com", None).await;
    server.set_time("2026-04-10T12:00:00Z");
    engage(server, &ann, "2026-02-03T12:00:00Z", "PAGE_VIEWED").await;
    engage(server, &ann, "2026-03-03T12:00:00Z", "PAGE_VIEWED").await;
    clicked(server, &ann, "2026-03-04T18:40:00Z", "spring", Some("12.50")).await;
    engage(server, &bob, "2026-03-31T23:50:00Z", "FORM_SUBMITTED").await;
    converted(server, &ann, "2026-03-04T23:45:00Z", "PURCHASE", Some("100.01")).await;
    converted(server, &ann, "2026-03-04T23:50:00Z", "CUSTOMER", None).await;
    converted(server, &bob, "2026-02-20T00:00:00Z", "PURCHASE", Some("20")).await;
    let costs = "mutation ($input: CostsRecordInput!) { it: costsRecord(input: $input) { results { userErrors { message } } userErrors { code } } }";
    let cost = |kind: &str, day: &str, amount: &str, source: Value, campaign: Value| json!({ "kind": kind, "day": day, "amount": { "amount": amount, "currencyCode": "EUR" }, "source": source, "campaign": campaign });
    let items = json!([
        cost("AD_SPEND", "2026-03-05", "20", json!("ads"), json!("spring")),
        cost("AD_SPEND", "2026-03-06", "20.01", json!("ads"), json!("autumn")),
        cost("AI", "2026-03-31", "5", Value::Null, Value::Null),
        cost("AD_SPEND", "2026-02-05", "7", json!("fair"), Value::Null),
    ]);
    let made = server.data(costs, json!({ "input": { "items": items } })).await["it"].take();
    assert_eq!(made["userErrors"], json!([]), "{made}");
    told(server).await;
    [ann, bob]
}

fn some_days(days: &Value) -> Vec<(&str, i64)> {
    let days = days.as_array().expect("a list").iter();
    days.map(|one| {
        (
            one["day"].as_str().expect("a day"),
            one["count"].as_i64().expect("a number"),
        )
    })
    .filter(|(_, count)| *count > 0)
    .collect()
}

on_both! {
    async fn engagements_are_told_by_type_channel_and_day(database: &Database) {
        let server = server(database).await;
        let [ann, bob] = scene(&server).await;
        let asked = json!({ "range": march(), "previous": true, "byDay": true, "top": 5 });
        let found = server.data(ENGAGEMENTS, asked).await["it"].take();
        let current = &found["current"];
        assert_eq!((&current["total"], &found["isComplete"]), (&json!(3), &json!(true)), "{found}");
        assert_eq!(current["types"], json!([
            { "type": "EMAIL_CLICKED", "count": 1 }, { "type": "FORM_SUBMITTED", "count": 1 }, { "type": "PAGE_VIEWED", "count": 1 },
        ]), "{found}");
        let by_channel = current["channels"].as_array().unwrap();
        assert_eq!(by_channel.iter().map(|one| one["count"].as_i64().unwrap()).sum::<i64>(), 3);
        assert_eq!(current["revenue"], json!([{ "amount": "12.50", "currencyCode": "EUR" }]));
        assert_eq!(current["days"].as_array().unwrap().len(), 31);
        assert_eq!(some_days(&current["days"]), [("2026-03-03", 1), ("2026-03-04", 1), ("2026-03-31", 1)]);
        assert_eq!(current["topLeads"], json!([
            { "leadId": ann, "engagements": 2, "lead": { "email": "ann@example.com" } },
            { "leadId": bob, "engagements": 1, "lead": { "email": "bob@example.com" } },
        ]));
        assert_eq!((&found["previousRange"]["from"], &found["previous"]["total"]), (&json!("2026-01-29"), &json!(1)));
        // In Kathmandu, 5:45 ahead, the click was a day later, and Bob's form in April.
        let asked = json!({ "range": march(), "byDay": true, "zone": "Asia/Kathmandu" });
        let there = server.data(ENGAGEMENTS, asked).await["it"]["current"].take();
        assert_eq!((&there["total"], &there["topLeads"]), (&json!(2), &json!([])), "{there}");
        assert_eq!(some_days(&there["days"]), [("2026-03-03", 1), ("2026-03-05", 1)]);
        // Of some leads it is read from what they did.
        let filter = json!({ "source": { "eq": "ads" } });
        let asked = json!({ "range": march(), "byDay": true, "zone": "Asia/Kathmandu", "filter": filter, "top": 1 });
        let answer = server.graphql(ENGAGEMENTS, asked).await;
        let some = &answer["data"]["it"]["current"];
        assert_eq!((&some["total"], &some["types"], &some["days"]), (&there["total"], &there["types"], &there["days"]));
        assert_eq!(some["topLeads"][0]["leadId"], ann);
        assert_eq!(answer["extensions"]["reads"][0]["field"], "engagementReport", "{answer}");
        // Long ago clocks were odd: 7:53:58 behind in Los Angeles.
        let long_ago = json!({ "range": { "from": "1880-01-01", "to": "1880-01-02" }, "byDay": true, "zone": "America/Los_Angeles" });
        let nothing = server.data(ENGAGEMENTS, long_ago).await["it"]["current"].take();
        assert_eq!((&nothing["total"], nothing["days"].as_array().unwrap().len()), (&json!(0), 2));
    }

    async fn revenue_stands_beside_costs(database: &Database) {
        let server = server(database).await;
        scene(&server).await;
        let asked = json!({ "range": march(), "previous": true, "byDay": true });
        let found = server.data(REVENUE, asked).await["it"].take();
        let current = &found["current"];
        assert_eq!((&current["conversions"], &current["revenue"]["amount"], &current["cost"]["amount"]), (&json!(2), &json!("100.01"), &json!("45.01")), "{found}");
        let roi = current["roi"].as_f64().unwrap();
        assert!((roi - 55.0 / 45.01).abs() < 1e-12, "{roi}");
        assert_eq!(current["kinds"], json!([
            { "kind": "CUSTOMER", "conversions": 1, "revenue": { "amount": "0.00" }, "unvalued": 0 },
            { "kind": "PURCHASE", "conversions": 1, "revenue": { "amount": "100.01" }, "unvalued": 0 },
        ]));
        let sources = current["sources"].as_array().unwrap();
        assert_eq!((&sources[0]["source"], &sources[0]["conversions"], &sources[0]["cost"]["amount"]), (&json!("ads"), &json!(2), &json!("40.01")), "{found}");
        assert_eq!((&sources[1]["source"], &sources[1]["revenue"]["amount"], &sources[1]["roi"]), (&Value::Null, &json!("0.00"), &json!(-1.0)));
        let campaigns = current["campaigns"].as_array().unwrap();
        let told: Vec<_> = campaigns.iter().map(|one| (one["campaign"].as_str().unwrap(), one["revenue"]["amount"].as_str().unwrap(), one["cost"]["amount"].as_str().unwrap())).collect();
        assert_eq!(told, [("spring", "100.01", "20.00"), ("autumn", "0.00", "20.01")]);
        assert_eq!(campaigns[0]["conversions"], 2.0);
        assert_eq!(current["costs"], json!([{ "kind": "AD_SPEND", "amount": { "amount": "40.01" }, "unvalued": 0 }, { "kind": "AI", "amount": { "amount": "5.00" }, "unvalued": 0 }]));
        let day = |days: &Value, day: &str| days.as_array().unwrap().iter().find(|one| one["day"] == day).unwrap().clone();
        assert_eq!(day(&current["days"], "2026-03-04"), json!({ "day": "2026-03-04", "conversions": 2, "revenue": { "amount": "100.01" }, "cost": { "amount": "0.00" } }));
        assert_eq!(day(&current["days"], "2026-03-31")["cost"]["amount"], "5.00");
        assert_eq!(found["previous"], json!({ "conversions": 1, "revenue": { "amount": "20.00" }, "cost": { "amount": "7.00" }, "campaigns": [] }));
        let after = json!({ "range": { "from": "2026-04-01", "to": "2026-05-01" }, "previous": true });
        let after = server.data(REVENUE, after).await["it"].take();
        assert_eq!((&after["current"]["campaigns"], &after["previous"]["campaigns"][0]), (&json!([]), &json!({ "campaign": "spring", "revenue": { "amount": "100.01" } })));
        // The first touch is no campaign's: nothing is left for one.
        let first = json!({ "range": march(), "model": "FIRST_TOUCH" });
        let first = server.data(REVENUE, first).await["it"]["current"]["campaigns"].take();
        assert!(first.as_array().unwrap().iter().all(|one| one["revenue"]["amount"] == "0.00"), "{first}");
        // In Berlin it was the day after.
        let berlin = json!({ "range": march(), "zone": "Europe/Berlin", "byDay": true });
        let berlin = server.data(REVENUE, berlin).await["it"]["current"].take();
        assert_eq!(day(&berlin["days"], "2026-03-05")["conversions"], 2);
        // Of some leads: no costs.
        let filter = json!({ "source": { "eq": "ads" } });
        let answer = server.graphql(REVENUE, json!({ "range": march(), "zone": "Europe/Berlin", "byDay": true, "filter": filter })).await;
        let some = &answer["data"]["it"]["current"];
        assert_eq!((&some["conversions"], &some["revenue"], &some["kinds"]), (&json!(2), &berlin["revenue"], &berlin["kinds"]), "{answer}");
        assert_eq!((&some["cost"], &some["costs"], &some["roi"]), (&Value::Null, &Value::Null, &Value::Null));
        assert_eq!(some["campaigns"], json!([{ "campaign": "spring", "conversions": 2.0, "revenue": { "amount": "100.01" }, "cost": null, "roi": null }]));
        assert_eq!(day(&some["days"], "2026-03-05"), json!({ "day": "2026-03-05", "conversions": 2, "revenue": { "amount": "100.01" }, "cost": null }));
        assert_eq!(answer["extensions"]["reads"][0]["field"], "revenueReport");
        let filter = json!({ "not": { "source": { "eq": "ads" } } });
        let others = server.data(REVENUE, json!({ "range": march(), "filter": filter, "previous": true })).await["it"].take();
        assert_eq!((&others["current"]["campaigns"], &others["previous"]["revenue"]["amount"]), (&json!([]), &json!("20.00")));
    }

    async fn many_reports_at_once_do_not_wait_for_each_other(database: &Database) {
        // Two that read.
        let setup = Setup::default().at("2026-04-10T12:00:00Z").setting("database_max_connections", "4");
        let server = Server::start(database, setup).await;
        let each = [
            "funnelReport(range: $range, previous: true) { current { leads } }",
            "leadQualityReport(range: $range, byDay: true) { current { leads } }",
            "journeyReport(range: $range, atRisk: 5) { current { leads } }",
            "cohortReport(range: $range, previous: true) { current { cohorts { leads } } }",
            "sourceReport(range: $range) { current { total { leads } } }",
            "engagementReport(range: $range, byDay: true, topLeads: 5) { current { total } }",
            "revenueReport(range: $range, byDay: true) { current { conversions } }",
            "revenueForecast { total { deals } }",
            "attributionSummary(range: { from: \"2026-03-01\", to: \"2026-03-31\" }, model: MARKOV, by: CHANNEL, previous: true) { current { model } }",
            "attributionCompare(range: $range, previous: true) { current { journeys { lost } } }",
            "journeysOverview { leads }",
        ];
        let mut fields = String::new();
        for n in 0..2 {
            for (place, field) in each.iter().enumerate() {
                fields.push_str(&format!("f{n}_{place}: {field}\n"));
            }
        }
        let query = format!("query ($range: ReportRangeInput!) {{ {fields} }}");
        let told = server.data(&query, json!({ "range": march() })).await;
        assert_eq!(told.as_object().unwrap().len(), 22);
    }

    async fn what_cannot_be_told_of_days_is_refused(server: &Server) {
        for (query, more, said) in [
            (ENGAGEMENTS, json!({ "top": 51 }), "at most 50 leads are named"),
            (ENGAGEMENTS, json!({ "top": -1 }), "`topLeads` is 0 or more"),
            (ENGAGEMENTS, json!({ "range": { "lastDays": 367 }, "byDay": true }), "at most 366 days"),
            (REVENUE, json!({ "range": { "lastDays": 367 }, "byDay": true }), "at most 366 days"),
            (REVENUE, json!({ "range": { "from": "2026-03-02", "to": "2026-03-01" } }), "before it begins"),
        ] {
            let mut variables = json!({ "range": march() });
            for (name, value) in more.as_object().unwrap() {
                variables[name] = value.clone();
            }
            let answer = server.graphql(query, variables).await;
            assert_eq!(code(&answer), "BAD_USER_INPUT", "{answer}");
            let message = answer["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains(said), "{message}");
        }
        for (scope, query, field) in [("engagement:read", ENGAGEMENTS, "engagementReport"), ("revenue:read", REVENUE, "revenueReport")] {
            let token = server.token(&[scope, "leads:read"]).await;
            server.data_as(&token, query, json!({ "range": march(), "filter": { "source": { "eq": "ads" } } })).await;
            let other = server.token(&["leads:read"]).await;
            let refused = server.graphql_as(Some(&other), query, json!({ "range": march() })).await;
            assert_eq!(unknown_field(&refused), field);
        }
        // Who leads are is told by who may read leads.
        let token = server.token(&["engagement:read"]).await;
        let query = "query ($top: Int) { it: engagementReport(range: { lastDays: 7 }, topLeads: $top) { current { total } } }";
        server.data_as(&token, query, json!({})).await;
        let refused = server.graphql_as(Some(&token), query, json!({ "top": 1 })).await;
        assert_eq!(code(&refused), "FORBIDDEN", "{refused}");
    }
}
