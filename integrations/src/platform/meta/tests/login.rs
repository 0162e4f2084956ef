use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chrono::Duration;
use http::header::LOCATION;
use url::Url;

use super::super::sandbox::{SYSTEM_TOKEN, USER_TOKEN};
use super::{Ground, context, set};
use crate::facet::{AuthorizeRequest, Callback, Exchange, OAuth as _};
use crate::transport::{Egress, HttpTransport, Lane, Policy};
use crate::{Clock, Context, Credentials, Integration as _, Kind, Secret, Secrets, TokenSource};

fn back() -> Url {
    Url::parse("https://leads.example.com/connected").expect("an address")
}

/// Sends the owner to the page of consent; gives what they come back with.
async fn consent(ground: &Ground) -> Callback {
    let request = AuthorizeRequest {
        state: "s-1".to_owned(),
        redirect: back(),
        code_challenge: None,
    };
    let url = ground.meta.authorize_url(&ground.context, &request).unwrap();
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let answer = browser.get(url).send().await.unwrap();
    let location = Url::parse(answer.headers()[LOCATION].to_str().unwrap()).unwrap();
    assert!(location.as_str().starts_with(back().as_str()), "{location}");
    Callback {
        query: location.query_pairs().into_owned().collect(),
    }
}

async fn login(ground: &Ground) -> crate::Result<Credentials> {
    let callback = consent(ground).await;
    assert_eq!(callback.get("state"), Some("s-1"));
    let code = ground.meta.callback(&ground.context, &callback)?;
    let exchange = Exchange {
        code,
        redirect: back(),
        verifier: None,
    };
    ground.meta.exchange(&ground.context, &exchange).await
}

#[tokio::test]
async fn a_code_becomes_a_token_that_lasts() {
    let ground = Ground::new().await;
    let credentials = login(&ground).await.unwrap();
    assert!(credentials.access_token.expose().starts_with("EAAGlong"));
    assert_eq!(
        credentials.expires_at,
        Some(ground.clock.now() + Duration::days(60))
    );
    assert_eq!(credentials.refresh_token, None);
    assert!(credentials.scopes.iter().any(|scope| scope == "leads_retrieval"));
    ground.clock.advance(Duration::days(50).to_std().unwrap());
    let next = ground.meta.refresh(&ground.context, &credentials).await.unwrap();
    assert_ne!(next.access_token, credentials.access_token);
    assert_eq!(next.expires_at, Some(ground.clock.now() + Duration::days(60)));
    let mut setup = ground.setup.clone();
    setup.credentials = Some(next);
    let account = ground
        .meta
        .check(&context(&ground.meta, &setup, &ground.clock))
        .await
        .unwrap();
    assert_eq!(account.name, "Ada Owner");
}

#[tokio::test]
async fn a_dead_token_is_for_the_owner_to_mend() {
    let ground = Ground::new().await;
    let credentials = login(&ground).await.unwrap();
    ground.clock.advance(Duration::days(61).to_std().unwrap());
    let error = ground
        .meta
        .refresh(&ground.context, &credentials)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Revoked, Some("190/463"))
    );
    let mut setup = ground.setup.clone();
    setup.credentials = Some(credentials);
    let error = ground
        .meta
        .check(&context(&ground.meta, &setup, &ground.clock))
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Unauthorised);
}

#[tokio::test]
async fn a_code_is_good_once_and_for_one_address() {
    let ground = Ground::new().await;
    let code = ground
        .meta
        .callback(&ground.context, &consent(&ground).await)
        .unwrap();
    let exchange = |redirect: &str| Exchange {
        code: code.clone(),
        redirect: Url::parse(redirect).expect("an address"),
        verifier: None,
    };
    let other = exchange("https://leads.example.com/other");
    let error = ground.meta.exchange(&ground.context, &other).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Refused, Some("100/36008"))
    );
    let error = ground
        .meta
        .exchange(&ground.context, &exchange(back().as_str()))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Refused, Some("100/36009"))
    );
    assert!(!format!("{error:?}").contains(code.expose()));
}

#[tokio::test]
async fn the_owner_may_say_no() {
    let ground = Ground::new().await;
    let callback = |pairs: &[(&str, &str)]| Callback {
        query: pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    };
    let no = callback(&[
        ("error", "access_denied"),
        ("error_reason", "user_denied"),
        ("state", "s-1"),
    ]);
    assert_eq!(
        ground.meta.callback(&ground.context, &no).unwrap_err().kind,
        Kind::Revoked
    );
    let wrong = callback(&[("error", "server_error"), ("error_description", "Try again")]);
    let error = ground.meta.callback(&ground.context, &wrong).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (Kind::Refused, "Try again"));
    assert_eq!(
        ground
            .meta
            .callback(&ground.context, &callback(&[]))
            .unwrap_err()
            .kind,
        Kind::Malformed
    );
}

#[tokio::test]
async fn a_configuration_takes_the_place_of_scopes() {
    let ground = Ground::with(|setup| set(&mut setup.settings, "loginConfigId", "4711")).await;
    let request = AuthorizeRequest {
        state: "s".to_owned(),
        redirect: back(),
        code_challenge: None,
    };
    let url = ground.meta.authorize_url(&ground.context, &request).unwrap();
    let query: Vec<_> = url.query_pairs().collect();
    assert!(
        query
            .iter()
            .any(|(name, value)| name == "config_id" && value == "4711")
    );
    assert!(query.iter().all(|(name, _)| name != "scope"));
}

#[tokio::test]
async fn the_token_of_a_system_user_needs_no_consent() {
    let ground = Ground::with(|setup| {
        setup.credentials = None;
        set(&mut setup.secrets, "accessToken", SYSTEM_TOKEN);
    })
    .await;
    let account = ground.meta.check(&ground.context).await.unwrap();
    assert_eq!(
        (account.id.as_str(), account.name.as_str()),
        ("10224000000000002", "Leadline system user")
    );
    assert!(account.details.contains(&("currency", "EUR".to_owned())));
    assert!(
        account
            .scopes
            .expect("scopes")
            .iter()
            .any(|scope| scope == "ads_read")
    );
    let ground = Ground::with(|setup| setup.credentials = None).await;
    assert_eq!(
        ground.meta.check(&ground.context).await.unwrap_err().kind,
        Kind::Unauthorised
    );
}

/// Gives a token that the platform does not take, until it is told so.
struct Renewed(AtomicBool);

#[async_trait]
impl TokenSource for Renewed {
    async fn token(&self) -> crate::Result<Secret> {
        let good = self.0.load(Ordering::SeqCst);
        Ok(Secret::new(if good { USER_TOKEN } else { "EAAGdead" }))
    }

    async fn refused(&self, token: &Secret) -> crate::Result<Option<Secret>> {
        assert_eq!(token.expose(), "EAAGdead");
        self.0.store(true, Ordering::SeqCst);
        self.token().await.map(Some)
    }
}

#[tokio::test]
async fn a_token_that_was_renewed_goes_with_a_new_proof() {
    let ground = Ground::new().await;
    let entered = ["appSecret", "verifyToken"].map(|name| {
        let secret = ground.setup.secrets[name].as_str().expect("a secret");
        (name.to_owned(), Secret::new(secret))
    });
    let secrets = Secrets::new(entered.into(), Arc::new(Renewed(AtomicBool::new(false))));
    let transport = HttpTransport::new(Egress::Anywhere, Policy::default()).unwrap();
    let clock = Arc::clone(&ground.clock) as Arc<dyn Clock>;
    let context = Context {
        http: transport.connection("meta", Lane::new(1), secrets.clone(), clock),
        secrets,
        ..ground.context.clone()
    };
    assert_eq!(ground.meta.check(&context).await.unwrap().name, "Ada Owner");
    let proofs: Vec<_> = ground
        .running
        .requests()
        .iter()
        .map(|one| one.param("appsecret_proof").map(str::to_owned))
        .collect();
    assert!(
        proofs.len() >= 3 && proofs[0].is_some() && proofs[0] != proofs[1],
        "{proofs:?}"
    );
}

#[tokio::test]
async fn empty_secrets_are_none() {
    let ground = Ground::new().await;
    for name in ["appSecret", "verifyToken"] {
        let mut secrets = ground.setup.secrets.clone();
        set(&mut secrets, name, " ");
        let problem = ground.meta.manifest().secrets.check(&secrets).unwrap_err();
        assert_eq!(
            (problem.path, problem.message.as_str()),
            (vec![name.to_owned()], "must not be empty")
        );
    }
}

#[tokio::test]
async fn secrets_show_nowhere() {
    let ground = Ground::with(|setup| {
        let credentials = setup.credentials.as_mut().expect("credentials");
        credentials.access_token = Secret::new("EAAGnobodyknowsthis");
    })
    .await;
    let error = ground.meta.check(&ground.context).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unauthorised);
    let shown = format!("{:?} {error:?} {error} {:?}", ground.context, ground.meta);
    for secret in [
        "EAAGnobodyknowsthis",
        USER_TOKEN,
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "a-word-of-our-own",
    ] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
