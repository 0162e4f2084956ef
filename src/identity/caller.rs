//! The caller of a use case.

use std::fmt;
use std::sync::Arc;

use entity::ActorKind;
use entity::id::{SessionId, TokenId, UserId};
use serde::{Deserialize, Serialize};

use super::scope::{Scope, Scopes};
use crate::error::Error;
use crate::origin::Origin;

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    /// What kind of actor.
    pub kind: ActorKind,
    /// As written into events and histories: `token_…`, `user_…`, `operator`, `system`.
    pub id: String,
}

impl Actor {
    /// Reads the form in which events and histories keep an actor.
    #[must_use]
    pub fn of_id(id: &str) -> Self {
        let kind = match id {
            "operator" => ActorKind::Operator,
            id if id.starts_with("token_") => ActorKind::Token,
            id if id.starts_with("user_") => ActorKind::User,
            _ => ActorKind::System,
        };
        Self {
            kind,
            id: id.to_owned(),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// By what somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Credential {
    /// An API token.
    Token(TokenId),
    /// A session of a user.
    Session(SessionId, UserId),
}

/// Which rows a caller may see. Part of keys of loaders and of live subscriptions: cheap to clone, hash and compare.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rows {
    /// All of them.
    All,
    /// Those of leads for which a filter holds, and what hangs on them.
    Where(RowFilter),
}

impl Rows {
    /// Whether nothing is hidden.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}

/// A lead filter as JSON in its one form. This wing keeps the text; `leads::visible` makes and reads it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowFilter(Arc<str>);

impl RowFilter {
    /// Keeps a filter.
    #[must_use]
    pub fn new(json: &str) -> Self {
        Self(json.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who calls a use case, what they may do, which rows they may see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// What they may do.
    pub scopes: Scopes,
    /// Which rows they may see.
    pub rows: Rows,
    /// The user, when it is one.
    pub user: Option<UserId>,
    /// The session by which the user came in.
    pub session: Option<SessionId>,
    /// Where from.
    pub origin: Arc<Origin>,
}

impl Caller {
    /// The holder of an API token.
    #[must_use]
    pub fn token(id: TokenId, scopes: Scopes) -> Self {
        Self {
            actor: Actor {
                kind: ActorKind::Token,
                id: id.to_string(),
            },
            scopes,
            rows: Rows::All,
            user: None,
            session: None,
            origin: Arc::default(),
        }
    }

    /// A user, by one of their sessions.
    #[must_use]
    pub fn user(id: UserId, session: SessionId, scopes: Scopes) -> Self {
        Self {
            actor: Actor {
                kind: ActorKind::User,
                id: id.to_string(),
            },
            scopes,
            rows: Rows::All,
            user: Some(id),
            session: Some(session),
            origin: Arc::default(),
        }
    }

    /// Somebody for whom work goes on that they were allowed to begin: what it does is still theirs in every history.
    #[must_use]
    pub fn on_behalf_of(actor: Actor) -> Self {
        Self {
            actor,
            ..Self::system()
        }
    }

    /// By what they came in; none for the command line and for Leadline itself.
    #[must_use]
    pub fn credential(&self) -> Option<Credential> {
        match (self.user, self.session) {
            (Some(user), Some(session)) => Some(Credential::Session(session, user)),
            _ => TokenId::parse(&self.actor.id).ok().map(Credential::Token),
        }
    }

    /// Somebody at the command line of the deployment: may do anything.
    #[must_use]
    pub fn operator() -> Self {
        Self {
            actor: Actor::of_id("operator"),
            scopes: Scopes::admin(),
            rows: Rows::All,
            user: None,
            session: None,
            origin: Arc::default(),
        }
    }

    /// Leadline itself: workers and automatic moves.
    #[must_use]
    pub fn system() -> Self {
        Self {
            actor: Actor::of_id("system"),
            scopes: Scopes::admin(),
            rows: Rows::All,
            user: None,
            session: None,
            origin: Arc::default(),
        }
    }

    /// The user, for what only a person can have: a profile, a password.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for who is no user.
    pub fn require_user(&self) -> Result<UserId, Error> {
        self.user
            .ok_or_else(|| Error::Forbidden(format!("this is for users; a {} is none", self.what())))
    }

    /// The same, who sees these rows.
    #[must_use]
    pub fn with_rows(self, rows: Rows) -> Self {
        Self { rows, ..self }
    }

    /// Whether the caller may see what somebody made that hangs on no lead, such as a job or an upload: a caller who does
    /// not see all rows sees nobody else's.
    #[must_use]
    pub fn sees_made_by(&self, actor: &str) -> bool {
        self.rows.is_all() || self.actor.id == actor
    }

    /// The one place where it is decided who may do what concerns all leads, or tells of all of them.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a caller who does not see all rows.
    pub fn require_all_rows(&self) -> Result<(), Error> {
        if self.rows.is_all() {
            Ok(())
        } else {
            Err(Error::Forbidden(format!(
                "this concerns the whole deployment; this {} has a row filter and sees a part of the leads alone",
                self.what()
            )))
        }
    }

    /// The one place where a permission is decided.
    ///
    /// # Errors
    /// [`Error::Forbidden`] naming the scope that is missing.
    pub fn require(&self, scope: Scope) -> Result<(), Error> {
        if self.scopes.allows(scope) {
            Ok(())
        } else {
            Err(Error::Forbidden(format!(
                "the scope `{scope}` is needed; this {} has: {}",
                self.what(),
                self.scopes
            )))
        }
    }

    /// The same where any one of several scopes will do.
    ///
    /// # Errors
    /// [`Error::Forbidden`] naming them, when there is none of them.
    pub fn require_any(&self, scopes: &[Scope]) -> Result<(), Error> {
        if scopes.iter().any(|scope| self.scopes.allows(*scope)) {
            return Ok(());
        }
        let names: Vec<_> = scopes.iter().map(|scope| format!("`{scope}`")).collect();
        Err(Error::Forbidden(format!(
            "one of the scopes {} is needed; this {} has: {}",
            names.join(", "),
            self.what(),
            self.scopes
        )))
    }

    fn what(&self) -> &'static str {
        match self.actor.kind {
            ActorKind::Token => "token",
            ActorKind::User => "user",
            ActorKind::Operator | ActorKind::System => "caller",
        }
    }
}
