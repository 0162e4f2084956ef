//! API tokens: shown once, kept as a hash.

use entity::id::TokenId;
use entity::{EventKind, Timestamp, api_token};
use serde_json::json;

use super::caller::Caller;
use super::scope::{Scope, Scopes};
use super::secret::{self, SecretKind};
use super::store;
use crate::app::App;
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};

/// How much of a token is shown, to tell it from others.
const HINT_LEN: usize = 13;

/// What can be wrong with a call about tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "TokenErrorCode")]
pub enum TokenProblem {
    /// The name is missing or too long.
    InvalidName,
    /// A scope is unknown or none was given.
    InvalidScope,
    /// There is no such token.
    NotFound,
}

/// A new token; the only time its secret can be read.
pub struct CreatedToken {
    /// What is kept of it.
    pub token: api_token::Model,
    /// The secret itself.
    pub secret: String,
}

/// Makes a token. `scopes` is a list such as `["leads:read", "scoring:write"]`.
///
/// # Errors
/// Problems of name and scopes; [`Error::Forbidden`] without `admin`.
pub async fn create_token(
    app: &App,
    caller: &Caller,
    name: &str,
    scopes: &[String],
    expires_at: Option<Timestamp>,
) -> Outcome<CreatedToken, TokenProblem> {
    caller.require(Scope::Admin)?;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 {
        let problem = Problem::new(
            "name",
            TokenProblem::InvalidName,
            "a token's name has 1 to 100 characters",
        );
        return Err(problem.into());
    }
    let scopes = Scopes::parse(&scopes.join(" "))
        .map_err(|error| Problem::new("scopes", TokenProblem::InvalidScope, error.to_string()))?;
    if scopes == Scopes::default() {
        let message = "a token needs at least one scope, e.g. `leads:read`";
        return Err(Problem::new("scopes", TokenProblem::InvalidScope, message).into());
    }
    let secret = secret::make(SecretKind::ApiToken)?;
    let now = app.clock().now();
    let token = api_token::Model {
        id: TokenId::at(now),
        name: name.to_owned(),
        scopes: scopes.to_string(),
        hash: secret::hash(&secret).to_vec(),
        hint: secret.chars().take(HINT_LEN).collect(),
        created_at: now,
        expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    let tx = app.db().begin().await?;
    store::insert(&tx, token.clone()).await?;
    let event = NewEvent {
        kind: EventKind::TokenCreated,
        lead_id: None,
        subject: token.id.to_string(),
        payload: json!({ "scopes": token.scopes }),
    };
    events::append(&tx, &caller.actor.id, now, vec![event]).await?;
    tx.commit().await?;
    Ok(CreatedToken { token, secret })
}

/// All tokens, newest first.
///
/// # Errors
/// [`Error::Forbidden`] without `admin`; the database's.
pub async fn list_tokens(app: &App, caller: &Caller) -> Result<Vec<api_token::Model>, Error> {
    caller.require(Scope::Admin)?;
    Ok(store::all(app.db().read()).await?)
}

/// Revokes a token; revoking it again changes nothing.
///
/// # Errors
/// [`TokenProblem::NotFound`]; [`Error::Forbidden`] without `admin`.
pub async fn revoke_token(
    app: &App,
    caller: &Caller,
    id: TokenId,
) -> Outcome<api_token::Model, TokenProblem> {
    caller.require(Scope::Admin)?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(mut token) = store::find(&*tx, id).await? else {
        return Err(Problem::new("id", TokenProblem::NotFound, format!("there is no token `{id}`")).into());
    };
    if token.revoked_at.is_none() {
        token.revoked_at = Some(now);
        store::revoke(&tx, id, now).await?;
        let event = NewEvent {
            kind: EventKind::TokenRevoked,
            lead_id: None,
            subject: id.to_string(),
            payload: json!({}),
        };
        events::append(&tx, &caller.actor.id, now, vec![event]).await?;
    }
    tx.commit().await?;
    Ok(token)
}

/// The holder of a token, with when it lapses.
pub(super) async fn caller_of(app: &App, id: TokenId) -> Result<(Caller, Option<Timestamp>), Error> {
    let Some(token) = store::find(app.db().read(), id).await? else {
        return Err(Error::Unauthenticated("the token is unknown".to_owned()));
    };
    caller(app, token)
}

pub(super) fn caller(_: &App, token: api_token::Model) -> Result<(Caller, Option<Timestamp>), Error> {
    if token.revoked_at.is_some() {
        return Err(Error::Unauthenticated("the token was revoked".to_owned()));
    }
    let scopes = Scopes::parse(&token.scopes).map_err(Error::internal)?;
    Ok((Caller::token(token.id, scopes), token.expires_at))
}
