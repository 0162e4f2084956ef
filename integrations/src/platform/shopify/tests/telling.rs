//! Webhooks.

use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::*;
use crate::Kind;
use crate::facet::{ConsentState, ContactChannel, Inbound, WebhookEvent, Webhooks};
use crate::sandbox::Delivery;

fn inbound(delivery: &Delivery) -> Inbound {
    let mut headers = HeaderMap::new();
    for (name, value) in &delivery.headers {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).expect("a header"),
        );
    }
    Inbound {
        method: delivery.method.clone(),
        url: delivery.url.clone(),
        headers,
        body: delivery.body.clone(),
        received_at: moment(),
    }
}

fn address() -> Url {
    Url::parse("https://leadline.example.com/hooks/shopify/1").expect("an address")
}

async fn pointed() -> Bench {
    let bench = Bench::of(SandboxShop::with(30, 20, 10, 5)).await;
    bench.running.sandbox().point_webhooks(&address());
    bench
}

fn happened(bench: &Bench, what: &str) -> Vec<(String, WebhookEvent)> {
    let deliveries = bench.running.sandbox().happen(what);
    assert!(!deliveries.is_empty(), "{what} tells nothing");
    let told = deliveries.iter().map(|delivery| {
        let inbound = inbound(delivery);
        Shopify.verify(&bench.context, &inbound).expect("it is signed");
        let topic = Shopify.topic(&inbound).expect("a topic");
        let mut events = Shopify.parse(&bench.context, &inbound).expect("it can be read");
        assert_eq!(events.len(), 1, "{topic}");
        (topic, events.remove(0))
    });
    told.collect()
}

#[tokio::test]
async fn all_that_can_happen_is_understood() {
    let bench = pointed().await;
    for what in bench.running.sandbox().happenings() {
        for (topic, event) in happened(&bench, what) {
            assert!(
                !matches!(event, WebhookEvent::Ignored { .. }),
                "{what}: {topic} says {event:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_told_has_the_ids_of_what_is_read() {
    let bench = pointed().await;
    let [(_, WebhookEvent::Customer(customer))] = &happened(&bench, "customer_updated")[..] else {
        panic!()
    };
    assert_eq!(customer.lead.id, "gid://shopify/Customer/7100000000030");
    assert_eq!(
        (&customer.lead.tags, customer.orders),
        (&None, None),
        "not told, so not known"
    );
    assert!(
        customer.lead.fields["lastName"]
            .as_str()
            .unwrap()
            .ends_with("-Example")
    );
    let [(_, WebhookEvent::Customer(customer))] = &happened(&bench, "customer_unsubscribed")[..] else {
        panic!()
    };
    assert_eq!(customer.lead.consents[0].channel, ContactChannel::Email);
    assert_eq!(customer.lead.consents[0].state, ConsentState::Denied);
    assert_eq!(customer.lead.updated_at, None, "nothing is known of the rest");
    let told = happened(&bench, "order_refunded");
    let WebhookEvent::Order(order) = &told[0].1 else {
        panic!()
    };
    assert_eq!(told[1].1, WebhookEvent::OrderChanged { id: order.id.clone() });
    assert!(order.current_total.amount.is_zero());
    let [(_, WebhookEvent::Checkout(checkout))] = &happened(&bench, "checkout_abandoned")[..] else {
        panic!()
    };
    assert!(
        checkout.id.starts_with("gid://shopify/AbandonedCheckout/"),
        "{}",
        checkout.id
    );
    let [(_, WebhookEvent::Product(product))] = &happened(&bench, "product_updated")[..] else {
        panic!()
    };
    assert!(
        product
            .url
            .as_deref()
            .unwrap()
            .starts_with("https://leadline-demo.myshopify.com/products/")
    );
    let [(_, WebhookEvent::Redact { customer, email })] = &happened(&bench, "customer_redacted")[..] else {
        panic!()
    };
    assert!(customer.is_some() && email.is_some());
    let [(_, WebhookEvent::ScopesChanged { scopes })] = &happened(&bench, "scopes_updated")[..] else {
        panic!()
    };
    assert!(scopes.contains(&"read_customers".to_owned()) && scopes.contains(&"read_all_orders".to_owned()));
    assert_eq!(happened(&bench, "shop_redacted")[0].1, WebhookEvent::RedactShop);
    assert_eq!(
        happened(&bench, "app_uninstalled")[0].1,
        WebhookEvent::Uninstalled
    );
    let error = crate::Integration::check(&Shopify, &bench.context)
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Unauthorised, "the token ended with the app");
}

#[tokio::test]
async fn a_wrong_signature_is_refused_before_anything_is_read() {
    let bench = pointed().await;
    let good = inbound(&bench.running.sandbox().happen("order_created")[0]);
    Shopify.verify(&bench.context, &good).unwrap();
    let refused = |change: &dyn Fn(&mut Inbound)| {
        let mut changed = good.clone();
        change(&mut changed);
        let error = Shopify.verify(&bench.context, &changed).unwrap_err();
        assert_eq!(error.kind, Kind::Signature);
    };
    refused(&|inbound| {
        let mut body = inbound.body.to_vec();
        body[7] ^= 1;
        inbound.body = body.into();
    });
    refused(&|inbound| drop(inbound.headers.remove("x-shopify-hmac-sha256")));
    refused(&|inbound| {
        inbound
            .headers
            .insert("x-shopify-hmac-sha256", HeaderValue::from_static("not base64!"));
    });
    refused(&|inbound| drop(std::mem::take(&mut inbound.body)));

    let with = |secrets: serde_json::Value| {
        let setup = Setup {
            secrets,
            ..bench.setup.clone()
        };
        setup.context(&Shopify, &transport(), Arc::clone(&bench.clock) as _)
    };
    let secret = bench.setup.secrets["clientSecret"].clone();
    let error = Shopify
        .verify(&with(serde_json::json!({ "clientSecret": "another one" })), &good)
        .unwrap_err();
    assert_eq!(error.kind, Kind::Signature);
    let error = Shopify.verify(&with(serde_json::json!({})), &good).unwrap_err();
    assert_eq!(
        error.kind,
        Kind::Signature,
        "without a secret nothing is from the platform"
    );
    let both = serde_json::json!({ "clientSecret": "the new one", "previousClientSecret": secret });
    Shopify.verify(&with(both), &good).unwrap();

    let mut unreadable = good.clone();
    unreadable.body = bytes::Bytes::from_static(b"{\"id\":");
    assert_eq!(
        Shopify.parse(&bench.context, &unreadable).unwrap_err().kind,
        Kind::Malformed
    );
    let mut unknown = good;
    unknown
        .headers
        .insert("x-shopify-topic", HeaderValue::from_static("domains/create"));
    let events = Shopify.parse(&bench.context, &unknown).unwrap();
    assert!(matches!(events[0], WebhookEvent::Ignored { .. }));
}

#[tokio::test]
async fn subscriptions_come_once_and_go() {
    let bench = Bench::of(SandboxShop::with(30, 20, 10, 5)).await;
    let context = &bench.context;
    let topics = [
        "orders/create",
        "customers_email_marketing_consent/update",
        "app/uninstalled",
    ];
    for _ in 0..2 {
        Shopify.subscribe(context, &address(), &topics).await.unwrap();
        let found = Shopify.subscriptions(context).await.unwrap();
        let mut names: Vec<&str> = found
            .iter()
            .map(|subscription| subscription.topic.as_str())
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "app/uninstalled",
                "customers_email_marketing_consent/update",
                "orders/create"
            ]
        );
        assert!(
            found
                .iter()
                .all(|subscription| subscription.url.as_deref() == Some(address().as_str()))
        );
    }
    let deliveries = bench.running.sandbox().happen("order_created");
    assert_eq!(deliveries.len(), 1);
    assert!(Shopify.id(&inbound(&deliveries[0])).is_some());
    for topic in ["shop/redact", "orders/creates"] {
        let error = Shopify
            .subscribe(context, &address(), &[topic])
            .await
            .unwrap_err();
        assert!(
            error.kind == Kind::Refused && error.message.contains("orders/create"),
            "{error}"
        );
    }
    let plain = Url::parse("http://leadline.example.com/").unwrap();
    let error = Shopify
        .subscribe(context, &plain, &["orders/create"])
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Refused, "{error}");
    for _ in 0..2 {
        Shopify.unsubscribe(context, &address()).await.unwrap();
        assert_eq!(bench.holds("webhookSubscriptions"), 0);
    }
}
