//! An OpenID Connect provider that says whatever a test wants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

/// A provider on a port of loopback; it ends with its test.
#[derive(Clone)]
pub struct Provider {
    issuer: String,
    key: Arc<Ed25519KeyPair>,
    /// For each code: the nonce, the PKCE challenge, what is claimed of the person.
    codes: Arc<Mutex<HashMap<String, Kept>>>,
}

type Kept = (String, String, Value);

const CLIENT: &str = "leadline-test";
const SECRET: &str = "provider-secret-7d1f";

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

impl Provider {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let issuer = format!("http://{}", listener.local_addr().expect("it is bound"));
        let key = Ed25519KeyPair::from_seed_unchecked(&rand::random::<[u8; 32]>()).expect("a seed");
        let provider = Self {
            issuer,
            key: Arc::new(key),
            codes: Arc::default(),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(description))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    /// The settings of a server that trusts it.
    pub fn settings(&self) -> [(&'static str, String); 3] {
        [
            ("open_id_issuer", self.issuer.clone()),
            ("open_id_client_id", CLIENT.to_owned()),
            ("open_id_client_secret", SECRET.to_owned()),
        ]
    }

    /// Somebody signs in at the page that the browser was sent to; answers the way back, with `code` and `state`.
    pub fn sign_in(&self, page: &str, person: Value) -> (String, String, String) {
        let page = url::Url::parse(page).expect("an address");
        assert!(
            page.as_str().starts_with(&format!("{}/authorize?", self.issuer)),
            "{page}"
        );
        let asked: HashMap<_, _> = page.query_pairs().into_owned().collect();
        assert_eq!(
            (asked["client_id"].as_str(), asked["response_type"].as_str()),
            (CLIENT, "code")
        );
        assert_eq!(asked["code_challenge_method"], "S256");
        let code = format!("code-{:016x}", rand::random::<u64>());
        let kept = (asked["nonce"].clone(), asked["code_challenge"].clone(), person);
        self.codes
            .lock()
            .expect("nobody panics")
            .insert(code.clone(), kept);
        (asked["redirect_uri"].clone(), code, asked["state"].clone())
    }

    fn id_token(&self, nonce: &str, person: &Value) -> String {
        let now = super::unix_seconds();
        let mut claims =
            json!({ "iss": self.issuer, "aud": CLIENT, "nonce": nonce, "iat": now, "exp": now + 300 });
        for (key, value) in person.as_object().expect("claims") {
            claims[key] = value.clone();
        }
        let signed = format!(
            "{}.{}",
            encoded(&json!({ "alg": "EdDSA", "kid": "one", "typ": "JWT" })),
            encoded(&claims)
        );
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

async fn description(State(provider): State<Provider>) -> Json<Value> {
    let issuer = &provider.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
    }))
}

async fn keys(State(provider): State<Provider>) -> Json<Value> {
    let key = URL_SAFE_NO_PAD.encode(provider.key.public_key());
    Json(
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": "one", "alg": "EdDSA", "x": key }] }),
    )
}

async fn token(
    State(provider): State<Provider>,
    headers: axum::http::HeaderMap,
    form: String,
) -> Result<Json<Value>, (axum::http::StatusCode, Json<Value>)> {
    let asked: HashMap<String, String> = url::form_urlencoded::parse(form.as_bytes())
        .into_owned()
        .collect();
    let refused = |why: &str| Err((axum::http::StatusCode::BAD_REQUEST, Json(json!({ "error": why }))));
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:{SECRET}"));
    if headers.get("authorization").and_then(|value| value.to_str().ok()) != Some(&format!("Basic {basic}")) {
        return refused("invalid_client");
    }
    // A code is good once.
    let Some((nonce, challenge, person)) = provider
        .codes
        .lock()
        .expect("nobody panics")
        .remove(&asked["code"])
    else {
        return refused("invalid_grant");
    };
    let verifier = ring::digest::digest(&ring::digest::SHA256, asked["code_verifier"].as_bytes());
    if URL_SAFE_NO_PAD.encode(verifier) != challenge {
        return refused("invalid_grant");
    }
    Ok(Json(json!({
        "access_token": "provider-access-token",
        "token_type": "Bearer",
        "id_token": provider.id_token(&nonce, &person),
    })))
}
