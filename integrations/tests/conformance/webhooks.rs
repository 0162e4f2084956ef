//! What webhooks promise: verified over their bytes before anything is read out of them; the same delivery has the same id;
//! registered once. And consent on the platform's page.

use bytes::Bytes;
use http::HeaderMap;
use leadline_integrations::facet::{AuthorizeRequest, Callback, Exchange, Inbound};
use leadline_integrations::sandbox::Delivery;
use leadline_integrations::{Clock as _, Kind, Secret};
use url::Url;

use super::ground::{Ground, grounds};

fn inbound(ground: &Ground, delivery: &Delivery) -> Inbound {
    let mut headers = HeaderMap::new();
    for (name, value) in &delivery.headers {
        headers.append(*name, value.parse().expect("a header"));
    }
    Inbound {
        method: delivery.method.clone(),
        url: delivery.url.clone(),
        headers,
        body: delivery.body.clone(),
        received_at: ground.clock.now(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_are_verified_and_read() {
    for ground in &grounds().await {
        let (Some(webhooks), Some(case)) = (ground.integration.facets().webhooks, ground.cases().webhooks)
        else {
            continue;
        };
        let key = ground.integration.manifest().key;
        let context = ground.context();
        let sandbox = ground.running.sandbox();
        let url = Url::parse("https://leads.example.com/webhooks/conn_1").expect("an address");
        if !case.topics.is_empty() {
            for _ in 0..2 {
                webhooks
                    .subscribe(&context, &url, &case.topics)
                    .await
                    .expect("subscribed");
            }
            let told = webhooks.subscriptions(&context).await.expect("what it tells");
            for topic in &case.topics {
                let count = told
                    .iter()
                    .filter(|subscription| subscription.topic == *topic)
                    .count();
                assert_eq!(count, 1, "{key}: {topic} in {told:?}");
            }
        }
        if !case.topics.is_empty() {
            webhooks.unsubscribe(&context, &url).await.expect("unsubscribed");
            webhooks
                .unsubscribe(&context, &url)
                .await
                .expect("nothing more to unsubscribe");
            let told = webhooks.subscriptions(&context).await.expect("what it tells");
            assert!(
                told.iter()
                    .all(|subscription| subscription.url.as_deref() != Some(url.as_str())),
                "{key}: {told:?}"
            );
            webhooks
                .subscribe(&context, &url, &case.topics)
                .await
                .expect("subscribed again");
        }
        sandbox.point_webhooks(&url);
        assert!(!sandbox.happenings().is_empty(), "{key}: things happen there");
        let (mut seen, mut events) = (0, 0);
        for what in sandbox.happenings() {
            for delivery in sandbox.happen(what) {
                seen += 1;
                let request = inbound(ground, &delivery);
                if webhooks
                    .handshake(&context, &request)
                    .expect("no handshake fails")
                    .is_some()
                {
                    continue;
                }
                webhooks
                    .verify(&context, &request)
                    .unwrap_or_else(|error| panic!("{key}: {what}: {error}"));
                assert_eq!(webhooks.id(&request).is_some(), case.ids, "{key}: {what}");
                assert_eq!(webhooks.id(&request), webhooks.id(&request.clone()), "{key}");
                events += webhooks
                    .parse(&context, &request)
                    .unwrap_or_else(|error| panic!("{key}: {what}: {error}"))
                    .len();
                if case.signed {
                    forged(ground, &request, what);
                }
            }
        }
        assert!(
            seen > 0 && events > 0,
            "{key}: {seen} deliveries, {events} events"
        );
    }
}

/// One byte more, no signature, another secret: refused, and nothing of it is read.
fn forged(ground: &Ground, request: &Inbound, what: &str) {
    let webhooks = ground.integration.facets().webhooks.expect("it has webhooks");
    let key = ground.integration.manifest().key;
    let context = ground.context();
    let refused = |context, request: &Inbound, why: &str| {
        let error = webhooks.verify(context, request).expect_err("forged");
        assert_eq!(error.kind, Kind::Signature, "{key}: {what}: {why}: {error}");
    };
    let mut more = request.clone();
    if request.body.is_empty() {
        more.url.query_pairs_mut().append_pair("more", "1");
    } else {
        let mut body = request.body.to_vec();
        let middle = body.len() / 2;
        body[middle] = if body[middle] == b'x' { b'y' } else { b'x' };
        more.body = Bytes::from(body);
    }
    refused(&context, &more, "a changed byte");
    let mut bare = request.clone();
    bare.headers.clear();
    if let Some(content_type) = request.headers.get("content-type") {
        bare.headers.insert("content-type", content_type.clone());
    }
    bare.url.set_query(None);
    refused(&context, &bare, "no signature");
    let mut garbage = request.clone();
    garbage.body = Bytes::from_static(b"\xff\xfe{not anything");
    refused(&context, &garbage, "not what was signed, and unreadable");
    if let Some(wrong) = ground.with_wrong_secrets() {
        let error = webhooks.verify(&wrong, request);
        // A platform may sign with a public key, which is no secret.
        if let Err(error) = error {
            assert_eq!(
                error.kind,
                Kind::Signature,
                "{key}: {what}: another secret: {error}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_consents_on_the_platforms_page() {
    for ground in &grounds().await {
        let Some(oauth) = ground.integration.facets().oauth else {
            continue;
        };
        let key = ground.integration.manifest().key;
        let context = ground.context();
        let request = AuthorizeRequest {
            state: "a-state-of-ours".into(),
            redirect: Url::parse("https://leads.example.com/connections/callback").expect("an address"),
            code_challenge: oauth
                .pkce()
                .then(|| "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()),
        };
        let url = oauth.authorize_url(&context, &request).expect("a page");
        let page = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("TLS is compiled in")
            .get(url)
            .send()
            .await
            .expect("the page of consent");
        let back = page.headers()["location"]
            .to_str()
            .expect("an address")
            .to_owned();
        let back = Url::parse(&back).expect("an address");
        assert!(
            back.as_str().starts_with(request.redirect.as_str()),
            "{key}: {back}"
        );
        let query: Vec<(String, String)> = back.query_pairs().into_owned().collect();
        let callback = Callback { query: query.clone() };
        assert_eq!(callback.get("state"), Some("a-state-of-ours"), "{key}");
        let code = oauth
            .callback(&context, &callback)
            .expect("it is from the platform");
        let exchange = Exchange {
            code,
            redirect: request.redirect.clone(),
            verifier: oauth
                .pkce()
                .then(|| Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")),
        };
        let credentials = oauth.exchange(&context, &exchange).await.expect("credentials");
        assert!(!credentials.access_token.is_empty(), "{key}");
        let shown = format!("{credentials:?}");
        assert!(
            !shown.contains(credentials.access_token.expose()),
            "{key}: {shown}"
        );
        oauth
            .exchange(&context, &exchange)
            .await
            .expect_err("a code is good once");
        let denied = Callback {
            query: vec![
                ("error".into(), "access_denied".into()),
                ("state".into(), "a-state-of-ours".into()),
            ],
        };
        let error = oauth.callback(&context, &denied).expect_err("the owner said no");
        assert!(
            matches!(error.kind, Kind::Revoked | Kind::Signature),
            "{key}: {error}"
        );
        if credentials.refresh_token.is_some() {
            let fresh = oauth.refresh(&context, &credentials).await.expect("fresh ones");
            assert!(!fresh.access_token.is_empty(), "{key}");
        }
    }
}
