//! Live: each field of `Subscription`.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::transfers::upload;
use super::{CONVERT, DEAL, ENGAGE, MOVE, PARTNER, Scene, UPDATE, does, partner};
use crate::every_field::operations;
use crate::support::{Feed, Server};

/// What happens to a lead that each subscription tells of.
async fn happens(server: &Server, field: &str, lead: &str, n: usize) {
    let (mutation, input) = match field {
        "leadChanged" | "events" => (UPDATE, json!({ "id": lead, "lastName": format!("{field} {n}") })),
        "engagementRecorded" | "journeyUpdated" => (ENGAGE, json!({ "leadId": lead, "type": "EMAIL_SENT" })),
        "conversionDeliveryChanged" => {
            share(server).await;
            (CONVERT, json!({ "leadId": lead, "kind": "CUSTOMER" }))
        }
        "dealChanged" => (DEAL, json!({ "leadId": lead, "name": "x" })),
        "scoreChanged" => (ENGAGE, json!({ "leadId": lead, "type": "EMAIL_REPLIED" })),
        "stageChanged" => {
            let stage = if n.is_multiple_of(2) { "LOST" } else { "QUALIFIED" };
            (MOVE, json!({ "leadId": lead, "stage": stage, "reason": "x" }))
        }
        // Nothing is sent: the connection is not there.
        "messageChanged" => return message_changes(server, lead, n).await,
        other => {
            panic!("the subscription `{other}` is new: say here what a token with a row filter is told by it")
        }
    };
    let payload = does(server, server.admin(), mutation, input).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    server.settled().await;
}

/// A connection that waits for its owner, with which conversions are shared; once.
async fn share(server: &Server) {
    let there = server.data("{ connections { nodes { id } } }", json!({})).await;
    if there["connections"]["nodes"] != json!([]) {
        return;
    }
    let create = "mutation { it: connectionCreate(input: { platform: \"meta\", name: \"x\", settings: { appId: \"1\" }, secrets: {
        appSecret: \"x\", verifyToken: \"y\" } }) { connection { id } userErrors { message } } }";
    let made = server.data(create, json!({})).await["it"].take();
    let id = made["connection"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"));
    let update = "mutation ($id: ID!) { it: conversionSharingUpdate(input: { connectionId: $id, enabled: true, rules: [{ happening: CONVERSION,
        conversionKind: CUSTOMER, sharedAs: LEAD }] }) { userErrors { message } } }";
    let shared = server.data(update, json!({ "id": id })).await["it"].take();
    assert_eq!(shared["userErrors"], json!([]), "{shared}");
}

/// As the room tells of a message.
async fn message_changes(server: &Server, lead: &str, n: usize) {
    use entity::id::{ConnectionId, MessageId};
    use entity::{EventKind, Timestamp};
    use leadline::events::{NewEvent, append};
    let app = server.app();
    let now = app.clock().now();
    let tx = app.db().begin().await.expect("a transaction");
    let event = NewEvent {
        kind: EventKind::MessageChanged,
        lead_id: Some(lead.parse().expect("a lead's id")),
        subject: MessageId::at(Timestamp(i64::try_from(n).expect("a few"))).to_string(),
        payload: json!({ "connection": ConnectionId::at(Timestamp(1)), "channel": "SMS", "direction": "INBOUND", "change": "RECEIVED", "state": "RECEIVED" }),
    };
    append(&tx, "system", now, vec![event])
        .await
        .expect("it is appended");
    tx.commit().await.expect("it is told");
    server.settled().await;
}

/// The leads that a subscription tells of, until it tells of `last`.
async fn heard(feed: &mut Feed, last: &str) -> Vec<Value> {
    let mut heard = Vec::new();
    loop {
        let said = feed.data().await["it"].take();
        let id = said["leadId"].clone();
        heard.push(said);
        if id == *last {
            return heard;
        }
    }
}

fn leads(heard: &[Value]) -> HashSet<&str> {
    heard.iter().filter_map(|said| said["leadId"].as_str()).collect()
}

on_both! {
    async fn what_happens_outside_is_not_told(server: &Server) {
        let scene = Scene::new(server).await;
        server.settled().await;
        let token = partner(server, &["admin"], PARTNER).await;
        let ([ann, bob], [cyd, dan]) = (&scene.inside, &scene.outside);
        let mut socket = server.socket(&token).await;
        let mut all = server.socket(server.admin()).await;
        for (field, _) in operations("Subscription").into_iter().filter(|(field, _)| {
            // Dashboards count (below). Of jobs one's own are told; of connections and audiences nothing, to whoever does not see all rows (`access`).
            !["jobProgressed", "audienceChanged", "connectionChanged", "syncProgressed", "textGenerating", "dashboardUpdated"].contains(&&field[..])
        }) {
            let more = match &field[..] {
                "leadChanged" | "stageChanged" | "scoreChanged" | "events" => "lead { id }",
                "dealChanged" => "dealId deal { id lead { id } }",
                "engagementRecorded" => "engagement { id lead { id } }",
                "conversionDeliveryChanged" => "lead { id } conversionDelivery { lead { id } }",
                "journeyUpdated" => "journey { lead { id } }",
                _ => "",
            };
            let query = format!("subscription {{ it: {field} {{ cursor leadId {more} }} }}");
            let mut own = socket.subscribe(&query, json!({})).await;
            let mut others = all.subscribe(&query, json!({})).await;
            for (n, lead) in [&cyd.lead, &ann.lead, &dan.lead, &cyd.lead, &bob.lead].into_iter().enumerate() {
                happens(server, &field, lead, n).await;
            }
            let told = heard(&mut others, &bob.lead).await;
            assert_eq!(leads(&told), [&ann.lead, &bob.lead, &cyd.lead, &dan.lead].map(|lead| &lead[..]).into(), "{field}");
            let seen = heard(&mut own, &bob.lead).await;
            assert_eq!(leads(&seen), [&ann.lead, &bob.lead].map(|lead| &lead[..]).into(), "{field}");
            // The same and in order, when it is read from the log.
            let first = told[0]["cursor"].as_str().unwrap();
            let again = query.replacen(&field, &format!("{field}(after: \"{first}\")"), 1);
            let mut resumed = socket.subscribe(&again, json!({})).await;
            assert_eq!(heard(&mut resumed, &bob.lead).await, seen, "{field}");
            for feed in [own, others, resumed] {
                feed.complete();
            }
        }
    }

    async fn a_lead_that_leaves_is_not_told_of_any_more(server: &Server) {
        let scene = Scene::new(server).await;
        server.settled().await;
        let token = partner(server, &["admin"], PARTNER).await;
        let [ann, bob] = &scene.inside;
        let mut socket = server.socket(&token).await;
        let mut changes = socket.subscribe("subscription { it: leadChanged { event leadId lead { id } } }", json!({})).await;
        let mut events = socket.subscribe("subscription { it: events(types: [LEAD_UPDATED, ENGAGEMENT_RECORDED, LEAD_DELETED]) { type leadId } }", json!({})).await;
        let change = async |lead: &str, input: Value| {
            let mut input = input;
            input["id"] = json!(lead);
            does(server, server.admin(), UPDATE, input).await;
        };
        change(&ann.lead, json!({ "source": "other" })).await;
        change(&ann.lead, json!({ "lastName": "Secret" })).await;
        does(server, server.admin(), ENGAGE, json!({ "leadId": ann.lead, "type": "EMAIL_SENT" })).await;
        change(&bob.lead, json!({ "lastName": "Told" })).await;
        assert_eq!(changes.data().await["it"], json!({ "event": "LEAD_UPDATED", "leadId": bob.lead, "lead": { "id": bob.lead } }));
        assert_eq!(events.data().await["it"], json!({ "type": "LEAD_UPDATED", "leadId": bob.lead }));
        // Who comes is told of from then on.
        change(&ann.lead, json!({ "source": "partner-x" })).await;
        assert_eq!(changes.data().await["it"]["leadId"], json!(ann.lead));
        assert_eq!(events.data().await["it"]["leadId"], json!(ann.lead));
        // A deletion is told of, without content.
        server.data("mutation ($id: ID!) { leadDelete(input: { id: $id }) { leadId } }", json!({ "id": bob.lead })).await;
        assert_eq!(changes.data().await["it"], json!({ "event": "LEAD_DELETED", "leadId": bob.lead, "lead": null }));
        assert_eq!(events.data().await["it"], json!({ "type": "LEAD_DELETED", "leadId": bob.lead }));
    }

    async fn a_filter_of_the_subscription_is_asked_as_well(server: &Server) {
        let scene = Scene::new(server).await;
        let token = partner(server, &["leads:read"], PARTNER).await;
        let mut socket = server.socket(&token).await;
        let query = "subscription { it: leadChanged(filter: { city: { eq: \"Rome\" } }) { leadId } }";
        let mut feed = socket.subscribe(query, json!({})).await;
        for family in [&scene.outside[0], &scene.inside[0], &scene.inside[1]] {
            let city = if family.lead == scene.inside[0].lead { "Paris" } else { "Rome" };
            does(server, server.admin(), UPDATE, json!({ "id": family.lead, "city": city })).await;
        }
        assert_eq!(feed.data().await["it"]["leadId"], json!(scene.inside[1].lead));
    }

    async fn dashboards_count_what_lies_inside(server: &Server) {
        let scene = Scene::new(server).await;
        server.settled().await;
        let token = partner(server, &["admin"], PARTNER).await;
        let (mut socket, mut all) = (server.socket(&token).await, server.socket(server.admin()).await);
        let query = "subscription { it: dashboardUpdated { funnelReport(range: { from: \"2020-01-01\", to: \"2029-12-31\" }) { current { leads } } } }";
        let (mut own, mut others) = (socket.subscribe(query, json!({})).await, all.subscribe(query, json!({})).await);
        let leads = |told: Value| told["it"]["funnelReport"]["current"]["leads"].as_i64().expect("a number");
        assert_eq!((leads(own.data().await), leads(others.data().await)), (2, 4));
        for (gone, inside, of_all) in [(&scene.outside[0], 2, 3), (&scene.inside[0], 1, 2)] {
            server.data("mutation ($id: ID!) { leadDelete(input: { id: $id }) { leadId } }", json!({ "id": gone.lead })).await;
            while leads(others.data().await) != of_all {}
            if inside == 1 {
                // Of the one outside nothing was told.
                assert_eq!(leads(own.data().await), 1);
            }
        }
    }

    async fn jobs_are_told_to_whom_they_belong(server: &Server) {
        let scopes = ["leads:write", "jobs:read"];
        let (token, twin) = (partner(server, &scopes, PARTNER).await, partner(server, &scopes, PARTNER).await);
        let query = "subscription { it: jobProgressed { state job { id createdBy } } }";
        // Alike, and yet not one: each is told of its own.
        let (mut socket, mut others) = (server.socket(&token).await, server.socket(&twin).await);
        let (mut own, mut theirs) = (socket.subscribe(query, json!({})).await, others.subscribe(query, json!({})).await);
        server.data("mutation { scoresRecalculate { job { id } } }", json!({})).await;
        server.settled().await;
        let mut makers = Vec::new();
        for (token, feed) in [(&token, &mut own), (&twin, &mut theirs)] {
            let file = upload(server, token, "email,source\nx@example.com,partner-x\n").await;
            let start = "mutation ($id: ID!) { leadsImport(input: { uploadId: $id }) { job { id createdBy } } }";
            let job = server.data_as(token, start, json!({ "id": file })).await["leadsImport"]["job"].take();
            loop {
                let said = feed.data().await["it"].take();
                assert_eq!(said["job"], job);
                if said["state"] == "SUCCEEDED" {
                    break;
                }
            }
            makers.push(job["createdBy"].clone());
        }
        assert_ne!(makers[0], makers[1]);
    }

    async fn who_records_is_told_of_what_it_recorded(server: &Server) {
        let scene = Scene::new(server).await;
        let token = partner(server, &["leads:read", "engagement:write"], PARTNER).await;
        let mut socket = server.socket(&token).await;
        let mut feed = socket.subscribe("subscription { it: engagementRecorded { engagement { id } lead { email } } }", json!({})).await;
        does(server, server.admin(), CONVERT, json!({ "leadId": scene.outside[0].lead, "kind": "CUSTOMER" })).await;
        let made = does(server, &token, ENGAGE, json!({ "leadId": scene.inside[0].lead, "type": "EMAIL_SENT" })).await;
        assert_eq!(feed.data().await["it"], json!({ "engagement": made["engagement"], "lead": { "email": "ann@example.com" } }));
    }
}
