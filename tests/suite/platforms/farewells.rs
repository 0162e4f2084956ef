//! Consent that is taken back here is told to the shop, however long that takes.

use entity::{Timestamp, shop_farewell};
use integrations::sandbox::{Failure, Running};
use leadline::clock::Clock;
use sea_orm::{EntityTrait as _, IntoActiveModel as _};
use serde_json::{Value, json};

use super::{connect, shop, sync};
use crate::support::{Database, Server, Setup, until};

/// A shop whose customers are leads, with a clock that stands.
struct Scene {
    server: Server,
    sandbox: Running,
    connection: String,
    began: Timestamp,
    /// Leads that are customers and agree to mails.
    leads: Vec<String>,
}

impl Scene {
    async fn new(database: &Database) -> Self {
        let began = Clock::system().now();
        let setup = Setup::default()
            .at(&began.to_rfc3339())
            .setting("platforms_private_networks", "true");
        let server = Server::start(database, setup).await;
        let sandbox = shop(40, 1).await;
        let connection = connect(&server, "shopify", "Shop", &sandbox).await;
        sync(&server, &connection, json!({ "kinds": ["CUSTOMERS"] })).await;
        server.settled().await;
        let query =
            "{ leads(first: 50) { nodes { id consents { channel state } shopCustomers { externalId } } } }";
        let found = server.data(query, json!({})).await["leads"]["nodes"].take();
        let agrees = |lead: &&Value| {
            let consents = lead["consents"].as_array().expect("a list");
            lead["shopCustomers"] != json!([])
                && consents
                    .iter()
                    .any(|consent| consent["channel"] == "EMAIL" && consent["state"] == "GRANTED")
        };
        let leads: Vec<String> = found
            .as_array()
            .expect("a list")
            .iter()
            .filter(agrees)
            .map(|lead| lead["id"].as_str().expect("an id").to_owned())
            .collect();
        assert!(leads.len() >= 3, "{found}");
        Self {
            server,
            sandbox,
            connection,
            began,
            leads,
        }
    }

    fn later(&self, seconds: i64) {
        self.server
            .set_time(&self.began.plus_seconds(seconds).to_rfc3339());
    }

    async fn says(&self, lead: &str, state: &str) {
        let say = "mutation ($input: ConsentRecordInput!) { it: consentRecord(input: $input) { userErrors { message } } }";
        let input = json!({ "leadId": lead, "channel": "EMAIL", "state": state });
        let said = self.server.data(say, json!({ "input": input })).await["it"].take();
        assert_eq!(said["userErrors"], json!([]), "{said}");
    }

    /// Changes the connection.
    async fn act(&self, mutation: &str) {
        let text = format!(
            "mutation ($id: ID!) {{ it: {mutation}(input: {{ id: $id }}) {{ userErrors {{ message }} }} }}"
        );
        let done = self.server.data(&text, json!({ "id": self.connection })).await;
        assert_eq!(done["it"]["userErrors"], json!([]), "{done}");
    }

    async fn state(&self) -> Value {
        let query = "query ($id: ID!) { connection(id: $id) { state } }";
        let found = self.server.data(query, json!({ "id": self.connection })).await;
        found["connection"]["state"].clone()
    }

    /// How often the shop was asked to write something down about consent.
    fn asked(&self) -> usize {
        let requests = self.sandbox.requests().into_iter();
        requests
            .filter(|request| String::from_utf8_lossy(&request.body).contains("ConsentUpdate"))
            .count()
    }

    /// What shops are still to be told.
    async fn waiting(&self) -> Vec<shop_farewell::Model> {
        let db = self.server.app().db().write();
        shop_farewell::Entity::find().all(db).await.expect("it is read")
    }

    async fn is_told(&self) {
        until("all is told", async || self.waiting().await.is_empty()).await;
    }
}

on_both! {
    async fn a_shop_that_is_away_for_long_is_told_when_it_is_back(database: &Database) {
        let scene = Scene::new(database).await;
        scene.sandbox.faults.next(Failure::ServerError, 100_000);
        scene.says(&scene.leads[0], "WITHDRAWN").await;
        let mut seconds = 0;
        until("it was tried more often than a job is", async || {
            seconds += 60;
            scene.later(seconds);
            scene.waiting().await.iter().any(|row| row.attempts > 5)
        }).await;
        let waits = scene.waiting().await;
        assert_eq!(waits.len(), 1);
        assert_eq!(waits[0].problem_kind.as_deref(), Some("UNAVAILABLE"), "{waits:?}");
        assert!(waits[0].due_at.is_some(), "{waits:?}");
        scene.sandbox.faults.clear();
        let before = scene.asked();
        scene.later(seconds + 8_000);
        scene.is_told().await;
        assert_eq!(scene.asked(), before + 1);
    }

    async fn a_shop_that_was_away_is_told_when_somebody_finds_it_well(database: &Database) {
        let scene = Scene::new(database).await;
        scene.sandbox.faults.next(Failure::ServerError, 100_000);
        scene.says(&scene.leads[0], "WITHDRAWN").await;
        until("it was tried", async || scene.waiting().await.iter().any(|row| row.attempts > 0)).await;
        // The clock stands: by themselves neither the word nor the shop is looked at again.
        scene.sandbox.faults.clear();
        scene.act("connectionTest").await;
        scene.is_told().await;
        assert_eq!(scene.state().await, "ACTIVE");
    }

    async fn a_shop_that_does_not_let_us_in_is_told_when_it_is_mended(database: &Database) {
        let scene = Scene::new(database).await;
        scene.sandbox.faults.next(Failure::Unauthorised, 100_000);
        for lead in &scene.leads[..3] {
            scene.says(lead, "WITHDRAWN").await;
        }
        until("it is known", async || scene.state().await == "UNAUTHORISED").await;
        scene.server.settled().await;
        let waits = scene.waiting().await;
        assert_eq!(waits.len(), 3);
        // For weeks.
        for day in 1..20 {
            scene.later(day * 86_400);
        }
        assert_eq!(scene.waiting().await, waits);
        assert_eq!(scene.state().await, "UNAUTHORISED");
        scene.sandbox.faults.clear();
        let before = scene.asked();
        scene.act("connectionTest").await;
        scene.is_told().await;
        assert_eq!(scene.asked(), before + 3);
        let bodies = scene.sandbox.requests();
        let last = String::from_utf8_lossy(&bodies.last().expect("a request").body).into_owned();
        assert!(last.contains("UNSUBSCRIBED"), "{last}");
    }

    async fn what_was_taken_back_meanwhile_is_not_told(database: &Database) {
        let scene = Scene::new(database).await;
        scene.act("connectionDisable").await;
        for lead in &scene.leads[..3] {
            scene.says(lead, "WITHDRAWN").await;
        }
        scene.server.settled().await;
        assert_eq!(scene.waiting().await.len(), 3, "they wait until it is switched on");
        // Given again.
        scene.later(60);
        scene.says(&scene.leads[0], "GRANTED").await;
        scene.server.settled().await;
        assert_eq!(scene.waiting().await.len(), 2);
        // Given again, and not noticed: looked at before it is told.
        let given = shop_farewell::Model { lead_id: scene.leads[0].parse().unwrap(), ..scene.waiting().await[0].clone() };
        shop_farewell::Entity::delete_by_id((given.connection_id, given.customer_id.clone(), given.channel)).exec(scene.server.app().db().write()).await.unwrap();
        shop_farewell::Entity::insert(given.into_active_model()).exec_without_returning(scene.server.app().db().write()).await.unwrap();
        // Erased.
        let kept = scene.waiting().await.into_iter().find(|row| row.lead_id.to_string() != scene.leads[0]).unwrap();
        let erase = "mutation ($id: ID!) { it: leadErase(input: { id: $id }) { userErrors { message } } }";
        let erased = scene.server.data(erase, json!({ "id": kept.lead_id })).await;
        assert_eq!(erased["it"]["userErrors"], json!([]), "{erased}");
        scene.server.settled().await;
        assert_eq!(scene.waiting().await.len(), 1);
        scene.act("connectionEnable").await;
        scene.is_told().await;
        scene.server.settled().await;
        assert_eq!(scene.asked(), 0);
        // Removed.
        scene.act("connectionDisable").await;
        scene.later(90);
        scene.says(&scene.leads[0], "WITHDRAWN").await;
        scene.server.settled().await;
        assert_eq!(scene.waiting().await.len(), 1);
        scene.act("connectionDelete").await;
        scene.is_told().await;
        scene.later(120);
        scene.says(&scene.leads[0], "GRANTED").await;
        scene.later(180);
        scene.says(&scene.leads[0], "WITHDRAWN").await;
        scene.server.settled().await;
        assert!(scene.waiting().await.is_empty(), "nobody tells a connection that was removed");
        assert_eq!(scene.asked(), 0);
    }

    async fn whoever_is_killed_tells_once_more_at_most(database: &Database) {
        let scene = Scene::new(database).await;
        scene.act("connectionDisable").await;
        scene.says(&scene.leads[0], "WITHDRAWN").await;
        scene.server.settled().await;
        let word = scene.waiting().await.remove(0);
        scene.act("connectionEnable").await;
        scene.is_told().await;
        assert_eq!(scene.asked(), 1);
        // As if whoever told it had been killed before forgetting it: the word is there, and a lease that nobody renews.
        let db = scene.server.app().db();
        let now = scene.server.app().clock().now();
        let name = format!("farewells:{}", scene.connection);
        until("the lane is free", async || leadline::db::take_lease(db, &name, "gone", now, 180).await.unwrap()).await;
        shop_farewell::Entity::insert(word.into_active_model()).exec_without_returning(db.write()).await.unwrap();
        scene.later(60);
        assert_eq!(scene.waiting().await.len(), 1, "the other may yet live");
        scene.later(200);
        scene.is_told().await;
        assert_eq!(scene.asked(), 2);
        scene.later(100_000);
        scene.server.settled().await;
        assert_eq!(scene.asked(), 2);
    }

    async fn what_a_shop_does_not_take_is_kept_as_failed(database: &Database) {
        let scene = Scene::new(database).await;
        scene.act("connectionDisable").await;
        for lead in &scene.leads[..2] {
            scene.says(lead, "WITHDRAWN").await;
        }
        scene.server.settled().await;
        // One customer of whom the shop has no address, one whom it does not have.
        let waits = scene.waiting().await;
        let (there, gone) = ("gid://shopify/Customer/7100000000009", "gid://shopify/Customer/1");
        for (row, customer) in waits.iter().zip([there, gone]) {
            let db = scene.server.app().db().write();
            shop_farewell::Entity::delete_by_id((row.connection_id, row.customer_id.clone(), row.channel)).exec(db).await.unwrap();
            let row = shop_farewell::Model { customer_id: customer.to_owned(), ..row.clone() };
            shop_farewell::Entity::insert(row.into_active_model()).exec_without_returning(db).await.unwrap();
        }
        scene.act("connectionEnable").await;
        until("the shop has answered", async || {
            let waits = scene.waiting().await;
            waits.len() == 1 && waits[0].due_at.is_none()
        }).await;
        let failed = scene.waiting().await.remove(0);
        assert_eq!((failed.customer_id.as_str(), failed.problem_kind.as_deref(), failed.attempts), (there, Some("REFUSED"), 1));
        let asked = scene.asked();
        scene.later(100_000);
        scene.act("connectionTest").await;
        scene.server.settled().await;
        assert_eq!((scene.asked(), scene.waiting().await.len()), (asked, 1), "it is not tried again");
        let audit = "mutation ($id: ID!) { it: shopAudit(input: { connectionId: $id }) { audit { findings { code message } } } }";
        let found = scene.server.data(audit, json!({ "id": scene.connection })).await["it"]["audit"]["findings"][0].take();
        assert_eq!(found["code"], "UNTOLD_WITHDRAWALS", "the owner sees it");
        assert!(found["message"].as_str().unwrap().contains(there), "{found}");
    }
}
