//! API tokens: shown once, kept as a hash.

use entity::id::TokenId;
use entity::{EventKind, Timestamp, api_token};
use serde_json::json;

use super::caller::{Caller, RowFilter, Rows};
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
    create_filtered_token(app, caller, name, scopes, Rows::All, expires_at).await
}

/// The same for a token that shows a part of the leads.
///
/// # Errors
/// As [`create_token`]; [`Error::Forbidden`] for a caller who does not see all rows.
pub async fn create_filtered_token(
    app: &App,
    caller: &Caller,
    name: &str,
    scopes: &[String],
    rows: Rows,
    expires_at: Option<Timestamp>,
) -> Outcome<CreatedToken, TokenProblem> {
    caller.require(Scope::Admin)?;
    // Whoever sees a part must not make a key to the rest.
    caller.require_all_rows()?;
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
        row_filter: match rows {
            Rows::All => None,
            Rows::Where(filter) => Some(filter.as_str().to_owned()),
        },
    };
    let tx = app.db().begin().await?;
    store::insert(&tx, token.clone()).await?;
    let event = NewEvent {
        kind: EventKind::TokenCreated,
        lead_id: None,
        subject: token.id.to_string(),
        payload: json!({ "scopes": token.scopes, "filtered": token.row_filter.is_some() }),
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
    caller.require_all_rows()?;
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
    caller.require_all_rows()?;
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
    let rows = shown_by(&token);
    Ok((Caller::token(token.id, scopes).with_rows(rows), token.expires_at))
}

/// Which rows a token shows.
fn shown_by(token: &api_token::Model) -> Rows {
    match &token.row_filter {
        None => Rows::All,
        Some(filter) => Rows::Where(RowFilter::new(filter)),
    }
}

/// Which rows an actor may see by now, for work that goes on in its name after its request: also that of a token that
/// has ended since.
///
/// # Errors
/// [`Error::NotFound`] for a token that is not there; the database's.
pub async fn rows_of(app: &App, actor: &str) -> Result<Rows, Error> {
    let Ok(id) = TokenId::parse(actor) else {
        return Ok(Rows::All);
    };
    match store::find(app.db().read(), id).await? {
        Some(token) => Ok(shown_by(&token)),
        None => Err(Error::NotFound(format!("there is no token `{id}`"))),
    }
}
