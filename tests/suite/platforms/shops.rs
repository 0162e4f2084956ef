//! A shop: read, told by webhook, written to.

use serde_json::{Value, json};

use super::{connect, count, server, shop, sync};
use crate::support::{Database, until};

const LEADS: &str =
    "{ leads(first: 50) { nodes { id email firstName source tags { name } consents { channel state }
    identities { kind namespace value } shopCustomers { externalId orderCount spent { amount } tags note }
    purchases { orders total { amount currencyCode } net { amount } average { amount } }
    orders(first: 2) { nodes { name payment total { amount } lead { id } } }
    conversions { kind value { amount } refunded { amount } voidedAt }
    engagements(first: 5) { nodes { type } } } } }";

on_both! {
    async fn a_shop_becomes_leads_orders_and_conversions(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(40, 30).await);
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe("subscription ($id: ID) { syncProgressed(connectionId: $id) { state counts { kind created } sync { id } } }", json!({ "id": id })).await;
        let first = sync(&server, &id, json!({})).await;
        assert_eq!(first["state"], "SUCCEEDED", "{first}");
        assert_eq!(count(&first, "CUSTOMERS")["created"], 40, "{first}");
        assert_eq!(count(&first, "ORDERS")["created"], 30, "{first}");
        assert_eq!(count(&first, "PRODUCTS")["created"], 3, "{first}");
        assert_eq!(count(&first, "ABANDONED_CHECKOUTS")["created"], 2, "{first}");
        let mut states = Vec::new();
        while states.last() != Some(&json!("SUCCEEDED")) {
            states.push(feed.data().await["syncProgressed"]["state"].take());
        }
        assert_eq!(states[0], "QUEUED");
        server.settled().await;
        let leads = server.data(LEADS, json!({})).await["leads"]["nodes"].take();
        let leads = leads.as_array().unwrap();
        assert!(leads.len() >= 40, "{}", leads.len());
        assert!(leads.iter().all(|lead| lead["source"] == "shopify"), "{leads:?}");
        let customers = leads.iter().filter(|lead| lead["shopCustomers"] != json!([])).count();
        assert_eq!(customers, 40);
        assert!(leads.iter().any(|lead| lead["consents"].as_array().unwrap().iter().any(|consent| consent["channel"] == "EMAIL" && consent["state"] == "GRANTED")), "{leads:?}");
        let buyer = leads.iter().find(|lead| lead["purchases"] != json!([])).expect("somebody bought");
        assert_eq!(buyer["orders"]["nodes"][0]["lead"]["id"], buyer["id"]);
        assert!(buyer["conversions"].as_array().unwrap().iter().any(|conversion| conversion["kind"] == "PURCHASE"), "{buyer}");
        assert!(buyer["engagements"]["nodes"].to_string().contains("PURCHASE_MADE"), "{buyer}");
        // Again: nothing changes.
        let again = sync(&server, &id, json!({ "full": true })).await;
        for kind in ["CUSTOMERS", "ORDERS", "PRODUCTS", "ABANDONED_CHECKOUTS"] {
            let count = count(&again, kind);
            assert_eq!((&count["created"], &count["updated"]), (&json!(0), &json!(0)), "{kind}: {again}");
        }
        let shops = server.data("{ orders(first: 50) { nodes { id } } products { nodes { title price { amount } variants { title } } }
            abandonedCheckouts { nodes { url total { amount } lead { id } } } }", json!({})).await;
        assert_eq!(shops["orders"]["nodes"].as_array().unwrap().len(), 30);
        assert_eq!(shops["products"]["nodes"].as_array().unwrap().len(), 3);
        assert_eq!(shops["abandonedCheckouts"]["nodes"].as_array().unwrap().len(), 2);
    }

    async fn consent_that_is_taken_back_here_is_taken_back_in_the_shop(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(40, 1).await);
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        sync(&server, &id, json!({ "kinds": ["CUSTOMERS"] })).await;
        server.settled().await;
        let told = || {
            let requests = sandbox.requests().into_iter();
            let bodies = requests.map(|request| String::from_utf8_lossy(&request.body).into_owned());
            bodies.filter(|body| body.contains("ConsentUpdate")).collect::<Vec<_>>()
        };
        assert_eq!(told(), [""; 0], "what the shop said is not said back");
        let leads = server.data(LEADS, json!({})).await["leads"]["nodes"].take();
        let agrees = |lead: &&Value| {
            let consents = lead["consents"].as_array().unwrap();
            consents.iter().any(|consent| consent["channel"] == "EMAIL" && consent["state"] == "GRANTED")
        };
        let lead = leads.as_array().unwrap().iter().find(agrees).expect("somebody agrees");
        let say = "mutation ($input: ConsentRecordInput!) { consentRecord(input: $input) { userErrors { message } } }";
        for state in ["WITHDRAWN", "WITHDRAWN"] {
            let input = json!({ "leadId": lead["id"], "channel": "EMAIL", "state": state });
            let said = server.data(say, json!({ "input": input })).await;
            assert_eq!(said["consentRecord"]["userErrors"], json!([]), "{said}");
        }
        until("the shop is told", async || told().len() == 1).await;
        assert!(told()[0].contains("UNSUBSCRIBED"), "{:?}", told());
        server.settled().await;
        // What is read next says the same, and nothing goes round in circles.
        sync(&server, &id, json!({ "kinds": ["CUSTOMERS"], "full": true })).await;
        server.settled().await;
        assert_eq!(told().len(), 1);
        let query = "query ($id: ID!) { lead(id: $id) { consents { channel state } } }";
        let consents = server.data(query, json!({ "id": lead["id"] })).await["lead"]["consents"].take();
        assert!(!consents.to_string().contains("GRANTED"), "{consents}");
        // Consent that is given here is not passed on.
        let input = json!({ "leadId": lead["id"], "channel": "EMAIL", "state": "GRANTED", "source": "form" });
        server.data(say, json!({ "input": input })).await;
        server.settled().await;
        assert_eq!(told().len(), 1);
    }

    async fn what_happens_in_the_shop_arrives_by_webhook(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(10, 10).await);
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        sync(&server, &id, json!({})).await;
        let register = "mutation ($id: ID!) { it: connectionWebhooksRegister(input: { id: $id }) { topics userErrors { code message } } }";
        let told = server.data(register, json!({ "id": id })).await["it"].take();
        assert!(told["topics"].as_array().unwrap().len() > 5, "{told}");
        let orders = async |filter: &str| {
            let query = format!("{{ orders(first: 50) {{ nodes {{ id name payment cancelledAt total {{ amount }} currentTotal {{ amount }} }} }} leadsCount {{ count }} {filter} }}");
            server.data(&query, json!({})).await
        };
        let before = orders("").await;
        for delivered in sandbox.happen("customer_created").await {
            assert_eq!(delivered.status, Some(200));
        }
        let created = sandbox.happen("order_created").await;
        assert!(!created.is_empty() && created.iter().all(|delivered| delivered.status == Some(200)), "{created:?}");
        until("the order is there", async || orders("").await["orders"]["nodes"].as_array().unwrap().len() == 11).await;
        until("the customer is a lead", async || {
            orders("").await["leadsCount"]["count"].as_i64() > before["leadsCount"]["count"].as_i64()
        }).await;
        // Sent again: acknowledged, and nothing more happens.
        let count = "{ webhookDeliveries(first: 100) { nodes { id state topic } } }";
        let kept = server.data(count, json!({})).await["webhookDeliveries"]["nodes"].as_array().unwrap().len();
        let delivery = &created[0].delivery;
        let mut request = server.http().post(delivery.url.clone()).body(delivery.body.clone());
        for (name, value) in &delivery.headers {
            request = request.header(*name, value);
        }
        assert_eq!(request.send().await.unwrap().status(), 200);
        assert_eq!(server.data(count, json!({})).await["webhookDeliveries"]["nodes"].as_array().unwrap().len(), kept);
        // Given back: the conversion counts less.
        let refunded = sandbox.happen("order_refunded").await;
        assert!(refunded.iter().all(|delivered| delivered.status == Some(200)), "{refunded:?}");
        until("the refund is known", async || {
            let all = orders("conversions(first: 50) { nodes { value { amount } refunded { amount } voidedAt } }").await;
            all["conversions"]["nodes"].as_array().unwrap().iter().any(|conversion| conversion["refunded"]["amount"] != "0.00" && conversion["refunded"] != Value::Null)
        }).await;
    }

    async fn tags_and_notes_are_written_back_and_the_shop_is_looked_over(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(10, 10).await);
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        sync(&server, &id, json!({})).await;
        let customer = server.data("{ leads(first: 20) { nodes { shopCustomers { externalId } } } }", json!({})).await;
        let leads = customer["leads"]["nodes"].as_array().unwrap();
        let customer = leads.iter().find_map(|lead| lead["shopCustomers"].get(0)).unwrap()["externalId"].clone();
        let tags = "mutation ($input: ShopCustomerTagsInput!) { it: shopCustomerTagsChange(input: $input) { customer { tags } userErrors { code message } } }";
        let tagged = server.data(tags, json!({ "input": { "connectionId": id, "customerId": customer, "add": ["vip"] } })).await["it"].take();
        assert!(tagged["customer"]["tags"].as_array().unwrap().contains(&json!("vip")), "{tagged}");
        let note = "mutation ($input: ShopCustomerNoteInput!) { it: shopCustomerNoteAdd(input: $input) { customer { note } userErrors { code message } } }";
        let noted = server.data(note, json!({ "input": { "connectionId": id, "customerId": customer, "note": "asked for a call" } })).await["it"].take();
        assert!(noted["customer"]["note"].as_str().unwrap().contains("asked for a call"), "{noted}");
        let read = sync(&server, &id, json!({ "kinds": ["CUSTOMERS"], "full": true })).await;
        assert_eq!(read["state"], "SUCCEEDED");
        let back = server.data("{ leads(first: 20) { nodes { tags { name } shopCustomers { externalId tags note } } } }", json!({})).await;
        let lead = back["leads"]["nodes"].as_array().unwrap().iter().find(|lead| lead["shopCustomers"].get(0).is_some_and(|found| found["externalId"] == customer)).unwrap();
        assert!(lead["shopCustomers"][0]["note"].as_str().unwrap().contains("asked for a call"), "{lead}");
        assert!(lead["tags"].to_string().contains("vip"), "{lead}");
        let audit = "mutation ($id: ID!) { it: shopAudit(input: { connectionId: $id }) { audit { customerCount consentCoverage duplicateCustomers unsyncedOrders missingWebhooks findings { code advice } shop { name orderCount } } userErrors { code message } } }";
        let looked = server.data(audit, json!({ "id": id })).await["it"]["audit"].take();
        assert_eq!((&looked["customerCount"], &looked["unsyncedOrders"]), (&json!(10), &json!(0)), "{looked}");
        assert_eq!(looked["findings"][0]["code"], "MISSING_WEBHOOKS", "{looked}");
        let shops = server.data("{ shops { name currencyCode connection { name } } }", json!({})).await;
        assert_eq!(shops["shops"][0]["connection"]["name"], "Shop");
    }
}
