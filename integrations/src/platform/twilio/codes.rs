//! What Twilio's codes mean, as data: the platform says that the code of a cause may change.

use std::time::Duration;

use crate::facet::DeliveryState;
use crate::{Kind, RecipientFault, Retry};

/// What a code means, in an answer or in a status callback.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Meaning {
    /// The code.
    pub code: u32,
    /// What kind of failure.
    pub kind: Kind,
    /// Whether to send again.
    pub retry: Retry,
    /// What a message became that failed with it.
    pub state: DeliveryState,
    /// In words for the owner.
    pub about: &'static str,
}

impl Meaning {
    /// What it says about the recipient.
    #[must_use]
    pub const fn fault(&self) -> Option<RecipientFault> {
        match self.kind {
            Kind::Recipient(fault) => Some(fault),
            _ => None,
        }
    }
}

/// What a code means, where it is known.
#[must_use]
pub fn meaning(code: u32) -> Option<&'static Meaning> {
    CODES.iter().find(|meaning| meaning.code == code)
}

const DAY: Retry = Retry::After(Duration::from_hours(24));

const fn code(code: u32, kind: Kind, retry: Retry, state: DeliveryState, about: &'static str) -> Meaning {
    Meaning {
        code,
        kind,
        retry,
        state,
        about,
    }
}

use DeliveryState::{Blocked, Bounced, Failed};
use Kind::{Forbidden, NotFound, Recipient, Refused, Settings, Throttled, Unauthorised, Unavailable};
use RecipientFault::{NoRoute, NotMobile, OptedOut, Temporary, Unknown};
use Retry::{BackOff, Never};

/// Blocked by the recipient, not by a policy.
const BY_RECIPIENT: Kind = Recipient(RecipientFault::Blocked);

#[rustfmt::skip] // one line for each
const CODES: &[Meaning] = &[
    code(11_200, Refused, Never, Failed, "the address of the webhook failed"),
    code(12_100, Refused, Never, Failed, "the TwiML cannot be read"),
    code(13_223, Recipient(Unknown), Never, Failed, "the number to call is not in E.164"),
    code(13_224, Recipient(Unknown), Never, Failed, "the number to call is not valid"),
    code(13_225, Recipient(NoRoute), Never, Failed, "Twilio does not call this number"),
    code(13_226, Recipient(Unknown), Never, Failed, "the country code to call is not valid"),
    code(13_227, Forbidden, Never, Failed, "calls to this region are not allowed in the account"),
    code(14_107, Throttled, BackOff, Failed, "too many messages at once"),
    code(20_003, Unauthorised, Never, Failed, "the credentials are not accepted"),
    code(20_005, Forbidden, Never, Failed, "the account is not active"),
    code(20_404, NotFound, Never, Failed, "there is no such thing at Twilio"),
    code(20_429, Throttled, BackOff, Failed, "too many requests"),
    code(21_210, Settings, Never, Failed, "the calling number is not verified for the account"),
    code(21_211, Recipient(Unknown), Never, Bounced, "the recipient's number is not valid"),
    code(21_212, Settings, Never, Failed, "the sender is not a valid number"),
    code(21_213, Settings, Never, Failed, "the calling number is missing"),
    code(21_214, Recipient(NoRoute), Never, Failed, "the number cannot be reached"),
    code(21_215, Forbidden, Never, Failed, "calls to this region are not allowed in the account"),
    code(21_217, Recipient(Unknown), Never, Bounced, "the recipient's number is not valid"),
    code(21_408, Forbidden, Never, Failed, "messages to this region are not allowed in the account"),
    code(21_603, Settings, Never, Failed, "the sender is missing"),
    code(21_606, Settings, Never, Failed, "the sender is not a number of the account that can send messages"),
    code(21_608, Forbidden, Never, Failed, "a trial account sends to verified numbers alone"),
    code(21_610, Recipient(OptedOut), Never, Failed, "the recipient has opted out"),
    code(21_611, Throttled, BackOff, Failed, "the sender's queue is full"),
    code(21_612, Recipient(NoRoute), Never, Failed, "the recipient cannot be reached from this sender"),
    code(21_614, Recipient(NotMobile), Never, Bounced, "the recipient's number takes no text messages"),
    code(21_617, Refused, Never, Failed, "the text is longer than 1600 characters"),
    code(21_656, Refused, Never, Failed, "the variables of the template are not valid"),
    code(21_705, Settings, Never, Failed, "there is no such messaging service"),
    code(21_910, Refused, Never, Failed, "sender and recipient are not of the same channel"),
    code(30_001, Throttled, BackOff, Failed, "the queue is full"),
    code(30_002, Forbidden, Never, Failed, "the account is suspended"),
    code(30_003, Recipient(Temporary), BackOff, Failed, "the handset cannot be reached"),
    code(30_004, BY_RECIPIENT, Never, Blocked, "blocked by the recipient or their carrier"),
    code(30_005, Recipient(Unknown), Never, Bounced, "the number is not known"),
    code(30_006, Recipient(NotMobile), Never, Bounced, "a landline, or a carrier that cannot be reached"),
    code(30_007, Refused, Never, Blocked, "a carrier took it for spam"),
    code(30_008, Unavailable, BackOff, Failed, "the carrier does not say why"),
    code(30_022, Throttled, BackOff, Failed, "the carriers' rate limit (A2P) is reached"),
    code(30_023, Throttled, DAY, Failed, "the carriers' limit of the day (A2P) is reached"),
    code(30_032, Forbidden, Never, Blocked, "the toll-free number is not verified"),
    code(30_034, Forbidden, Never, Blocked, "the number is not registered with the carriers (A2P 10DLC)"),
    code(30_410, Unavailable, BackOff, Failed, "the carrier did not answer in time"),
    code(63_003, Recipient(Unknown), Never, Bounced, "no such recipient in this channel"),
    code(63_007, Settings, Never, Failed, "the sender is not set up for this channel"),
    code(63_013, Refused, Never, Blocked, "against the channel's policy"),
    code(63_016, Refused, Never, Failed, "outside the 24 hours in which one may write freely: use a template"),
    code(63_018, Throttled, BackOff, Failed, "the channel's rate limit is reached"),
    code(63_024, Recipient(Unknown), Never, Bounced, "no such recipient in this channel"),
    code(63_032, Recipient(Temporary), DAY, Blocked, "WhatsApp limits what is sent to this recipient"),
    code(63_049, Recipient(Temporary), DAY, Blocked, "WhatsApp limits marketing to this recipient"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_once_and_in_order() {
        assert!(CODES.is_sorted_by(|left, right| left.code < right.code));
        assert_eq!(meaning(21_610).unwrap().fault(), Some(OptedOut));
        assert_eq!(meaning(30_007).unwrap().fault(), None);
        assert!(meaning(99_999).is_none());
    }
}
