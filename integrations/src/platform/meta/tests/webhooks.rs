use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use super::super::webhooks::events;
use super::Ground;
use crate::facet::{Inbound, LeadSource as _, Subscription, WebhookEvent, Webhooks as _};
use crate::sandbox::{Delivery, Failure};
use crate::{Clock as _, Kind};

fn address() -> Url {
    Url::parse("http://127.0.0.1:9/in/meta").expect("an address")
}

fn inbound(ground: &Ground, delivery: &Delivery) -> Inbound {
    let mut headers = HeaderMap::new();
    for (name, value) in &delivery.headers {
        headers.insert(*name, HeaderValue::from_str(value).expect("a header"));
    }
    Inbound {
        method: delivery.method.clone(),
        url: delivery.url.clone(),
        headers,
        body: delivery.body.clone(),
        received_at: ground.clock.now(),
    }
}

#[tokio::test]
async fn what_happens_is_told_signed_and_can_be_fetched() {
    let ground = Ground::new().await;
    ground.running.sandbox().point_webhooks(&address());
    for (what, leads) in [
        ("lead", 1),
        ("organic_lead", 1),
        ("several_leads", 3),
        ("test_lead", 1),
    ] {
        let deliveries = ground.running.sandbox().happen(what);
        let [delivery] = &deliveries[..] else {
            panic!("{deliveries:?}");
        };
        let request = inbound(&ground, delivery);
        assert_eq!(ground.meta.handshake(&ground.context, &request).unwrap(), None);
        ground.meta.verify(&ground.context, &request).unwrap();
        assert_eq!(ground.meta.topic(&request).as_deref(), Some("leadgen"));
        assert_eq!(ground.meta.id(&request), None);
        let events = ground.meta.parse(&ground.context, &request).unwrap();
        assert_eq!(events.len(), leads, "{what}");
        for event in events {
            let WebhookEvent::LeadArrived { id } = event else {
                panic!("{event:?}");
            };
            let lead = ground
                .meta
                .lead(&ground.context, &id)
                .await
                .unwrap()
                .expect("a lead");
            assert_eq!((lead.id, lead.test), (id, what == "test_lead"));
        }
    }
}

#[tokio::test]
async fn what_is_not_signed_is_not_read() {
    let ground = Ground::new().await;
    ground.running.sandbox().point_webhooks(&address());
    let good = inbound(&ground, &ground.running.sandbox().happen("lead")[0]);
    let refused = |change: &dyn Fn(&mut Inbound)| {
        let mut changed = good.clone();
        change(&mut changed);
        ground.meta.verify(&ground.context, &changed).unwrap_err().kind
    };
    let put = |text: &'static str| {
        move |request: &mut Inbound| {
            request
                .headers
                .insert("x-hub-signature-256", HeaderValue::from_static(text));
        }
    };
    for kind in [
        refused(&|request| {
            let mut body = request.body.to_vec();
            body[20] ^= 1;
            request.body = Bytes::from(body);
        }),
        refused(&|request| {
            request.headers.remove("x-hub-signature-256");
        }),
        refused(&|request| {
            let sha1 = request.headers["x-hub-signature"].clone();
            request.headers.insert("x-hub-signature-256", sha1);
        }),
        refused(&put("sha256=zz")),
        refused(&put("sha256=")),
        refused(&put("")),
    ] {
        assert_eq!(kind, Kind::Signature);
    }
    let other = Ground::with(|setup| super::set(&mut setup.secrets, "appSecret", "another-secret")).await;
    assert_eq!(
        other.meta.verify(&other.context, &good).unwrap_err().kind,
        Kind::Signature
    );
}

/// The signature was made by Python's `hmac` over the bytes as the platform writes them, with `\u` and `\/`.
#[tokio::test]
async fn the_bytes_count_as_they_came() {
    let ground = Ground::with(|setup| super::set(&mut setup.secrets, "appSecret", "s3cret-of-the-app")).await;
    let body = r#"{"object":"page","entry":[{"id":"1","changes":[{"field":"leadgen","value":{"leadgen_id":17,"note":"caf\u00e9 \/ b\u00e4r"}}]}]}"#;
    let mut headers = HeaderMap::new();
    let signature = "sha256=0d017a3a8b8f9befbb5d94b1165f5a3485f4f82d72bed8879bbb2ccb149e8af1";
    headers.insert("x-hub-signature-256", HeaderValue::from_static(signature));
    let request = Inbound {
        method: Method::POST,
        url: address(),
        headers,
        body: Bytes::from_static(body.as_bytes()),
        received_at: ground.clock.now(),
    };
    ground.meta.verify(&ground.context, &request).unwrap();
    let events = ground.meta.parse(&ground.context, &request).unwrap();
    assert_eq!(events, [WebhookEvent::LeadArrived { id: "17".to_owned() }]);
}

#[tokio::test]
async fn the_question_whether_the_address_is_ours() {
    let ground = Ground::new().await;
    let ask = |method: Method, query: &str| {
        let mut url = address();
        url.set_query(Some(query));
        let request = Inbound {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            received_at: ground.clock.now(),
        };
        ground.meta.handshake(&ground.context, &request)
    };
    let right = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=a-word-of-our-own";
    let reply = ask(Method::GET, right).unwrap().expect("a reply");
    assert_eq!(
        (reply.status, reply.content_type, reply.body.as_str()),
        (200, "text/plain", "1158201444")
    );
    for wrong in [
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=another",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
        "hub.mode=subscribe&hub.challenge=1",
        "hub.mode=subscribe&hub.verify_token=a-word-of-our-own",
        "hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=a-word-of-our-own",
    ] {
        assert_eq!(
            ask(Method::GET, wrong).unwrap_err().kind,
            Kind::Signature,
            "{wrong}"
        );
    }
    assert_eq!(ask(Method::GET, "").unwrap(), None);
    assert_eq!(ask(Method::POST, right).unwrap(), None);
}

#[tokio::test]
async fn what_is_not_about_leads_is_passed_over() {
    let ground = Ground::new().await;
    let parse = |body: &'static str| {
        let request = Inbound {
            method: Method::POST,
            url: address(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            received_at: ground.clock.now(),
        };
        ground.meta.parse(&ground.context, &request)
    };
    for body in [
        r#"{"object":"page","entry":[{"changes":[{"field":"feed","value":{"item":"post"}}]}]}"#,
        r#"{"object":"instagram","entry":[{"changes":[{"field":"leadgen","value":{"leadgen_id":1}}]}]}"#,
        r#"{"object":"page","entry":[]}"#,
        "{}",
    ] {
        let events = parse(body).unwrap();
        assert!(
            matches!(&events[..], [WebhookEvent::Ignored { .. }]),
            "{events:?}"
        );
    }
    for body in [
        "",
        "[1]",
        r#"{"object":"page","entry":[{"changes":[{"field":"leadgen","value":{"leadgen_id":1.5}}]}]}"#,
    ] {
        assert_eq!(parse(body).unwrap_err().kind, Kind::Malformed, "{body}");
    }
}

#[tokio::test]
async fn the_app_and_each_page_are_subscribed() {
    let ground = Ground::new().await;
    let (meta, context) = (&ground.meta, &ground.context);
    assert_eq!(meta.subscriptions(context).await.unwrap(), []);
    for _ in 0..2 {
        meta.subscribe(context, &address(), &["leadgen"]).await.unwrap();
        assert_eq!(ground.holds("page_subscriptions"), 3);
    }
    let told = Subscription {
        topic: "leadgen".to_owned(),
        url: Some(address().to_string()),
    };
    assert_eq!(meta.subscriptions(context).await.unwrap(), [told]);
    let elsewhere = Url::parse("https://example.com/in").unwrap();
    meta.unsubscribe(context, &elsewhere).await.unwrap();
    assert_eq!(
        ground.holds("page_subscriptions"),
        3,
        "another address is not silenced"
    );
    for _ in 0..2 {
        meta.unsubscribe(context, &address()).await.unwrap();
        assert_eq!(ground.holds("page_subscriptions"), 0);
    }
    assert_eq!(meta.subscriptions(context).await.unwrap(), []);
    let error = meta.subscribe(context, &address(), &["feed"]).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
}

#[tokio::test]
async fn a_page_that_is_left_out_shows() {
    let ground = Ground::new().await;
    ground
        .running
        .faults
        .on("561823650667843/subscribed_apps", Failure::Unauthorised, 1);
    let error = ground
        .meta
        .subscribe(&ground.context, &address(), &["leadgen"])
        .await
        .unwrap_err();
    assert!(error.message.contains("Ada Workshops"), "{error}");
    assert_eq!(ground.holds("page_subscriptions"), 2);
    assert_eq!(
        ground.meta.subscriptions(&ground.context).await.unwrap(),
        [],
        "as the leads of one page are not told"
    );
}

proptest::proptest! {
    #[test]
    fn nothing_that_comes_upsets_the_reading(body in ".{0,200}", id in "-?[0-9]{0,24}|\"[0-9a-z]{0,8}\"|null|[0-9]{1,3}\\.[0-9]") {
        let told = format!(r#"{{"object":"page","entry":[{{"changes":[{{"field":"leadgen","value":{{"leadgen_id":{id}}}}}]}}]}}"#);
        for body in [body, told] {
            let Ok(told) = serde_json::from_str(&body) else {
                continue;
            };
            match events(told) {
                Ok(events) => {
                    for event in &events {
                        let readable = match event {
                            WebhookEvent::LeadArrived { id } => !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()),
                            other => matches!(other, WebhookEvent::Ignored { .. }),
                        };
                        proptest::prop_assert!(readable, "{event:?}");
                    }
                    proptest::prop_assert!(!events.is_empty());
                }
                Err(error) => proptest::prop_assert_eq!(error.kind, Kind::Malformed),
            }
        }
    }
}
