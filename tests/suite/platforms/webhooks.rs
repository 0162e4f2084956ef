//! The door for webhooks: verified, kept, answered, processed afterwards, replayed.

use entity::{SyncKind, Timestamp};
use integrations::Integration as _;
use integrations::platform::meta::Meta;
use integrations::platform::sendgrid::SendGrid;
use integrations::sandbox::Failure;
use leadline::app::App;
use leadline::db::Tx;
use leadline::error::Error;
use leadline::platforms::connections::{Consumer, Items, Live, Written};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{connect, run, server, shop};
use crate::support::{Database, Server, Setup, until};

const LIST: &str = "query ($states: [WebhookState!]) { webhookDeliveries(first: 50, states: $states) { nodes { id state topic attempts problemKind problem body headers { name } connection { name } } } }";

/// A room in which somebody else is always at the first order that came.
#[derive(Default)]
struct Contested(std::sync::OnceLock<String>);

#[async_trait::async_trait]
impl Consumer for Contested {
    fn kinds(&self) -> &'static [SyncKind] {
        &[SyncKind::Orders]
    }

    async fn write(&self, _: &App, _: &Tx, _: &Live, _: Timestamp, items: &Items) -> Result<Written, Error> {
        let Items::Orders(orders) = items else {
            return Ok(Written::default());
        };
        let first = self.0.get_or_init(|| orders[0].id.clone());
        if orders.iter().any(|order| order.id == *first) {
            return Err(Error::Conflict("somebody else is at it".to_owned()));
        }
        Ok(Written::default())
    }
}

on_both! {
    async fn a_lead_arrives_by_webhook(database: &Database) {
        let server = server(database).await;
        let sandbox = run(|clock| Meta::default().sandbox(clock)).await;
        let id = connect(&server, "meta", "Ads", &sandbox).await;
        let register = "mutation ($id: ID!) { it: connectionWebhooksRegister(input: { id: $id }) { userErrors { code message } } }";
        let told = server.data(register, json!({ "id": id })).await["it"].take();
        assert_eq!(told["userErrors"], json!([]), "{told}");
        let url = server.data("query ($id: ID!) { connection(id: $id) { webhookUrl } }", json!({ "id": id })).await["connection"]["webhookUrl"].take();
        sandbox.sandbox().point_webhooks(&url.as_str().unwrap().parse().unwrap());
        let case = sandbox.sandbox().cases().lead_source.unwrap();
        let before = server.data("{ leadsCount { count } }", json!({})).await;
        assert_eq!(before["leadsCount"]["count"], 0);
        let delivered = sandbox.happen(case.another).await;
        assert!(delivered.iter().all(|delivered| delivered.status == Some(200)) && !delivered.is_empty(), "{delivered:?}");
        until("the lead is there", async || server.data("{ leadsCount { count } }", json!({})).await["leadsCount"]["count"] == 1).await;
        let lead = server.data("{ leads { nodes { email source sourceDetail identities { kind namespace } } } }", json!({})).await["leads"]["nodes"][0].take();
        assert_eq!(lead["source"], "meta", "{lead}");
        assert!(lead["email"].is_string(), "{lead}");
    }

    async fn what_is_not_from_the_platform_is_refused(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(3, 3).await);
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        let post = async |path: String, signature: &str| {
            let request = server.http().post(server.url(&path)).header("x-shopify-topic", "orders/create");
            request.header("x-shopify-hmac-sha256", signature).body("{\"id\":1}").send().await.unwrap().status().as_u16()
        };
        assert_eq!(post(format!("/webhooks/{id}"), "bm90IGl0").await, 401);
        assert_eq!(post("/webhooks/conn_01h455vb4pex5vsknk084sn02q".to_owned(), "bm90IGl0").await, 404);
        assert_eq!(post("/webhooks/nonsense".to_owned(), "bm90IGl0").await, 404);
        let large = server.http().post(server.url(&format!("/webhooks/{id}"))).body(vec![b'x'; 2 << 20]).send().await.unwrap();
        assert_eq!(large.status(), 413);
        let kept = server.data(LIST, json!({})).await["webhookDeliveries"]["nodes"].take();
        assert_eq!(kept, json!([]));
    }

    async fn what_cannot_be_processed_is_kept_and_replayed(database: &Database) {
        let server = server(database).await;
        let sandbox = run(|clock| Meta::default().sandbox(clock)).await;
        let id = connect(&server, "meta", "Ads", &sandbox).await;
        let register = "mutation ($id: ID!) { it: connectionWebhooksRegister(input: { id: $id }) { userErrors { code message } } }";
        server.data(register, json!({ "id": id })).await;
        let url = server.data("query ($id: ID!) { connection(id: $id) { webhookUrl } }", json!({ "id": id })).await["connection"]["webhookUrl"].take();
        sandbox.sandbox().point_webhooks(&url.as_str().unwrap().parse().unwrap());
        let case = sandbox.sandbox().cases().lead_source.unwrap();
        // The lead cannot be fetched: the answer cannot be read.
        sandbox.faults.next(Failure::Malformed, 1_000);
        let delivered = sandbox.happen(case.another).await;
        assert_eq!(delivered[0].status, Some(200), "it is kept all the same: {delivered:?}");
        let mut failed = json!(null);
        until("it is given up", async || {
            let found = server.data(LIST, json!({ "states": ["FAILED"] })).await["webhookDeliveries"]["nodes"].take();
            failed = found.get(0).cloned().unwrap_or_default();
            failed["state"] == "FAILED"
        }).await;
        assert_eq!(failed["problemKind"], "MALFORMED", "{failed}");
        assert!(failed["body"].as_str().unwrap().contains("leadgen"), "{failed}");
        sandbox.faults.clear();
        let replay = "mutation ($id: ID!) { it: webhookReplay(input: { id: $id }) { delivery { state } userErrors { code } } }";
        let again = server.data(replay, json!({ "id": failed["id"] })).await["it"].take();
        assert_eq!(again["delivery"]["state"], "WAITING", "{again}");
        until("the lead is there", async || server.data("{ leadsCount { count } }", json!({})).await["leadsCount"]["count"] == 1).await;
        let done = server.data(replay, json!({ "id": failed["id"] })).await["it"].take();
        assert_eq!(done["userErrors"][0]["code"], "NOT_FAILED", "{done}");
    }
    async fn what_cannot_be_fetched_waits_until_the_connection_is_mended(database: &Database) {
        let server = server(database).await;
        let sandbox = run(|clock| Meta::default().sandbox(clock)).await;
        let id = connect(&server, "meta", "Ads", &sandbox).await;
        let register = "mutation ($id: ID!) { it: connectionWebhooksRegister(input: { id: $id }) { userErrors { code message } } }";
        server.data(register, json!({ "id": id })).await;
        let url = server.data("query ($id: ID!) { connection(id: $id) { webhookUrl } }", json!({ "id": id })).await["connection"]["webhookUrl"].take();
        sandbox.sandbox().point_webhooks(&url.as_str().unwrap().parse().unwrap());
        let case = sandbox.sandbox().cases().lead_source.unwrap();
        sandbox.faults.next(Failure::Unauthorised, 1_000);
        sandbox.happen(case.another).await;
        let mut waits = json!(null);
        until("it is known why it waits", async || {
            let found = server.data(LIST, json!({ "states": ["WAITING"] })).await["webhookDeliveries"]["nodes"].take();
            waits = found.get(0).cloned().unwrap_or_default();
            !waits["problemKind"].is_null()
        }).await;
        assert!(["UNAUTHORISED", "REVOKED"].contains(&waits["problemKind"].as_str().unwrap()), "{waits}");
        sandbox.faults.clear();
        let test = "mutation ($id: ID!) { connectionTest(input: { id: $id }) { ok } }";
        assert_eq!(server.data(test, json!({ "id": id })).await["connectionTest"]["ok"], true);
        until("the lead is there", async || server.data("{ leadsCount { count } }", json!({})).await["leadsCount"]["count"] == 1).await;
    }

    async fn what_is_there_of_a_webhook_is_taken_when_the_rest_is_not(database: &Database) {
        let setup = Setup::default().at("2026-11-01T12:00:00Z").setting("platforms_private_networks", "true");
        let server = Server::start(database, setup).await;
        let sandbox = run(|clock| Meta::default().sandbox(clock)).await;
        let id = connect(&server, "meta", "Ads", &sandbox).await;
        let register = "mutation ($id: ID!) { it: connectionWebhooksRegister(input: { id: $id }) { userErrors { code message } } }";
        server.data(register, json!({ "id": id })).await;
        // The lead is left at the platform, and nobody hears of it.
        sandbox.sandbox().point_webhooks(&server.url("/webhooks/nobody").parse().unwrap());
        let case = sandbox.sandbox().cases().lead_source.unwrap();
        let told = sandbox.happen(case.another).await;
        assert_eq!(told[0].status, Some(404), "{told:?}");
        let mut body: Value = serde_json::from_slice(&told[0].delivery.body).unwrap();
        let changes = body["entry"][0]["changes"].as_array_mut().unwrap();
        let mut gone = changes[0].clone();
        gone["value"]["leadgen_id"] = json!("999999999999");
        changes.insert(0, gone);
        let body = body.to_string();
        let secret = sandbox.sandbox().setup(&sandbox.base).secrets["appSecret"].as_str().unwrap().to_owned();
        let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let request = server.http().post(server.url(&format!("/webhooks/{id}"))).header("x-hub-signature-256", format!("sha256={hex}"));
        assert_eq!(request.header("content-type", "application/json").body(body).send().await.unwrap().status(), 200);
        for (attempts, minute) in [(1, 1), (2, 2)] {
            until("it was tried", async || {
                let found = server.data(LIST, json!({ "states": ["WAITING"] })).await["webhookDeliveries"]["nodes"].take();
                found[0]["attempts"] == attempts
            }).await;
            server.set_time(&format!("2026-11-01T12:0{minute}:00Z"));
        }
        let mut kept = json!(null);
        until("the rest is given up", async || {
            let found = server.data(LIST, json!({ "states": ["FAILED"] })).await["webhookDeliveries"]["nodes"].take();
            kept = found.get(0).cloned().unwrap_or_default();
            kept["state"] == "FAILED"
        }).await;
        assert!(kept["problem"].as_str().unwrap().contains("999999999999"), "{kept}");
        assert_eq!(server.data("{ leadsCount { count } }", json!({})).await["leadsCount"]["count"], 1);
    }

    async fn a_late_farewell_does_not_end_what_was_made_up_since(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(3, 3).await);
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        let secret = sandbox.sandbox().setup(&sandbox.base).secrets["clientSecret"].as_str().unwrap().to_owned();
        let body = "{\"id\":61000000001}";
        let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
        let signature = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, tag);
        let shop = sandbox.sandbox().setup(&sandbox.base).settings["shop"].as_str().unwrap().to_owned();
        let request = server.http().post(server.url(&format!("/webhooks/{id}")))
            .header("x-shopify-topic", "app/uninstalled").header("x-shopify-hmac-sha256", signature)
            .header("x-shopify-shop-domain", shop).header("x-shopify-webhook-id", "late");
        assert_eq!(request.body(body).send().await.unwrap().status(), 200);
        until("it is looked at", async || {
            let found = server.data(LIST, json!({ "states": ["IGNORED"] })).await["webhookDeliveries"]["nodes"].take();
            found[0]["topic"] == "app/uninstalled"
        }).await;
        let state = server.data("query ($id: ID!) { connection(id: $id) { state } }", json!({ "id": id })).await["connection"]["state"].take();
        assert_eq!(state, "ACTIVE");
    }

    async fn what_always_meets_somebody_else_does_not_stand_before_the_others(database: &Database) {
        use leadline::platforms::connections::{Consumers, Lanes, WebhookProcessor};
        let setup = Setup::default().setting("platforms_private_networks", "true").without_work();
        let (server, sandbox) = (Server::start(database, setup).await, shop(3, 3).await);
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        let register = "mutation ($id: ID!) { it: connectionWebhooksRegister(input: { id: $id }) { userErrors { code message } } }";
        server.data(register, json!({ "id": id })).await;
        for _ in 0..3 {
            let told = sandbox.happen("order_created").await;
            assert!(told.iter().all(|told| told.status == Some(200)) && !told.is_empty(), "{told:?}");
        }
        let consumers = Consumers::new(vec![std::sync::Arc::new(Contested::default())]);
        let processor = WebhookProcessor::new(server.app().clone(), consumers);
        let stop = tokio_util::sync::CancellationToken::new();
        let works = tokio::spawn(Lanes::new(server.app().clone(), processor).run(stop.clone()));
        let mut waits = json!(null);
        until("the others are done", async || {
            let all = server.data(LIST, json!({})).await["webhookDeliveries"]["nodes"].take();
            let all = all.as_array().unwrap();
            waits = all.iter().filter(|row| row["state"] == "WAITING" && row["topic"] == "orders/create").cloned().collect();
            let done = all.iter().filter(|row| row["state"] == "PROCESSED" && row["topic"] == "orders/create").count();
            done == 2 && waits[0]["attempts"].as_i64() >= Some(1)
        }).await;
        assert_eq!(waits.as_array().unwrap().len(), 1, "{waits}");
        assert_eq!(waits[0]["problemKind"], "UNAVAILABLE", "it is tried again: {waits}");
        stop.cancel();
        works.await.unwrap();
    }

    async fn mails_with_what_is_attached_come_in(database: &Database) {
        let server = server(database).await;
        let sandbox = run(|clock| SendGrid.sandbox(clock)).await;
        let id = connect(&server, "sendgrid", "Mail", &sandbox).await;
        // Not signed, but read.
        let request = server.http().post(server.url(&format!("/webhooks/{id}")));
        assert_eq!(request.body(vec![b'x'; 20 << 20]).send().await.unwrap().status(), 401);
        // What is too large is not waited for.
        let url: reqwest::Url = server.url(&format!("/webhooks/{id}")).parse().unwrap();
        let address = (url.host_str().unwrap(), url.port().unwrap());
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!("POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", url.path(), 33 << 20);
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 413");
    }

    async fn what_cannot_be_held_is_refused_with_when_to_come_again(database: &Database) {
        let server = server(database).await;
        let sandbox = run(|clock| SendGrid.sandbox(clock)).await;
        let id = connect(&server, "sendgrid", "Mail", &sandbox).await;
        let url: reqwest::Url = server.url(&format!("/webhooks/{id}")).parse().unwrap();
        let address = (url.host_str().unwrap(), url.port().unwrap());
        // More than is held at a time is promised, and does not come: again and again, as one that does not come in time is let go.
        let mut slow = Vec::new();
        let post = async || server.http().post(url.clone()).body("x").send().await.unwrap();
        let mut refused = None;
        until("it is busy", async || {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let head = format!("POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", url.path(), 32 << 20);
            stream.write_all(head.as_bytes()).await.unwrap();
            slow.push(stream);
            let answer = post().await;
            let is_busy = answer.status() == 503;
            refused = Some(answer);
            is_busy
        }).await;
        assert_eq!(refused.unwrap().headers()["retry-after"], "1");
        let metrics = server.http().get(server.url("/metrics")).send().await.unwrap().text().await.unwrap();
        assert!(metrics.contains("leadline_webhooks_refused_total{why=\"BUSY\"}"), "operators see that");
        // Others are let in again when those have gone.
        drop(slow);
        until("it is read", async || post().await.status() == 401).await;
    }
}
