//! Use cases of sign-in elsewhere.

use std::sync::Arc;

use entity::{CodePurpose, Timestamp};

use super::client::{self, Identity, Kept};
use crate::app::App;
use crate::config::{OpenIdSettings, SignUp};
use crate::db::Tx;
use crate::error::{Failure, Outcome, Problem};
use crate::identity::session::{self, SignedIn};
use crate::identity::user::{self, NewUser, Profile, User};
use crate::identity::{account, audit, code};
use crate::origin::Origin;

/// What can be wrong with a sign-in elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "OpenIdErrorCode")]
pub enum OpenIdProblem {
    /// No provider is set.
    NotSet,
    /// The path to return to is not one of this server.
    InvalidRedirect,
    /// The provider cannot be reached, or does not do as the protocol says.
    ProviderFault,
    /// The way back was taken before, too late, or by another browser.
    InvalidState,
    /// There is no account for who came, and none may be made.
    NoAccount,
}

/// A sign-in that goes on at the provider.
pub struct Begun {
    /// Where the browser goes.
    pub url: String,
    /// What it has to bring back, in a cookie too.
    pub state: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A sign-in that came back.
pub struct Finished {
    /// Who came in.
    pub signed_in: SignedIn,
    /// The path to go on to.
    pub redirect: String,
}

fn settings(app: &App) -> Result<&OpenIdSettings, Problem<OpenIdProblem>> {
    app.access().open_id.as_ref().ok_or_else(|| {
        Problem::new(
            "",
            OpenIdProblem::NotSet,
            "no OpenID Connect provider is set; see `open_id_issuer`",
        )
    })
}

fn fault(error: &dyn std::error::Error) -> Problem<OpenIdProblem> {
    tracing::warn!(%error, "the OpenID Connect provider failed");
    Problem::new(
        "",
        OpenIdProblem::ProviderFault,
        "the provider cannot be reached, or answered something else than expected; the server's log says what",
    )
}

fn back(public_url: &str) -> String {
    format!("{public_url}/openid/callback")
}

/// Begins a sign-in that goes on at the provider, and comes back to a path of this server.
///
/// # Errors
/// [`OpenIdProblem`]s; the database's.
pub async fn begin(app: &App, public_url: &str, redirect: &str) -> Outcome<Begun, OpenIdProblem> {
    let settings = settings(app)?;
    // Not `//host`, nor `/\host`, which browsers take for another server.
    let is_path = redirect.starts_with('/')
        && !redirect[1..].starts_with(['/', '\\'])
        && redirect.len() <= 1_000
        && !redirect.chars().any(char::is_control);
    if !is_path {
        let message = "write a path of this server, such as `/`";
        return Err(Problem::new("redirectPath", OpenIdProblem::InvalidRedirect, message).into());
    }
    let (state, expires_at) = {
        // The state is the code itself: it is good once.
        let state = code::unkept()?;
        (state, code::expiry(app, CodePurpose::OpenId))
    };
    let (url, kept) = client::authorization(settings, &back(public_url), redirect.to_owned(), state.clone())
        .await
        .map_err(|error| fault(&error))?;
    let tx = app.db().begin().await?;
    let payload = serde_json::to_vec(&kept)?;
    code::keep(app, &tx, CodePurpose::OpenId, &state, None, Some(&payload)).await?;
    tx.commit().await?;
    Ok(Begun {
        url,
        state,
        expires_at,
    })
}

/// Takes somebody in who came back from the provider.
///
/// # Errors
/// [`OpenIdProblem`]s; the database's.
pub async fn finish(
    app: &App,
    origin: &Arc<Origin>,
    public_url: &str,
    state: &str,
    given: String,
) -> Outcome<Finished, OpenIdProblem> {
    let settings = settings(app)?;
    let invalid = || {
        let message = "the way back was taken before, or too late; begin anew";
        Problem::new("state", OpenIdProblem::InvalidState, message)
    };
    let tx = app.db().begin().await?;
    let redeemed = code::redeem(app, &tx, CodePurpose::OpenId, state).await?;
    tx.commit().await?;
    let payload = redeemed
        .and_then(|redeemed| redeemed.payload)
        .ok_or_else(invalid)?;
    let kept: Kept = serde_json::from_slice(&payload)?;
    let (identity, redirect) = client::exchange(settings, &back(public_url), given, kept)
        .await
        .map_err(|error| fault(&error))?;
    let tx = app.db().begin().await?;
    let user = match account_of(app, &tx, &settings.issuer, identity).await {
        Ok(user) => user,
        Err(Failure::Problems(problems)) => {
            tx.rollback().await?;
            audit::failed_sign_in(app, origin, "").await?;
            return Err(problems.into());
        }
        Err(error) => return Err(error),
    };
    let signed_in = session::start(app, &tx, origin, user, None).await?;
    tx.commit().await?;
    Ok(Finished { signed_in, redirect })
}

fn no_account(message: &str) -> Failure<OpenIdProblem> {
    Problem::new("", OpenIdProblem::NoAccount, message).into()
}

async fn account_of(app: &App, tx: &Tx, issuer: &str, identity: Identity) -> Outcome<User, OpenIdProblem> {
    let now = app.clock().now();
    let Identity {
        subject,
        email,
        is_email_verified,
        name,
    } = identity;
    if let Some(user) = user::by_external_login(&**tx, issuer, &subject).await? {
        return match user.deactivated_at {
            None => Ok(user),
            Some(_) => Err(no_account("the account was deactivated")),
        };
    }
    let email = email.and_then(|email| user::checked_email(&email).ok());
    let Some(email) = email.filter(|_| is_email_verified) else {
        return Err(no_account(
            "the provider does not say that it knows your e-mail address to be yours",
        ));
    };
    let user = match user::by_email(&**tx, &email).await? {
        // Somebody else may have signed up with the address and never shown that it is theirs.
        Some(user) if user.email_verified_at.is_none() || user.deactivated_at.is_some() => {
            return Err(no_account("the account of this address cannot be used"));
        }
        Some(user) => user,
        None => new_account(app, tx, now, email, name).await?,
    };
    user::link(tx, issuer, &subject, user.id, now).await?;
    user::recorded(tx, &user.id.to_string(), now, user.id, "EXTERNAL_LOGIN").await?;
    Ok(user)
}

async fn new_account(
    app: &App,
    tx: &Tx,
    now: Timestamp,
    email: String,
    name: Option<String>,
) -> Outcome<User, OpenIdProblem> {
    let sign_up = app.access().sign_up;
    let invitation = match sign_up {
        SignUp::Off => None,
        _ => account::open_invitation(app, tx, &email).await?,
    };
    let role = match (&invitation, sign_up) {
        (Some(invitation), _) => invitation.role.clone(),
        (None, SignUp::Open) => app.access().sign_up_role.clone(),
        (None, _) => {
            return Err(no_account(
                "there is no account for you here; ask an administrator",
            ));
        }
    };
    let name = name
        .unwrap_or_default()
        .chars()
        .filter(|ch| !ch.is_control())
        .take(100)
        .collect();
    let new = NewUser {
        email,
        is_verified: true,
        profile: Profile {
            name,
            ..Profile::default()
        },
        role,
        password_hash: None,
    };
    let user = match user::insert(tx, "nobody", now, new).await {
        Ok(user) => user,
        Err(Failure::Error(error)) => return Err(error.into()),
        Err(Failure::Problems(_)) => return Err(no_account("the account of this address cannot be used")),
    };
    if let Some(invitation) = invitation {
        account::take_invitation(app, tx, &invitation, &user).await?;
    }
    Ok(user)
}
