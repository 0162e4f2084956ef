//! Journeys through the API: the way of a lead, its timeline, what all leads did.

use entity::id::LeadId;
use entity::{Timestamp, lead};
use leadline::db::{Conflict, insert_many};
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::{Database, Server, Setup, code, unknown_field};

const LEAD: &str = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } } }";
const ENGAGE: &str =
    "mutation ($input: EngagementsRecordInput!) { engagementsRecord(input: $input) { recorded } }";
const JOURNEY: &str = "query ($id: ID!) { lead(id: $id) { journey { startedAt lastActivityAt durationSeconds engagements
    byType { type count } byChannel { channel count } touchPoints weighedTouchPoints activeDays
    milestones { firstContactAt qualifiedAt customerAt firstPurchaseAt } stages { stage leftAt }
    revenue { amount currencyCode } lifetimeValue { amount } trend engagementsLast30Days engagements30DaysBefore
    churnRisk highRisk health } } }";

async fn at_noon(database: &Database) -> Server {
    Server::start(database, Setup::default().at("2026-03-31T12:00:00Z")).await
}

async fn lead(server: &Server, email: &str) -> Value {
    server.data(LEAD, json!({ "input": { "email": email } })).await["leadCreate"]["lead"]["id"].clone()
}

async fn engage(server: &Server, lead: &Value, items: &[(&str, &str)]) {
    let items: Vec<_> = items
        .iter()
        .map(|(kind, at)| json!({ "leadId": lead, "type": kind, "occurredAt": format!("{at}T10:00:00Z") }))
        .collect();
    let done = server.data(ENGAGE, json!({ "input": { "items": items } })).await;
    assert_eq!(done["engagementsRecord"]["recorded"], items.len());
}

on_both! {
    async fn a_journey_is_the_same_whatever_the_order_of_arrival(database: &Database) {
        let server = at_noon(database).await;
        let (ann, bob) = (lead(&server, "ann@example.com").await, lead(&server, "bob@example.com").await);
        let mut way = vec![
            ("EMAIL_SENT", "2026-02-01"), ("EMAIL_OPENED", "2026-02-02"), ("PAGE_VIEWED", "2026-03-10"),
            ("FORM_SUBMITTED", "2026-03-20"), ("PURCHASE_MADE", "2026-03-30"),
        ];
        engage(&server, &ann, &way).await;
        way.reverse();
        for one in &way {
            engage(&server, &bob, &[*one]).await;
        }
        // Read at once: what the handler has not come to is in it.
        let told = server.data(JOURNEY, json!({ "id": ann })).await["lead"]["journey"].take();
        server.settled().await;
        let kept = server.data(JOURNEY, json!({ "id": ann })).await["lead"]["journey"].take();
        let facts = |journey: &Value| json!([
            journey["startedAt"], journey["lastActivityAt"], journey["durationSeconds"], journey["engagements"], journey["byType"],
            journey["byChannel"], journey["touchPoints"], journey["activeDays"], journey["trend"], journey["churnRisk"],
        ]);
        assert_eq!(facts(&told), facts(&kept));
        let other = server.data(JOURNEY, json!({ "id": bob })).await["lead"]["journey"].take();
        assert_eq!(facts(&other), facts(&kept), "whatever the order");
        assert_eq!(
            (&kept["startedAt"], &kept["lastActivityAt"], &kept["durationSeconds"]),
            (&json!("2026-02-01T10:00:00Z"), &json!("2026-03-30T10:00:00Z"), &json!(57 * 86_400))
        );
        assert_eq!((&kept["engagements"], &kept["touchPoints"], &kept["activeDays"]), (&json!(5), &json!(4), &json!(4)));
        assert_eq!((&kept["engagementsLast30Days"], &kept["engagements30DaysBefore"]), (&json!(3), &json!(2)));
        assert_eq!(kept["trend"], "INCREASING");
        assert_eq!(kept["milestones"]["firstContactAt"], "2026-02-01T10:00:00Z");
        assert_eq!(kept["milestones"]["firstPurchaseAt"], "2026-03-30T10:00:00Z");
        assert_eq!(kept["highRisk"], false);
        server.stop().await;
    }

    async fn followers_hear_of_journeys_as_they_go_on(database: &Database) {
        let server = at_noon(database).await;
        let ann = lead(&server, "ann@example.com").await;
        server.settled().await;
        let mut socket = server.socket(server.admin()).await;
        let query = "subscription ($id: ID!) { journeyUpdated(leadId: $id) { cursor event leadId journey { engagements } } }";
        let mut feed = socket.subscribe(query, json!({ "id": ann })).await;
        let bob = lead(&server, "bob@example.com").await;
        engage(&server, &bob, &[("PAGE_VIEWED", "2026-03-30")]).await;
        engage(&server, &ann, &[("PAGE_VIEWED", "2026-03-30")]).await;
        let told = feed.data().await["journeyUpdated"].take();
        assert_eq!((&told["event"], &told["leadId"]), (&json!("ENGAGEMENT_RECORDED"), &ann));
        assert_eq!(told["journey"]["engagements"], 1, "the event itself is in it");
        server.stop().await;
    }

    async fn days_weeks_and_months_are_sums(database: &Database) {
        let server = at_noon(database).await;
        let ann = lead(&server, "ann@example.com").await;
        engage(&server, &ann, &[
            ("EMAIL_SENT", "2026-02-28"), ("EMAIL_OPENED", "2026-03-01"), ("PAGE_VIEWED", "2026-03-02"), ("PAGE_VIEWED", "2026-03-02"),
        ]).await;
        server.settled().await;
        let query = "query ($id: ID!, $by: ActivityPeriod!) {
            lead(id: $id) { activity(by: $by, from: \"2026-02-01\", to: \"2026-03-29\") { nodes { start total } } }
            activitySummary(by: $by, from: \"2026-02-01\", to: \"2026-03-29\") { nodes { start total byChannel { channel count } } } }";
        for (by, spans) in [
            ("DAY", json!([["2026-02-28", 1], ["2026-03-01", 1], ["2026-03-02", 2]])),
            ("WEEK", json!([["2026-02-23", 2], ["2026-03-02", 2]])),
            ("MONTH", json!([["2026-02-01", 1], ["2026-03-01", 3]])),
        ] {
            let answer = server.data(query, json!({ "id": ann, "by": by })).await;
            for nodes in [&answer["lead"]["activity"]["nodes"], &answer["activitySummary"]["nodes"]] {
                let told: Vec<_> = nodes.as_array().unwrap().iter()
                    .filter(|node| node["total"] != 0)
                    .map(|node| json!([node["start"], node["total"]])).collect();
                assert_eq!(json!(told), spans, "{by}");
            }
        }
        let wrong = server.graphql(query, json!({ "id": ann, "by": "YEAR" })).await;
        assert_eq!(code(&wrong), "BAD_USER_INPUT");
        server.stop().await;
    }

    async fn the_overview_counts_each_way(database: &Database) {
        let server = at_noon(database).await;
        for n in 0..3 {
            let id = lead(&server, &format!("a{n}@example.com")).await;
            if n > 0 {
                engage(&server, &id, &[("PAGE_VIEWED", "2026-03-30")]).await;
            }
        }
        server.settled().await;
        let query = "{ journeysOverview { leads lookedAt trends { trend count } highRisk meanTouchPoints } }";
        let told = server.data(query, json!({})).await["journeysOverview"].take();
        assert_eq!((&told["leads"], &told["lookedAt"]), (&json!(3), &json!(3)));
        let mut trends: Vec<_> = told["trends"].as_array().unwrap().iter()
            .map(|one| (one["trend"].as_str().unwrap(), one["count"].as_i64().unwrap())).collect();
        trends.sort_unstable();
        assert_eq!(trends, [("DECLINING", 1), ("INCREASING", 2), ("STABLE", 0)]);
        // More leads than are looked at: some are drawn.
        let model = lead::Entity::find().one(server.app().db().read()).await.unwrap().unwrap();
        for n in 0..21_i64 {
            let tx = server.app().db().begin().await.unwrap();
            let leads: Vec<_> = (0..1_000).map(|m| lead::Model {
                id: LeadId::at(Timestamp(n * 1_000_000 + m)), email: None, ..model.clone()
            }).collect();
            insert_many(&tx, &leads, Conflict::Fail).await.unwrap();
            tx.commit().await.unwrap();
        }
        let told = server.data(query, json!({})).await["journeysOverview"].take();
        assert_eq!(told["leads"], 21_003);
        let looked_at = told["lookedAt"].as_i64().unwrap();
        assert!((15_000..=21_003).contains(&looked_at), "{looked_at} were drawn");
        server.stop().await;
    }

    async fn journeys_ask_for_their_scope(database: &Database) {
        let server = at_noon(database).await;
        let ann = lead(&server, "ann@example.com").await;
        let stranger = server.token(&["leads:read"]).await;
        let answer = server.graphql_as(Some(&stranger), JOURNEY, json!({ "id": ann })).await;
        assert_eq!(unknown_field(&answer), "journey");
        server.stop().await;
    }

    async fn the_statements_for_journeys_do_not_grow_with_the_page(database: &Database) {
        let server = at_noon(database).await;
        for n in 0..12 {
            let id = lead(&server, &format!("a{n}@example.com")).await;
            engage(&server, &id, &[("PAGE_VIEWED", "2026-03-30")]).await;
        }
        server.settled().await;
        let page = "query ($first: Int!) { leads(first: $first) { nodes { id journey { engagements health stages { stage } } } } }";
        server.costs_the_same(page, json!({ "first": 2 }), json!({ "first": 12 })).await;
        server.stop().await;
    }
}

const TIMELINE: &str = "query ($id: ID!, $first: Int, $last: Int, $after: String, $before: String, $kinds: [TimelineKind!]) {
    lead(id: $id) { timeline(first: $first, last: $last, after: $after, before: $before, kinds: $kinds) {
        nodes { at kind item { __typename ... on Note { body } ... on Engagement { type } ... on StageStay { stage }
            ... on Conversion { kind } ... on Event { type } } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";

fn told(page: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    page["nodes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|node| {
            let item = &node["item"];
            let said = ["body", "type", "stage", "kind"]
                .iter()
                .find_map(|key| item[*key].as_str())
                .unwrap_or_default();
            (text(&item["__typename"]), said.to_owned())
        })
        .collect()
}

on_both! {
    async fn a_timeline_has_all_that_happened_newest_first(database: &Database) {
        let server = Server::start(database, Setup::default().at("2026-03-01T12:00:00Z")).await;
        let ann = lead(&server, "ann@example.com").await;
        server.settled().await;
        server.set_time("2026-03-02T12:00:00Z");
        let note = "mutation ($input: NoteAddInput!) { noteAdd(input: $input) { userErrors { code } } }";
        server.data(note, json!({ "input": { "leadId": ann, "body": "Called" } })).await;
        server.set_time("2026-03-04T12:00:00Z");
        engage(&server, &ann, &[("PAGE_VIEWED", "2026-03-03"), ("EMAIL_OPENED", "2026-03-04")]).await;
        let convert = "mutation ($input: ConversionRecordInput!) { conversionRecord(input: $input) { userErrors { code } } }";
        server.data(convert, json!({ "input": { "leadId": ann, "kind": "QUALIFIED" } })).await;
        server.set_time("2026-03-05T12:00:00Z");
        let stage = "mutation ($input: LeadStageChangeInput!) { leadStageChange(input: $input) { userErrors { code } } }";
        server.data(stage, json!({ "input": { "leadId": ann, "stage": "LOST", "reason": "budget" } })).await;
        server.settled().await;
        let page = async |more: Value| {
            let mut variables = json!({ "id": ann });
            variables.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            server.data(TIMELINE, variables).await["lead"]["timeline"].take()
        };
        let pair = |kind: &str, said: &str| (kind.to_owned(), said.to_owned());
        let all = page(json!({ "first": 50 })).await;
        let way = told(&all);
        assert_eq!(&way[..5], [
            pair("StageStay", "LOST"), pair("Conversion", "QUALIFIED"), pair("Engagement", "EMAIL_OPENED"),
            pair("Engagement", "PAGE_VIEWED"), pair("Note", "Called"),
        ]);
        let mut first: Vec<_> = way[5..].to_vec();
        first.sort();
        assert_eq!(first, [pair("Event", "LEAD_CREATED"), pair("StageStay", "NEW")]);
        // The same by pages of two, forwards and backwards.
        let (mut forwards, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let next = page(json!({ "first": 2, "after": cursor })).await;
            forwards.extend(told(&next));
            cursor = next["pageInfo"]["endCursor"].clone();
            if next["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        assert_eq!(forwards, way);
        let (mut backwards, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let next = page(json!({ "last": 3, "before": cursor })).await;
            backwards.splice(0..0, told(&next));
            cursor = next["pageInfo"]["startCursor"].clone();
            if next["pageInfo"]["hasPreviousPage"] == false {
                break;
            }
        }
        assert_eq!(backwards, way);
        let notes = page(json!({ "kinds": ["NOTE", "CONVERSION"] })).await;
        assert_eq!(told(&notes), [pair("Conversion", "QUALIFIED"), pair("Note", "Called")]);
        // What a caller may not see is not there.
        let some = server.token(&["leads:read", "lifecycle:read"]).await;
        let types = ["... on Engagement { type }", "... on Conversion { kind }", "... on Event { type }"];
        let theirs = types.iter().fold(TIMELINE.to_owned(), |query, ty| query.replace(ty, ""));
        let shown = server.data_as(&some, &theirs, json!({ "id": ann })).await;
        assert_eq!(told(&shown["lead"]["timeline"]), [pair("StageStay", "LOST"), pair("Note", "Called"), pair("StageStay", "NEW")]);
        server.stop().await;
    }

    async fn the_statements_for_timelines_do_not_grow_with_the_page(database: &Database) {
        let server = at_noon(database).await;
        for n in 0..12 {
            let id = lead(&server, &format!("a{n}@example.com")).await;
            engage(&server, &id, &[("PAGE_VIEWED", "2026-03-30")]).await;
        }
        server.settled().await;
        let page = "query ($first: Int!) { leads(first: $first) { nodes { id timeline(first: 3) { nodes { at kind } } } } }";
        server.costs_the_same(page, json!({ "first": 2 }), json!({ "first": 12 })).await;
        server.stop().await;
    }
}
