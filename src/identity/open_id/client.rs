//! What is said to the provider.

use std::sync::LazyLock;
use std::time::Duration;

use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, TokenResponse,
};
use serde::{Deserialize, Serialize};

use crate::config::OpenIdSettings;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer of a provider.
const MOST_BYTES: usize = 1 << 20;

/// What is kept between going and coming back.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    redirect: String,
}

/// Who somebody is at the provider.
pub(super) struct Identity {
    pub(super) subject: String,
    pub(super) email: Option<String>,
    pub(super) is_email_verified: bool,
    pub(super) name: Option<String>,
}

/// Why a provider is of no use; in words for the operator's log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ProviderFault(String);

fn fault(what: &str) -> impl Fn(&dyn std::error::Error) -> ProviderFault + '_ {
    move |error| {
        let mut text = format!("{what}: {error}");
        let mut source = error.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        ProviderFault(text)
    }
}

#[derive(Debug, thiserror::Error)]
enum HttpFault {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("the answer is larger than {MOST_BYTES} bytes")]
    TooLarge,
    #[error("the answer cannot be read: {0}")]
    Malformed(#[from] openidconnect::http::Error),
}

fn http() -> Result<reqwest::Client, ProviderFault> {
    // Once for the process: what comes later is refused, and the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(TIMEOUT)
        // A provider that leads elsewhere would have the server ask whatever it names.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| fault("no HTTP client")(&error))
}

async fn send(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
    let mut response = http.execute(reqwest::Request::try_from(request)?).await?;
    let mut answer = openidconnect::http::Response::builder().status(response.status());
    for (name, value) in response.headers() {
        answer = answer.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > MOST_BYTES {
            return Err(HttpFault::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(answer.body(body)?)
}

/// How long a provider is believed to be as it described itself, where its keys are not asked for.
const BELIEVED: Duration = Duration::from_secs(300);

/// Providers by their issuers: whoever begins a sign-in, and need not go on, costs the provider nothing.
static KNOWN: LazyLock<moka::sync::Cache<String, CoreProviderMetadata>> = LazyLock::new(|| {
    let cache = moka::sync::Cache::builder()
        .max_capacity(16)
        .time_to_live(BELIEVED);
    cache.build()
});

async fn known(settings: &OpenIdSettings) -> Result<CoreProviderMetadata, ProviderFault> {
    if let Some(known) = KNOWN.get(&settings.issuer) {
        return Ok(known);
    }
    let metadata = discovered(settings, &http()?).await?;
    KNOWN.insert(settings.issuer.clone(), metadata.clone());
    Ok(metadata)
}

async fn discovered(
    settings: &OpenIdSettings,
    http: &reqwest::Client,
) -> Result<CoreProviderMetadata, ProviderFault> {
    let issuer =
        IssuerUrl::new(settings.issuer.clone()).map_err(|error| fault("`open_id_issuer`")(&error))?;
    let ask = |request| send(http.clone(), request);
    CoreProviderMetadata::discover_async(issuer, &ask)
        .await
        .map_err(|error| fault("the provider's description")(&error))
}

/// Where to send the browser, the state that it has to bring back, and what to keep until then.
pub(super) async fn authorization(
    settings: &OpenIdSettings,
    back: &str,
    redirect: String,
    state: String,
) -> Result<(String, Kept), ProviderFault> {
    let metadata = known(settings).await?;
    let back = RedirectUrl::new(back.to_owned()).map_err(|error| fault("`public_url`")(&error))?;
    let client =
        CoreClient::from_provider_metadata(metadata, ClientId::new(settings.client_id.clone()), None)
            .set_redirect_uri(back);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, _, nonce) = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            || CsrfToken::new(state),
            Nonce::new_random,
        )
        .add_scope(Scope::new("email".to_owned()))
        .add_scope(Scope::new("profile".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let kept = Kept {
        nonce,
        verifier,
        redirect,
    };
    Ok((url.into(), kept))
}

/// Takes a code for who somebody is; answers where to send the browser next, too.
pub(super) async fn exchange(
    settings: &OpenIdSettings,
    back: &str,
    code: String,
    kept: Kept,
) -> Result<(Identity, String), ProviderFault> {
    let Kept {
        nonce,
        verifier,
        redirect,
    } = kept;
    let http = http()?;
    let metadata = discovered(settings, &http).await?;
    let secret = settings
        .client_secret
        .as_ref()
        .map(|secret| ClientSecret::new(secret.expose().to_owned()));
    let back = RedirectUrl::new(back.to_owned()).map_err(|error| fault("`public_url`")(&error))?;
    let client =
        CoreClient::from_provider_metadata(metadata, ClientId::new(settings.client_id.clone()), secret)
            .set_redirect_uri(back);
    let ask = |request| send(http.clone(), request);
    let answer = client
        .exchange_code(AuthorizationCode::new(code))
        .map_err(|error| fault("the provider's description")(&error))?
        .set_pkce_verifier(verifier)
        .request_async(&ask)
        .await
        .map_err(|error| fault("the code was not taken")(&error))?;
    let token = answer
        .id_token()
        .ok_or_else(|| ProviderFault("the provider answered no ID token".to_owned()))?;
    let claims = token
        .claims(&client.id_token_verifier(), &nonce)
        .map_err(|error| fault("the ID token")(&error))?;
    let identity = Identity {
        subject: claims.subject().to_string(),
        email: claims.email().map(|email| email.to_string()),
        is_email_verified: claims.email_verified().unwrap_or(false),
        name: claims
            .name()
            .and_then(|name| name.get(None))
            .map(|name| name.to_string()),
    };
    Ok((identity, redirect))
}
