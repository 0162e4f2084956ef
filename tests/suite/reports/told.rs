//! What reports say, by hand.

use serde_json::{Value, json};

use super::{converted, engage, lead, moved, told};
use crate::support::{Database, Server, Setup, code, unknown_field};

const FUNNEL: &str = "query ($range: ReportRangeInput!, $zone: TimeZone, $filter: LeadFilter, $previous: Boolean) {
    it: funnelReport(range: $range, timeZone: $zone, filter: $filter, previous: $previous) {
        range { from to timeZone } asOf isComplete previousRange { from to }
        current { leads lost churned stages { stage reached fromPrevious fromFirst dropped dropOff standing stays meanDays medianDays } }
        previous { leads stages { reached } } } }";
const QUALITY: &str = "query ($range: ReportRangeInput!, $zone: TimeZone, $filter: LeadFilter, $byDay: Boolean) {
    it: leadQualityReport(range: $range, timeZone: $zone, filter: $filter, byDay: $byDay) { current {
        leads scored meanScore grades { grade leads } temperatures { temperature leads } histogram { from to leads } days { day leads scored meanScore } } } }";
const COHORTS: &str = "query ($range: ReportRangeInput!, $zone: TimeZone, $filter: LeadFilter, $by: CohortPeriod) {
    it: cohortReport(range: $range, timeZone: $zone, filter: $filter, by: $by) { current { cohorts {
        from to leads customers conversionRate revenue { amount currencyCode } revenuePerLead { amount } lifetimeValue { amount } activity { period leads share } } } } }";
const SOURCES: &str = "query ($range: ReportRangeInput!, $zone: TimeZone, $filter: LeadFilter, $previous: Boolean) {
    it: sourceReport(range: $range, timeZone: $zone, filter: $filter, previous: $previous) { current {
        sources { source leads qualified customers conversionRate meanScore revenue { amount } cost { amount } roi costPerLead { amount } costPerCustomer { amount } unvaluedCosts }
        total { source leads customers revenue { amount } cost { amount } roi } } previous { total { leads cost { amount } } } } }";

const HEALTH: &str = "query ($range: ReportRangeInput!, $zone: TimeZone, $filter: LeadFilter, $atRisk: Int) {
    it: journeyReport(range: $range, timeZone: $zone, filter: $filter, atRisk: $atRisk) { current {
        leads trends { trend leads } churnRisk { from to leads } highRisk highRiskShare journeys meanDurationDays customers
        revenue { amount } lifetimeValue { amount } atRisk { leadId revenue { amount } lead { email } } } } }";

fn march() -> Value {
    json!({ "from": "2026-03-01", "to": "2026-03-31" })
}

async fn server(database: &Database) -> Server {
    Server::start(database, Setup::default().at("2026-02-01T00:00:00Z")).await
}

/// One of February; of March: one who bought, one who is lost, one without a source; and one of the last hour of March in UTC.
pub(super) async fn scene(server: &Server) -> [Value; 5] {
    let old = lead(server, "2026-02-10T12:00:00Z", "old@example.com", Some("fair")).await;
    let ann = lead(server, "2026-03-02T08:00:00Z", "ann@example.com", Some("ads")).await;
    let bob = lead(server, "2026-03-02T20:00:00Z", "bob@example.com", Some("ads")).await;
    let cyd = lead(server, "2026-03-20T12:00:00Z", "cyd@example.com", None).await;
    let dan = lead(server, "2026-03-31T23:30:00Z", "dan@example.com", Some("ads")).await;
    moved(server, &ann, "2026-04-01T08:00:00Z", "QUALIFIED").await;
    moved(server, &bob, "2026-04-02T20:00:00Z", "LOST").await;
    server.set_time("2026-04-10T12:00:00Z");
    engage(server, &ann, "2026-03-03T12:00:00Z", "PAGE_VIEWED").await;
    engage(server, &ann, "2026-04-03T12:00:00Z", "EMAIL_CLICKED").await;
    engage(server, &cyd, "2026-04-03T12:00:00Z", "PAGE_VIEWED").await;
    engage(server, &old, "2026-04-03T12:00:00Z", "PAGE_VIEWED").await;
    converted(server, &ann, "2026-04-05T08:00:00Z", "PURCHASE", Some("100.01")).await;
    let costs = "mutation ($input: CostsRecordInput!) { it: costsRecord(input: $input) { results { userErrors { message } } userErrors { code } } }";
    let cost = |day: &str, amount: &str, source: Value| json!({ "kind": "AD_SPEND", "day": day, "amount": { "amount": amount, "currencyCode": "EUR" }, "source": source });
    let items = json!([
        cost("2026-03-05", "20", json!("ads")),
        cost("2026-03-06", "20.01", json!("ads")),
        cost("2026-03-31", "5", Value::Null),
        cost("2026-02-05", "7", json!("fair")),
    ]);
    let made = server.data(costs, json!({ "input": { "items": items } })).await["it"].take();
    assert!(
        made["results"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|one| one["userErrors"] == json!([])),
        "{made}"
    );
    told(server).await;
    [old, ann, bob, cyd, dan]
}

fn stage<'a>(funnel: &'a Value, stage: &str) -> &'a Value {
    let stages = funnel["stages"].as_array().expect("a list");
    stages
        .iter()
        .find(|one| one["stage"] == stage)
        .expect("it is there")
}

on_both! {
    async fn a_funnel_says_how_far_leads_got(database: &Database) {
        let server = server(database).await;
        scene(&server).await;
        let found = server.data(FUNNEL, json!({ "range": march(), "previous": true })).await["it"].take();
        assert_eq!(found["range"], json!({ "from": "2026-03-01", "to": "2026-03-31", "timeZone": "UTC" }));
        assert_eq!((&found["isComplete"], &found["asOf"]), (&json!(true), &json!("2026-04-10T12:00:00Z")), "{found}");
        let funnel = &found["current"];
        assert_eq!((&funnel["leads"], &funnel["lost"], &funnel["churned"]), (&json!(4), &json!(1), &json!(0)), "{funnel}");
        let new = stage(funnel, "NEW");
        // Ann stayed for 30 days, Bob for 31; of those who are still there nothing is told.
        assert_eq!((&new["reached"], &new["dropped"], &new["dropOff"], &new["standing"]), (&json!(4), &json!(3), &json!(0.75), &json!(2)));
        assert_eq!((&new["stays"], &new["meanDays"]), (&json!(2), &json!(30.5)));
        let median = new["medianDays"].as_f64().unwrap();
        assert!((26.0..35.0).contains(&median), "{median}");
        let customer = stage(funnel, "CUSTOMER");
        assert_eq!((&customer["reached"], &customer["fromFirst"], &customer["fromPrevious"], &customer["standing"]), (&json!(1), &json!(0.25), &json!(1.0), &json!(1)));
        assert_eq!((&stage(funnel, "QUALIFIED")["reached"], &stage(funnel, "QUALIFIED")["meanDays"]), (&json!(1), &json!(4.0)));
        assert_eq!(found["previousRange"], json!({ "from": "2026-01-29", "to": "2026-02-28" }));
        assert_eq!((&found["previous"]["leads"], &found["previous"]["stages"][0]["reached"]), (&json!(1), &json!(1)));
        // In Berlin Dan became known in April.
        let berlin = server.data(FUNNEL, json!({ "range": march(), "zone": "Europe/Berlin" })).await["it"].take();
        assert_eq!((&berlin["current"]["leads"], &berlin["previous"]), (&json!(3), &Value::Null));
        let april = json!({ "from": "2026-04-01", "to": "2026-04-01" });
        let berlin = server.data(FUNNEL, json!({ "range": april, "zone": "Europe/Berlin" })).await["it"].take();
        assert_eq!(berlin["current"]["leads"], 1);
        // 40 days up to today, the tenth of April.
        let last = server.data(FUNNEL, json!({ "range": { "lastDays": 40 } })).await["it"].take();
        assert_eq!((&last["range"]["from"], &last["current"]["leads"]), (&json!("2026-03-02"), &json!(4)));
    }

    async fn sources_say_what_they_bring_and_cost(database: &Database) {
        let server = server(database).await;
        scene(&server).await;
        let found = server.data(SOURCES, json!({ "range": march(), "previous": true })).await["it"].take();
        let sources = found["current"]["sources"].as_array().unwrap();
        let names: Vec<&Value> = sources.iter().map(|source| &source["source"]).collect();
        assert_eq!(names, [&json!("ads"), &Value::Null], "{found}");
        let ads = &sources[0];
        assert_eq!((&ads["leads"], &ads["qualified"], &ads["customers"]), (&json!(3), &json!(1), &json!(1)));
        assert_eq!((&ads["revenue"]["amount"], &ads["cost"]["amount"]), (&json!("100.01"), &json!("40.01")));
        assert_eq!((&ads["costPerLead"]["amount"], &ads["costPerCustomer"]["amount"]), (&json!("13.34"), &json!("40.01")));
        let roi = ads["roi"].as_f64().unwrap();
        assert!((roi - 60.0 / 40.01).abs() < 1e-12, "{roi}");
        assert!((ads["conversionRate"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-12);
        let unknown = &sources[1];
        assert_eq!((&unknown["leads"], &unknown["cost"]["amount"], &unknown["roi"]), (&json!(1), &json!("5.00"), &json!(-1.0)));
        let total = &found["current"]["total"];
        assert_eq!((&total["leads"], &total["customers"], &total["cost"]["amount"]), (&json!(4), &json!(1), &json!("45.01")));
        assert_eq!(found["previous"]["total"], json!({ "leads": 1, "cost": { "amount": "7.00" } }));
        // Of some of the leads of a source nobody knows what they cost.
        let some = json!({ "range": march(), "filter": { "source": { "eq": "ads" } } });
        let answer = server.graphql(SOURCES, some).await;
        let ads = &answer["data"]["it"]["current"]["sources"][0];
        assert_eq!((&ads["leads"], &ads["cost"], &ads["roi"], &ads["costPerLead"]), (&json!(3), &Value::Null, &Value::Null, &Value::Null));
        let reads = &answer["extensions"]["reads"][0];
        assert_eq!((&reads["field"], &reads["from"]), (&json!("sourceReport"), &json!("LEADS")), "{answer}");
    }

    async fn cohorts_say_who_came_again(database: &Database) {
        let server = server(database).await;
        scene(&server).await;
        let range = json!({ "from": "2026-02-01", "to": "2026-04-10" });
        let found = server.data(COHORTS, json!({ "range": range })).await["it"]["current"]["cohorts"].take();
        let cohorts = found.as_array().unwrap();
        let brief: Vec<(&Value, &Value, &Value)> = cohorts.iter().map(|one| (&one["from"], &one["to"], &one["leads"])).collect();
        assert_eq!(
            brief,
            [
                (&json!("2026-02-01"), &json!("2026-02-28"), &json!(1)),
                (&json!("2026-03-01"), &json!("2026-03-31"), &json!(4)),
                (&json!("2026-04-01"), &json!("2026-04-10"), &json!(0)),
            ]
        );
        let march = &cohorts[1];
        assert_eq!((&march["customers"], &march["conversionRate"]), (&json!(1), &json!(0.25)));
        assert_eq!(march["revenue"], json!({ "amount": "100.01", "currencyCode": "EUR" }));
        assert_eq!((&march["revenuePerLead"]["amount"], &march["lifetimeValue"]["amount"]), (&json!("25.00"), &json!("100.01")));
        assert_eq!(
            march["activity"],
            json!([{ "period": 0, "leads": 1, "share": 0.25 }, { "period": 1, "leads": 2, "share": 0.5 }])
        );
        assert_eq!(cohorts[0]["activity"][2], json!({ "period": 2, "leads": 1, "share": 1.0 }));
        assert_eq!(cohorts[2]["lifetimeValue"], Value::Null);
        let weeks = server.data(COHORTS, json!({ "range": range, "by": "WEEK", "zone": "Europe/Berlin" })).await["it"]["current"]["cohorts"].take();
        let weeks: Vec<(&str, i64)> =
            weeks.as_array().unwrap().iter().map(|one| (one["from"].as_str().unwrap(), one["leads"].as_i64().unwrap())).filter(|(_, leads)| *leads > 0).collect();
        // In Berlin Dan became known on Wednesday, in the same week.
        assert_eq!(weeks, [("2026-02-09", 1), ("2026-03-02", 2), ("2026-03-16", 1), ("2026-03-30", 1)]);
    }

    async fn quality_follows_decay(database: &Database) {
        let server = server(database).await;
        let [_, ann, ..] = scene(&server).await;
        let score = "query ($id: ID!) { lead(id: $id) { score { current grade temperature } } }";
        let ask = async |more: Value| {
            let mut variables = json!({ "range": march() });
            for (name, value) in more.as_object().unwrap() {
                variables[name] = value.clone();
            }
            server.data(QUALITY, variables).await["it"]["current"].take()
        };
        let all = json!({ "filter": { "createdAt": { "gte": "2000-01-01T00:00:00Z" } } });
        for day in ["2026-04-10T12:00:00Z", "2026-05-20T12:00:00Z", "2026-09-01T12:00:00Z"] {
            server.set_time(day);
            told(&server).await;
            let found = ask(json!({})).await;
            assert_eq!((&found["leads"], &found["scored"]), (&json!(4), &json!(4)), "{found}");
            let sum = |of: &str| found[of].as_array().unwrap().iter().map(|one| one["leads"].as_i64().unwrap()).sum::<i64>();
            assert_eq!((sum("grades"), sum("temperatures"), sum("histogram")), (4, 4, 4));
            // What each lead says of itself.
            let leads = "{ leads(first: 9) { nodes { id createdAt score { current grade } } } }";
            let leads = server.data(leads, json!({})).await["leads"]["nodes"].take();
            let scores: Vec<&Value> = leads
                .as_array()
                .unwrap()
                .iter()
                .filter(|lead| lead["createdAt"].as_str().unwrap().starts_with("2026-03"))
                .map(|lead| &lead["score"])
                .collect();
            let mean = scores.iter().map(|score| score["current"].as_f64().unwrap()).sum::<f64>() / 4.0;
            assert!((found["meanScore"].as_f64().unwrap() - mean).abs() < 0.01, "{found} {mean}");
            for grade in found["grades"].as_array().unwrap() {
                let own = scores.iter().filter(|score| score["grade"] == grade["grade"]).count();
                assert_eq!(grade["leads"], own, "{grade}");
            }
            // Read lead by lead it is the same.
            assert_eq!(ask(all.clone()).await, found);
        }
        let one = server.data(score, json!({ "id": ann })).await["lead"]["score"].take();
        assert!(one["current"].as_f64().is_some(), "{one}");
        let days = ask(json!({ "byDay": true, "zone": "Asia/Kathmandu" })).await["days"].take();
        let days: Vec<(&str, i64)> =
            days.as_array().unwrap().iter().map(|one| (one["day"].as_str().unwrap(), one["leads"].as_i64().unwrap())).collect();
        assert_eq!(days.len(), 31);
        let some: Vec<_> = days.into_iter().filter(|(_, leads)| *leads > 0).collect();
        // Bob became known on the third there, and Dan in April.
        assert_eq!(some, [("2026-03-02", 1), ("2026-03-03", 1), ("2026-03-20", 1)]);
    }

    async fn journeys_go_as_each_of_them_goes(database: &Database) {
        let server = server(database).await;
        let [_, ann, ..] = scene(&server).await;
        let each = "{ leads(first: 9) { nodes { id createdAt journey { trend churnRisk highRisk durationSeconds engagements } } } }";
        let all = json!({ "filter": { "createdAt": { "gte": "2000-01-01T00:00:00Z" } } });
        let mut seen = 0;
        for day in ["2026-04-10T12:00:00Z", "2026-05-03T12:00:00Z", "2026-05-08T13:30:00Z", "2026-08-01T12:00:00Z"] {
            server.set_time(day);
            told(&server).await;
            let asked = json!({ "range": march(), "atRisk": 3 });
            let found = server.data(HEALTH, asked.clone()).await["it"]["current"].take();
            let leads = server.data(each, json!({})).await["leads"]["nodes"].take();
            let journeys: Vec<&Value> = leads.as_array().unwrap().iter().filter(|lead| lead["createdAt"].as_str().unwrap().starts_with("2026-03")).map(|lead| &lead["journey"]).collect();
            assert_eq!((&found["leads"], journeys.len()), (&json!(4), 4));
            for trend in found["trends"].as_array().unwrap() {
                let own = journeys.iter().filter(|journey| journey["trend"] == trend["trend"]).count();
                assert_eq!(trend["leads"], own, "{day} {trend} {found}");
            }
            for bin in found["churnRisk"].as_array().unwrap() {
                let (from, to) = (bin["from"].as_f64().unwrap(), bin["to"].as_f64().unwrap());
                let within = |risk: f64| risk >= from && (risk < to || to == 1.0);
                let own = journeys.iter().filter(|journey| within(journey["churnRisk"].as_f64().unwrap())).count();
                assert_eq!(bin["leads"], own, "{day} {bin} {found}");
            }
            let own = journeys.iter().filter(|journey| journey["highRisk"] == true).count();
            assert_eq!(found["highRisk"], own, "{day} {found}");
            assert!(own >= seen, "{day} {own}");
            seen = own;
            assert_eq!(found["atRisk"].as_array().unwrap().len(), own.min(3));
            // Ann took a month for two, Cyd no time for one; nobody else did anything.
            assert_eq!((&found["journeys"], &found["meanDurationDays"]), (&json!(2), &json!(15.5)));
            assert_eq!((&found["customers"], &found["lifetimeValue"]["amount"]), (&json!(1), &json!("100.01")));
            if own == 4 {
                assert_eq!(found["atRisk"][0], json!({ "leadId": ann, "revenue": { "amount": "100.01" }, "lead": { "email": "ann@example.com" } }));
            }
            // Read lead by lead it is the same.
            let mut some = all.clone();
            some["range"] = march();
            some["atRisk"] = json!(3);
            assert_eq!(server.data(HEALTH, some).await["it"]["current"], found, "{day}");
        }
        assert_eq!(seen, 4);
        for wrong in [51, -1] {
            let answer = server.graphql(HEALTH, json!({ "range": march(), "atRisk": wrong })).await;
            assert_eq!(code(&answer), "BAD_USER_INPUT", "{answer}");
        }
    }

    async fn what_cannot_be_told_is_refused(server: &Server) {
        let ask = async |query: &str, more: Value| {
            let mut variables = json!({ "range": march() });
            for (name, value) in more.as_object().unwrap() {
                variables[name] = value.clone();
            }
            server.graphql(query, variables).await
        };
        for (query, more, said) in [
            (FUNNEL, json!({ "range": { "from": "2026-03-02", "to": "2026-03-01" } }), "ends (2026-03-01) before it begins (2026-03-02)"),
            (FUNNEL, json!({ "range": { "lastDays": 0 } }), "`lastDays` is 1 or more"),
            (FUNNEL, json!({ "range": { "lastDays": 4000 } }), "at most 3660 days"),
            (FUNNEL, json!({ "range": { "lastDays": 7, "from": "2026-03-01" } }), "either `lastDays`, or `from` and `to`"),
            (FUNNEL, json!({ "range": {} }), "either `lastDays`, or `from` and `to`"),
            (SOURCES, json!({ "zone": "Mars/Olympus" }), "`Mars/Olympus` is not a time zone"),
            (QUALITY, json!({ "range": { "lastDays": 367 }, "byDay": true }), "at most 366 days"),
            (COHORTS, json!({ "range": { "lastDays": 1000 }, "by": "WEEK" }), "at most 120"),
            (FUNNEL, json!({ "filter": { "custom": [{ "key": "nothing", "boolean": true }] } }), "nothing"),
        ] {
            let answer = ask(query, more).await;
            assert_eq!(code(&answer), "BAD_USER_INPUT", "{answer}");
            let message = answer["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains(said), "{message}");
        }
        // Nobody: all is nothing, and nothing is divided by it.
        let empty = ask(FUNNEL, json!({})).await["data"]["it"].take();
        assert_eq!((&empty["current"]["leads"], &empty["current"]["stages"][1]["fromPrevious"]), (&json!(0), &Value::Null));
        let empty = ask(SOURCES, json!({})).await["data"]["it"]["current"].take();
        assert_eq!((&empty["sources"], &empty["total"]["roi"]), (&json!([]), &Value::Null));
    }

    async fn who_may_not_is_told_nothing(server: &Server) {
        for (scope, query, field) in [
            ("lifecycle:read", FUNNEL, "funnelReport"),
            ("scoring:read", QUALITY, "leadQualityReport"),
            ("journeys:read", HEALTH, "journeyReport"),
            ("revenue:read", COHORTS, "cohortReport"),
            ("revenue:read", SOURCES, "sourceReport"),
        ] {
            let token = server.token(&[scope]).await;
            server.data_as(&token, query, json!({ "range": march() })).await;
            // A filter says what leads are.
            let filter = json!({ "range": march(), "filter": { "source": { "eq": "ads" } } });
            let refused = server.graphql_as(Some(&token), query, filter).await;
            assert_eq!(code(&refused), "FORBIDDEN", "{refused}");
            let other = server.token(&["leads:read"]).await;
            let refused = server.graphql_as(Some(&other), query, json!({ "range": march() })).await;
            assert_eq!(unknown_field(&refused), field);
        }
    }
}
