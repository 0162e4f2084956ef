//! Each field of `Query`, and what it leads to.

use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use super::rows::{gather, sell, tell, write};
use super::{ENGAGE, NOW, PARTNER, Scene, TAGGED, UPDATE, does, partner};
use crate::every_field::operations;
use crate::support::{Database, Server, Setup, code, unknown_field};

/// All that a lead leads to, but for what tells how many leads have a tag.
const LEAD: &str = "id email source version identities { value } tags { id name } notes(first: 5) { nodes { id body lead { id } } }
    consents { state record { id } } consentHistory(first: 5) { nodes { id } } currentStay { id touchPoints }
    stageHistory(first: 5) { nodes { id stage } } score { base current explain { factor points engagementIds } }
    scoreHistory(first: 5) { nodes { id base } } engagements(first: 5) { nodes { id lead { id } } }
    conversions { id lead { id } } deals(first: 5) { nodes { id name history { version } lead { id } } } journey { engagements touchPoints churnRisk health stages { stage } lead { id } }
    activity(by: DAY, from: \"2026-03-01\") { nodes { start total } }
    timeline(first: 10) { nodes { at kind item { __typename ... on Event { leadId lead { id } } } } }";

fn listed(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

/// The nodes of a connection that are about leads that the partner sees.
fn kept(scene: &Scene, connection: &Value, lead: &str) -> Value {
    let kept = listed(&connection["nodes"])
        .iter()
        .filter(|node| scene.is_inside(node.pointer(lead).expect("a lead's id")));
    json!(kept.collect::<Vec<_>>())
}

/// How the partner's answer to a field of `Query` is compared with the operator's.
async fn compare(server: &Server, scene: &Scene, token: &str, field: &str) {
    let ask = async |query: &str, variables: Value| {
        let own = server.data_as(token, query, variables.clone()).await;
        (own, server.data(query, variables).await)
    };
    // A list: what the operator sees, less what is outside.
    let list = async |query: &str, lead: &str, least: usize| {
        let (own, all) = ask(query, json!({})).await;
        assert_eq!(own["it"]["nodes"], kept(scene, &all["it"], lead), "{query}");
        let (own, all) = (listed(&own["it"]["nodes"]), listed(&all["it"]["nodes"]));
        assert!(
            own.len() >= least && all.len() >= 2 * least,
            "{query}: {} of {}",
            own.len(),
            all.len()
        );
    };
    // One by its id: the same inside, nothing outside.
    let single = async |query: &str, id: fn(&super::Family) -> &str| {
        for family in &scene.inside {
            let (own, all) = ask(query, json!({ "id": id(family) })).await;
            assert_eq!(own, all, "{query}");
            assert!(own["it"].is_object(), "{query}");
        }
        for family in &scene.outside {
            let (own, all) = ask(query, json!({ "id": id(family) })).await;
            assert!(all["it"].is_object(), "{query}");
            assert_eq!(own, json!({ "it": null }), "{query}");
        }
    };
    // The same for everybody.
    let same = async |query: &str| {
        let (own, all) = ask(query, json!({})).await;
        assert_eq!(own, all, "{query}");
    };
    match field {
        "lead" => {
            single(
                &format!("query ($id: ID!) {{ it: lead(id: $id) {{ {LEAD} }} }}"),
                |family| &family.lead,
            )
            .await
        }
        "leads" => {
            list(
                &format!("{{ it: leads(first: 4) {{ nodes {{ {LEAD} }} }} }}"),
                "/id",
                2,
            )
            .await;
            for order in [
                "CREATED_AT",
                "UPDATED_AT",
                "STAGE_SINCE",
                "NAME",
                "SCORE",
                "LAST_ACTIVITY_AT",
            ] {
                for direction in ["ASC", "DESC"] {
                    let order = format!("order: {{ field: {order}, direction: {direction} }}");
                    list(
                        &format!("{{ it: leads({order}) {{ nodes {{ id }} }} }}"),
                        "/id",
                        2,
                    )
                    .await;
                    let query = format!(
                        "{{ it: leads(last: 3, {order}) {{ nodes {{ id }} pageInfo {{ hasPreviousPage }} }} }}"
                    );
                    let page = server.data_as(token, &query, json!({})).await["it"].take();
                    assert_eq!(
                        (listed(&page["nodes"]).len(), &page["pageInfo"]["hasPreviousPage"]),
                        (2, &json!(false))
                    );
                }
            }
            let query = "query ($filter: LeadFilter) { it: leads(filter: $filter) { nodes { id } } }";
            let filter = json!({ "filter": { "or": [{ "source": { "eq": "other" } }, { "email": { "eq": "ann@example.com" } }] } });
            let (own, all) = ask(query, filter).await;
            assert_eq!(
                (
                    listed(&own["it"]["nodes"]).len(),
                    listed(&all["it"]["nodes"]).len()
                ),
                (1, 2)
            );
        }
        "leadsCount" => {
            let (own, all) = ask("{ it: leadsCount { count precision } }", json!({})).await;
            assert_eq!(
                (own, all),
                (
                    json!({ "it": { "count": 2, "precision": "EXACT" } }),
                    json!({ "it": { "count": 4, "precision": "EXACT" } })
                )
            );
        }
        "engagement" => {
            single(
                "query ($id: ID!) { it: engagement(id: $id) { id lead { email } } }",
                |family| &family.engagement,
            )
            .await
        }
        "engagements" => {
            list(
                "{ it: engagements { nodes { id type lead { id } } } }",
                "/lead/id",
                2,
            )
            .await;
            list("{ it: engagements(last: 50, filter: { types: [PURCHASE_MADE] }) { nodes { id lead { id } } } }", "/lead/id", 2).await;
        }
        "engagementStats" => {
            let stats = "{ total byType { type count } byChannel { channel count } byDay { day count } revenue { amount currencyCode } }";
            let (own, all) = ask(
                &format!("{{ it: engagementStats(from: \"2026-03-01\") {stats} }}"),
                json!({}),
            )
            .await;
            let told = |total: i64, amount: &str| {
                json!({ "it": { "total": total, "byType": [{ "type": "PURCHASE_MADE", "count": total }],
                "byChannel": [{ "channel": "WEB", "count": total }], "byDay": [{ "day": "2026-03-09", "count": total }],
                "revenue": [{ "amount": amount, "currencyCode": "EUR" }] } })
            };
            assert_eq!((own, all), (told(2, "20.00"), told(4, "40.00")));
            let query = format!(
                "query ($id: ID!) {{ it: engagementStats(from: \"2026-03-01\", filter: {{ leadId: $id }}) {stats} }}"
            );
            let (own, all) = ask(&query, json!({ "id": scene.inside[0].lead })).await;
            assert_eq!(own, all);
            let (own, all) = ask(&query, json!({ "id": scene.outside[0].lead })).await;
            assert_eq!((&own["it"]["total"], &all["it"]["total"]), (&json!(0), &json!(1)));
        }
        "conversion" => {
            single(
                "query ($id: ID!) { it: conversion(id: $id) { id lead { email } } }",
                |family| &family.conversion,
            )
            .await
        }
        "conversions" => list("{ it: conversions { nodes { id lead { id } } } }", "/lead/id", 2).await,
        "deal" => {
            single(
                "query ($id: ID!) { it: deal(id: $id) { id name history { reason } lead { email } } }",
                |family| &family.deal,
            )
            .await
        }
        "deals" => {
            list("{ it: deals { nodes { id name lead { id } } } }", "/lead/id", 2).await;
            list("{ it: deals(last: 4, filter: { search: \"of\" }, orderBy: { field: VALUE }) { nodes { id lead { id } } } }", "/lead/id", 2).await;
        }
        "dealStages" => same("{ it: dealStages { version stages { id name } } }").await,
        "activity" => {
            let query = "{ it: activity(first: 100) { nodes { cursor type leadId payload lead { id } } } }";
            list(query, "/leadId", 10).await;
            let query = "query ($id: ID!) { it: activity(filter: { leadId: $id }) { nodes { type } } }";
            let own = server
                .data_as(token, query, json!({ "id": scene.outside[0].lead }))
                .await;
            assert_eq!(own["it"]["nodes"], json!([]));
            let query = "query ($id: String!) { it: activity(filter: { subject: $id }) { nodes { type } } }";
            for subject in [&scene.outside[0].engagement, &scene.tag] {
                let own = server.data_as(token, query, json!({ "id": subject })).await;
                assert_eq!(own["it"]["nodes"], json!([]), "{subject}");
            }
        }
        "activitySummary" => {
            let query = "{ it: activitySummary(by: DAY, from: \"2026-03-01\") { nodes { start total byType { type count }
                byChannel { channel count } revenue { amount } stageMoves { stage count } } } }";
            let (own, all) = ask(query, json!({})).await;
            let told = |count: i64, amount: &str| {
                json!({ "nodes": [
                { "start": "2026-03-09", "total": count, "byType": [{ "type": "PURCHASE_MADE", "count": count }],
                  "byChannel": [{ "channel": "WEB", "count": count }], "revenue": [{ "amount": amount }], "stageMoves": [] },
                { "start": "2026-03-10", "total": 0, "byType": [], "byChannel": [], "revenue": [],
                  "stageMoves": [{ "stage": "ENGAGED", "count": count }] },
            ] })
            };
            assert_eq!((&own["it"], &all["it"]), (&told(2, "20.00"), &told(4, "40.00")));
        }
        "journeysOverview" => {
            let query = "{ it: journeysOverview { leads lookedAt highRisk trends { count } meanTouchPoints meanHealth } }";
            let (own, all) = ask(query, json!({})).await;
            let counted = |it: &Value| {
                listed(&it["trends"])
                    .iter()
                    .map(|one| one["count"].as_i64().expect("a number"))
                    .sum::<i64>()
            };
            assert_eq!(
                (&own["it"]["leads"], &own["it"]["lookedAt"], counted(&own["it"])),
                (&json!(2), &json!(2), 2)
            );
            assert_eq!(
                (&all["it"]["leads"], &all["it"]["lookedAt"], counted(&all["it"])),
                (&json!(4), &json!(4), 4)
            );
        }
        "journey" => {
            single(
                "query ($id: ID!) { it: journey(leadId: $id) { touchPoints health lead { id } } }",
                |family| &family.lead,
            )
            .await
        }
        "tags" => {
            let (own, all) = ask("{ it: tags { nodes { name leadsCount } } }", json!({})).await;
            assert_eq!(own["it"]["nodes"], json!([{ "name": "both", "leadsCount": 2 }]));
            assert_eq!(all["it"]["nodes"], json!([{ "name": "both", "leadsCount": 4 }]));
            // At once, for both: counts of one are not given to the other.
            let (own, all) = tokio::join!(
                server.data_as(token, "{ it: tags { nodes { leadsCount } } }", json!({})),
                server.data("{ it: tags { nodes { leadsCount } } }", json!({}))
            );
            assert_eq!(
                (
                    &own["it"]["nodes"][0]["leadsCount"],
                    &all["it"]["nodes"][0]["leadsCount"]
                ),
                (&json!(2), &json!(4))
            );
        }
        "customFields" => same("{ it: customFields { key } }").await,
        "lifecycleSettings" => same("{ it: lifecycleSettings { qualifyingScore } }").await,
        "scoreModel" => same("{ it: scoreModel { version } }").await,
        "scoreModels" => same("{ it: scoreModels { version } }").await,
        "version" => same("{ it: version }").await,
        "signInOptions" => same("{ it: signInOptions { openId } }").await,
        "scoreBacktest" => {
            let query = "query ($id: ID!) { it: scoreBacktest(jobId: $id) { leads } }";
            let answer = server
                .graphql_as(Some(token), query, json!({ "id": job(server).await }))
                .await;
            assert_eq!(unknown_field(&answer), field);
        }
        "job" => {
            let (own, all) = ask(
                "query ($id: ID!) { it: job(id: $id) { id } }",
                json!({ "id": job(server).await }),
            )
            .await;
            assert_eq!((&own["it"], all["it"].is_object()), (&json!(null), true));
        }
        "jobs" => {
            job(server).await;
            let (own, all) = ask("{ it: jobs { nodes { id createdBy } } }", json!({})).await;
            assert_eq!(
                (&own["it"]["nodes"], all["it"]["nodes"][0].is_object()),
                (&json!([]), true)
            );
        }
        "importRejections" => {
            let query = "query ($id: ID!) { it: importRejections(jobId: $id) { line } }";
            let variables = json!({ "id": super::transfers::someones_import(server).await });
            let mut own = server.graphql_as(Some(token), query, variables.clone()).await;
            assert_eq!(code(&own), "NOT_FOUND");
            assert_eq!(
                server.data(query, variables.clone()).await,
                json!({ "it": [{ "line": 2 }] })
            );
            let nobody = json!({ "id": entity::id::JobId::at(entity::Timestamp(1)) });
            let mut absent = server.graphql_as(Some(token), query, nobody.clone()).await;
            let blank = |text: &Value, id: &Value| {
                let id = id.as_str().expect("an id");
                text.as_str().expect("a text").replace(id, "")
            };
            let messages = [(&mut own, &variables["id"]), (&mut absent, &nobody["id"])]
                .map(|(answer, id)| blank(&answer["errors"][0]["message"], id));
            assert_eq!(messages[0], messages[1], "as one that is not there");
        }
        "upload" => {
            let id = super::transfers::upload(server, server.admin(), "email\nx@example.com\n").await;
            let (own, all) = ask(
                "query ($id: ID!) { it: upload(id: $id) { id } }",
                json!({ "id": id }),
            )
            .await;
            assert_eq!((&own["it"], all["it"].is_object()), (&json!(null), true));
        }
        "node" => {
            let query = "query ($id: ID!) { it: node(id: $id) { __typename id } }";
            for id in scene
                .inside
                .iter()
                .flat_map(super::Family::ids)
                .chain([&scene.tag[..]])
            {
                let (own, all) = ask(query, json!({ "id": id })).await;
                assert_eq!((&own, &own["it"]["id"]), (&all, &json!(id)));
            }
            let upload = super::transfers::upload(server, server.admin(), "x").await;
            let job = job(server).await;
            for id in scene
                .outside
                .iter()
                .flat_map(super::Family::ids)
                .chain([&upload[..], &job[..]])
            {
                let (own, all) = ask(query, json!({ "id": id })).await;
                assert_eq!((&own["it"], &all["it"]["id"]), (&json!(null), &json!(id)));
            }
        }
        "nodes" => {
            let query = "query ($ids: [ID!]!) { it: nodes(ids: $ids) { id } }";
            let ids: Vec<&str> = scene
                .inside
                .iter()
                .chain(&scene.outside)
                .flat_map(super::Family::ids)
                .collect();
            let own = server.data_as(token, query, json!({ "ids": ids })).await;
            let expected: Vec<Value> = ids
                .iter()
                .enumerate()
                .map(|(n, id)| if n < 14 { json!({ "id": id }) } else { json!(null) })
                .collect();
            assert_eq!(own["it"], json!(expected));
        }
        "me" => assert_eq!(
            server.data_as(token, "{ me { id } }", json!({})).await["me"],
            json!(null)
        ),
        "products" => same("{ it: products { nodes { title } } }").await,
        "orders" => {
            sell(server, scene).await;
            list(
                "{ it: orders(first: 4) { nodes { id name lead { id } } } }",
                "/lead/id",
                2,
            )
            .await;
        }
        "abandonedCheckouts" => {
            sell(server, scene).await;
            list(
                "{ it: abandonedCheckouts(first: 4) { nodes { id lead { id } } } }",
                "/lead/id",
                2,
            )
            .await;
        }
        "messages" => {
            write(server, scene).await;
            list(
                "{ it: messages(first: 4, filter: { directions: [OUTBOUND] }) { nodes { id subject lead { id } history { step } } } }",
                "/lead/id",
                2,
            )
            .await;
            let (own, all) = ask(
                "{ leads { nodes { id messages { nodes { id answers { id } } } } } }",
                json!({}),
            )
            .await;
            assert_eq!(listed(&own["leads"]["nodes"]).len(), 2);
            assert!(
                listed(&all["leads"]["nodes"])
                    .iter()
                    .all(|lead| listed(&lead["messages"]["nodes"]).len() == 1)
            );
            // Ann's answers Cyd's, which is not the partner's to see.
            let answered = |found: &Value| found["leads"].to_string().matches("\"answers\":{").count();
            assert_eq!((answered(&own), answered(&all)), (0, 1));
            let (own, all) = ask("{ messages(first: 50) { nodes { id } } }", json!({})).await;
            let count = |found: &Value| listed(&found["messages"]["nodes"]).len();
            assert_eq!((count(&own), count(&all)), (2, 5), "one belongs to no lead");
        }
        "message" => {
            write(server, scene).await;
            let query = "query ($id: ID!) { it: message(id: $id) { id lead { id } } }";
            let messages = server
                .data("{ messages { nodes { id lead { id } } } }", json!({}))
                .await;
            for message in listed(&messages["messages"]["nodes"]) {
                let (own, all) = ask(query, json!({ "id": message["id"] })).await;
                assert!(all["it"].is_object(), "{message}");
                if scene.is_inside(&message["lead"]["id"]) {
                    assert_eq!(own, all);
                } else {
                    assert_eq!(own, json!({ "it": null }));
                }
            }
        }
        "order" => {
            sell(server, scene).await;
            let query = "query ($id: ID!) { it: order(id: $id) { id lead { id } } }";
            let orders = server
                .data("{ orders { nodes { id lead { id } } } }", json!({}))
                .await;
            for order in listed(&orders["orders"]["nodes"]) {
                let (own, all) = ask(query, json!({ "id": order["id"] })).await;
                assert!(all["it"].is_object(), "{order}");
                if scene.is_inside(&order["lead"]["id"]) {
                    assert_eq!(own, all);
                } else {
                    assert_eq!(own, json!({ "it": null }));
                }
            }
        }
        "audiences" => {
            gather(server, scene).await;
            let query = "{ it: audiences { nodes { name memberCount members(first: 10) { nodes { lead { id } } } } } }";
            let (own, all) = ask(query, json!({})).await;
            let (own, all) = (&own["it"]["nodes"][0], &all["it"]["nodes"][0]);
            assert_eq!((&own["name"], &all["name"]), (&json!("Buyers"), &json!("Buyers")));
            assert_eq!((&own["memberCount"], &all["memberCount"]), (&json!(2), &json!(4)));
            assert_eq!(own["members"]["nodes"], kept(scene, &all["members"], "/lead/id"));
            assert_eq!(listed(&all["members"]["nodes"]).len(), 4);
            // What tells of the others is not for them.
            for hidden in [
                "filter",
                "size { atLeast }",
                "lastSync { added }",
                "syncs { nodes { added } }",
                "externalId",
                "failure { message }",
            ] {
                let refused = server
                    .graphql_as(
                        Some(token),
                        &format!("{{ audiences {{ nodes {{ {hidden} }} }} }}"),
                        json!({}),
                    )
                    .await;
                let name = hidden.split_whitespace().next().expect("a name");
                assert_eq!(unknown_field(&refused), name);
            }
        }
        "audience" => {
            gather(server, scene).await;
            let all = server.data("{ audiences { nodes { id } } }", json!({})).await;
            let query = "query ($id: ID!) { it: audience(id: $id) { name members { nodes { lead { id email audiences { name } } } } } }";
            let (own, all) = ask(query, json!({ "id": all["audiences"]["nodes"][0]["id"] })).await;
            assert_eq!(
                own["it"]["members"]["nodes"],
                kept(scene, &all["it"]["members"], "/lead/id")
            );
            assert_eq!(
                own["it"]["members"]["nodes"][0]["lead"]["audiences"],
                json!([{ "name": "Buyers" }])
            );
        }
        "audiencePreview" | "audienceSync" => {
            let connection = entity::id::ConnectionId::at(entity::Timestamp(1));
            let sync = entity::id::AudienceSyncId::at(entity::Timestamp(1));
            let asked = match field {
                "audienceSync" => format!("{{ audienceSync(id: \"{sync}\") {{ id }} }}"),
                _ => format!(
                    "{{ audiencePreview(filter: {{}}, connectionId: \"{connection}\") {{ matching }} }}"
                ),
            };
            let refused = server.graphql_as(Some(token), &asked, json!({})).await;
            assert_eq!(unknown_field(&refused), field);
        }
        "conversionDeliveries" => {
            tell(server, scene).await;
            list(
                "{ it: conversionDeliveries(first: 4) { nodes { id eventId lead { id } conversion { id } } } }",
                "/lead/id",
                2,
            )
            .await;
        }
        "conversionDelivery" => {
            tell(server, scene).await;
            let query = "query ($id: ID!) { it: conversionDelivery(id: $id) { id lead { id } } }";
            let told = server
                .data(
                    "{ it: conversionDeliveries { nodes { id lead { id } } } }",
                    json!({}),
                )
                .await;
            for one in listed(&told["it"]["nodes"]) {
                let (own, all) = ask(query, json!({ "id": one["id"] })).await;
                assert!(all["it"].is_object(), "{one}");
                if scene.is_inside(&one["lead"]["id"]) {
                    assert_eq!(own, all);
                } else {
                    assert_eq!(own, json!({ "it": null }));
                }
            }
        }
        "adResults" => {
            let asked = "{ adResults(filter: { from: \"2026-03-01\", to: \"2026-03-01\" }, by: DAY) { nodes { clicks } } }";
            let refused = server.graphql_as(Some(token), asked, json!({})).await;
            assert_eq!(unknown_field(&refused), field);
        }
        "connection" | "connections" | "integrations" | "shops" | "suppressions" | "sync"
        | "webhookDeliveries" | "webhookDelivery" => {
            let id = match field {
                "connection" => entity::id::ConnectionId::at(entity::Timestamp(1)).to_string(),
                "sync" => entity::id::SyncId::at(entity::Timestamp(1)).to_string(),
                _ => entity::id::WebhookDeliveryId::at(entity::Timestamp(1)).to_string(),
            };
            let asked = match field {
                "connections" | "suppressions" | "webhookDeliveries" => {
                    format!("{{ {field} {{ nodes {{ id }} }} }}")
                }
                "integrations" | "shops" => format!("{{ {field} {{ name }} }}"),
                _ => format!("{{ {field}(id: \"{id}\") {{ id }} }}"),
            };
            let refused = server.graphql_as(Some(token), &asked, json!({})).await;
            assert_eq!(unknown_field(&refused), field);
        }
        "attribution" => {
            single(
                "query ($id: ID!) { it: attribution(conversionId: $id, models: [LINEAR]) { conversion { id lead { email } } touchpoints { engagement { id } } } }",
                |family| &family.conversion,
            )
            .await
        }
        "attributionSettings" => {
            let asked = "{ attributionSettings { settings { version } } }";
            let refused = server.graphql_as(Some(token), asked, json!({})).await;
            assert_eq!(unknown_field(&refused), field);
        }
        "attributionCompare" | "attributionSummary" => {
            let more = match field {
                "attributionCompare" => "",
                _ => ", model: MARKOV, by: CHANNEL",
            };
            let days = "range: { from: \"2020-01-01\", to: \"2029-12-31\" }";
            let query = format!("{{ it: {field}({days}{more}) {{ current {{ totals {{ conversions }} }} }} }}");
            let (own, all) = ask(&query, json!({})).await;
            let counted = |told: &Value| -> i64 {
                let totals = listed(&told["it"]["current"]["totals"]).iter();
                totals.map(|total| total["conversions"].as_i64().expect("a number")).sum()
            };
            assert_eq!((counted(&own), counted(&all)), (2, 4), "{own} {all}");
        }
        "funnelReport" | "leadQualityReport" | "cohortReport" | "journeyReport" => {
            let what = match field {
                "cohortReport" => "cohorts { leads }",
                _ => "leads",
            };
            let query = format!("{{ it: {field}(range: {{ from: \"2020-01-01\", to: \"2029-12-31\" }}) {{ current {{ {what} }} }} }}");
            let (own, all) = ask(&query, json!({})).await;
            let counted = |told: &Value| match told["it"]["current"]["cohorts"].as_array() {
                Some(cohorts) => cohorts.iter().map(|cohort| cohort["leads"].as_i64().expect("a number")).sum(),
                None => told["it"]["current"]["leads"].as_i64().expect("a number"),
            };
            assert_eq!((counted(&own), counted(&all)), (2, 4), "{own} {all}");
        }
        "engagementReport" => {
            let days = "range: { from: \"2026-03-01\", to: \"2026-03-31\" }, byDay: true, topLeads: 9";
            let query = format!(
                "{{ it: engagementReport({days}) {{ current {{ total days {{ count }} topLeads {{ lead {{ id }} engagements }} }} }} }}"
            );
            let (own, all) = ask(&query, json!({})).await;
            let counted = |told: &Value| {
                let told = &told["it"]["current"];
                let sum = |list: &str, of: &str| -> i64 {
                    let list = told[list].as_array().expect("a list").iter();
                    list.map(|one| one[of].as_i64().expect("a number")).sum()
                };
                (told["total"].clone(), sum("days", "count"), sum("topLeads", "engagements"))
            };
            assert_eq!((counted(&own), counted(&all)), ((json!(2), 2, 2), (json!(4), 4, 4)), "{own} {all}");
        }
        "sourceReport" | "revenueReport" => {
            let what = match field {
                "sourceReport" => "total { leads }",
                _ => "conversions",
            };
            let asked = format!("{{ {field}(range: {{ lastDays: 7 }}) {{ current {{ {what} }} }} }}");
            let refused = server.graphql_as(Some(token), &asked, json!({})).await;
            assert_eq!(unknown_field(&refused), field);
        }
        "cost" | "costs" | "currencies" | "currencyRates" | "lifetimeModel" | "revenueForecast" => {
            let asked = match field {
                "cost" => format!("{{ cost(id: \"{}\") {{ id }} }}", entity::id::CostId::at(entity::Timestamp(1))),
                "costs" => "{ costs { nodes { id } } }".to_owned(),
                "currencies" => "{ currencies { settings { version } } }".to_owned(),
                "lifetimeModel" => "{ lifetimeModel { version } }".to_owned(),
                "revenueForecast" => "{ revenueForecast { total { deals } } }".to_owned(),
                _ => "{ currencyRates(currencyCode: \"USD\", from: \"2026-03-01\", to: \"2026-03-01\") { rate } }".to_owned(),
            };
            let refused = server.graphql_as(Some(token), &asked, json!({})).await;
            assert_eq!(unknown_field(&refused), field);
        }
        "textBudget" | "textBudgets" | "textGeneration" | "textGenerations" | "textModels" | "textUsage" => {
            let connection = entity::id::ConnectionId::at(entity::Timestamp(1));
            let text = entity::id::TextId::at(entity::Timestamp(1));
            let asked = match field {
                "textBudget" => format!("{{ textBudget(connectionId: \"{connection}\") {{ spentTokens }} }}"),
                "textBudgets" => "{ textBudgets { nodes { spentTokens } } }".to_owned(),
                "textGeneration" => format!("{{ textGeneration(id: \"{text}\") {{ id }} }}"),
                "textGenerations" => "{ textGenerations { nodes { id } } }".to_owned(),
                "textModels" => format!("{{ textModels(connectionId: \"{connection}\") {{ id }} }}"),
                _ => {
                    "{ textUsage(from: \"2026-03-01\", to: \"2026-03-01\", by: DAY) { requests } }".to_owned()
                }
            };
            let refused = server.graphql_as(Some(token), &asked, json!({})).await;
            assert_eq!(unknown_field(&refused), field);
        }
        "apiToken" | "apiTokens" | "auditEntries" | "invitations" | "mails" | "roles" | "user" | "users" => {
            let asked = match field {
                "apiToken" => format!(
                    "{{ apiToken(id: \"{}\") {{ id }} }}",
                    entity::id::TokenId::at(entity::Timestamp(1))
                ),
                "apiTokens" => "{ apiTokens { id } }".to_owned(),
                "invitations" => "{ invitations { id } }".to_owned(),
                "roles" => "{ roles { key } }".to_owned(),
                "user" => format!(
                    "{{ user(id: \"{}\") {{ id }} }}",
                    entity::id::UserId::at(entity::Timestamp(1))
                ),
                _ => format!("{{ {field} {{ nodes {{ id }} }} }}"),
            };
            let refused = server.graphql_as(Some(token), &asked, json!({})).await;
            assert_eq!(unknown_field(&refused), field);
        }
        other => panic!("the field `{other}` is new: say here what a token with a row filter sees of it"),
    }
}

/// A job that the admin asked for.
async fn job(server: &Server) -> String {
    let made = server
        .data("mutation { scoresRecalculate { job { id } } }", json!({}))
        .await;
    server.settled().await;
    made["scoresRecalculate"]["job"]["id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

on_both! {
    async fn each_query_tells_of_the_inside_alone(database: &Database) {
        let server = Server::start(database, Setup::default().at(NOW)).await;
        let scene = Scene::new(&server).await;
        server.settled().await;
        // Though it may do everything.
        let token = partner(&server, &["admin"], PARTNER).await;
        for (field, _) in operations("Query") {
            compare(&server, &scene, &token, &field).await;
        }
    }

    async fn a_lead_that_leaves_is_gone_everywhere_at_once(server: &Server) {
        let scene = Scene::new(server).await;
        server.settled().await;
        let token = partner(server, &["admin"], PARTNER).await;
        let lists = "{ leads { nodes { id } } engagements { nodes { id } } conversions { nodes { id } } leadsCount { count }
            activity { nodes { leadId } } tags { nodes { leadsCount } } engagementStats(from: \"2026-03-01\", to: \"2026-03-31\") { total } }";
        let before = server.data_as(&token, lists, json!({})).await;
        assert_eq!(before["leads"]["nodes"].as_array().unwrap().len(), 2);
        let [ann, bob] = &scene.inside;
        does(server, server.admin(), UPDATE, json!({ "id": ann.lead, "source": "other" })).await;
        let nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }";
        let gone = server.data_as(&token, nodes, json!({ "ids": ann.ids() })).await;
        assert_eq!(gone["nodes"], json!([null, null, null, null, null, null, null]));
        let after = server.data_as(&token, lists, json!({})).await;
        assert_eq!(after["leads"]["nodes"], json!([{ "id": bob.lead }]));
        assert_eq!(after["engagements"]["nodes"], json!([{ "id": bob.engagement }]));
        assert_eq!(after["conversions"]["nodes"], json!([{ "id": bob.conversion }]));
        assert_eq!((&after["leadsCount"]["count"], &after["tags"]["nodes"][0]["leadsCount"]), (&json!(1), &json!(1)));
        assert_eq!(after["engagementStats"]["total"], 1);
        let told = after["activity"]["nodes"].as_array().unwrap();
        assert!(!told.is_empty() && told.iter().all(|event| event["leadId"] == *bob.lead), "{told:?}");
        // Deleted is gone as well, but for the word of it.
        server.data("mutation ($id: ID!) { leadDelete(input: { id: $id }) { leadId } }", json!({ "id": bob.lead })).await;
        let after = server.data_as(&token, lists, json!({})).await;
        assert_eq!((&after["engagements"]["nodes"], &after["conversions"]["nodes"]), (&json!([]), &json!([])));
        assert_eq!(server.data_as(&token, nodes, json!({ "ids": bob.ids() })).await["nodes"], gone["nodes"]);
        let word = server.data_as(&token, "{ activity(filter: { types: [LEAD_DELETED] }) { nodes { leadId lead { id } } } }", json!({})).await;
        assert_eq!(word["activity"]["nodes"], json!([{ "leadId": bob.lead, "lead": null }]));
    }

    async fn filters_on_what_is_derived_are_asked_as_it_stands(server: &Server) {
        let scene = Scene::new(server).await;
        does(server, server.admin(), ENGAGE, json!({ "leadId": scene.outside[0].lead, "type": "EMAIL_REPLIED" })).await;
        server.settled().await;
        let scores = server.data("{ leads(order: { field: SCORE }) { nodes { id score { current } } } }", json!({})).await;
        let scores = scores["leads"]["nodes"].as_array().unwrap();
        let (best, second) = (scores[0]["score"]["current"].as_f64().unwrap(), scores[1]["score"]["current"].as_f64().unwrap());
        assert!(best > second, "{scores:?}");
        let filter = json!({ "score": { "gt": (best + second) / 2.0 } }).to_string();
        let token = partner(server, &["admin"], &filter).await;
        let seen = async |token: &str| server.data_as(token, "{ leads { nodes { id } } engagements { nodes { lead { id } } } }", json!({})).await;
        let own = seen(&token).await;
        assert_eq!(own["leads"]["nodes"], json!([{ "id": scene.outside[0].lead }]));
        assert_eq!(own["engagements"]["nodes"].as_array().unwrap().len(), 2);
        let filter = json!({ "tags": { "any": [scene.tag] }, "email": { "startsWith": "B" }, "consents": [{ "channel": "EMAIL", "purpose": "MARKETING" }],
            "not": { "or": [{ "firstName": { "contains": "Ö$1?" } }, { "interests": { "any": ["golf"] } }] }, "createdAt": { "withinDays": 2 } });
        let token = partner(server, &["admin"], &filter.to_string()).await;
        assert_eq!(seen(&token).await["leads"]["nodes"], json!([{ "id": scene.inside[1].lead }]));
        // Where the statement is written by hand the values of the filter stand in their places as well.
        let sums = "{ engagementStats(from: \"2026-03-01\") { total } tags { nodes { leadsCount } } journeysOverview { leads }
            activitySummary(by: MONTH, from: \"2026-03-01\", to: \"2026-03-31\") { nodes { total } } }";
        assert_eq!(server.data_as(&token, sums, json!({})).await, json!({ "engagementStats": { "total": 1 },
            "tags": { "nodes": [{ "leadsCount": 1 }] }, "journeysOverview": { "leads": 1 }, "activitySummary": { "nodes": [{ "total": 1 }] } }));
        for (name, refused) in [("bob", false), ("ann", true), ("cyd", true)] {
            let known = json!({ "kind": "EMAIL", "value": format!("{name}@example.com") });
            let answer = does(server, &token, ENGAGE, json!({ "identity": known, "type": "EMAIL_SENT" })).await;
            assert_eq!(answer["engagement"].is_null(), refused, "{answer}");
        }
        does(server, server.admin(), TAGGED, json!({ "leadIds": [scene.inside[1].lead], "remove": [scene.tag] })).await;
        assert_eq!(seen(&token).await, json!({ "leads": { "nodes": [] }, "engagements": { "nodes": [] } }));
    }

    async fn a_filter_that_cannot_be_used_any_more_shows_nothing(server: &Server) {
        Scene::new(server).await;
        server.settled().await;
        for broken in ["nonsense", r#"{"sauce":{"eq":"x"}}"#, r#"{"not":{"custom":[{"key":"gone","isSet":true}]}}"#] {
            let token = partner(server, &["admin"], PARTNER).await;
            let statement = leadline::db::sql(server.app().db().backend(), "UPDATE api_token SET row_filter = ? WHERE row_filter = ?",
                [broken.into(), PARTNER.into()]);
            server.app().db().write().execute_raw(statement).await.unwrap();
            let all = "{ leads { nodes { id } } engagements { nodes { id } } conversions { nodes { id } } leadsCount { count }
                activity { nodes { type } } journeysOverview { leads } engagementStats(from: \"2026-03-01\") { total } }";
            let seen = server.data_as(&token, all, json!({})).await;
            let nothing = json!({ "nodes": [] });
            assert_eq!(seen, json!({ "leads": nothing, "engagements": nothing, "conversions": nothing, "leadsCount": { "count": 0 },
                "activity": nothing, "journeysOverview": { "leads": 0 }, "engagementStats": { "total": 0 } }), "{broken}");
        }
    }

    async fn a_page_costs_a_partner_what_it_costs_the_operator(server: &Server) {
        Scene::new(server).await;
        server.settled().await;
        let token = partner(server, &["admin"], PARTNER).await;
        for query in [
            "{ leads { nodes { id } } }",
            "{ engagements { nodes { id } } }",
            "{ conversions { nodes { id lead { email } } } }",
            "{ deals { nodes { id stage { name } history { toStage { name } } lead { email deals { nodes { id } } } } } }",
            "{ leads { nodes { tags { leadsCount } notes { nodes { id } } engagements { nodes { lead { id } } } } } }",
        ] {
            server.cost_the_same(query, (&token, json!({})), (server.admin(), json!({}))).await;
        }
    }
}
