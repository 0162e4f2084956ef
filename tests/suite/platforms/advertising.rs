//! What advertisements cost and brought, read by day.

use std::collections::BTreeMap;
use std::sync::Arc;

use entity::{Timestamp, ad_action, ad_result};
use integrations::platform::meta::Meta;
use integrations::sandbox::{Failure, Running, start};
use integrations::{Integration as _, ManualClock};
use sea_orm::{ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use super::{CREATE, connect, count, input, sync};
use crate::support::{Database, Server, Setup, code};

const NOON: &str = "2026-03-10T12:00:00Z";
const RESULTS: &str = "query ($from: Date!, $to: Date!, $by: AdGrouping!, $id: ID, $first: Int, $after: String, $last: Int) {
    adResults(filter: { from: $from, to: $to, connectionId: $id }, by: $by, first: $first, after: $after, last: $last) { nodes { day campaignId campaignName spend { amount currencyCode }
        impressions clicks actions { action count value { amount } } connection { name } } pageInfo { hasNextPage endCursor } } }";

/// A server and a platform whose clocks stand at the same moment.
async fn scene(database: &Database) -> (Server, Running) {
    let setup = Setup::default()
        .setting("platforms_private_networks", "true")
        .at(NOON);
    let server = Server::start(database, setup).await;
    let now = Timestamp::parse_rfc3339(NOON).expect("a moment").to_chrono();
    let clock = Arc::new(ManualClock::at(now));
    let sandbox = start(Meta::default().sandbox(clock.clone()), clock).await;
    (server, sandbox.expect("a port of loopback"))
}

async fn results(server: &Server, variables: Value) -> Value {
    server.data(RESULTS, variables).await["adResults"].take()
}

/// Cents.
fn cents(row: &Value) -> i64 {
    let amount = row["spend"]["amount"].as_str().expect("an amount");
    amount.replace('.', "").parse().expect("a number")
}

on_both! {
    async fn results_are_read_by_day_and_the_last_days_again(database: &Database) {
        let (server, sandbox) = scene(database).await;
        let id = connect(&server, "meta", "Ads", &sandbox).await;
        let only = json!({ "kinds": ["AD_RESULTS"] });
        // A reading that fails is no reading: the next one is the first again.
        sandbox.faults.on("/insights", Failure::Unauthorised, 1);
        let failed = sync(&server, &id, only.clone()).await;
        assert_eq!(failed["state"], "FAILED", "{failed}");
        let test = "mutation ($id: ID!) { connectionTest(input: { id: $id }) { ok } }";
        assert_eq!(server.data(test, json!({ "id": id })).await["connectionTest"]["ok"], true);
        let first = sync(&server, &id, only.clone()).await;
        // The platform has 61 days of twelve campaigns.
        assert_eq!(count(&first, "AD_RESULTS")["created"], 61 * 12, "{first}");
        let asked = sandbox.requests().into_iter().rev().find(|request| request.path.ends_with("/insights")).unwrap();
        assert_eq!(asked.param("time_range").unwrap(), "{\"since\":\"2025-12-10\",\"until\":\"2026-03-10\"}");
        let again = sync(&server, &id, only.clone()).await;
        assert_eq!(count(&again, "AD_RESULTS"), &json!({ "kind": "AD_RESULTS", "created": 0, "updated": 0, "unchanged": 29 * 12, "refused": 0 }), "{again}");
        // One of the last days has changed since, and one of before.
        let db = server.app().db().write();
        for day in ["2026-03-05", "2026-01-20"] {
            let day = entity::Day::parse(day).unwrap();
            let changed = ad_result::Entity::update_many().col_expr(ad_result::Column::Clicks, 1_000_000_i64.into())
                .filter(ad_result::Column::Day.eq(day)).filter(ad_result::Column::ExternalId.eq("12020000000000003"));
            assert_eq!(changed.exec(db).await.unwrap().rows_affected, 1);
            let gone = ad_action::Entity::delete_many().filter(ad_action::Column::Day.eq(day)).exec(db).await.unwrap();
            assert!(gone.rows_affected > 0);
        }
        let actions = ad_action::Entity::find().count(db).await.unwrap();
        let mended = sync(&server, &id, only.clone()).await;
        assert_eq!(count(&mended, "AD_RESULTS")["created"], 0, "{mended}");
        assert!(count(&mended, "AD_RESULTS")["updated"].as_i64().unwrap() >= 1, "{mended}");
        let now = ad_action::Entity::find().count(db).await.unwrap();
        assert!(now > actions, "what came of that day is back: {now} of {actions}");
        let clicks = async || {
            let found = results(&server, json!({ "from": "2026-01-20", "to": "2026-03-05", "by": "CAMPAIGN" })).await;
            found["nodes"].as_array().unwrap().iter().filter(|row| row["clicks"].as_i64().unwrap() > 900_000).count()
        };
        assert_eq!(clicks().await, 1, "the older day stays as it was read");
        let all = sync(&server, &id, json!({ "kinds": ["AD_RESULTS"], "full": true })).await;
        assert_eq!(count(&all, "AD_RESULTS")["created"], 0, "{all}");
        assert_eq!(clicks().await, 0);
        // What they cost is among the costs, as it is by now.
        let spent = "query ($after: String) { costs(first: 100, after: $after, filter: { kinds: [AD_SPEND], sources: [\"meta\"] }) {
            nodes { amount { amount } reportingAmount { amount } campaign } pageInfo { hasNextPage endCursor } } }";
        let (mut costs, mut sum, mut after) = (0, 0, Value::Null);
        loop {
            let page = server.data(spent, json!({ "after": after })).await["costs"].take();
            for cost in page["nodes"].as_array().unwrap() {
                assert_eq!(cost["amount"], cost["reportingAmount"]);
                assert!(cost["campaign"].as_str().unwrap().contains("campaign"), "{cost}");
                costs += 1;
                sum += cost["amount"]["amount"].as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
            }
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        let rows = ad_result::Entity::find().all(db).await.unwrap();
        assert_eq!((costs, sum), (rows.len(), rows.iter().map(|row| row.spend_minor).sum::<i64>()));
        // A month later nothing is left out.
        server.set_time("2026-04-20T12:00:00Z");
        sync(&server, &id, only).await;
        let asked = sandbox.requests().into_iter().rev().find(|request| request.path.ends_with("/insights")).unwrap();
        assert_eq!(asked.param("time_range").unwrap(), "{\"since\":\"2026-02-10\",\"until\":\"2026-04-20\"}");
    }

    async fn results_are_added_up_exactly(database: &Database) {
        let (server, sandbox) = scene(database).await;
        let id = connect(&server, "meta", "Ads", &sandbox).await;
        sync(&server, &id, json!({ "kinds": ["AD_RESULTS"] })).await;
        let range = |by: &str| json!({ "from": "2026-03-01", "to": "2026-03-07", "by": by, "id": id, "first": 100 });
        let each = results(&server, range("CAMPAIGN_DAY")).await["nodes"].take();
        let each = each.as_array().unwrap();
        assert_eq!(each.len(), 7 * 12);
        // Made up from the day of the year and the number of the campaign.
        let seed = |day: u64, number: u64| day * 31 + number * 7;
        let row = each.iter().find(|row| row["day"] == "2026-03-02" && row["campaignId"] == "12020000000000005").unwrap();
        let (seed, clicks) = (seed(61, 5), 10 + seed(61, 5) % 40);
        assert_eq!((&row["impressions"], &row["clicks"]), (&json!(500 + seed % 900), &json!(clicks)), "{row}");
        assert_eq!(row["spend"], json!({ "amount": format!("{}.{:02}", clicks * 2, seed % 100), "currencyCode": "EUR" }), "{row}");
        assert_eq!((&row["campaignName"], &row["connection"]["name"]), (&json!("Autumn campaign 5"), &json!("Ads")));
        let leads = seed % 4;
        let said = row["actions"].as_array().unwrap().iter().find(|action| action["action"] == "lead");
        match said {
            Some(said) => assert_eq!(said, &json!({ "action": "lead", "count": leads.to_string(), "value": { "amount": format!("{}.50", leads * 10) } })),
            None => assert_eq!(leads, 0),
        }
        let sum = |rows: &[Value], by: &str| {
            let mut sums: BTreeMap<String, (i64, i64, i64)> = BTreeMap::new();
            for row in rows {
                let leads = row["actions"].as_array().unwrap().iter().find(|action| action["action"] == "lead");
                let leads: i64 = leads.map_or(0, |leads| leads["count"].as_str().unwrap().parse().unwrap());
                let sum = sums.entry(row[by].as_str().unwrap().to_owned()).or_default();
                *sum = (sum.0 + cents(row), sum.1 + row["clicks"].as_i64().unwrap(), sum.2 + leads);
            }
            sums
        };
        for (by, field, rows) in [("DAY", "day", 7), ("CAMPAIGN", "campaignId", 12)] {
            let found = results(&server, range(by)).await["nodes"].take();
            let found = found.as_array().unwrap();
            assert_eq!(found.len(), rows, "{by}");
            assert_eq!(sum(found, field), sum(each, field), "{by}");
            assert!(found.iter().all(|row| row["actions"].as_array().unwrap().iter().any(|action| action["action"] == "link_click")), "{found:?}");
        }
        let days = results(&server, range("DAY")).await["nodes"].take();
        assert_eq!((&days[0]["day"], &days[0]["campaignId"], &days[0]["connection"]), (&json!("2026-03-07"), &Value::Null, &Value::Null), "the latest first");
    }

    async fn currencies_are_never_added_up_and_pages_lose_nothing(database: &Database) {
        let (server, sandbox) = scene(database).await;
        let (id, twin) = (connect(&server, "meta", "Ads", &sandbox).await, connect(&server, "meta", "Twin", &sandbox).await);
        for id in [&id, &twin] {
            sync(&server, id, json!({ "kinds": ["AD_RESULTS"] })).await;
        }
        let yen = ad_result::Entity::update_many().col_expr(ad_result::Column::Currency, "JPY".into())
            .filter(ad_result::Column::ConnectionId.eq(twin.parse::<entity::id::ConnectionId>().unwrap()));
        yen.exec(server.app().db().write()).await.unwrap();
        for (by, rows) in [("DAY", 14), ("CAMPAIGN", 24), ("CAMPAIGN_DAY", 168)] {
            let mut range = json!({ "from": "2026-03-01", "to": "2026-03-07", "by": by, "first": 5 });
            let mut read: Vec<Value> = Vec::new();
            loop {
                let page = results(&server, range.clone()).await;
                read.extend(page["nodes"].as_array().unwrap().iter().cloned());
                range["after"] = page["pageInfo"]["endCursor"].clone();
                if page["pageInfo"]["hasNextPage"] == false {
                    break;
                }
            }
            assert_eq!(read.len(), rows, "{by}");
            let once: std::collections::BTreeSet<String> = read.iter().map(|row| format!("{} {} {}", row["day"], row["campaignId"], row["spend"]["currencyCode"])).collect();
            assert_eq!(once.len(), rows, "{by}: none comes twice");
            let most = rows.min(100);
            let last = results(&server, json!({ "from": "2026-03-01", "to": "2026-03-07", "by": by, "last": most })).await;
            assert_eq!(last["nodes"].as_array().unwrap()[..], read[rows - most..], "{by}: from the end");
        }
        // What is asked of many rows costs what it costs for few.
        let range = |first: i64| json!({ "from": "2026-03-01", "to": "2026-03-07", "by": "CAMPAIGN_DAY", "first": first });
        server.costs_the_same(RESULTS, range(2), range(90)).await;
    }

    async fn what_cannot_be_asked_is_said(database: &Database) {
        let (server, sandbox) = scene(database).await;
        let id = connect(&server, "meta", "Ads", &sandbox).await;
        for (from, to) in [("2026-03-02", "2026-03-01"), ("2025-01-01", "2026-03-01")] {
            let refused = server.graphql(RESULTS, json!({ "from": from, "to": to, "by": "DAY" })).await;
            assert_eq!(code(&refused), "BAD_USER_INPUT", "{refused}");
        }
        let kinds = server.data("{ integrations { key syncKinds } }", json!({})).await["integrations"].take();
        let meta = kinds.as_array().unwrap().iter().find(|one| one["key"] == "meta").unwrap();
        assert_eq!(meta["syncKinds"], json!(["LEADS", "AD_RESULTS"]));
        // Who has no account for advertisements reads leads all the same, and is told when asking for results.
        let mut bare = input("meta", "Leads", &sandbox);
        bare["settings"].as_object_mut().unwrap().remove("adAccountId");
        let made = server.data(CREATE, json!({ "input": bare })).await["it"].take();
        let bare = made["connection"]["id"].as_str().unwrap();
        let all = sync(&server, bare, json!({})).await;
        assert_eq!(all["state"], "SUCCEEDED", "{all}");
        let alone = sync(&server, bare, json!({ "kinds": ["AD_RESULTS"] })).await;
        assert_eq!((&alone["state"], &alone["failure"]["kind"]), (&json!("FAILED"), &json!("SETTINGS")), "{alone}");
        let reader = server.token(&["connections:read"]).await;
        let seen = server.data_as(&reader, RESULTS, json!({ "from": "2026-03-01", "to": "2026-03-01", "by": "DAY", "id": id })).await;
        assert_eq!(seen["adResults"]["nodes"], json!([]));
    }
}
