//! Consent, tokens, limits and failures.

use serde_json::json;
use url::Url;

use super::*;
use crate::facet::{AuthorizeRequest, Callback, Commerce, Exchange, OAuth};
use crate::sandbox::Failure;
use crate::{Credentials, Integration as _, Kind, Retry, Secret};

/// Sends the owner to the page of consent, and gives what they come back with.
async fn consented(bench: &Bench) -> Callback {
    let request = AuthorizeRequest {
        state: "state with / and space".to_owned(),
        redirect: Url::parse("https://leadline.example.com/callback").expect("an address"),
        code_challenge: None,
    };
    let url = Shopify
        .authorize_url(&bench.context, &request)
        .expect("an address");
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    let answer = client.get(url).send().await.expect("an answer");
    assert_eq!(answer.status(), 302);
    let location = answer.headers()["location"].to_str().expect("text").to_owned();
    let url = Url::parse(&location).expect("an address");
    Callback {
        query: url.query_pairs().into_owned().collect(),
    }
}

fn exchange(code: Secret) -> Exchange {
    Exchange {
        code,
        redirect: Url::parse("https://leadline.example.com/callback").expect("an address"),
        verifier: None,
    }
}

impl Bench {
    fn with(&self, secrets: serde_json::Value, credentials: Option<Credentials>) -> Context {
        let setup = Setup {
            settings: self.setup.settings.clone(),
            secrets,
            credentials,
        };
        setup.context(&Shopify, &transport(), Arc::clone(&self.clock) as _)
    }
}

#[tokio::test]
async fn consent_leads_to_tokens_that_can_be_renewed() {
    let bench = Bench::small().await;
    let callback = consented(&bench).await;
    assert_eq!(callback.get("state"), Some("state with / and space"));
    let code = Shopify.callback(&bench.context, &callback).unwrap();
    let first = Shopify
        .exchange(&bench.context, &exchange(code.clone()))
        .await
        .unwrap();
    assert_eq!(first.expires_at, Some(moment() + Duration::from_hours(1)));
    assert!(
        first.scopes.contains(&"read_customers".to_owned()),
        "{:?}",
        first.scopes
    );
    let secrets = bench.setup.secrets.clone();
    Shopify
        .check(&bench.with(secrets.clone(), Some(first.clone())))
        .await
        .unwrap();
    let error = Shopify
        .exchange(&bench.context, &exchange(code))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Refused, Some("invalid_request")),
        "{error}"
    );

    bench.clock.advance(Duration::from_secs(3_601));
    let expired = Shopify
        .check(&bench.with(secrets.clone(), Some(first.clone())))
        .await
        .unwrap_err();
    assert_eq!(expired.kind, Kind::Unauthorised);
    let lost = Shopify.refresh(&bench.context, &first).await.unwrap();
    let second = Shopify.refresh(&bench.context, &first).await.unwrap();
    assert_ne!(lost.refresh_token, second.refresh_token);
    Shopify
        .check(&bench.with(secrets, Some(second.clone())))
        .await
        .unwrap();
    let error = Shopify.refresh(&bench.context, &first).await.unwrap_err();
    assert_eq!(error.kind, Kind::Revoked, "the new token was used: {error}");
    Shopify.refresh(&bench.context, &second).await.unwrap();
}

#[tokio::test]
async fn a_permanent_token_is_changed_for_one_that_expires() {
    let bench = Bench::small().await;
    let permanent = Credentials {
        refresh_token: None,
        ..bench.setup.credentials.clone().unwrap()
    };
    let renewed = Shopify.refresh(&bench.context, &permanent).await.unwrap();
    assert!(renewed.refresh_token.is_some() && renewed.expires_at.is_some());
    assert_eq!(
        Shopify
            .refresh(&bench.context, &permanent)
            .await
            .unwrap_err()
            .kind,
        Kind::Revoked
    );
}

#[tokio::test]
async fn a_callback_is_held_against_signature_shop_and_time() {
    let bench = Bench::small().await;
    let good = consented(&bench).await;
    let kind = |context: &Context, callback: &Callback| Shopify.callback(context, callback).unwrap_err().kind;
    for at in 0..good.query.len() {
        let mut changed = good.clone();
        changed.query[at].1.push('0');
        assert_eq!(
            kind(&bench.context, &changed),
            Kind::Signature,
            "{}",
            good.query[at].0
        );
        let mut missing = good.clone();
        missing.query.remove(at);
        assert_eq!(
            kind(&bench.context, &missing),
            Kind::Signature,
            "{}",
            good.query[at].0
        );
    }
    let mut reordered = good.clone();
    reordered.query.reverse();
    Shopify.callback(&bench.context, &reordered).unwrap();
    let other = Setup {
        settings: json!({ "shop": "another.myshopify.com", "clientId": "x" }),
        ..bench.setup.clone()
    };
    let other = other.context(&Shopify, &transport(), Arc::clone(&bench.clock) as _);
    assert_eq!(
        kind(&other, &good),
        Kind::Signature,
        "rightly signed, and of another shop"
    );
    bench.clock.advance(Duration::from_secs(90));
    Shopify.callback(&bench.context, &good).unwrap();
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(kind(&bench.context, &good), Kind::Signature, "too old");
    let no = Callback {
        query: vec![("error".to_owned(), "access_denied".to_owned())],
    };
    assert_eq!(kind(&bench.context, &no), Kind::Revoked);
}

#[tokio::test]
async fn what_is_missing_for_consent_is_named() {
    let bench = Bench::small().await;
    let error = Shopify
        .exchange(&bench.with(json!({}), None), &exchange("code".into()))
        .await
        .unwrap_err();
    assert!(
        error.kind == Kind::Settings && error.message.contains("clientSecret"),
        "{error}"
    );
    let wrong = bench.with(json!({ "clientSecret": "not the secret" }), None);
    let error = Shopify
        .exchange(&wrong, &exchange("code".into()))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Unauthorised, Some("invalid_client"))
    );
    let error = Shopify
        .refresh(&wrong, bench.setup.credentials.as_ref().unwrap())
        .await
        .unwrap_err();
    assert_eq!(
        error.kind,
        Kind::Unauthorised,
        "no owner can mend the app's own secret"
    );
}

#[tokio::test]
async fn a_token_made_by_hand_needs_no_consent() {
    let bench = Bench::small().await;
    let token = bench.setup.credentials.as_ref().unwrap().access_token.expose();
    Shopify
        .check(&bench.with(json!({ "accessToken": token }), None))
        .await
        .unwrap();
    let wrong = bench.with(json!({ "accessToken": "shpat_not_known_here" }), None);
    let error = Shopify.check(&wrong).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unauthorised);
    assert!(!format!("{error:?} {wrong:?}").contains("shpat_not_known_here"));
    assert!(!format!("{:?} {:?}", bench.context, bench.setup.secrets["none"]).contains(token));
}

#[tokio::test]
async fn a_throttle_within_a_success_is_waited_for() {
    let bench = Bench::small().await;
    bench.running.faults.next(Failure::Throttled { seconds: 7 }, 1);
    Shopify.shop(&bench.context).await.unwrap();
    assert_eq!(bench.clock.waits(), [Duration::from_secs(7)]);
    bench.running.faults.next(Failure::Throttled { seconds: 600 }, 1);
    let error = Shopify.shop(&bench.context).await.unwrap_err();
    assert_eq!(
        (error.kind, error.retry),
        (Kind::Throttled, Retry::After(Duration::from_mins(10)))
    );
    assert_eq!(error.code.as_deref(), Some("THROTTLED"));
}

#[tokio::test]
async fn failures_are_told_apart() {
    let bench = Bench::small().await;
    let faults = &bench.running.faults;
    for (failure, kind) in [
        (Failure::ServerError, Kind::Unavailable),
        (Failure::BodyError, Kind::Unavailable),
    ] {
        faults.next(failure, 10);
        let error = Shopify.counts(&bench.context).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (kind, Retry::Exhausted), "{failure:?}");
        let waits = bench.clock.waits();
        assert!(
            waits.windows(2).all(|pair| pair[0] < pair[1]) && waits.len() == 3,
            "{waits:?}"
        );
        faults.clear();
    }
    faults.next(Failure::BodyError, 1);
    Shopify.counts(&bench.context).await.unwrap();
    faults.next(Failure::Unauthorised, 1);
    assert_eq!(
        Shopify.counts(&bench.context).await.unwrap_err().kind,
        Kind::Unauthorised
    );
    faults.next(Failure::Malformed, 1);
    assert_eq!(
        Shopify.counts(&bench.context).await.unwrap_err().kind,
        Kind::Malformed
    );
    faults.next(Failure::Cut, 10);
    assert_eq!(Shopify.counts(&bench.context).await.unwrap_err().kind, Kind::Cut);
    faults.clear();
    let client = super::super::client::Client::of(&bench.context).unwrap();
    let error = client
        .query::<serde_json::Value>("{ shop { nome } }", &json!({}))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Refused, Some("undefinedField")),
        "{error}"
    );
    assert!(error.request_id.is_some());
}
