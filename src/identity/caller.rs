//! The caller of a use case.

use std::fmt;
use std::sync::Arc;

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
