//! API tokens: 256 bits, shown once, kept as a hash.
//!
//! Form: `ldl_` + 43 characters (32 random bytes, base64url) + 6 characters of checksum, so that a token that was cut
//! or mistyped is told apart from a revoked one without asking the database, and secret scanners can know it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::id::TokenId;
use entity::{EventKind, Timestamp, api_token};
use rand::TryRng;
use serde_json::json;

use super::caller::{Caller, RowFilter, Rows};
use super::scope::{Scope, Scopes};
use super::store;
use crate::app::App;
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};

const PREFIX: &str = "ldl_";
const SECRET_LEN: usize = 43;
const CHECKSUM_LEN: usize = 6;

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

fn checksum(body: &str) -> String {
    let hash = blake3::hash(body.as_bytes());
    URL_SAFE_NO_PAD
        .encode(&hash.as_bytes()[..5])
        .chars()
        .take(CHECKSUM_LEN)
        .collect()
}

fn well_formed(secret: &str) -> bool {
    secret.is_ascii()
        && secret.strip_prefix(PREFIX).is_some_and(|rest| {
            rest.len() == SECRET_LEN + CHECKSUM_LEN && checksum(&rest[..SECRET_LEN]) == rest[SECRET_LEN..]
        })
}

fn hash(secret: &str) -> [u8; 32] {
    *blake3::hash(secret.as_bytes()).as_bytes()
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
    let mut bytes = [0_u8; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(Error::internal)?;
    let body = URL_SAFE_NO_PAD.encode(bytes);
    let secret = format!("{PREFIX}{body}{}", checksum(&body));
    let now = app.clock().now();
    let token = api_token::Model {
        id: TokenId::at(now),
        name: name.to_owned(),
        scopes: scopes.to_string(),
        hash: hash(&secret).to_vec(),
        hint: secret.chars().take(8).collect(),
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

/// The holder of a token as it is now, by its id: for what was made in its name before, such as a signed link.
///
/// # Errors
/// [`Error::Unauthenticated`] says whether it is unknown, revoked or expired; the database's.
pub async fn token_holder(app: &App, id: TokenId) -> Result<Caller, Error> {
    let refuse = |message: &str| Err(Error::Unauthenticated(message.to_owned()));
    let Some(token) = store::find(app.db().read(), id).await? else {
        return refuse("the token is unknown");
    };
    if token.revoked_at.is_some() {
        return refuse("the token was revoked");
    }
    if token.expires_at.is_some_and(|at| at <= app.clock().now()) {
        return refuse("the token has expired");
    }
    let scopes = Scopes::parse(&token.scopes).map_err(Error::internal)?;
    Ok(Caller::token(id, scopes).with_rows(shown_by(&token)))
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

/// Tells callers by their tokens; keeps what it learnt for a few seconds, so that a busy client costs no query.
#[derive(Clone, Debug)]
pub struct Authenticator {
    app: App,
    known: moka::sync::Cache<[u8; 32], Holder>,
}

/// Who holds a token.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Who may do what.
    pub caller: Arc<Caller>,
    /// The token.
    pub id: TokenId,
    /// When the token ends.
    pub expires_at: Option<Timestamp>,
}

impl Authenticator {
    /// Knows nobody yet.
    #[must_use]
    pub fn new(app: App) -> Self {
        // A revocation elsewhere is also told by the event log; the short life is the bound when that is late.
        let known = moka::sync::Cache::builder()
            .max_capacity(10_000)
            .time_to_live(Duration::from_secs(10))
            .build();
        Self { app, known }
    }

    /// The holder of the token in this `Authorization` value (`Bearer …`).
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] says whether it is missing, malformed, unknown, revoked or expired.
    pub async fn bearer(&self, header: Option<&str>) -> Result<Holder, Error> {
        let refuse = |message: &str| Err(Error::Unauthenticated(message.to_owned()));
        let Some(header) = header else {
            return refuse(
                "no token: send `Authorization: Bearer ldl_…` (make one by `leadline token create`)",
            );
        };
        let secret = match header.split_once(' ') {
            Some((scheme, secret)) if scheme.eq_ignore_ascii_case("bearer") => secret.trim(),
            _ => return refuse("the Authorization header is not of the form `Bearer ldl_…`"),
        };
        if !well_formed(secret) {
            return refuse("the token is malformed: it was cut or mistyped");
        }
        let now = self.app.clock().now();
        let key = hash(secret);
        let known = match self.known.get(&key) {
            Some(known) => known,
            None => {
                let Some(token) = store::by_hash(self.app.db().read(), &key).await? else {
                    return refuse("the token is unknown");
                };
                if token.revoked_at.is_some() {
                    return refuse("the token was revoked");
                }
                let scopes = Scopes::parse(&token.scopes).map_err(Error::internal)?;
                let known = Holder {
                    caller: Arc::new(Caller::token(token.id, scopes).with_rows(shown_by(&token))),
                    id: token.id,
                    expires_at: token.expires_at,
                };
                self.known.insert(key, known.clone());
                if token.last_used_at.is_none_or(|at| at.plus_seconds(60) < now) {
                    store::touch(&self.app, token.id, now).await?;
                }
                known
            }
        };
        if known.expires_at.is_some_and(|at| at <= now) {
            return refuse("the token has expired");
        }
        Ok(known)
    }

    /// Forgets a token at once, because it was revoked.
    pub fn forget(&self, id: TokenId) {
        let stale: Vec<_> = self
            .known
            .iter()
            .filter(|(_, known)| known.id == id)
            .map(|(key, _)| *key)
            .collect();
        for key in stale {
            self.known.invalidate(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_tells_a_mistyped_token() {
        let body = "A".repeat(SECRET_LEN);
        let secret = format!("{PREFIX}{body}{}", checksum(&body));
        assert!(well_formed(&secret));
        assert!(!well_formed(&secret.replace("AAAA", "AAAB")));
        assert!(!well_formed(&secret[..secret.len() - 1]));
        assert!(!well_formed("ldl_"));
        assert!(!well_formed("ldl_äöü"));
    }
}
