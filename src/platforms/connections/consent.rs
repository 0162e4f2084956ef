//! Consent given on the platform's own page: OAuth 2 with a state that is good once, and PKCE where the platform takes it.
//!
//! It begins at an address of this server, which holds a code that the platform never sees. The browser that opens it keeps
//! the code as a cookie; the platform is given the state, which is made of the code. Who comes back has to bring the cookie:
//! neither the platform's page nor the way back can be handed to somebody else's browser.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::id::ConnectionId;
use entity::{CodePurpose, ConnectionState, Timestamp};
use integrations::facet::{AuthorizeRequest, Callback, Exchange};
use integrations::{Credentials, Kind, Secret};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::health::note;
use super::live::{self, Live, seal_credentials};
use super::model::{changed_addresses, wrong};
use super::service::{self, missing, take_other_account};
use super::{Connection, ConnectionProblem, store};
use crate::app::App;
use crate::error::{Error, Failure, Outcome};
use crate::identity::{Caller, code};

/// A consent that was asked for.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Where the owner goes: an address of this server, which leads to the platform's page.
    pub url: Url,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A consent whose address was opened.
#[derive(Clone, Debug)]
pub struct Page {
    /// The platform's page.
    pub url: Url,
    /// What comes back from there.
    pub state: String,
}

/// A consent that came back.
#[derive(Clone, Debug)]
pub struct Returned {
    /// The connection.
    pub connection: Connection,
}

/// What is kept for the owner's return.
#[derive(Serialize, Deserialize)]
struct Kept {
    connection: ConnectionId,
    actor: String,
    verifier: Option<String>,
    redirect: Url,
    /// The settings for which the owner consents: what they hand out goes to no other address.
    settings: String,
    /// The platform's page.
    page: Url,
}

/// What the platform is given for a code: it tells which one it is about, and nobody the code.
fn state_of(code: &str) -> String {
    let key = blake3::derive_key("leadline state of a platform's consent", code.as_bytes());
    URL_SAFE_NO_PAD.encode(key)
}

fn invalid(message: &str) -> Failure<ConnectionProblem> {
    wrong("state", ConnectionProblem::InvalidState, message).into()
}

/// Where owners come back to.
///
/// # Errors
/// When the public address is none.
pub fn redirect(public_url: &str) -> Result<Url, Error> {
    Url::parse(&format!("{public_url}/connections/callback")).map_err(Error::internal)
}

/// Begins a consent. The owner goes to the answered address, from there to the platform's page ([`page`]), and comes back to
/// `/connections/callback` ([`come_back`]).
///
/// # Errors
/// [`ConnectionProblem`]s; a missing scope `connections:write`; the database's.
pub async fn authorize(
    app: &App,
    caller: &Caller,
    public_url: &str,
    id: ConnectionId,
) -> Outcome<Begun, ConnectionProblem> {
    service::require_write(caller)?;
    let Some(live) = live::look(app, id).await? else {
        return Err(missing(id).into());
    };
    let integration = service::platform(app, &live.row.platform)?;
    let Some(oauth) = integration.facets().oauth else {
        let message = format!(
            "{} asks for no consent on a page of its own",
            integration.manifest().name
        );
        return Err(wrong("id", ConnectionProblem::Unsupported, message).into());
    };
    let code = code::unkept()?;
    let verifier = oauth.pkce().then(code::unkept).transpose()?;
    let redirect = redirect(public_url)?;
    let request = AuthorizeRequest {
        state: state_of(&code),
        redirect: redirect.clone(),
        code_challenge: verifier
            .as_ref()
            .map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))),
    };
    let page = oauth
        .authorize_url(&live.context(app), &request)
        .map_err(|error| wrong("id", ConnectionProblem::InvalidSettings, error.message))?;
    let kept = Kept {
        connection: id,
        actor: caller.actor.id.clone(),
        verifier,
        redirect,
        settings: live.row.settings.clone(),
        page,
    };
    let url = Url::parse(&format!("{public_url}/connections/authorize/{code}")).map_err(Error::internal)?;
    let tx = app.db().begin().await?;
    let payload = serde_json::to_vec(&kept)?;
    let expires_at = code::keep(app, &tx, CodePurpose::Platform, &code, None, Some(&payload)).await?;
    tx.commit().await?;
    Ok(Begun { url, expires_at })
}

/// The platform's page, for a browser that opens the address of a consent. The code stays good: whoever looks at an address
/// before it is opened, as mail scanners do, does not use it up.
///
/// # Errors
/// [`ConnectionProblem::InvalidState`]; the database's.
pub async fn page(app: &App, code: &str) -> Outcome<Page, ConnectionProblem> {
    let payload = code::kept(app, live::primary(app), CodePurpose::Platform, code).await?;
    let Some(payload) = payload else {
        let message = "this address was used before, or is too old; ask for a new one";
        return Err(invalid(message));
    };
    let Kept { page, .. } = serde_json::from_slice(&payload)?;
    Ok(Page {
        url: page,
        state: state_of(code),
    })
}

/// Takes an owner in who came back from the platform: the browser has to be the one that opened the address, the code is good
/// once, what the platform signed is checked, its code is exchanged, and the credentials are tried before they are kept.
/// `code`: of the browser's cookie.
///
/// # Errors
/// [`ConnectionProblem`]s; the database's.
pub async fn come_back(
    app: &App,
    query: Vec<(String, String)>,
    code: Option<&str>,
) -> Outcome<Returned, ConnectionProblem> {
    let callback = Callback { query };
    let elsewhere = || {
        invalid(
            "the consent came back in another browser than the one in which it began, or too late; ask for a new address \
             and open it in this browser",
        )
    };
    let gone = || invalid("the way back was taken before, or too late; begin anew");
    let code = code
        .filter(|code| callback.get("state") == Some(&state_of(code)))
        .ok_or_else(elsewhere)?;
    let tx = app.db().begin().await?;
    let redeemed = code::redeem(app, &tx, CodePurpose::Platform, code).await?;
    tx.commit().await?;
    let payload = redeemed.and_then(|redeemed| redeemed.payload).ok_or_else(gone)?;
    let Kept {
        connection: id,
        actor,
        verifier,
        redirect,
        settings,
        page: _,
    } = serde_json::from_slice(&payload)?;
    let Some(live) = live::look(app, id).await? else {
        return Err(missing(id).into());
    };
    let integration = service::platform(app, &live.row.platform)?;
    let oauth = integration.facets().oauth.ok_or_else(gone)?;
    let is_elsewhere = |now: &str| !changed_addresses(integration.manifest(), &settings, now).is_empty();
    let changed = || invalid("the connection was changed meanwhile; begin anew");
    if is_elsewhere(&live.row.settings) {
        return Err(changed());
    }
    let context = live.context(app);
    let fault = |error: integrations::Error| {
        let code = match error.kind {
            Kind::Signature | Kind::Revoked => ConnectionProblem::InvalidState,
            _ => ConnectionProblem::PlatformFault,
        };
        Failure::from(wrong("", code, error.message))
    };
    let given = oauth.callback(&context, &callback).map_err(fault)?;
    let exchange = Exchange {
        code: given,
        redirect,
        verifier: verifier.map(Secret::new),
    };
    let credentials = oauth.exchange(&context, &exchange).await.map_err(fault)?;
    let outcome = tried(app, &live, &credentials).await?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked(&tx, id).await? else {
        return Err(missing(id).into());
    };
    // The credentials were had and tried with what was entered before.
    if row.access_version != live.row.access_version {
        return Err(changed());
    }
    seal_credentials(app, &tx, now, &mut row, &credentials).await?;
    let was_first = row.account_id.is_none();
    let account = row.account_id.clone();
    take_other_account(&mut row, outcome.as_ref().ok());
    service::begin_anew(&tx, account.as_deref(), &row).await?;
    if row.state != ConnectionState::Disabled {
        row.state = ConnectionState::Active;
    }
    note(&mut row, outcome.as_ref().map(drop), now);
    if was_first && row.state == ConnectionState::Active {
        row.next_sync_at = row.sync_every_seconds.map(|_| now);
    }
    row.version += 1;
    row.access_version += 1;
    row.updated_at = now;
    store::update(&tx, row.clone()).await?;
    store::wake_deliveries(&tx, id, now).await?;
    service::tell(&tx, &actor, now, &row, "AUTHORIZED").await?;
    tx.commit().await?;
    live::forget(app, id);
    Ok(Returned { connection: row })
}

/// Whether new credentials work.
async fn tried(
    app: &App,
    live: &Live,
    credentials: &Credentials,
) -> Result<integrations::Result<integrations::Account>, Error> {
    let secrets = live::opened(app, app.db().write(), &live.row).await?;
    let trial = live.with_token(app, &secrets, &credentials.access_token);
    let integration = live
        .integration(app)
        .ok_or_else(|| Error::NotFound("the platform is switched off".into()))?;
    Ok(integration.check(&trial).await)
}
