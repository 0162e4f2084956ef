//! What becomes of deliveries afterwards: called off, brought back, withheld and offered again, no longer kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use entity::conversion_delivery;
use entity::id::ConversionDeliveryId;
use leadline::events;
use leadline::jobs::Chore as _;
use leadline::platforms::conversions::{ConversionHandler, ConversionSweep};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QuerySelect as _};
use serde_json::{Value, json};

use super::{Scene, UPDATE, rules};
use crate::support::{Backend, Database, Server, until, with_database};

const BACKFILL: &str = "mutation ($input: ConversionBackfillInput!) { it: conversionBackfill(input: $input) { job { id } userErrors { code } } }";

on_both! {
    async fn what_was_called_off_is_told_by_a_backfill_and_once(database: &Database) {
        let scene = Scene::at_noon(database).await;
        let mut socket = scene.server.socket(scene.server.admin()).await;
        let query = "subscription ($id: ID) { it: conversionDeliveryChanged(connectionId: $id) { state problemKind count connectionId leadId
            conversionDelivery { id } } }";
        let mut feed = socket.subscribe(query, json!({ "id": scene.connection })).await;
        let only = json!({ "rules": [rules()[0]] });
        scene.share(only.clone()).await;
        let lead = scene.lead("a@example.com").await;
        scene.buys(&lead, json!({})).await;
        scene.stand(&["WITHHELD"]).await;
        // What is looked at again, or called off, all at once is told at once.
        scene.share(json!({ "rules": [rules()[0]], "unknownConsent": "NOT_REQUIRED" })).await;
        let sent = scene.stand(&["SENT"]).await;
        scene.act("connectionDisable").await;
        for _ in 0..2 {
            scene.buys(&lead, json!({})).await;
        }
        let waiting = scene.stand(&["PENDING", "PENDING", "SENT"]).await;
        let off = json!({ "input": { "connectionId": scene.connection, "enabled": false } });
        scene.server.data(UPDATE, off.clone()).await;
        scene.stand(&["CANCELLED", "CANCELLED", "SENT"]).await;
        let mut many = Vec::new();
        while many.len() < 2 {
            let said = feed.data().await["it"].take();
            if said["leadId"].is_null() {
                many.push(said);
            } else {
                assert_eq!(said["count"], 1, "{said}");
            }
        }
        let all = |state: &str, problem: Value, count: i64| json!({ "state": state, "problemKind": problem, "count": count,
            "connectionId": scene.connection, "leadId": null, "conversionDelivery": null });
        assert_eq!(many, [all("PENDING", Value::Null, 1), all("CANCELLED", json!("SWITCHED_OFF"), 2)]);
        // Nothing comes back by itself.
        scene.share(only).await;
        scene.act("connectionEnable").await;
        scene.server.settled().await;
        scene.stand(&["CANCELLED", "CANCELLED", "SENT"]).await;
        let job = "query ($id: ID!) { job(id: $id) { state counts { name value } } }";
        let input = json!({ "input": { "connectionId": scene.connection, "since": "2026-03-10T11:00:00Z" } });
        for again in [2, 0] {
            let begun = scene.server.data(BACKFILL, input.clone()).await["it"].take();
            scene.server.settled().await;
            let done = scene.server.data(job, json!({ "id": begun["job"]["id"] })).await["job"].take();
            let counts = json!([{ "name": "created", "value": 0 }, { "name": "offeredAgain", "value": again }]);
            assert_eq!((&done["state"], &done["counts"]), (&json!("SUCCEEDED"), &counts), "{done}");
            let found = scene.stand(&["SENT"; 3]).await;
            let ids = |rows: &[Value]| rows.iter().map(|row| row["eventId"].to_string()).collect::<BTreeSet<_>>();
            assert_eq!(ids(&found), ids(&waiting), "by the same ids");
        }
        let told: Vec<Value> = scene.told().iter().flat_map(|data| data.as_array().unwrap().clone()).collect();
        assert_eq!(told.len(), 3, "each was told once: {told:?}");
        assert_eq!((scene.taken(), &told[0]["event_id"]), (3, &sent[0]["eventId"]));
    }

    async fn what_is_settled_is_kept_for_so_long(database: &Database) {
        let scene = Scene::at_noon(database).await;
        scene.share(json!({ "rules": [rules()[0]], "unknownConsent": "NOT_REQUIRED" })).await;
        let lead = scene.lead("a@example.com").await;
        let refusing = scene.lead("b@example.com").await;
        scene.consent(&refusing, "DENIED").await;
        scene.buys(&lead, json!({})).await;
        scene.buys(&refusing, json!({})).await;
        scene.stand(&["SENT", "WITHHELD"]).await;
        scene.act("connectionDisable").await;
        scene.buys(&lead, json!({})).await;
        scene.stand(&["PENDING", "SENT", "WITHHELD"]).await;
        let app = scene.server.app();
        scene.advance(90 * 86_400);
        ConversionSweep.run(app).await.unwrap();
        scene.stand(&["PENDING", "SENT", "WITHHELD"]).await;
        scene.advance(1);
        ConversionSweep.run(app).await.unwrap();
        // What waits for its platform is not settled.
        scene.stand(&["PENDING"]).await;
        // Nothing brings those up again that are gone: they are older than what the platform takes.
        let since = app.clock().now().plus_days(-6).to_rfc3339();
        let begun = scene.server.data(BACKFILL, json!({ "input": { "connectionId": scene.connection, "since": since } })).await["it"].take();
        assert_eq!(begun["userErrors"], json!([]), "{begun}");
        scene.server.settled().await;
        scene.stand(&["PENDING"]).await;
        assert_eq!(scene.taken(), 1);
    }
}

/// On SQLite there is one writer, so that nothing comes between.
#[test]
fn a_consent_at_the_moment_of_a_refusal_is_heard() {
    with_database(Backend::Postgres, async |database| {
        let scene = Scene::new(database).await;
        scene.share(json!({ "rules": [rules()[0]] })).await;
        let lead = scene.lead("a@example.com").await;
        scene.act("connectionDisable").await;
        scene.buys(&lead, json!({})).await;
        let delivery = scene.stand(&["PENDING"]).await[0]["id"].clone();
        let delivery = ConversionDeliveryId::parse(delivery.as_str().unwrap()).unwrap();
        scene.server.settled().await;
        let app = scene.server.app();
        let waiting = async || {
            let text = "SELECT COUNT(*) AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let row = app
                .db()
                .read()
                .query_one_raw(leadline::db::sql(app.db().backend(), text, []))
                .await
                .unwrap()
                .unwrap();
            row.try_get::<i64>("", "waiting").unwrap()
        };
        // Whoever looks at the delivery stops in front of its row.
        let held = app.db().begin().await.unwrap();
        let query = conversion_delivery::Entity::find_by_id(delivery).lock_exclusive();
        query.one(&*held).await.unwrap().unwrap();
        scene.act("connectionEnable").await;
        until("it is being looked at", async || waiting().await > 0).await;
        // The lead consents meanwhile, and whoever hears of that is through with it, or waits as well.
        scene.consent(&lead, "GRANTED").await;
        until("the consent is heard of", async || {
            waiting().await > 1 || !is_behind(&scene.server).await
        })
        .await;
        held.commit().await.unwrap();
        scene.stand(&["SENT"]).await;
        assert_eq!(scene.taken(), 1);
    });
}

/// Whether the handler has events before it.
async fn is_behind(server: &Server) -> bool {
    let handler: Arc<dyn events::Handler> = Arc::new(ConversionHandler);
    let behind = events::behind(server.app(), &[handler]).await;
    // A cursor that cannot be read is held by a handler that is at work.
    behind.map_or(true, |behind| !behind.is_empty())
}
