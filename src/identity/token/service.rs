//! Use cases of API tokens.

use std::sync::Arc;

use entity::id::TokenId;
use entity::{Area, EventKind, Safelist, Timestamp};
use serde_json::json;

use super::model::{MOST_NAME, Terms, TokenProblem, checked_networks, checked_origins};
use super::{Token, store};
use crate::app::App;
use crate::db::Tx;
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::caller::{Caller, Credential, RowFilter, Rows};
use crate::identity::scope::{Scope, Scopes};
use crate::identity::secret::{self, SecretKind};

/// How much of a token is shown, to tell it from others.
const HINT_LEN: usize = 13;
/// A use of a token is noted when the last one is so long ago, in seconds.
const USED_SECONDS: i64 = 60;
/// Longest time for which a secret is good beside its successor, in seconds.
const MOST_OVERLAP: i64 = 30 * 86_400;
/// Most points of a budget, and most that come back each second.
const MOST_POINTS: i32 = 100_000_000;

/// A new secret; the only time it can be read.
pub struct CreatedToken {
    /// What is kept of it.
    pub token: Token,
    /// The secret itself.
    pub secret: String,
}

/// A token that is about to be made.
#[derive(Clone, Debug)]
pub struct TokenDraft {
    /// What its owner calls it.
    pub name: String,
    /// Its scopes, e.g. `leads:read`.
    pub scopes: Vec<String>,
    /// When it lapses; never without one.
    pub expires_at: Option<Timestamp>,
    /// Which leads it shows.
    pub rows: Rows,
    /// Networks it may be used from; all without one.
    pub networks: Vec<String>,
    /// Web origins of pages that may use it.
    pub origins: Vec<String>,
    /// Points at most and points that come back each second; none: those of the settings.
    pub budget: Option<(i32, i32)>,
    /// What happens to documents that are not expected, where the settings say less.
    pub safelist: Option<Safelist>,
}

/// A change of a token; `None` leaves as is.
#[derive(Clone, Debug, Default)]
pub struct TokenChange {
    /// What its owner calls it.
    pub name: Option<String>,
    /// Its scopes.
    pub scopes: Option<Vec<String>>,
    /// When it lapses.
    pub expires_at: Option<Option<Timestamp>>,
    /// Which leads it shows.
    pub rows: Option<Rows>,
    /// Networks it may be used from.
    pub networks: Option<Vec<String>>,
    /// Web origins of pages that may use it.
    pub origins: Option<Vec<String>>,
    /// Its budget.
    pub budget: Option<Option<(i32, i32)>>,
    /// What happens to documents that are not expected.
    pub safelist: Option<Option<Safelist>>,
}

fn wrong(field: &str, code: TokenProblem, message: impl Into<String>) -> Problem<TokenProblem> {
    Problem::new(field, code, message)
}

/// Makes a token. `scopes` is a list such as `["leads:read", "scoring:write"]`.
///
/// # Errors
/// As [`create`].
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
/// As [`create`].
pub async fn create_filtered_token(
    app: &App,
    caller: &Caller,
    name: &str,
    scopes: &[String],
    rows: Rows,
    expires_at: Option<Timestamp>,
) -> Outcome<CreatedToken, TokenProblem> {
    let draft = TokenDraft {
        name: name.to_owned(),
        scopes: scopes.to_vec(),
        expires_at,
        rows,
        networks: Vec::new(),
        origins: Vec::new(),
        budget: None,
        safelist: None,
    };
    create(app, caller, draft).await
}

/// Makes a token, which is allowed no more than who makes it.
///
/// # Errors
/// [`TokenProblem`]s; a missing scope `tokens:write`; [`Error::Forbidden`] for a caller who does not see all rows.
pub async fn create(app: &App, caller: &Caller, draft: TokenDraft) -> Outcome<CreatedToken, TokenProblem> {
    may_write(caller)?;
    let now = app.clock().now();
    let secret = secret::make(SecretKind::ApiToken)?;
    let TokenDraft {
        name,
        scopes,
        expires_at,
        rows,
        networks,
        origins,
        budget,
        safelist,
    } = draft;
    let mut token = Token {
        id: TokenId::at(now),
        name: String::new(),
        scopes: String::new(),
        hash: secret::hash(&secret).to_vec(),
        hint: secret.chars().take(HINT_LEN).collect(),
        created_at: now,
        created_by: Some(caller.actor.id.clone()),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        row_filter: None,
        networks: None,
        origins: None,
        budget_limit: None,
        budget_restore: None,
        safelist: None,
        previous_hash: None,
        previous_until: None,
    };
    let change = TokenChange {
        name: Some(name),
        scopes: Some(scopes),
        expires_at: Some(expires_at),
        rows: Some(rows),
        networks: Some(networks),
        origins: Some(origins),
        budget: Some(budget),
        safelist: Some(safelist),
    };
    apply(&mut token, change, now)?;
    let tx = app.db().begin().await?;
    within_own(&tx, caller, &token, app.access().budget).await?;
    store::insert(&tx, token.clone()).await?;
    let payload = json!({ "scopes": token.scopes, "filtered": token.row_filter.is_some() });
    recorded(&tx, caller, now, &token, EventKind::TokenCreated, payload).await?;
    tx.commit().await?;
    Ok(CreatedToken { token, secret })
}

/// Changes a token; what it loses it loses at once, and its open sockets are closed.
///
/// # Errors
/// As [`create`]; [`TokenProblem::NotFound`].
pub async fn update(
    app: &App,
    caller: &Caller,
    id: TokenId,
    change: TokenChange,
) -> Outcome<Token, TokenProblem> {
    may_write(caller)?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let mut token = changeable(&tx, caller, id).await?;
    let before = token.clone();
    apply(&mut token, change, now)?;
    if token == before {
        return Ok(token);
    }
    within_own(&tx, caller, &token, app.access().budget).await?;
    store::update(&tx, token.clone()).await?;
    let payload = json!({ "scopes": token.scopes, "filtered": token.row_filter.is_some() });
    recorded(&tx, caller, now, &token, EventKind::TokenChanged, payload).await?;
    tx.commit().await?;
    Ok(token)
}

/// Gives a token a new secret. The one before is good for `overlap_seconds` more, up to 30 days; 0: it is good no more.
///
/// # Errors
/// As [`update`].
pub async fn rotate(
    app: &App,
    caller: &Caller,
    id: TokenId,
    overlap_seconds: i64,
) -> Outcome<CreatedToken, TokenProblem> {
    may_write(caller)?;
    if !(0..=MOST_OVERLAP).contains(&overlap_seconds) {
        let message = format!("the overlap is 0 to {MOST_OVERLAP} seconds");
        return Err(wrong("overlapSeconds", TokenProblem::InvalidExpiry, message).into());
    }
    let now = app.clock().now();
    let secret = secret::make(SecretKind::ApiToken)?;
    let tx = app.db().begin().await?;
    let mut token = changeable(&tx, caller, id).await?;
    // Who is given the secret has what the token has.
    within_own(&tx, caller, &token, app.access().budget).await?;
    let before = std::mem::replace(&mut token.hash, secret::hash(&secret).to_vec());
    token.hint = secret.chars().take(HINT_LEN).collect();
    let overlaps = overlap_seconds > 0;
    token.previous_hash = overlaps.then_some(before);
    token.previous_until = overlaps.then(|| now.plus_seconds(overlap_seconds));
    store::update(&tx, token.clone()).await?;
    let payload = json!({ "rotated": true });
    recorded(&tx, caller, now, &token, EventKind::TokenChanged, payload).await?;
    tx.commit().await?;
    Ok(CreatedToken { token, secret })
}

/// Tokens, newest first, at most 1,000.
///
/// # Errors
/// A missing scope `tokens:read`; [`Error::Forbidden`] for a caller who does not see all rows; the database's.
pub async fn list_tokens(app: &App, caller: &Caller) -> Result<Vec<Token>, Error> {
    caller.require(Scope::Read(Area::Tokens))?;
    caller.require_all_rows()?;
    Ok(store::all(app.db().read()).await?)
}

/// A token by id; `None` when there is none.
///
/// # Errors
/// As [`list_tokens`].
pub async fn get(app: &App, caller: &Caller, id: TokenId) -> Result<Option<Token>, Error> {
    caller.require(Scope::Read(Area::Tokens))?;
    caller.require_all_rows()?;
    Ok(store::find(app.db().read(), id).await?)
}

/// Revokes a token; revoking it again changes nothing.
///
/// # Errors
/// [`TokenProblem::NotFound`], [`TokenProblem::BeyondOwn`]; a missing scope `tokens:write`.
pub async fn revoke_token(app: &App, caller: &Caller, id: TokenId) -> Outcome<Token, TokenProblem> {
    may_write(caller)?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(mut token) = store::locked(&tx, id).await? else {
        return Err(missing(id).into());
    };
    own_scopes(caller, &token)?;
    if token.revoked_at.is_none() {
        token.revoked_at = Some(now);
        store::update(&tx, token.clone()).await?;
        recorded(&tx, caller, now, &token, EventKind::TokenRevoked, json!({})).await?;
        tx.commit().await?;
    }
    Ok(token)
}

fn may_write(caller: &Caller) -> Result<(), Error> {
    caller.require(Scope::Write(Area::Tokens))?;
    // Whoever sees a part must not make a key to the rest.
    caller.require_all_rows()
}

fn missing(id: TokenId) -> Problem<TokenProblem> {
    wrong("id", TokenProblem::NotFound, format!("there is no token `{id}`"))
}

/// A token that can be changed, by this caller.
async fn changeable(tx: &Tx, caller: &Caller, id: TokenId) -> Outcome<Token, TokenProblem> {
    let Some(token) = store::locked(tx, id).await? else {
        return Err(missing(id).into());
    };
    if token.revoked_at.is_some() {
        let message = format!("the token `{id}` was revoked; make a new one");
        return Err(wrong("id", TokenProblem::NotFound, message).into());
    }
    own_scopes(caller, &token)?;
    Ok(token)
}

fn own_scopes(caller: &Caller, token: &Token) -> Result<(), Problem<TokenProblem>> {
    // What cannot be read any more allows nothing.
    if caller
        .scopes
        .includes(Scopes::parse(&token.scopes).unwrap_or_default())
    {
        return Ok(());
    }
    let message = format!("the token may do more than you may: {}", caller.scopes);
    Err(wrong("scopes", TokenProblem::BeyondOwn, message))
}

/// Whether a token is allowed no more than who makes or changes it; a token that does so is bound itself.
async fn within_own(
    tx: &Tx,
    caller: &Caller,
    token: &Token,
    usual: Option<(u64, u64)>,
) -> Outcome<(), TokenProblem> {
    own_scopes(caller, token)?;
    let own = match caller.credential() {
        Some(Credential::Token(id)) => Some(store::find(&**tx, id).await?.ok_or_else(|| missing(id))?),
        _ => None,
    };
    // Who has no budget of their own has that of the settings, and administrators say what others have.
    if own.as_ref().is_none_or(|own| own.budget_limit.is_none())
        && !caller.scopes.allows(Scope::Admin)
        && let (Some((limit, restore)), Some((most, fastest))) =
            (token.budget_limit.zip(token.budget_restore), usual)
        && (u64::from(limit.unsigned_abs()) > most || u64::from(restore.unsigned_abs()) > fastest)
    {
        let message =
            format!("a budget beyond {most} points, {fastest} each second, is for administrators to give");
        return Err(wrong("budget", TokenProblem::BeyondOwn, message).into());
    }
    let Some(own) = own else { return Ok(()) };
    let outlives = match (own.expires_at, token.expires_at) {
        (Some(_), None) => true,
        (Some(own), Some(other)) => other > own,
        (None, _) => false,
    };
    if outlives {
        let message = "the token would outlive the one that makes it";
        return Err(wrong("expiresAt", TokenProblem::InvalidExpiry, message).into());
    }
    if !Terms::of(token).is_within(&Terms::of(&own)) {
        let message =
            "networks, origins, budget and safelist may not be wider than those of the token that makes it";
        return Err(wrong("", TokenProblem::BeyondOwn, message).into());
    }
    Ok(())
}

fn apply(token: &mut Token, change: TokenChange, now: Timestamp) -> Result<(), Problem<TokenProblem>> {
    let TokenChange {
        name,
        scopes,
        expires_at,
        rows,
        networks,
        origins,
        budget,
        safelist,
    } = change;
    if let Some(name) = name {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > MOST_NAME {
            let message = format!("a token's name has 1 to {MOST_NAME} characters");
            return Err(wrong("name", TokenProblem::InvalidName, message));
        }
        token.name = name.to_owned();
    }
    if let Some(scopes) = scopes {
        let scopes = Scopes::parse(&scopes.join(" "))
            .map_err(|error| wrong("scopes", TokenProblem::InvalidScope, error.to_string()))?;
        if scopes == Scopes::default() {
            let message = "a token needs at least one scope, e.g. `leads:read`";
            return Err(wrong("scopes", TokenProblem::InvalidScope, message));
        }
        token.scopes = scopes.to_string();
    }
    if let Some(expires_at) = expires_at {
        if expires_at.is_some_and(|at| at <= now) {
            return Err(wrong(
                "expiresAt",
                TokenProblem::InvalidExpiry,
                "the moment is past",
            ));
        }
        token.expires_at = expires_at;
    }
    if let Some(rows) = rows {
        token.row_filter = match rows {
            Rows::All => None,
            Rows::Where(filter) => Some(filter.as_str().to_owned()),
        };
    }
    let joined = |words: Vec<String>| (!words.is_empty()).then(|| words.join(" "));
    if let Some(networks) = networks {
        let networks = checked_networks(&networks)
            .map_err(|message| wrong("networks", TokenProblem::InvalidNetwork, message))?;
        token.networks = joined(networks.iter().map(ToString::to_string).collect());
    }
    if let Some(origins) = origins {
        let origins = checked_origins(&origins)
            .map_err(|message| wrong("origins", TokenProblem::InvalidOrigin, message))?;
        token.origins = joined(origins);
    }
    if let Some(budget) = budget {
        let fits = |points: i32| (1..=MOST_POINTS).contains(&points);
        if budget.is_some_and(|(limit, restore)| !fits(limit) || !fits(restore)) {
            let message = format!("points are 1 to {MOST_POINTS}");
            return Err(wrong("budget", TokenProblem::InvalidBudget, message));
        }
        (token.budget_limit, token.budget_restore) = budget.unzip();
    }
    if let Some(safelist) = safelist {
        token.safelist = safelist;
    }
    Ok(())
}

async fn recorded(
    tx: &Tx,
    caller: &Caller,
    now: Timestamp,
    token: &Token,
    kind: EventKind,
    payload: serde_json::Value,
) -> Result<(), Error> {
    let event = NewEvent {
        kind,
        lead_id: None,
        subject: token.id.to_string(),
        payload,
    };
    Ok(events::append(tx, &caller.actor.id, now, vec![event]).await?)
}

/// What is known of a token's holder.
pub(in crate::identity) struct Known {
    /// Who may do what.
    pub(in crate::identity) caller: Caller,
    /// When it lapses.
    pub(in crate::identity) expires_at: Option<Timestamp>,
    /// Where it may be used from.
    pub(in crate::identity) terms: Arc<Terms>,
}

/// The holder of a token.
///
/// # Errors
/// [`Error::Unauthenticated`] for one that is unknown or was revoked; the database's.
pub(in crate::identity) async fn caller_of(app: &App, id: TokenId) -> Result<Known, Error> {
    known(store::find(app.db().read(), id).await?, None)
}

/// Who shows a secret.
///
/// # Errors
/// As [`caller_of`].
pub(in crate::identity) async fn shown(app: &App, hash: &[u8; 32]) -> Result<(TokenId, Known), Error> {
    let now = app.clock().now();
    let token = store::by_hash(app.db().read(), hash, now).await?;
    let id = token.as_ref().map(|token| (token.id, token.last_used_at));
    // The secret before ends on its own.
    let until = token
        .as_ref()
        .filter(|token| token.hash != hash)
        .and_then(|token| token.previous_until);
    let known = known(token, until)?;
    let (id, last_used_at) = id.ok_or_else(|| Error::Unauthenticated("the token is unknown".to_owned()))?;
    if last_used_at.is_none_or(|at| at.plus_seconds(USED_SECONDS) < now) {
        store::touch(app, id, now).await?;
    }
    Ok((id, known))
}

fn known(token: Option<Token>, until: Option<Timestamp>) -> Result<Known, Error> {
    let refuse = |message: &str| Err(Error::Unauthenticated(message.to_owned()));
    let Some(token) = token else {
        return refuse("the token is unknown");
    };
    if token.revoked_at.is_some() {
        return refuse("the token was revoked");
    }
    let scopes = Scopes::parse(&token.scopes).map_err(Error::internal)?;
    let rows = shown_by(&token);
    let expires_at = match (token.expires_at, until) {
        (Some(at), Some(until)) => Some(at.min(until)),
        (at, until) => at.or(until),
    };
    Ok(Known {
        caller: Caller::token(token.id, scopes).with_rows(rows),
        expires_at,
        terms: Terms::of(&token),
    })
}

/// Which rows a token shows.
fn shown_by(token: &Token) -> Rows {
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
