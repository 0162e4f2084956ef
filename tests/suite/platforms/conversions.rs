//! Conversions told to a platform: what, of whom, how often, and what became of it.

mod afterwards;

use std::sync::Arc;
use std::time::Duration;

use entity::{ConversionDeliveryState, Timestamp, conversion_delivery};
use integrations::platform::meta::Meta;
use integrations::sandbox::{Failure, Running, start};
use integrations::{Integration as _, ManualClock};
use leadline::identity::Caller;
use leadline::insight::revenue::{Reversal, reverse_many};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use super::{CREATE, connect, input, run, server, shop, sync};
use crate::support::{Database, Server, Setup, code, until};

const UPDATE: &str = "mutation ($input: ConversionSharingUpdateInput!) { it: conversionSharingUpdate(input: $input) {
    conversionSharing { enabled since unknownConsent clickKey rules { happening sharedAs name } } userErrors { field code message } } }";
const DELIVERIES: &str = "query ($filter: ConversionDeliveryFilter) { conversionDeliveries(first: 100, filter: $filter) { nodes { id state
    attempts dueAt problemKind problem eventId happening sharedAs name sentAt reversedAt leadId connectionId conversion { id } connection { name } } } }";
const RETRY: &str = "mutation ($ids: [ID!]!) { it: conversionDeliveryRetry(input: { ids: $ids }) { conversionDeliveries { id state }
    userErrors { field code } } }";
/// Of `john_smith@gmail.com`, as the platform's documentation has it.
const HASH: &str = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f";
const NOON: &str = "2026-03-10T12:00:00Z";

fn rules() -> Value {
    json!([
        { "happening": "CONVERSION", "conversionKind": "PURCHASE", "sharedAs": "PURCHASE" },
        { "happening": "CONVERSION", "conversionKind": "CUSTOM", "conversionName": "Demo", "sharedAs": "SCHEDULE" },
        { "happening": "LEAD_CREATED", "sharedAs": "LEAD" },
        { "happening": "STAGE_REACHED", "stage": "QUALIFIED", "sharedAs": "STAGE", "name": "Sales qualified" },
    ])
}

/// A server and a platform.
struct Scene {
    server: Server,
    sandbox: Running,
    connection: String,
    clock: Option<Arc<ManualClock>>,
}

impl Scene {
    /// With the machine's clock.
    async fn new(database: &Database) -> Self {
        let server = server(database).await;
        let sandbox = meta().await;
        let connection = connect(&server, "meta", "Ads", &sandbox).await;
        Self {
            server,
            sandbox,
            connection,
            clock: None,
        }
    }

    /// With a clock that stands, for both.
    async fn at_noon(database: &Database) -> Self {
        let setup = Setup::default()
            .setting("platforms_private_networks", "true")
            .at(NOON);
        let server = Server::start(database, setup).await;
        let now = Timestamp::parse_rfc3339(NOON).expect("a moment").to_chrono();
        let clock = Arc::new(ManualClock::at(now));
        let sandbox = start(Meta::default().sandbox(clock.clone()), clock.clone())
            .await
            .expect("a port of loopback");
        let connection = connect(&server, "meta", "Ads", &sandbox).await;
        Self {
            server,
            sandbox,
            connection,
            clock: Some(clock),
        }
    }

    fn advance(&self, seconds: u64) {
        let clock = self.server.app().clock();
        clock.set(clock.now().plus_seconds(i64::try_from(seconds).expect("few")));
        if let Some(clock) = &self.clock {
            clock.advance(Duration::from_secs(seconds));
        }
    }

    async fn share(&self, more: Value) -> Value {
        share(&self.server, &self.connection, more).await
    }

    async fn lead(&self, email: &str) -> String {
        let create = "mutation ($input: LeadCreateInput!) { it: leadCreate(input: $input) { lead { id } userErrors { message } } }";
        let made = self
            .server
            .data(
                create,
                json!({ "input": { "email": email, "firstName": "John", "city": "Berlin" } }),
            )
            .await["it"]
            .take();
        made["lead"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{made}"))
            .to_owned()
    }

    async fn consent(&self, lead: &str, state: &str) {
        let record = "mutation ($input: ConsentRecordInput!) { it: consentRecord(input: $input) { userErrors { message } } }";
        let input = json!({ "leadId": lead, "channel": "ADS", "state": state });
        let done = self.server.data(record, json!({ "input": input })).await;
        assert_eq!(done["it"]["userErrors"], json!([]), "{done}");
    }

    /// A purchase that is worth something; gives its id.
    async fn buys(&self, lead: &str, more: Value) -> String {
        let mut input = json!({ "leadId": lead, "kind": "PURCHASE", "value": { "amount": "120.50", "currencyCode": "EUR" } });
        input
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        let record = "mutation ($input: ConversionRecordInput!) { it: conversionRecord(input: $input) { conversion { id } userErrors { message } } }";
        let made = self.server.data(record, json!({ "input": input })).await["it"].take();
        made["conversion"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{made}"))
            .to_owned()
    }

    async fn deliveries(&self) -> Vec<Value> {
        let filter = json!({ "connectionId": self.connection });
        deliveries(&self.server, filter).await
    }

    /// Waits until all deliveries stand as said, in the order in which they were made.
    async fn stand(&self, states: &[&str]) -> Vec<Value> {
        let mut found = Vec::new();
        until("the deliveries stand as they should", async || {
            found = self.deliveries().await;
            found.reverse();
            let mut is: Vec<_> = found
                .iter()
                .map(|one| one["state"].as_str().expect("a state"))
                .collect();
            let mut ought = states.to_vec();
            is.sort_unstable();
            ought.sort_unstable();
            is == ought
        })
        .await;
        found
    }

    /// What the platform was told, request by request.
    fn told(&self) -> Vec<Value> {
        let requests = self.sandbox.requests().into_iter();
        requests
            .filter(|request| request.path.ends_with("/events"))
            .map(|request| request.json()["data"].take())
            .collect()
    }

    fn taken(&self) -> usize {
        self.sandbox.sandbox().holds()["events"]
    }

    async fn act(&self, mutation: &str) {
        let text = format!(
            "mutation ($id: ID!) {{ it: {mutation}(input: {{ id: $id }}) {{ userErrors {{ message }} }} }}"
        );
        let done = self.server.data(&text, json!({ "id": self.connection })).await;
        assert_eq!(done["it"]["userErrors"], json!([]), "{done}");
    }
}

async fn meta() -> Running {
    run(|clock| Meta::default().sandbox(clock)).await
}

async fn share(server: &Server, connection: &str, more: Value) -> Value {
    let mut input = json!({ "connectionId": connection, "enabled": true, "rules": rules() });
    input
        .as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    let done = server.data(UPDATE, json!({ "input": input })).await["it"].take();
    assert_eq!(done["userErrors"], json!([]), "{done}");
    done["conversionSharing"].clone()
}

async fn deliveries(server: &Server, filter: Value) -> Vec<Value> {
    let found = server.data(DELIVERIES, json!({ "filter": filter })).await;
    found["conversionDeliveries"]["nodes"]
        .as_array()
        .expect("a list")
        .clone()
}

on_both! {
    async fn what_happens_arrives_hashed_and_counts_once(database: &Database) {
        let scene = Scene::new(database).await;
        let (early, mut socket) = (scene.lead("early@example.com").await, scene.server.socket(scene.server.admin()).await);
        scene.consent(&early, "GRANTED").await;
        scene.server.settled().await;
        let asked = "query ($id: ID!) { connection(id: $id) { conversionSharing { enabled since rules { name } unknownConsent } } }";
        let before = scene.server.data(asked, json!({ "id": scene.connection })).await["connection"]["conversionSharing"].take();
        assert_eq!(before, json!({ "enabled": false, "since": null, "rules": [], "unknownConsent": "WITHHOLD" }));
        // What happened before it was switched on is not told.
        scene.buys(&early, json!({})).await;
        scene.server.settled().await;
        let shared = scene.share(json!({ "clickKey": "fbclid" })).await;
        assert_eq!((&shared["enabled"], shared["since"].is_string()), (&json!(true), true), "{shared}");
        let query = "subscription ($id: ID) { conversionDeliveryChanged(connectionId: $id) { state problemKind conversionDelivery { eventId } } }";
        let mut feed = socket.subscribe(query, json!({ "id": scene.connection })).await;
        let lead = scene.lead("John_Smith@gmail.com").await;
        scene.consent(&lead, "GRANTED").await;
        let bought = scene.buys(&lead, json!({ "metadata": { "order": "A-1", "fbclid": "AbC" } })).await;
        let moved = "mutation ($input: LeadStageChangeInput!) { leadStageChange(input: $input) { userErrors { message } } }";
        scene.server.data(moved, json!({ "input": { "leadId": lead, "stage": "QUALIFIED", "reason": "x" } })).await;
        let demo = json!({ "kind": "CUSTOM", "name": "demo", "value": null });
        scene.buys(&lead, demo).await;
        let told = scene.stand(&["SENT"; 4]).await;
        let of = |happening: &str, shared: &str| told.iter().filter(|one| one["happening"] == happening && one["sharedAs"] == shared).count();
        assert_eq!([of("LEAD_CREATED", "LEAD"), of("STAGE_REACHED", "STAGE"), of("CONVERSION", "PURCHASE"), of("CONVERSION", "SCHEDULE")], [1; 4], "{told:?}");
        assert!(told.iter().all(|one| one["connection"]["name"] == "Ads" && one["leadId"] == lead), "{told:?}");
        let requests = scene.told();
        let all: Vec<Value> = requests.iter().flat_map(|data| data.as_array().unwrap().clone()).collect();
        let text = json!(all).to_string();
        assert!(!text.contains("gmail") && !text.contains("John") && text.contains(HASH), "{text}");
        let purchase = all.iter().find(|event| event["event_name"] == "Purchase").unwrap();
        assert_eq!(purchase["event_id"], bought, "{purchase}");
        assert_eq!(purchase["user_data"]["em"], json!([HASH]), "{purchase}");
        assert!(purchase["user_data"]["fbc"].as_str().unwrap().ends_with(".AbC"), "{purchase}");
        assert_eq!(purchase["custom_data"]["value"], json!(120.5), "{purchase}");
        assert_eq!((&purchase["custom_data"]["currency"], &purchase["custom_data"]["order_id"]), (&json!("EUR"), &json!("A-1")));
        let stage = all.iter().find(|event| event["event_name"] == "Sales qualified").unwrap();
        assert_eq!(stage["action_source"], "system_generated", "{stage}");
        assert_eq!(scene.taken(), 4);
        let mut states = Vec::new();
        while states.iter().filter(|state| **state == "SENT").count() < 4 {
            states.push(feed.data().await["conversionDeliveryChanged"]["state"].take());
        }
        assert_eq!(states[0], "PENDING");
        // Killed between telling and writing down: told again, and counted once.
        let again = conversion_delivery::Entity::update_many()
            .col_expr(conversion_delivery::Column::State, "PENDING".into())
            .col_expr(conversion_delivery::Column::DueAt, 1_i64.into())
            .exec(scene.server.app().db().write());
        again.await.unwrap();
        scene.stand(&["SENT"; 4]).await;
        assert!(scene.told().len() > requests.len(), "it was told again");
        assert_eq!(scene.taken(), 4, "and counted once");
        // It is seen at the conversion as well, and costs the same however many there are.
        let query = "query ($first: Int) { conversions(first: $first) { nodes { id deliveries { state eventId conversion { id } } } } }";
        let found = scene.server.data(query, json!({ "first": 3 })).await["conversions"]["nodes"].take();
        let with: Vec<&Value> = found.as_array().unwrap().iter().filter(|one| one["deliveries"] != json!([])).collect();
        assert_eq!(with.len(), 2, "{found}");
        assert!(with.iter().all(|one| one["deliveries"][0]["state"] == "SENT" && one["deliveries"][0]["conversion"]["id"] == one["id"]), "{found}");
        scene.server.costs_the_same(query, json!({ "first": 1 }), json!({ "first": 3 })).await;
    }

    async fn who_has_not_consented_is_withheld_until_they_do(database: &Database) {
        let scene = Scene::new(database).await;
        scene.share(json!({ "rules": [rules()[0]] })).await;
        let (silent, refusing, asked) = (scene.lead("a@example.com").await, scene.lead("b@example.com").await, scene.lead("c@example.com").await);
        scene.consent(&refusing, "DENIED").await;
        scene.consent(&asked, "PENDING").await;
        for lead in [&silent, &refusing, &asked] {
            scene.buys(lead, json!({})).await;
        }
        let withheld = scene.stand(&["WITHHELD"; 3]).await;
        let why = |lead: &str| withheld.iter().find(|one| one["leadId"] == lead).unwrap()["problemKind"].clone();
        assert_eq!([why(&silent), why(&refusing), why(&asked)], [json!("CONSENT_UNKNOWN"), json!("CONSENT_DENIED"), json!("CONSENT_UNKNOWN")]);
        assert!(withheld.iter().all(|one| one["problem"].as_str().unwrap().contains("advertisers")), "{withheld:?}");
        assert_eq!((scene.taken(), scene.told().len()), (0, 0), "nothing of them has left");
        scene.consent(&silent, "GRANTED").await;
        scene.stand(&["SENT", "WITHHELD", "WITHHELD"]).await;
        // No law of theirs wants it asked: that says nothing of who was asked, and of who said no.
        scene.share(json!({ "rules": [rules()[0]], "unknownConsent": "NOT_REQUIRED" })).await;
        let new = scene.lead("d@example.com").await;
        scene.buys(&new, json!({})).await;
        let found = scene.stand(&["SENT", "SENT", "WITHHELD", "WITHHELD"]).await;
        let state = |lead: &str| found.iter().find(|one| one["leadId"] == lead).unwrap()["state"].clone();
        assert_eq!([state(&new), state(&refusing), state(&asked)], [json!("SENT"), json!("WITHHELD"), json!("WITHHELD")]);
        assert_eq!(scene.taken(), 2);
    }

    async fn a_wrong_event_is_refused_in_the_platforms_words_and_harms_no_other(database: &Database) {
        let scene = Scene::new(database).await;
        scene.share(json!({ "rules": [rules()[0]], "unknownConsent": "NOT_REQUIRED" })).await;
        let lead = scene.lead("a@example.com").await;
        scene.act("connectionDisable").await;
        let wrong = scene.buys(&lead, json!({ "metadata": { "order": "refuse-me-1" } })).await;
        for _ in 0..3 {
            scene.buys(&lead, json!({})).await;
        }
        scene.stand(&["PENDING"; 4]).await;
        scene.act("connectionEnable").await;
        let found = scene.stand(&["REFUSED", "SENT", "SENT", "SENT"]).await;
        let refused = found.iter().find(|one| one["state"] == "REFUSED").unwrap();
        assert_eq!(refused["conversion"]["id"], wrong, "{refused}");
        assert!(refused["problem"].as_str().unwrap().contains("order_id is not accepted"), "{refused}");
        let sent = found.iter().find(|one| one["state"] == "SENT").unwrap();
        let gone = entity::id::ConversionDeliveryId::at(Timestamp(1));
        let again = scene.server.data(RETRY, json!({ "ids": [refused["id"], sent["id"], gone] })).await["it"].take();
        assert_eq!(again["conversionDeliveries"][0]["id"], refused["id"], "{again}");
        assert_eq!(again["userErrors"], json!([{ "field": ["ids", "1"], "code": "NOT_RETRIABLE" }, { "field": ["ids", "2"], "code": "NOT_FOUND" }]));
        scene.stand(&["REFUSED", "SENT", "SENT", "SENT"]).await;
        assert_eq!(scene.taken(), 3);
    }

    async fn what_is_taken_back_before_is_not_told_and_after_is_shown(database: &Database) {
        let scene = Scene::new(database).await;
        scene.share(json!({ "rules": [rules()[0]], "unknownConsent": "NOT_REQUIRED" })).await;
        let lead = scene.lead("a@example.com").await;
        let after = scene.buys(&lead, json!({ "dedupeKey": "after" })).await;
        scene.stand(&["SENT"]).await;
        scene.act("connectionDisable").await;
        for key in ["void", "given back", "in part"] {
            scene.buys(&lead, json!({ "dedupeKey": key })).await;
        }
        scene.stand(&["PENDING", "PENDING", "PENDING", "SENT"]).await;
        let app = scene.server.app();
        let tx = app.db().begin().await.unwrap();
        let back = |key: &str, left_minor, is_void| Reversal { dedupe_key: key.to_owned(), left_minor, is_void };
        let all = [back("void", 12_050, true), back("given back", 0, false), back("in part", 2_050, false), back("after", 0, true)];
        assert_eq!(reverse_many(&tx, &Caller::system(), app.clock().now(), &all).await.unwrap(), 4);
        tx.commit().await.unwrap();
        scene.server.settled().await;
        scene.act("connectionEnable").await;
        let found = scene.stand(&["CANCELLED", "CANCELLED", "SENT", "SENT"]).await;
        assert!(found.iter().filter(|one| one["state"] == "CANCELLED").all(|one| one["problemKind"] == "REVERSED"), "{found:?}");
        let told = found.iter().find(|one| one["conversion"]["id"] == after).unwrap();
        assert!(told["reversedAt"].is_string(), "{told}");
        let values: Vec<Value> = scene.told().iter().map(|data| data[0]["custom_data"]["value"].clone()).collect();
        assert_eq!(values, [json!(120.5), json!(20.5)], "what is left of it is told");
    }

    async fn a_platform_that_is_busy_is_left_alone_and_the_others_are_told(database: &Database) {
        let scene = Scene::at_noon(database).await;
        let other = meta_at(&scene).await;
        let free = connect(&scene.server, "meta", "Free", &other).await;
        for id in [&scene.connection, &free] {
            share(&scene.server, id, json!({ "rules": [rules()[0]], "unknownConsent": "NOT_REQUIRED" })).await;
        }
        scene.sandbox.faults.on("/events", Failure::Throttled { seconds: 600 }, 1);
        let lead = scene.lead("a@example.com").await;
        scene.buys(&lead, json!({})).await;
        let all = async || deliveries(&scene.server, json!({ "states": ["SENT"] })).await;
        until("the other platform knows it", async || all().await.iter().any(|one| one["connectionId"] == free)).await;
        let mut waits = Value::Null;
        until("it is known why it waits", async || {
            waits = scene.deliveries().await[0].clone();
            waits["problemKind"] == "THROTTLED"
        }).await;
        assert_eq!((&waits["state"], &waits["attempts"], &waits["dueAt"]), (&json!("PENDING"), &json!(0), &json!("2026-03-10T12:10:00Z")), "{waits}");
        let health = "query ($id: ID!) { connection(id: $id) { health { ok problemKind } } }";
        until("the connection says so", async || {
            let seen = scene.server.data(health, json!({ "id": scene.connection })).await;
            seen["connection"]["health"] == json!({ "ok": false, "problemKind": "THROTTLED" })
        }).await;
        // What comes meanwhile waits, too.
        scene.buys(&lead, json!({})).await;
        until("the other platform knows of both", async || all().await.iter().filter(|one| one["connectionId"] == free).count() == 2).await;
        assert_eq!((scene.told().len(), scene.taken()), (1, 0), "it was left alone");
        scene.advance(601);
        scene.stand(&["SENT", "SENT"]).await;
        until("it is well again", async || scene.server.data(health, json!({ "id": scene.connection })).await["connection"]["health"]["ok"] == true).await;
    }

    async fn one_slow_platform_delays_no_other(database: &Database) {
        let scene = Scene::new(database).await;
        scene.share(json!({ "rules": [rules()[0]], "unknownConsent": "NOT_REQUIRED" })).await;
        let mut slow = Vec::new();
        for n in 0..4 {
            let sandbox = meta().await;
            let id = connect(&scene.server, "meta", &format!("Slow {n}"), &sandbox).await;
            share(&scene.server, &id, json!({ "rules": [rules()[0]], "unknownConsent": "NOT_REQUIRED" })).await;
            sandbox.faults.next(Failure::Slow(Duration::from_secs(25)), 100);
            slow.push(sandbox);
        }
        let lead = scene.lead("a@example.com").await;
        let begun = std::time::Instant::now();
        scene.buys(&lead, json!({})).await;
        scene.stand(&["SENT"]).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert_eq!(deliveries(&scene.server, json!({ "states": ["PENDING"] })).await.len(), 4);
        for sandbox in &slow {
            sandbox.faults.clear();
        }
    }

    async fn what_waits_is_told_when_the_connection_is_mended(database: &Database) {
        let scene = Scene::at_noon(database).await;
        scene.share(json!({ "rules": [rules()[0]], "unknownConsent": "NOT_REQUIRED" })).await;
        scene.sandbox.faults.on("/events", Failure::Unauthorised, 1);
        let lead = scene.lead("a@example.com").await;
        scene.buys(&lead, json!({})).await;
        let state = "query ($id: ID!) { connection(id: $id) { state } }";
        until("the connection is known to be broken", async || {
            let state = scene.server.data(state, json!({ "id": scene.connection })).await["connection"]["state"].take();
            state == "UNAUTHORISED" || state == "REVOKED"
        }).await;
        let waits = scene.stand(&["PENDING"]).await;
        assert_eq!(waits[0]["attempts"], 0, "{waits:?}");
        let test = "mutation ($id: ID!) { connectionTest(input: { id: $id }) { ok } }";
        assert_eq!(scene.server.data(test, json!({ "id": scene.connection })).await["connectionTest"]["ok"], true);
        // At once, though its hour has not passed.
        scene.stand(&["SENT"]).await;
        assert_eq!(scene.taken(), 1);
    }

    async fn what_the_connection_lacks_is_waited_for(database: &Database) {
        let scene = Scene::new(database).await;
        let mut made = input("meta", "Bare", &scene.sandbox);
        made["settings"].as_object_mut().unwrap().remove("datasetId");
        let bare = scene.server.data(CREATE, json!({ "input": made })).await["it"]["connection"]["id"].take();
        let bare = bare.as_str().unwrap();
        share(&scene.server, bare, json!({ "rules": [rules()[0]], "unknownConsent": "NOT_REQUIRED" })).await;
        let lead = scene.lead("a@example.com").await;
        scene.buys(&lead, json!({})).await;
        let mut failed = Value::Null;
        until("it was tried", async || {
            let found = deliveries(&scene.server, json!({ "connectionId": bare, "states": ["PENDING"] })).await;
            failed = found.first().cloned().unwrap_or_default();
            !failed["problemKind"].is_null()
        }).await;
        assert_eq!(failed["problemKind"], "SETTINGS", "{failed}");
        assert!(failed["problem"].as_str().unwrap().contains("datasetId"), "{failed}");
        until("the connection says so", async || {
            let health = scene.server.data("query ($id: ID!) { connection(id: $id) { health { ok problem } } }", json!({ "id": bare })).await;
            health["connection"]["health"]["problem"].as_str().is_some_and(|problem| problem.contains("datasetId"))
        }).await;
        let update = "mutation ($input: ConnectionUpdateInput!) { it: connectionUpdate(input: $input) { userErrors { message } } }";
        let settings = input("meta", "Bare", &scene.sandbox)["settings"].take();
        let mended = scene.server.data(update, json!({ "input": { "id": bare, "settings": settings } })).await["it"].take();
        assert_eq!(mended["userErrors"], json!([]), "{mended}");
        until("it is told", async || !deliveries(&scene.server, json!({ "connectionId": bare, "states": ["SENT"] })).await.is_empty()).await;
    }

    async fn what_is_too_old_is_not_told(database: &Database) {
        let scene = Scene::at_noon(database).await;
        scene.share(json!({ "rules": [rules()[0]], "unknownConsent": "NOT_REQUIRED" })).await;
        scene.act("connectionDisable").await;
        let lead = scene.lead("a@example.com").await;
        scene.buys(&lead, json!({})).await;
        scene.stand(&["PENDING"]).await;
        scene.advance(8 * 86_400);
        scene.buys(&lead, json!({})).await;
        scene.act("connectionEnable").await;
        let found = scene.stand(&["EXPIRED", "SENT"]).await;
        let expired = found.iter().find(|one| one["state"] == "EXPIRED").unwrap();
        assert_eq!((&expired["problemKind"], &expired["dueAt"]), (&json!("TOO_OLD"), &Value::Null), "{expired}");
        assert!(expired["problem"].as_str().unwrap().contains("7 days"), "{expired}");
        assert_eq!(scene.taken(), 1);
    }

    async fn the_past_is_told_when_somebody_asks_and_once(database: &Database) {
        let scene = Scene::at_noon(database).await;
        let lead = scene.lead("a@example.com").await;
        scene.buys(&lead, json!({})).await;
        scene.buys(&lead, json!({ "occurredAt": "2026-03-01T12:00:00Z" })).await;
        let moved = "mutation ($input: LeadStageChangeInput!) { leadStageChange(input: $input) { userErrors { message } } }";
        scene.server.data(moved, json!({ "input": { "leadId": lead, "stage": "QUALIFIED", "reason": "x" } })).await;
        scene.advance(3_600);
        let backfill = "mutation ($input: ConversionBackfillInput!) { it: conversionBackfill(input: $input) { job { id } userErrors { field code } } }";
        let ask = async |since: &str| scene.server.data(backfill, json!({ "input": { "connectionId": scene.connection, "since": since } })).await["it"].take();
        assert_eq!(ask("2026-03-09T12:00:00Z").await["userErrors"][0]["code"], "NOT_SHARED");
        scene.share(json!({ "unknownConsent": "NOT_REQUIRED" })).await;
        scene.server.settled().await;
        assert_eq!(scene.deliveries().await, Vec::<Value>::new(), "it was before");
        for wrong in ["2026-03-01T12:00:00Z", "2026-03-10T14:00:00Z"] {
            assert_eq!(ask(wrong).await["userErrors"], json!([{ "field": ["since"], "code": "OUT_OF_RANGE" }]));
        }
        let begun = ask("2026-03-09T12:00:00Z").await;
        assert_eq!(begun["userErrors"], json!([]), "{begun}");
        let job = "query ($id: ID!) { job(id: $id) { state counts { name value } } }";
        scene.server.settled().await;
        let done = scene.server.data(job, json!({ "id": begun["job"]["id"] })).await["job"].take();
        assert_eq!((&done["state"], &done["counts"]), (&json!("SUCCEEDED"), &json!([{ "name": "created", "value": 3 }, { "name": "offeredAgain", "value": 0 }])), "{done}");
        scene.stand(&["SENT"; 3]).await;
        // Again: what was told is not told again.
        let begun = ask("2026-03-08T12:00:00Z").await;
        scene.server.settled().await;
        let done = scene.server.data(job, json!({ "id": begun["job"]["id"] })).await["job"].take();
        assert_eq!(done["counts"], json!([{ "name": "created", "value": 0 }, { "name": "offeredAgain", "value": 0 }]), "{done}");
        assert_eq!((scene.deliveries().await.len(), scene.taken()), (3, 3));
    }

    async fn nothing_is_told_of_who_is_erased_and_nothing_of_them_kept(database: &Database) {
        let scene = Scene::new(database).await;
        scene.share(json!({ "rules": [rules()[0]] })).await;
        let lead = scene.lead("erased@example.com").await;
        scene.buys(&lead, json!({ "metadata": { "order": "refuse-me erased@example.com" } })).await;
        scene.stand(&["WITHHELD"]).await;
        scene.consent(&lead, "GRANTED").await;
        let refused = scene.stand(&["REFUSED"]).await;
        assert!(refused[0]["problem"].is_string());
        scene.consent(&lead, "WITHDRAWN").await;
        scene.buys(&lead, json!({})).await;
        scene.stand(&["REFUSED", "WITHHELD"]).await;
        let erase = "mutation ($id: ID!) { it: leadErase(input: { id: $id }) { userErrors { message } } }";
        assert_eq!(scene.server.data(erase, json!({ "id": lead })).await["it"]["userErrors"], json!([]));
        let found = scene.stand(&["REFUSED", "CANCELLED"]).await;
        for one in &found {
            let ought = if one["state"] == "CANCELLED" { json!("LEAD_ERASED") } else { json!("REFUSED") };
            assert_eq!(one["problemKind"], ought, "{one}");
            assert_eq!(one["problem"].is_string(), one["state"] == "CANCELLED", "{one}");
        }
        let rows = conversion_delivery::Entity::find().all(scene.server.app().db().read()).await.unwrap();
        assert!(!format!("{rows:?}").contains("erased@"), "{rows:?}");
        // Asked for again: they are gone all the same.
        scene.server.data(RETRY, json!({ "ids": [found[0]["id"], found[1]["id"]] })).await;
        let found = scene.stand(&["CANCELLED", "CANCELLED"]).await;
        assert!(found.iter().all(|one| one["problemKind"] == "LEAD_ERASED"), "{found:?}");
        assert_eq!(scene.taken(), 0);
    }

    async fn switched_off_nothing_leaves(database: &Database) {
        let scene = Scene::new(database).await;
        scene.share(json!({ "rules": [rules()[0]] })).await;
        let lead = scene.lead("a@example.com").await;
        scene.buys(&lead, json!({})).await;
        scene.stand(&["WITHHELD"]).await;
        let off = scene.server.data(UPDATE, json!({ "input": { "connectionId": scene.connection, "enabled": false } })).await["it"].take();
        assert_eq!((&off["conversionSharing"]["enabled"], &off["conversionSharing"]["since"]), (&json!(false), &Value::Null), "{off}");
        let found = scene.stand(&["CANCELLED"]).await;
        assert_eq!(found[0]["problemKind"], "SWITCHED_OFF", "{found:?}");
        let again = scene.server.data(RETRY, json!({ "ids": [found[0]["id"]] })).await["it"].take();
        assert_eq!(again["userErrors"], json!([{ "field": ["ids", "0"], "code": "NOT_SHARED" }]));
        scene.consent(&lead, "GRANTED").await;
        scene.buys(&lead, json!({})).await;
        scene.server.settled().await;
        assert_eq!(scene.deliveries().await.len(), 1);
        // Removed: what waits is called off, and nothing is shared any more.
        scene.share(json!({ "rules": [rules()[0]] })).await;
        scene.act("connectionDisable").await;
        scene.buys(&lead, json!({})).await;
        scene.stand(&["CANCELLED", "PENDING"]).await;
        scene.act("connectionDelete").await;
        let found = scene.stand(&["CANCELLED", "CANCELLED"]).await;
        assert!(found.iter().any(|one| one["problemKind"] == "CONNECTION_REMOVED"), "{found:?}");
        let kept = entity::conversion_sharing::Entity::find().all(scene.server.app().db().read()).await.unwrap();
        assert_eq!((kept.len(), scene.taken()), (0, 0));
    }

    async fn wrong_settings_are_told_by_field(database: &Database) {
        let scene = Scene::new(database).await;
        let tried = async |input: Value| {
            let mut all = json!({ "connectionId": scene.connection });
            all.as_object_mut().unwrap().extend(input.as_object().unwrap().clone());
            let done = scene.server.data(UPDATE, json!({ "input": all })).await["it"].take();
            assert_eq!(done["conversionSharing"], Value::Null, "{done}");
            (done["userErrors"][0]["field"].clone(), done["userErrors"][0]["code"].clone())
        };
        assert_eq!(tried(json!({ "enabled": true })).await, (json!(["rules"]), json!("INVALID_RULE")));
        let wrong = json!({ "rules": [rules()[0], { "happening": "STAGE_REACHED", "sharedAs": "LEAD" }] });
        assert_eq!(tried(wrong).await, (json!(["rules", "1", "stage"]), json!("INVALID_RULE")));
        assert_eq!(tried(json!({ "rules": [rules()[0], rules()[0]] })).await, (json!(["rules", "1"]), json!("DUPLICATE_RULE")));
        assert_eq!(tried(json!({ "clickKey": "x".repeat(101) })).await, (json!(["clickKey"]), json!("INVALID_NAME")));
        let nowhere = entity::id::ConnectionId::at(Timestamp(1));
        assert_eq!(tried(json!({ "connectionId": nowhere })).await, (json!(["connectionId"]), json!("NOT_FOUND")));
        let sandbox = shop(1, 1).await;
        let id = connect(&scene.server, "shopify", "Shop", &sandbox).await;
        assert_eq!(tried(json!({ "connectionId": id })).await, (json!(["connectionId"]), json!("UNSUPPORTED")));
        let read = scene.server.data("query ($id: ID!) { connection(id: $id) { conversionSharing { enabled } } }", json!({ "id": id })).await;
        assert_eq!(read["connection"]["conversionSharing"], Value::Null);
        let reader = scene.server.token(&["connections:read", "engagement:read"]).await;
        let refused = scene.server.graphql_as(Some(&reader), UPDATE, json!({ "input": { "connectionId": scene.connection, "enabled": false } })).await;
        assert_ne!(code(&refused), "", "{refused}");
        let seen = scene.server.data_as(&reader, "{ conversionDeliveries { nodes { id } } }", json!({})).await;
        assert_eq!(seen["conversionDeliveries"]["nodes"], json!([]));
    }

    async fn an_order_is_told_with_what_was_bought(database: &Database) {
        let scene = Scene::new(database).await;
        let asked = scene.share(json!({ "rules": [rules()[0]], "unknownConsent": "NOT_REQUIRED" })).await;
        let sandbox = shop(5, 2).await;
        let id = connect(&scene.server, "shopify", "Shop", &sandbox).await;
        sync(&scene.server, &id, json!({})).await;
        let register = "mutation ($id: ID!) { it: connectionWebhooksRegister(input: { id: $id }) { userErrors { message } } }";
        assert_eq!(scene.server.data(register, json!({ "id": id })).await["it"]["userErrors"], json!([]));
        // The shop tells whole seconds: an order of the second in which sharing was switched on was placed before that.
        let since = asked["since"].as_str().unwrap();
        let since = Timestamp::parse_rfc3339(since).unwrap().micros() / 1_000_000;
        let clock = scene.server.app().clock();
        until("a new second has begun", async || clock.now().micros() / 1_000_000 > since).await;
        // Only what money was taken for is a purchase.
        for happening in ["order_created", "order_paid"] {
            let delivered = sandbox.happen(happening).await;
            assert!(!delivered.is_empty() && delivered.iter().all(|one| one.status == Some(200)), "{delivered:?}");
        }
        let mut sent = Value::Null;
        until("the order is told", async || {
            sent = deliveries(&scene.server, json!({ "connectionId": scene.connection, "states": ["SENT"] })).await.first().cloned().unwrap_or_default();
            sent.is_object()
        }).await;
        let orders = scene.server.data("{ orders(first: 50) { nodes { externalId lines { sku quantity } } } }", json!({})).await;
        let told = scene.told();
        let event = told.iter().flat_map(|data| data.as_array().unwrap()).find(|event| event["event_id"] == sent["eventId"]).unwrap();
        let order = orders["orders"]["nodes"].as_array().unwrap().iter().find(|order| order["externalId"] == event["custom_data"]["order_id"]).unwrap();
        let quantity: i64 = order["lines"].as_array().unwrap().iter().map(|line| line["quantity"].as_i64().unwrap()).sum();
        assert!(quantity > 0 && event["custom_data"]["num_items"] == quantity, "{event} of {order}");
    }
}

async fn meta_at(scene: &Scene) -> Running {
    let clock = scene.clock.clone().expect("a clock that stands");
    start(Meta::default().sandbox(clock.clone()), clock)
        .await
        .expect("a port of loopback")
}

on_both! {
    async fn another_process_that_died_leaves_no_row_behind(database: &Database) {
        let scene = Scene::new(database).await;
        scene.share(json!({ "rules": [rules()[0]], "unknownConsent": "NOT_REQUIRED" })).await;
        let lead = scene.lead("a@example.com").await;
        scene.buys(&lead, json!({})).await;
        scene.stand(&["SENT"]).await;
        // A process that holds the work of a connection and gives no sign of life: another one takes it up when that has lapsed.
        let app = scene.server.app();
        let now = app.clock().now();
        let name = format!("conversions:{}", scene.connection);
        assert!(leadline::db::take_lease(app.db(), &name, "somebody else", now, 2).await.unwrap());
        scene.buys(&lead, json!({})).await;
        scene.stand(&["SENT", "SENT"]).await;
        assert!(app.clock().now() >= now.plus_seconds(2), "not while the other held it");
        let waiting = conversion_delivery::Entity::find()
            .filter(conversion_delivery::Column::State.eq(ConversionDeliveryState::Pending))
            .all(app.db().read()).await.unwrap();
        assert!(waiting.is_empty(), "{waiting:?}");
    }
}
