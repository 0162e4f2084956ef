//! Whatever the order of arrival, and whenever the server stops: what is kept is what the rows say.

use leadline::insight::analytics::verify;
use leadline::insight::journeys::verify_deployment;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use super::{converted, engage, lead, moved, told};
use crate::support::{Database, Server, Setup, until};

const REPORTS: &str = "query ($range: ReportRangeInput!, $zone: TimeZone, $filter: LeadFilter) {
    funnelReport(range: $range, timeZone: $zone, filter: $filter) { current { leads lost stages { reached standing stays meanDays medianDays } } }
    leadQualityReport(range: $range, timeZone: $zone, filter: $filter, byDay: true) { current {
        leads scored meanScore grades { leads } temperatures { leads } histogram { leads } days { day leads scored } } }
    cohortReport(range: $range, timeZone: $zone, filter: $filter, by: WEEK) { current { cohorts { from leads customers revenue { amount } activity { leads } } } }
    sourceReport(range: $range, timeZone: $zone, filter: $filter) { current { sources { source leads qualified customers revenue { amount } unvalued } total { revenue { amount } } } }
    journeyReport(range: $range, timeZone: $zone, filter: $filter, atRisk: 9) { current {
        leads trends { trend leads } churnRisk { leads } highRisk journeys meanDurationDays customers revenue { amount } atRisk { leadId } } }
    engagementReport(range: $range, timeZone: $zone, filter: $filter, byDay: true, topLeads: 3) { current {
        total types { type count } channels { channel count } days { day count } topLeads { leadId engagements } } }
    revenueReport(range: $range, timeZone: $zone, filter: $filter, byDay: true) { current {
        conversions revenue { amount } unvalued kinds { kind conversions revenue { amount } unvalued }
        sources { source conversions revenue { amount } } days { day conversions revenue { amount } } } } }";

/// Something that happens to one of the leads.
#[derive(Clone, Copy, Debug)]
enum Step {
    Engage(usize, &'static str, &'static str),
    Convert(usize, &'static str, &'static str, Option<&'static str>),
    Move(usize, &'static str),
    Update(usize, &'static str),
    Delete(usize),
    Restore(usize),
}

const STEPS: [Step; 15] = [
    Step::Engage(0, "2026-03-01T23:50:00Z", "EMAIL_CLICKED"),
    Step::Engage(1, "2026-03-10T10:00:00Z", "EMAIL_SENT"),
    Step::Engage(1, "2026-02-27T10:00:00Z", "FORM_SUBMITTED"),
    Step::Convert(0, "2026-03-05T10:00:00Z", "PURCHASE", Some("0.01")),
    Step::Move(1, "QUALIFIED"),
    Step::Update(2, "fair"),
    Step::Engage(2, "2026-03-09T10:00:00Z", "MEETING_SCHEDULED"),
    Step::Delete(3),
    Step::Convert(2, "2026-03-06T10:00:00Z", "CUSTOMER", None),
    Step::Engage(0, "2026-03-08T10:00:00Z", "EMAIL_OPENED"),
    Step::Move(0, "CHURNED"),
    Step::Convert(1, "2026-03-07T10:00:00Z", "PURCHASE", Some("33.34")),
    Step::Restore(3),
    Step::Engage(3, "2026-03-11T10:00:00Z", "PAGE_VIEWED"),
    Step::Convert(0, "2026-03-09T10:00:00Z", "PURCHASE", Some("100")),
];

async fn change(server: &Server, mutation: &str, kind: &str, input: Value) {
    let query = format!(
        "mutation ($input: {kind}!) {{ it: {mutation}(input: $input) {{ userErrors {{ message }} }} }}"
    );
    let done = server.data(&query, json!({ "input": input })).await["it"].take();
    assert_eq!(done["userErrors"], json!([]), "{done}");
}

fn order(n: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..STEPS.len()).collect();
    match n {
        0 => {}
        1 => order.reverse(),
        seed => order.sort_by_key(|step| {
            (*step as u64 + 1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(u32::try_from(7 * seed).expect("it is there"))
        }),
    }
    // What is not deleted cannot be brought back.
    let place =
        |order: &[usize], step: usize| order.iter().position(|one| *one == step).expect("it is there");
    let (delete, restore) = (place(&order, 7), place(&order, 12));
    if delete > restore {
        order.swap(delete, restore);
    }
    // Nor does anything happen to it while it is gone.
    let [delete, restore, engage] = [7, 12, 13].map(|step| place(&order, step));
    if (delete..restore).contains(&engage) {
        order.swap(restore, engage);
    }
    order
}

/// Does the steps in an order, stopping in between, and compares what reports say from sums with what they say of each lead.
async fn agree(database: &Database, order: &[usize]) {
    let setup = || Setup::default().at("2026-03-12T12:00:00Z");
    let mut server = Server::start(database, setup()).await;
    let mut leads = Vec::new();
    for (at, email, source) in [
        ("2026-02-28T23:40:00Z", "ann@example.com", Some("ads")),
        ("2026-03-01T00:10:00Z", "bob@example.com", None),
        ("2026-03-08T18:20:00Z", "cyd@example.com", Some("ads")),
        ("2026-03-10T12:00:00Z", "dan@example.com", Some("fair")),
    ] {
        leads.push(lead(&server, at, email, source).await);
    }
    server.set_time("2026-03-12T12:00:00Z");
    for (n, step) in order.iter().enumerate() {
        if n == 6 {
            // Whatever its handlers were at.
            server.stop().await;
            server = Server::start(database, setup()).await;
        }
        match STEPS[*step] {
            Step::Engage(who, at, kind) => engage(&server, &leads[who], at, kind).await,
            Step::Convert(who, at, kind, euros) => {
                drop(converted(&server, &leads[who], at, kind, euros).await)
            }
            Step::Move(who, stage) => moved(&server, &leads[who], "2026-03-12T12:00:00Z", stage).await,
            Step::Update(who, source) => {
                change(
                    &server,
                    "leadUpdate",
                    "LeadUpdateInput",
                    json!({ "id": leads[who], "source": source }),
                )
                .await;
            }
            Step::Delete(who) => {
                change(
                    &server,
                    "leadDelete",
                    "LeadRemovalInput",
                    json!({ "id": leads[who] }),
                )
                .await
            }
            Step::Restore(who) => {
                change(
                    &server,
                    "leadRestore",
                    "LeadRemovalInput",
                    json!({ "id": leads[who] }),
                )
                .await
            }
        }
    }
    told(&server).await;
    let verified = verify(server.app()).await.expect("it is there");
    assert_eq!((verified.leads, &verified.named[..]), (4, &[][..]));
    let days = verify_deployment(server.app()).await.expect("it is there");
    assert_eq!(
        (&days.differences[..], days.days > 4),
        (&[][..], true),
        "{days:?}"
    );
    let all = json!({ "createdAt": { "gte": "2000-01-01T00:00:00Z" } });
    for (zone, from, to) in [
        ("UTC", "2026-01-01", "2026-03-31"),
        ("Asia/Kolkata", "2026-02-28", "2026-03-09"),
        ("America/Los_Angeles", "2026-02-28", "2026-03-01"),
        ("Pacific/Auckland", "2026-03-01", "2026-03-12"),
    ] {
        let range = json!({ "from": from, "to": to });
        let summed = server
            .data(REPORTS, json!({ "range": range, "zone": zone }))
            .await;
        let counted = server
            .graphql(REPORTS, json!({ "range": range, "zone": zone, "filter": all }))
            .await;
        let reads = counted["extensions"]["reads"].as_array().map_or(0, Vec::len);
        assert_eq!((&counted["data"], reads), (&summed, 7), "{zone}");
        if zone == "UTC" {
            assert_eq!(
                summed["sourceReport"]["current"]["total"]["revenue"]["amount"], "133.35",
                "{summed}"
            );
            let engaged = &summed["engagementReport"]["current"];
            assert_eq!(
                (&engaged["total"], &engaged["topLeads"][0]["leadId"]),
                (&json!(6), &leads[0])
            );
            assert_eq!(summed["revenueReport"]["current"]["revenue"]["amount"], "133.35");
        }
    }
    server.stop().await;
}

on_both! {
    async fn sums_are_what_leads_say_in_any_order(database: &Database) {
        agree(database, &order(0)).await;
        for n in 1..4 {
            let other = Database::create(database.backend()).expect("as this one");
            agree(&other, &order(n)).await;
        }
    }

    async fn what_is_wrong_is_named_and_made_anew(database: &Database) {
        let server = Server::start(database, Setup::default().at("2026-03-12T12:00:00Z")).await;
        let ann = lead(&server, "2026-03-12T12:00:00Z", "ann@example.com", Some("ads")).await;
        engage(&server, &ann, "2026-03-12T11:00:00Z", "PAGE_VIEWED").await;
        told(&server).await;
        assert_eq!(verify(server.app()).await.unwrap().named, [""; 0]);
        let db = server.app().db().write();
        for text in [
            "UPDATE report_sum SET amount = amount + 1 WHERE measure = 'LEADS' AND level = 'DAY'",
            "DELETE FROM report_sum WHERE measure = 'STANDING' AND level = 'MONTH'",
            "UPDATE lead SET source = 'other'",
            "UPDATE deployment_quarter SET engagements = 7, activity = '{\"n\":[[0,0,\"\",7,0]]}'",
            "INSERT INTO deployment_day (day, activity) VALUES (3, '{\"n\":[],\"g\":[[1,4]]}')",
            "INSERT INTO deployment_quarter (quarter, engagements, activity) VALUES (9, 2, '{\"n\":[[0,0,\"\",2,0]]}')",
            "INSERT INTO report_busy (month, lead_id, engagements) SELECT 674, id, 9 FROM lead",
        ] {
            db.execute_unprepared(text).await.unwrap();
        }
        let verified = verify(server.app()).await.unwrap();
        let named = verified.named.join("\n");
        assert_eq!(verified.differences, 4, "{named}");
        let days = verify_deployment(server.app()).await.unwrap().differences;
        assert_eq!(days[0], "1970-01-04: 0 engagements and 4 moves are kept, 0 engagements and 0 moves are right");
        assert_eq!(days[1], "2026-03-12: its quarters of an hour are not what they should be");
        for part in ["in the month of 2026-03-01: 9 are kept, 0 are right", "what reports count of lead_", "LEADS of `ads` in DAY", "STANDING of `NEW` in MONTH 674: 0 is kept, 1 is right"] {
            assert!(named.contains(part), "{named}");
        }
        leadline::insight::analytics::rebuild(server.app()).await.unwrap();
        let asked = "{ it: funnelReport(range: { lastDays: 7 }) { isComplete current { leads } } }";
        until("all is made anew", async || {
            let found = server.data(asked, json!({})).await["it"].take();
            found == json!({ "isComplete": true, "current": { "leads": 1 } })
        })
        .await;
        assert_eq!(verify(server.app()).await.unwrap().named, [""; 0]);
        assert_eq!(verify_deployment(server.app()).await.unwrap().differences, [""; 0]);
    }
}
