//! The caller of a use case.

use std::fmt;

use entity::ActorKind;
use entity::id::TokenId;

use super::scope::{Scope, Scopes};
use crate::error::Error;

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

/// Which rows a caller may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rows {
    /// All of them. (Row filters of partners' tokens will be another variant; stores match on this type, so that the
    /// compiler names every place that has to think of it.)
    All,
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
        }
    }

    /// Somebody at the command line of the deployment: may do anything.
    #[must_use]
    pub fn operator() -> Self {
        Self {
            actor: Actor::of_id("operator"),
            scopes: Scopes::admin(),
            rows: Rows::All,
        }
    }

    /// Leadline itself: workers and automatic moves.
    #[must_use]
    pub fn system() -> Self {
        Self {
            actor: Actor::of_id("system"),
            scopes: Scopes::admin(),
            rows: Rows::All,
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
