//! What can go wrong, told apart by who has to mend it.
//!
//! - [`Problem`]: an expected failure of one call, typed per area; shown as a user error beside the payload.
//! - [`Error`]: a client's or the server's fault; shown in the top-level `errors` with a code.

/// A failure that is not part of a call's own answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No valid credentials.
    #[error("{0}")]
    Unauthenticated(String),
    /// Valid credentials without the scope.
    #[error("{0}")]
    Forbidden(String),
    /// Input that the schema's types cannot refuse.
    #[error("{0}")]
    BadInput(String),
    /// What was asked for does not exist.
    #[error("{0}")]
    NotFound(String),
    /// Contradicts what is there, e.g. an idempotency key with another input.
    #[error("{0}")]
    Conflict(String),
    /// Something the server needs is away; trying again later may help.
    #[error("{0}")]
    Unavailable(String),
    /// Too much of it; the same later is welcome.
    #[error("{message}")]
    RateLimited {
        /// What, and when to try again.
        message: String,
        /// When to try again.
        retry_after_seconds: u64,
    },
    /// Anything else: logged once, never shown in detail.
    #[error("internal error")]
    Internal(#[source] anyhow::Error),
}

impl Error {
    /// The `extensions.code` of GraphQL errors.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "UNAUTHENTICATED",
            Self::Forbidden(_) => "FORBIDDEN",
            Self::BadInput(_) => "BAD_USER_INPUT",
            Self::NotFound(_) => "NOT_FOUND",
            Self::Conflict(_) => "CONFLICT",
            Self::Unavailable(_) => "UNAVAILABLE",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// Nobody asks for what needs a token.
    #[must_use]
    pub fn no_token() -> Self {
        Self::Unauthenticated(
            "a token is needed: send `Authorization: Bearer leadline_…`, or `authorization` in `connection_init`"
                .into(),
        )
    }

    /// An internal error from anything that tells of itself.
    pub fn internal(source: impl Into<anyhow::Error>) -> Self {
        Self::Internal(source.into())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// An expected failure: which input field, what is wrong, and the area's code for it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem<C> {
    /// Path of the input field, outermost first.
    pub field: Vec<String>,
    /// What is wrong and what would be right; lower case.
    pub message: String,
    /// The kind of failure, for programs.
    pub code: C,
}

impl<C> Problem<C> {
    /// A problem of the field at a dotted path (empty: of the whole input).
    pub fn new(path: &str, code: C, message: impl Into<String>) -> Self {
        let field = path
            .split('.')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        Self {
            field,
            message: message.into(),
            code,
        }
    }

    /// The same problem inside of another field, e.g. of item 3 of a list.
    #[must_use]
    pub fn within(mut self, prefix: &[&str]) -> Self {
        self.field
            .splice(0..0, prefix.iter().map(|part| (*part).to_owned()));
        self
    }
}

/// Why a use case gave no result: the caller's expected problems, or an [`Error`].
#[derive(Debug)]
pub enum Failure<C> {
    /// Expected; all of them at once where that can be told.
    Problems(Vec<Problem<C>>),
    /// Everything else.
    Error(Error),
}

/// The result of a use case.
pub type Outcome<T, C> = Result<T, Failure<C>>;

impl<C> From<Error> for Failure<C> {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl<C> From<serde_json::Error> for Failure<C> {
    fn from(error: serde_json::Error) -> Self {
        Self::Error(error.into())
    }
}

impl<C> From<Problem<C>> for Failure<C> {
    fn from(problem: Problem<C>) -> Self {
        Self::Problems(vec![problem])
    }
}

impl<C> From<Vec<Problem<C>>> for Failure<C> {
    fn from(problems: Vec<Problem<C>>) -> Self {
        Self::Problems(problems)
    }
}
