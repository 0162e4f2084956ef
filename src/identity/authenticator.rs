//! Tells callers by what they show: API tokens and access tokens of users.

use std::sync::Arc;
use std::time::Duration;

use entity::Timestamp;
use entity::id::{SessionId, UserId};

use super::caller::{Caller, Credential};
use super::secret::{self, SecretKind};
use super::token::Terms;
use super::{access_token, session, token};
use crate::app::App;
use crate::error::Error;
use crate::origin::Origin;

/// How long something that was learnt is believed without a word to the contrary.
const BELIEVED: Duration = Duration::from_secs(10);

/// The caller who came in by a credential, as they are now: for what was made in their name before, such as a signed link.
///
/// # Errors
/// [`Error::Unauthenticated`] says whether it is unknown, revoked or over; the database's.
pub async fn caller_again(app: &App, credential: Credential) -> Result<Caller, Error> {
    let (caller, expires_at) = match credential {
        Credential::Token(id) => {
            let known = token::caller_of(app, id).await?;
            (known.caller, known.expires_at)
        }
        Credential::Session(id, _) => {
            let (caller, expires_at) = session::caller_of(app, id, &Origin::default()).await?;
            (caller, Some(expires_at))
        }
    };
    if expires_at.is_some_and(|at| at <= app.clock().now()) {
        return Err(Error::Unauthenticated("the token has expired".to_owned()));
    }
    Ok(caller)
}

/// Who came in.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Who may do what; comes from nowhere until [`Holder::from`] says.
    pub caller: Arc<Caller>,
    /// By what.
    pub credential: Credential,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Where it may be used from, and how much it may cost.
    pub terms: Arc<Terms>,
    /// What is kept of the API token's secret that was shown: a token may have two for a while.
    secret: Option<[u8; 32]>,
}

impl Holder {
    /// The caller, coming from somewhere.
    #[must_use]
    pub fn from(&self, origin: &Arc<Origin>) -> Arc<Caller> {
        let mut caller = Caller::clone(&self.caller);
        caller.origin = Arc::clone(origin);
        Arc::new(caller)
    }
}

/// Tells callers; keeps what it learnt for a few seconds, so that a busy client costs no query.
#[derive(Clone, Debug)]
pub struct Authenticator {
    app: App,
    tokens: moka::sync::Cache<[u8; 32], Holder>,
    sessions: moka::sync::Cache<SessionId, Holder>,
}

impl Authenticator {
    /// Knows nobody yet.
    #[must_use]
    pub fn new(app: App) -> Self {
        // A revocation elsewhere is also told by the event log; the short life is the bound when that is late.
        fn cache<K: std::hash::Hash + Eq + Send + Sync + 'static>() -> moka::sync::Cache<K, Holder> {
            moka::sync::Cache::builder()
                .max_capacity(10_000)
                .time_to_live(BELIEVED)
                .build()
        }
        Self {
            app,
            tokens: cache(),
            sessions: cache(),
        }
    }

    /// Who shows this `Authorization` value (`Bearer …`).
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] says whether it is missing, malformed, unknown, revoked or expired.
    pub async fn bearer(&self, header: Option<&str>, origin: &Origin) -> Result<Holder, Error> {
        let Some(header) = header else {
            return Err(Error::no_token());
        };
        match header.split_once(' ') {
            Some((scheme, secret)) if scheme.eq_ignore_ascii_case("bearer") => {
                self.shown(secret.trim(), origin).await
            }
            _ => Err(Error::Unauthenticated(
                "the Authorization header is not of the form `Bearer leadline_…`".to_owned(),
            )),
        }
    }

    /// Who shows this token.
    ///
    /// # Errors
    /// As [`Self::bearer`].
    pub async fn shown(&self, secret: &str, origin: &Origin) -> Result<Holder, Error> {
        let holder = if access_token::looks_like_one(secret) {
            let (_, id) = session::read_access(&self.app, secret).await?;
            self.session(id, origin).await?
        } else {
            self.token(secret).await?
        };
        if holder.expires_at.is_some_and(|at| at <= self.app.clock().now()) {
            return Err(Error::Unauthenticated("the token has expired".to_owned()));
        }
        holder.terms.allow(origin)?;
        Ok(holder)
    }

    /// The holder as they are now, by what they showed, asked anew.
    ///
    /// # Errors
    /// As [`Self::bearer`].
    pub async fn again(&self, holder: &Holder, origin: &Origin) -> Result<Holder, Error> {
        // One key, not a walk: all sockets of a server may ask at once.
        match (holder.credential, &holder.secret) {
            (Credential::Session(id, _), _) => self.forget_session(id),
            (Credential::Token(_), Some(secret)) => self.tokens.invalidate(secret),
            (Credential::Token(_), None) => {}
        }
        match (holder.credential, &holder.secret) {
            (Credential::Session(id, _), _) => self.session(id, origin).await,
            (Credential::Token(_), Some(secret)) => self.by_secret(secret).await,
            (Credential::Token(_), None) => Err(Error::internal(anyhow::anyhow!("a token without a secret"))),
        }
    }

    async fn session(&self, id: SessionId, origin: &Origin) -> Result<Holder, Error> {
        if let Some(known) = self.sessions.get(&id) {
            return Ok(known);
        }
        let (caller, expires_at) = session::caller_of(&self.app, id, origin).await?;
        let user = caller
            .user
            .ok_or_else(|| Error::internal(anyhow::anyhow!("a session without a user")))?;
        let holder = Holder {
            caller: Arc::new(caller),
            credential: Credential::Session(id, user),
            expires_at: Some(expires_at),
            terms: Arc::default(),
            secret: None,
        };
        self.sessions.insert(id, holder.clone());
        Ok(holder)
    }

    async fn token(&self, secret: &str) -> Result<Holder, Error> {
        if !secret::is_well_formed(SecretKind::ApiToken, secret) {
            return Err(Error::Unauthenticated(
                "the token is malformed: it was cut or mistyped".to_owned(),
            ));
        }
        let key = secret::hash(secret);
        if let Some(known) = self.tokens.get(&key) {
            return Ok(known);
        }
        let holder = self.by_secret(&key).await?;
        self.tokens.insert(key, holder.clone());
        Ok(holder)
    }

    async fn by_secret(&self, hash: &[u8; 32]) -> Result<Holder, Error> {
        let (id, known) = token::shown(&self.app, hash).await?;
        Ok(Holder {
            caller: Arc::new(known.caller),
            credential: Credential::Token(id),
            expires_at: known.expires_at,
            terms: known.terms,
            secret: Some(*hash),
        })
    }

    /// Forgets what it learnt of somebody, because it changed.
    pub fn forget(&self, credential: Credential) {
        self.forget_those(|known| known.credential == credential);
    }

    /// Forgets what it learnt of a session.
    pub fn forget_session(&self, id: SessionId) {
        self.sessions.invalidate(&id);
    }

    /// Forgets what it learnt of a user.
    pub fn forget_user(&self, user: UserId) {
        self.forget_those(|known| matches!(known.credential, Credential::Session(_, of) if of == user));
    }

    /// Forgets all users, because a role changed.
    pub fn forget_users(&self) {
        self.sessions.invalidate_all();
    }

    fn forget_those(&self, of: impl Fn(&Holder) -> bool) {
        for (key, known) in &self.tokens {
            if of(&known) {
                self.tokens.invalidate(&*key);
            }
        }
        for (key, known) in &self.sessions {
            if of(&known) {
                self.sessions.invalidate(&*key);
            }
        }
    }
}
