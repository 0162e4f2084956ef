//! What can go wrong with a platform, and whether trying again helps.

use std::time::Duration;

/// The answer of whatever asks a platform.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same again has the same end.
    Never,
    /// Later, waiting longer each time.
    BackOff,
    /// Not before so much time has passed: the platform said so.
    After(Duration),
    /// It was tried as often as is sensible, in vain.
    Exhausted,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The credentials are not accepted (any more).
    Unauthorised,
    /// The owner of the account has withdrawn consent, or removed the app: only they can mend it.
    Revoked,
    /// The credentials are good but do not allow this.
    Forbidden,
    /// What was asked for is not there.
    NotFound,
    /// The platform does not accept what was sent; the message says why.
    Refused,
    /// The recipient of a message cannot or must not be reached.
    Recipient(RecipientFault),
    /// Too much was asked for in too short a time.
    Throttled,
    /// A quota, budget or balance is used up.
    OutOfFunds,
    /// The platform has a fault of its own.
    Unavailable,
    /// No connection came about: nothing was sent.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// The connection broke before the answer was complete.
    Cut,
    /// The answer cannot be read.
    Malformed,
    /// Something was sent that must not be sent twice, and it is not known whether it arrived.
    OutcomeUnknown,
    /// A webhook or callback is not signed as the platform signs.
    Signature,
    /// The settings of the connection are not right.
    Settings,
    /// The platform offers no such thing.
    Unsupported,
}

/// Why a recipient cannot or must not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecipientFault {
    /// No such address or number.
    Unknown,
    /// They asked not to be written to.
    OptedOut,
    /// A number that takes no text messages.
    NotMobile,
    /// The recipient, or a carrier for them, blocks the sender.
    Blocked,
    /// For the moment only: mailbox full, phone off.
    Temporary,
    /// The platform has no way to reach them from this sender.
    NoRoute,
}

impl Kind {
    /// Its name as shown to people and in metrics, e.g. `THROTTLED`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unauthorised => "UNAUTHORISED",
            Self::Revoked => "REVOKED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::Refused => "REFUSED",
            Self::Recipient(RecipientFault::Unknown) => "RECIPIENT_UNKNOWN",
            Self::Recipient(RecipientFault::OptedOut) => "RECIPIENT_OPTED_OUT",
            Self::Recipient(RecipientFault::NotMobile) => "RECIPIENT_NOT_MOBILE",
            Self::Recipient(RecipientFault::Blocked) => "RECIPIENT_BLOCKED",
            Self::Recipient(RecipientFault::Temporary) => "RECIPIENT_TEMPORARY",
            Self::Recipient(RecipientFault::NoRoute) => "RECIPIENT_NO_ROUTE",
            Self::Throttled => "THROTTLED",
            Self::OutOfFunds => "OUT_OF_FUNDS",
            Self::Unavailable => "UNAVAILABLE",
            Self::Unreachable => "UNREACHABLE",
            Self::TimedOut => "TIMED_OUT",
            Self::Cut => "CUT",
            Self::Malformed => "MALFORMED",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::Signature => "SIGNATURE",
            Self::Settings => "SETTINGS",
            Self::Unsupported => "UNSUPPORTED",
        }
    }

    /// What follows where a platform says nothing else.
    #[must_use]
    pub const fn usual_retry(self) -> Retry {
        match self {
            Self::Throttled
            | Self::Unavailable
            | Self::Unreachable
            | Self::TimedOut
            | Self::Cut
            | Self::Recipient(RecipientFault::Temporary) => Retry::BackOff,
            _ => Retry::Never,
        }
    }
}

/// A failure of a platform or of the way there. It holds no secret: whatever makes one from a platform's own words goes
/// through the transport, which strikes them out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}{}", .kind.name(), .code.as_deref().map(|code| format!(" (code {code})")).unwrap_or_default())]
pub struct Error {
    /// What kind of failure.
    pub kind: Kind,
    /// Whether to try again.
    pub retry: Retry,
    /// What happened, in words for the owner of the connection.
    pub message: String,
    /// The platform's own code of it.
    pub code: Option<String>,
    /// The platform's own name of the request, for its support.
    pub request_id: Option<String>,
}

impl Error {
    /// A failure of a kind, with the retry that is usual for it.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            retry: kind.usual_retry(),
            message: message.into(),
            code: None,
            request_id: None,
        }
    }

    /// With another retry.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// With the platform's own code.
    #[must_use]
    pub fn code(mut self, code: impl ToString) -> Self {
        self.code = Some(code.to_string());
        self
    }

    /// Not accepted as sent, with the platform's reason.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// An answer that cannot be read.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(Kind::Malformed, message)
    }

    /// A webhook or callback that is not signed as the platform signs. It never says what would have been right.
    #[must_use]
    pub fn signature() -> Self {
        Self::new(Kind::Signature, "the signature is missing or wrong")
    }
}
