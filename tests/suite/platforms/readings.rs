//! Readings: cancelled with their connection, waiting for their platform, of people whose account was not known at first.

use std::time::Duration;

use integrations::sandbox::{Failure, Running};
use leadline::clock::Clock;
use serde_json::{Value, json};

use super::{CREATE, SYNC, connect, count, ended, input, server, shop, sync};
use crate::support::{Database, Server, Setup, until};

const STANDS: &str =
    "query ($sync: ID!, $job: ID!) { sync(id: $sync) { state endedAt } job(id: $job) { state startedAt } }";
const OFF: &str =
    "mutation ($id: ID!) { it: connectionDisable(input: { id: $id }) { userErrors { message } } }";
const GONE: &str =
    "mutation ($id: ID!) { it: connectionDelete(input: { id: $id }) { userErrors { message } } }";
const TEST: &str =
    "mutation ($id: ID!) { it: connectionTest(input: { id: $id }) { ok connection { account { id } } } }";
const PEOPLE: &str = "{ leads(first: 50) { nodes { identities { kind namespace } } } }";

/// Begins a reading; gives what asks how it stands.
async fn begin(server: &Server, id: &str) -> Value {
    let begun = server.data(SYNC, json!({ "input": { "id": id } })).await["it"].take();
    assert_eq!(begun["userErrors"], json!([]), "{begun}");
    json!({ "sync": begun["sync"]["id"], "job": begun["job"]["id"] })
}

/// A connection that is made while its platform is away: nobody knows whose it is.
async fn unknown(server: &Server, sandbox: &Running) -> String {
    sandbox.faults.next(Failure::ServerError, 1_000);
    let made = server
        .data(CREATE, json!({ "input": input("shopify", "Shop", sandbox) }))
        .await["it"]
        .take();
    assert_eq!(made["connection"]["state"], "ACTIVE", "{made}");
    assert_eq!(made["connection"]["account"], Value::Null, "{made}");
    sandbox.faults.clear();
    made["connection"]["id"].as_str().expect("an id").to_owned()
}

/// The namespaces in which people are known.
async fn namespaces(server: &Server) -> Vec<String> {
    let leads = server.data(PEOPLE, json!({})).await["leads"]["nodes"].take();
    let identities = leads.as_array().expect("leads").iter().flat_map(|lead| {
        let identities = lead["identities"].as_array().expect("identities");
        identities
            .iter()
            .filter(|identity| identity["kind"] == "EXTERNAL")
    });
    let names = identities.map(|identity| identity["namespace"].as_str().expect("text").to_owned());
    names.collect()
}

on_both! {
    async fn a_reading_ends_with_its_connection(database: &Database) {
        let server = server(database).await;
        for end in [OFF, GONE] {
            let sandbox = shop(4, 4).await;
            let id = connect(&server, "shopify", "Shop", &sandbox).await;
            sandbox.faults.next(Failure::Slow(Duration::from_secs(300)), 100);
            let asked = sandbox.requests().len();
            let reading = begin(&server, &id).await;
            until("the platform is asked", async || sandbox.requests().len() > asked).await;
            let ended_by = server.data(end, json!({ "id": id })).await["it"].take();
            assert_eq!(ended_by["userErrors"], json!([]), "{ended_by}");
            let read = ended(&server, reading["sync"].as_str().unwrap()).await;
            assert_eq!((&read["state"], &read["failure"]), (&json!("CANCELLED"), &Value::Null), "{read}");
            until("its job has ended", async || server.data(STANDS, reading.clone()).await["job"]["state"] == "CANCELLED").await;
        }
    }

    async fn a_reading_that_has_not_begun_ends_at_once(database: &Database) {
        let setup = Setup::default().setting("platforms_private_networks", "true").without_work();
        let server = Server::start(database, setup).await;
        let sandbox = shop(3, 3).await;
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        let reading = begin(&server, &id).await;
        server.data(OFF, json!({ "id": id })).await;
        let stands = server.data(STANDS, reading).await;
        assert_eq!((&stands["sync"]["state"], &stands["job"]["state"]), (&json!("CANCELLED"), &json!("CANCELLED")), "{stands}");
        assert_ne!(stands["sync"]["endedAt"], Value::Null);
        let on = "mutation ($id: ID!) { connectionEnable(input: { id: $id }) { connection { state } } }";
        server.data(on, json!({ "id": id })).await;
        begin(&server, &id).await;
    }

    async fn a_platform_that_says_when_to_come_again_is_waited_for_without_a_place(database: &Database) {
        let now = Clock::system().now();
        let setup = Setup::default().at(&now.to_rfc3339()).setting("platforms_private_networks", "true");
        let (server, sandbox) = (Server::start(database, setup).await, shop(4, 4).await);
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        sandbox.faults.next(Failure::Throttled { seconds: 600 }, 1);
        let reading = begin(&server, &id).await;
        let put_off = async || {
            let stands = server.data(STANDS, reading.clone()).await;
            stands["job"]["state"] == "QUEUED" && !stands["job"]["startedAt"].is_null()
        };
        until("it is put off", put_off).await;
        let asked = sandbox.requests().len();
        server.set_time(&now.plus_seconds(590).to_rfc3339());
        let again = server.data(SYNC, json!({ "input": { "id": id } })).await["it"].take();
        assert_eq!(again["userErrors"][0]["code"], "SYNC_RUNNING", "it goes on: {again}");
        assert_eq!(sandbox.requests().len(), asked, "the platform is left alone");
        server.set_time(&now.plus_seconds(605).to_rfc3339());
        let read = ended(&server, reading["sync"].as_str().unwrap()).await;
        assert_eq!((&read["state"], &count(&read, "CUSTOMERS")["created"]), (&json!("SUCCEEDED"), &json!(4)), "{read}");
        // Whoever waits is cancelled at once.
        sandbox.faults.next(Failure::Throttled { seconds: 600 }, 1);
        let reading = begin(&server, &id).await;
        until("it is put off", async || {
            let stands = server.data(STANDS, reading.clone()).await;
            stands["job"]["state"] == "QUEUED" && !stands["job"]["startedAt"].is_null()
        }).await;
        server.data(OFF, json!({ "id": id })).await;
        assert_eq!(server.data(STANDS, reading).await["sync"]["state"], "CANCELLED");
    }

    async fn people_are_known_by_their_account_from_the_first_reading_on(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(5, 0).await);
        let id = unknown(&server, &sandbox).await;
        let first = sync(&server, &id, json!({ "kinds": ["CUSTOMERS"] })).await;
        assert_eq!(count(&first, "CUSTOMERS")["created"], 5, "{first}");
        let tested = server.data(TEST, json!({ "id": id })).await["it"].take();
        let account = tested["connection"]["account"]["id"].as_str().expect("it is known").to_owned();
        let known = vec![format!("shopify:{account}"); 5];
        assert_eq!(namespaces(&server).await, known);
        let again = sync(&server, &id, json!({ "kinds": ["CUSTOMERS"], "full": true })).await;
        assert_eq!((&count(&again, "CUSTOMERS")["created"], &count(&again, "CUSTOMERS")["updated"]), (&json!(0), &json!(0)), "{again}");
        assert_eq!(namespaces(&server).await, known);
    }

    async fn what_is_told_of_people_waits_for_their_account(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(1, 0).await);
        let id = unknown(&server, &sandbox).await;
        let register = "mutation ($id: ID!) { it: connectionWebhooksRegister(input: { id: $id }) { userErrors { code message } } }";
        let told = server.data(register, json!({ "id": id })).await["it"].take();
        assert_eq!(told["userErrors"], json!([]), "{told}");
        sandbox.faults.next(Failure::ServerError, 1_000);
        let delivered = sandbox.happen("customer_created").await;
        assert!(delivered.iter().all(|delivered| delivered.status == Some(200)) && !delivered.is_empty(), "{delivered:?}");
        let waits = "{ webhookDeliveries(first: 5, states: [WAITING]) { nodes { problemKind } } }";
        until("it waits", async || server.data(waits, json!({})).await["webhookDeliveries"]["nodes"][0]["problemKind"] == "UNAVAILABLE").await;
        assert_eq!(namespaces(&server).await, [""; 0]);
        sandbox.faults.clear();
        let tested = server.data(TEST, json!({ "id": id })).await["it"].take();
        let account = tested["connection"]["account"]["id"].as_str().expect("it is known").to_owned();
        until("somebody is there", async || !namespaces(&server).await.is_empty()).await;
        assert_eq!(namespaces(&server).await, [format!("shopify:{account}")]);
    }
}
