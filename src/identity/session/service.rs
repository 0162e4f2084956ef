//! Use cases of sessions: signing in and out.

use std::sync::Arc;

use entity::id::{SessionId, UserId};
use entity::{Area, CodePurpose, EndReason, EventKind, Timestamp, refresh_token};
use serde_json::json;

use super::{Session, second_factor, store};
use crate::app::App;
use crate::db::Tx;
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::access_token::{self, Claims};
use crate::identity::passwords::{self, Password, Verdict};
use crate::identity::scope::Scopes;
use crate::identity::secret::{self, SecretKind};
use crate::identity::throttle::Guess;
use crate::identity::user::{self, User};
use crate::identity::{Caller, Scope, audit, code, role};
use crate::origin::Origin;

/// A use of a session is noted when the last one is so long ago, in seconds.
const SEEN_SECONDS: i64 = 60;

/// What can be wrong with a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "SignInErrorCode")]
pub enum SignInProblem {
    /// The e-mail address, the password or the code does not fit; which of them is not told.
    InvalidCredentials,
    /// It was not shown yet that the e-mail address is the user's: the link in the mail does.
    EmailNotVerified,
    /// The first step is too long ago, or was none: begin anew by `signIn`.
    ChallengeGone,
}

/// What can be wrong with a call about sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "SessionErrorCode")]
pub enum SessionProblem {
    /// There is no such session, or it is over.
    NotFound,
}

/// The tokens of a session; the only time they can be read.
#[derive(Clone)]
pub struct Tokens {
    /// Proves who calls, for 15 minutes.
    pub access: String,
    /// When the access token ends.
    pub access_expires_at: Timestamp,
    /// Gets the next pair, once.
    pub refresh: String,
    /// When the refresh token ends.
    pub refresh_expires_at: Timestamp,
}

/// Somebody who came in.
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// As what.
    pub session: Session,
    /// The tokens.
    pub tokens: Tokens,
}

/// What a right password leads to.
pub enum Step {
    /// In.
    SignedIn(Box<SignedIn>),
    /// The second factor is asked for: `challenge` comes back with its code.
    SecondFactor {
        /// Says that the password was right.
        challenge: String,
        /// Until when.
        expires_at: Timestamp,
    },
}

fn refused() -> Problem<SignInProblem> {
    Problem::new(
        "",
        SignInProblem::InvalidCredentials,
        "e-mail address, password or code do not fit",
    )
}

/// Signs a user in by password. An address that is not there gets the same answer after the same time.
///
/// # Errors
/// [`SignInProblem::InvalidCredentials`]; [`Error::RateLimited`] after too many failures of the account or from the address.
pub async fn sign_in(
    app: &App,
    origin: &Arc<Origin>,
    email: &str,
    password: &Password,
) -> Outcome<Step, SignInProblem> {
    let email = user::checked_email(email).unwrap_or_else(|_| email.chars().take(254).collect());
    let guess = Guess::of_account(&email, origin.address);
    let turn = passwords::turn(app)?;
    guess.count(app).await?;
    let found = user::by_email(app.db().read(), &email).await?;
    let hash = found.as_ref().and_then(|user| user.password_hash.as_deref());
    let verdict = passwords::verify(app, turn, password, hash).await?;
    let user = match found {
        Some(user) if verdict != Verdict::Wrong && user.deactivated_at.is_none() => user,
        found => {
            let subject = found.map(|user| user.id.to_string()).unwrap_or_default();
            audit::failed_sign_in(app, origin, &subject).await?;
            return Err(refused().into());
        }
    };
    if user.email_verified_at.is_none() {
        let message = "follow the link in the mail first, or ask for a new password";
        return Err(Problem::new("email", SignInProblem::EmailNotVerified, message).into());
    }
    let rehashed = match verdict {
        // Where there is no place for it, at the next sign-in.
        Verdict::RightButOld => passwords::hash(app, password).await.ok(),
        _ => None,
    };
    let tx = app.db().begin().await?;
    // As they are now: while the password was hashed it may have been changed, the user shut out, or a second factor
    // switched on.
    let user = user::locked(&tx, user.id)
        .await?
        .filter(|now| now.password_hash == user.password_hash && now.deactivated_at.is_none())
        .ok_or_else(refused)?;
    guess.was_right(&tx).await?;
    if user.totp_confirmed_at.is_some() {
        let made = code::make(app, &tx, CodePurpose::SecondFactor, Some(user.id), None).await?;
        tx.commit().await?;
        let (challenge, expires_at) = made;
        return Ok(Step::SecondFactor {
            challenge,
            expires_at,
        });
    }
    let signed_in = start(app, &tx, origin, user, rehashed.as_deref()).await?;
    tx.commit().await?;
    Ok(Step::SignedIn(Box::new(signed_in)))
}

/// The second step of a sign-in: the code of the second factor, or a recovery code.
///
/// # Errors
/// [`SignInProblem`]s; [`Error::RateLimited`] after too many failures.
pub async fn sign_in_confirm(
    app: &App,
    origin: &Arc<Origin>,
    challenge: &str,
    given: &str,
) -> Outcome<SignedIn, SignInProblem> {
    let gone = || {
        let message = "the first step is too long ago, or was used; begin anew by `signIn`";
        Problem::new("challenge", SignInProblem::ChallengeGone, message)
    };
    let tx = app.db().begin().await?;
    let owner = code::owner(app, &tx, CodePurpose::SecondFactor, challenge).await?;
    tx.rollback().await?;
    let owner = owner.ok_or_else(gone)?;
    let guess = Guess::of_second_factor(&owner.to_string(), origin.address);
    guess.count(app).await?;
    let tx = app.db().begin().await?;
    let user = user::locked(&tx, owner)
        .await?
        .filter(|user| user.deactivated_at.is_none());
    let user = user.ok_or_else(gone)?;
    if !second_factor::is_right(app, &tx, &user, given).await? {
        tx.rollback().await?;
        audit::failed_sign_in(app, origin, &user.id.to_string()).await?;
        return Err(refused().into());
    }
    if code::redeem(app, &tx, CodePurpose::SecondFactor, challenge)
        .await?
        .is_none()
    {
        return Err(gone().into());
    }
    guess.was_right(&tx).await?;
    let signed_in = start(app, &tx, origin, user, None).await?;
    tx.commit().await?;
    Ok(signed_in)
}

/// Begins a session of a user who proved who they are.
///
/// # Errors
/// The database's and the vault's.
pub(in crate::identity) async fn start(
    app: &App,
    tx: &Tx,
    origin: &Arc<Origin>,
    user: User,
    rehashed: Option<&str>,
) -> Result<SignedIn, Error> {
    let now = app.clock().now();
    let expires_at = now.plus_days(i64::from(app.access().session_days));
    let session = Session {
        id: SessionId::at(now),
        user_id: user.id,
        created_at: now,
        last_seen_at: now,
        expires_at,
        ended_at: None,
        end_reason: None,
        generation: 0,
        refreshed_at: now,
        user_agent: origin.user_agent.as_deref().unwrap_or_default().to_owned(),
        address: origin.address_text(),
    };
    store::insert(tx, session.clone()).await?;
    user::signed_in(tx, user.id, now, rehashed).await?;
    let tokens = new_tokens(app, tx, &session, 0, expires_at).await?;
    let event = NewEvent {
        kind: EventKind::SessionStarted,
        lead_id: None,
        subject: session.id.to_string(),
        payload: json!({ "user": user.id }),
    };
    events::append(tx, &user.id.to_string(), now, vec![event]).await?;
    Ok(SignedIn {
        user,
        session,
        tokens,
    })
}

/// A pair of tokens of a session's generation.
pub(super) async fn new_tokens(
    app: &App,
    tx: &Tx,
    session: &Session,
    generation: i32,
    refresh_expires_at: Timestamp,
) -> Result<Tokens, Error> {
    let refresh = secret::make(SecretKind::Refresh)?;
    let token = refresh_token::Model {
        hash: secret::hash(&refresh).to_vec(),
        session_id: session.id,
        generation,
        created_at: app.clock().now(),
    };
    store::insert_token(tx, token).await?;
    let (access, access_expires_at) = access_token::sign(app, tx, session.user_id, session.id).await?;
    Ok(Tokens {
        access,
        access_expires_at,
        refresh,
        refresh_expires_at,
    })
}

/// The caller of a session, with when it ends.
///
/// # Errors
/// [`Error::Unauthenticated`] says whether it is over or its user was shut out; the database's.
pub async fn caller_of(app: &App, id: SessionId, origin: &Origin) -> Result<(Caller, Timestamp), Error> {
    let refuse = |message: &str| Err(Error::Unauthenticated(message.to_owned()));
    let now = app.clock().now();
    let db = app.db().read();
    let Some(session) = store::find(db, id).await? else {
        return refuse("the session is unknown; sign in again");
    };
    if session.ended_at.is_some() {
        return refuse("the session was ended; sign in again");
    }
    if session.expires_at <= now {
        return refuse("the session has expired; sign in again");
    }
    let Some(user) = user::find(db, session.user_id).await? else {
        return refuse("the user is gone");
    };
    if user.deactivated_at.is_some() {
        return refuse("the user was deactivated");
    }
    // Who is asked about in their absence is not seen anywhere.
    if origin.address.is_some() && session.last_seen_at.plus_seconds(SEEN_SECONDS) < now {
        let address = origin.address_text();
        let used = store::Use {
            now,
            address: &address,
            user_agent: "",
        };
        store::touch(app.db().write(), id, &used).await?;
    }
    let scopes = role::scopes_of(db, &user.role).await?;
    Ok((Caller::user(user.id, id, scopes), session.expires_at))
}

/// The session that an access token belongs to.
///
/// # Errors
/// As [`access_token::verify`].
pub(in crate::identity) async fn read_access(app: &App, token: &str) -> Result<(UserId, SessionId), Error> {
    let Claims { sub, sid, .. } = access_token::verify(app, token).await?;
    Ok((sub, sid))
}

/// Ends the caller's session; a caller without one has none to end.
///
/// # Errors
/// The database's.
pub async fn sign_out(app: &App, caller: &Caller) -> Result<(), Error> {
    let Some(id) = caller.session else {
        return Err(Error::BadInput(
            "an API token has no session to sign out of; revoke the token instead".to_owned(),
        ));
    };
    let tx = app.db().begin().await?;
    let session = store::locked(&tx, id)
        .await?
        .filter(|session| session.ended_at.is_none());
    if let Some(session) = session {
        ended(app, &tx, &caller.actor.id, &session, EndReason::SignedOut).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// The sessions of a user that are not over, newest first: one's own, or others' with `users:read`.
///
/// # Errors
/// A missing scope; the database's.
pub async fn live(app: &App, caller: &Caller, user: UserId) -> Result<Vec<Session>, Error> {
    if caller.user != Some(user) {
        caller.require(Scope::Read(Area::Users))?;
        caller.require_all_rows()?;
    }
    list(app, user).await
}

/// The sessions of a user that are not over, newest first.
///
/// # Errors
/// The database's. Whoever shows them has asked for the scope.
pub async fn list(app: &App, user: UserId) -> Result<Vec<Session>, Error> {
    Ok(store::live(app.db().read(), user, app.clock().now()).await?)
}

/// Ends a session: one's own, or others' with `users:write`.
///
/// # Errors
/// [`SessionProblem::NotFound`], also for a session that the caller may not end; the database's.
pub async fn end(app: &App, caller: &Caller, id: SessionId) -> Outcome<Session, SessionProblem> {
    let gone = || {
        let message = format!("there is no session `{id}`, or it is over");
        Problem::new("id", SessionProblem::NotFound, message)
    };
    let tx = app.db().begin().await?;
    let session = store::locked(&tx, id)
        .await?
        .filter(|session| session.ended_at.is_none());
    let mut session = session.ok_or_else(gone)?;
    if caller.user != Some(session.user_id) {
        // As whoever shuts a user out: all rows, and no more rights in the user's role than one's own.
        let user = user::find(&*tx, session.user_id).await?;
        let scopes = match &user {
            Some(user) => role::scopes_of(&*tx, &user.role).await?,
            None => Scopes::default(),
        };
        let may = caller.rows.is_all()
            && caller.scopes.allows(Scope::Write(Area::Users))
            && caller.scopes.includes(scopes);
        if !may {
            return Err(gone().into());
        }
    }
    ended(app, &tx, &caller.actor.id, &session, EndReason::Revoked).await?;
    tx.commit().await?;
    session.ended_at = Some(app.clock().now());
    session.end_reason = Some(EndReason::Revoked);
    Ok(session)
}

/// Ends all sessions of a user but one, within a transaction.
///
/// # Errors
/// The database's.
pub(in crate::identity) async fn end_all(
    app: &App,
    tx: &Tx,
    actor: &str,
    user: UserId,
    but: Option<SessionId>,
    reason: EndReason,
) -> Result<usize, Error> {
    let mut count = 0;
    for session in store::live(&**tx, user, app.clock().now()).await? {
        if Some(session.id) != but {
            ended(app, tx, actor, &session, reason).await?;
            count += 1;
        }
    }
    Ok(count)
}

pub(super) async fn ended(
    app: &App,
    tx: &Tx,
    actor: &str,
    session: &Session,
    reason: EndReason,
) -> Result<(), Error> {
    let now = app.clock().now();
    store::end(tx, session.id, now, reason).await?;
    let event = NewEvent {
        kind: EventKind::SessionEnded,
        lead_id: None,
        subject: session.id.to_string(),
        payload: json!({ "user": session.user_id, "reason": reason }),
    };
    Ok(events::append(tx, actor, now, vec![event]).await?)
}

/// Removes what is left of sessions that are long over; answers how many rows.
///
/// # Errors
/// The database's.
pub async fn prune(app: &App) -> Result<u64, Error> {
    const BATCH: i64 = 1_000;
    let before = app.clock().now().plus_days(-i64::from(app.access().session_days));
    let mut removed = 0;
    loop {
        let tx = app.db().begin().await?;
        let count = store::prune(&tx, before, BATCH).await?;
        tx.commit().await?;
        removed += count;
        if count == 0 {
            return Ok(removed);
        }
    }
}
