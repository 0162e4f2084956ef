//! What a message may be, what becomes of it, and who may be written to: pure rules.

mod content;
mod handover;
mod permission;
mod progress;

use serde::{Deserialize, Serialize};

pub use self::content::{Content, Details};
pub(super) use self::content::{MOST_BYTES, cut, domain_of, kept, link_count, outgoing};
pub(super) use self::handover::{GOOD_FOR_SECONDS, KNOWN_AFTER_SECONDS, Next, ask_again, next};
pub(super) use self::permission::{consent_channel, consent_purpose, consented, suppressed};
pub(super) use self::progress::{
    Fault, after, engagement_channel, engagements_of, moment, ours, rank, reply_of, state_of, step_of,
    suppression_after, theirs,
};

/// What can be wrong with a call about messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
#[graphql(name = "MessageErrorCode")]
pub enum MessageProblem {
    /// There is no such message, suppression or message to answer.
    NotFound,
    /// There is no such lead.
    LeadNotFound,
    /// There is no such connection.
    ConnectionNotFound,
    /// The connection is not in use.
    ConnectionNotActive,
    /// The platform sends no messages, or none by this channel.
    Unsupported,
    /// There is nobody to send it to, or the lead has no address for this channel.
    NoAddress,
    /// No address or number.
    InvalidAddress,
    /// There is no sender.
    NoSender,
    /// Nothing is said, or more than one thing.
    InvalidContent,
    /// More than the platform takes.
    TooLong,
    /// The address is not written to.
    Suppressed,
    /// The lead has refused or withdrawn consent.
    ConsentWithdrawn,
    /// The lead has not given the consent that is needed.
    ConsentMissing,
    /// Only what failed, or of which it is not known whether it was sent, is sent again.
    NotResendable,
    /// It was sent again already.
    AlreadyResent,
}

/// What somebody is told who may not send a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What kind of reason.
    pub code: MessageProblem,
    /// In words.
    pub message: String,
}

impl Refused {
    pub(in crate::outreach::delivery) fn new(code: MessageProblem, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}
