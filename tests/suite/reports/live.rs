//! Reports that are told again when they change.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{converted, lead, told};
use crate::support::{Feed, Server, code};

const DASHBOARD: &str = "subscription ($range: ReportRangeInput!) { it: dashboardUpdated {
    funnelReport(range: $range) { current { leads } } sourceReport(range: $range) { current { total { leads } sources { source leads } } }
    engagementReport(range: $range) { current { total } } revenueReport(range: $range) { current { revenue { amount } } }
    revenueForecast { total { deals } } attributionSummary(range: $range, model: LINEAR, by: CHANNEL, previous: true) { current { model } }
    some: attributionCompare(range: $range, filter: { source: { eq: \"ads\" } }) { current { totals { conversions } } } } }";

fn leads(told: &Value) -> i64 {
    told["it"]["funnelReport"]["current"]["leads"]
        .as_i64()
        .expect("a number")
}

/// What is told until there are so many leads.
async fn until_leads(feed: &mut Feed, wanted: i64) -> Vec<i64> {
    let mut told = Vec::new();
    while told.last() != Some(&wanted) {
        told.push(leads(&feed.data().await));
    }
    told
}

on_both! {
    async fn a_dashboard_says_how_things_are_and_then_each_change(server: &Server) {
        server.set_time("2026-03-10T12:00:00Z");
        let range = json!({ "range": { "lastDays": 30 } });
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe(DASHBOARD, range.clone()).await;
        let first = feed.data().await;
        assert_eq!((leads(&first), &first["it"]["engagementReport"]["current"]["total"]), (0, &json!(0)), "{first}");
        lead(server, "2026-03-10T12:00:00Z", "ann@example.com", Some("ads")).await;
        until_leads(&mut feed, 1).await;
        // Who comes later is told at once how it is.
        told(server).await;
        let mut later = server.socket(server.admin()).await;
        let mut late = later.subscribe(DASHBOARD, range.clone()).await;
        let asked = Instant::now();
        let first = late.data().await;
        assert_eq!(first["it"]["sourceReport"]["current"]["sources"], json!([{ "source": "ads", "leads": 1 }]));
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        // A lot at once is told at most twice a second.
        let begun = Instant::now();
        for n in 0..40 {
            lead(server, "2026-03-10T12:00:00Z", &format!("lead{n}@example.com"), None).await;
        }
        let said = until_leads(&mut feed, 41).await;
        let most = begun.elapsed().as_millis() / 500 + 2;
        assert!(said.len() as u128 <= most, "{said:?} in {:?}", begun.elapsed());
        assert!(said.is_sorted(), "{said:?}");
        assert_eq!(until_leads(&mut late, 41).await.last(), Some(&41));
        // What changes no report is not told: the next that is said is said of the next lead.
        told(server).await;
        let plain = "subscription { it: dashboardUpdated { funnelReport(range: { lastDays: 30 }) { current { leads } } } }";
        let mut plain = socket.subscribe(plain, json!({})).await;
        assert_eq!(leads(&plain.data().await), 41);
        let field = "mutation { customFieldCreate(input: { key: \"size\", label: \"Size\", type: TEXT }) { userErrors { message } } }";
        server.data(field, json!({})).await;
        told(server).await;
        lead(server, "2026-03-10T12:00:00Z", "last@example.com", None).await;
        assert_eq!(until_leads(&mut plain, 42).await, [42]);
    }

    async fn attribution_of_some_leads_is_told_again_as_well(server: &Server) {
        let ann = lead(server, "2026-03-02T12:00:00Z", "ann@example.com", Some("ads")).await;
        let bob = lead(server, "2026-03-02T12:00:00Z", "bob@example.com", None).await;
        let query = "subscription { it: dashboardUpdated {
            attributionSummary(range: { from: \"2026-03-01\", to: \"2026-03-31\" }, filter: { source: { eq: \"ads\" } }, model: LINEAR, by: CHANNEL) { current { totals { value { amount } } } }
            attributionCompare(range: { from: \"2026-03-01\", to: \"2026-03-31\" }, filter: { source: { eq: \"ads\" } }) { current { totals { value { amount } } } } } }";
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe(query, json!({})).await;
        let both = |totals: Value| {
            let part = json!({ "current": { "totals": totals } });
            json!({ "it": { "attributionSummary": part, "attributionCompare": part } })
        };
        assert_eq!(feed.data().await, both(json!([])));
        converted(server, &bob, "2026-03-04T12:00:00Z", "PURCHASE", Some("9")).await;
        converted(server, &ann, "2026-03-04T12:00:00Z", "PURCHASE", Some("100")).await;
        let mut last = Value::Null;
        while last != both(json!([{ "value": { "amount": "100.00" } }])) {
            last = feed.data().await;
        }
    }

    async fn a_dashboard_costs_the_same_for_many(server: &Server) {
        server.set_time("2026-03-10T12:00:00Z");
        let range = json!({ "range": { "lastDays": 30 } });
        let query = "subscription ($range: ReportRangeInput!) { it: dashboardUpdated { funnelReport(range: $range) { asOf current { leads } } } }";
        let mut sockets = Vec::new();
        let mut feeds = Vec::new();
        // What one, and then sixty of them, cost while four leads come, each when the one before is told.
        let mut costs = Vec::new();
        for watchers in [1, 60] {
            while feeds.len() < watchers {
                let mut socket = server.socket(server.admin()).await;
                feeds.push(socket.subscribe(query, range.clone()).await);
                sockets.push(socket);
                feeds.last_mut().expect("it is there").data().await;
            }
            told(server).await;
            let before = server.statements();
            let there: i64 = if watchers == 1 { 0 } else { 4 };
            for n in 1..=4 {
                lead(server, "2026-03-10T12:00:00Z", &format!("lead{watchers}of{n}@example.com"), None).await;
                until_leads(&mut feeds[0], there + n).await;
            }
            costs.push(server.statements() - before);
            for feed in &mut feeds[1..] {
                until_leads(feed, there + 4).await;
            }
        }
        // Sixty by themselves would ask for hundreds more.
        assert!(costs[1] < costs[0] + costs[0] / 2 + 60, "{costs:?}");
    }

    async fn a_dashboard_shows_what_its_watcher_may_see(server: &Server) {
        let token = server.token(&["lifecycle:read"]).await;
        let mut socket = server.socket(&token).await;
        let mut own = socket.subscribe("subscription { it: dashboardUpdated { funnelReport(range: { lastDays: 30 }) { current { leads } } } }", json!({})).await;
        assert_eq!(leads(&own.data().await), 0);
        let mut refused = socket.subscribe("subscription { dashboardUpdated { revenueReport(range: { lastDays: 30 }) { current { conversions } } } }", json!({})).await;
        let said = refused.next().await;
        let message = said["errors"][0]["message"].as_str().expect("it says why");
        assert!(message.contains("revenueReport"), "{said}");
        // What cannot be told is said in its place.
        let mut wrong = socket.subscribe("subscription { it: dashboardUpdated { funnelReport(range: { lastDays: 0 }) { current { leads } } } }", json!({})).await;
        let said = wrong.next().await;
        assert_eq!(code(&said), "BAD_USER_INPUT", "{said}");
        // Nor is anything read from all journeys twice a second.
        let mut socket = server.socket(server.admin()).await;
        for fields in [
            "attributionSummary(range: $range, model: MARKOV, by: CHANNEL, markovOrder: 2) { asOf }",
            "attributionSummary(range: $range, model: LINEAR, by: CHANNEL, asOf: \"2026-03-10T00:00:00Z\") { asOf }",
            "attributionCompare(range: $range, asOf: \"2026-03-10T00:00:00Z\") { asOf }",
        ] {
            let query = format!("subscription ($range: ReportRangeInput!) {{ dashboardUpdated {{ {fields} }} }}");
            let mut heavy = socket.subscribe(&query, json!({ "range": { "from": "2026-03-01", "to": "2026-03-31" } })).await;
            let said = heavy.next().await;
            assert_eq!(code(&said), "BAD_USER_INPUT", "{said}");
        }
    }
}
