//! What is done about a message that was not taken, or of which that is not known.

use entity::MessageStep;
use integrations::{Error as PlatformError, Kind, RecipientFault, Retry};

/// How often a message is tried that was surely not taken.
const MOST_ATTEMPTS: i32 = 6;
/// Seconds until the next attempt, by the number of those before.
const WAITS: [i64; 5] = [10, 60, 300, 1_800, 7_200];
/// Seconds until the platform is asked again what became of a message; then it is left to its webhooks and to people.
const ASKING: [i64; 4] = [60, 600, 3_600, 21_600];
/// A message that could not be handed over so long after it was queued is given up, in seconds: three days.
pub const GOOD_FOR_SECONDS: i64 = 3 * 86_400;
/// What a platform does not know so long after it was handed over was not taken, in seconds.
pub const KNOWN_AFTER_SECONDS: i64 = 60;

/// What is done about a message that was surely not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::outreach::delivery) enum Next {
    /// It is tried again after so many seconds.
    Again(i64),
    /// Nothing is handed over by this connection and channel for so many seconds; this one too is tried again.
    Pause(i64),
    /// It is given up, as this.
    End(MessageStep),
    /// Nobody knows whether it was taken after all.
    Unknown,
}

/// What is done about a failure, after so many attempts.
pub(in crate::outreach::delivery) fn next(error: &PlatformError, attempts: i32) -> Next {
    let tried = usize::try_from(attempts.max(1) - 1).unwrap_or_default();
    let own = WAITS[tried.min(WAITS.len() - 1)];
    let told = match error.retry {
        Retry::After(time) => Some(
            i64::try_from(time.as_secs() + u64::from(time.subsec_nanos() > 0))
                .unwrap_or(i64::MAX)
                .clamp(1, 21_600),
        ),
        _ => None,
    };
    let again = |wait: i64, connection: bool| {
        if connection {
            // Nobody's fault among the messages: they wait, and are not counted up.
            Next::Pause(wait)
        } else if attempts >= MOST_ATTEMPTS {
            Next::End(MessageStep::Failed)
        } else {
            Next::Again(wait)
        }
    };
    match error.kind {
        Kind::OutcomeUnknown => Next::Unknown,
        Kind::Recipient(RecipientFault::Unknown) => Next::End(MessageStep::Bounced),
        Kind::Recipient(RecipientFault::OptedOut | RecipientFault::Blocked) => {
            Next::End(MessageStep::Blocked)
        }
        Kind::Recipient(RecipientFault::NotMobile | RecipientFault::NoRoute)
        | Kind::Refused
        | Kind::NotFound
        | Kind::Unsupported
        | Kind::Forbidden
        | Kind::Settings
        | Kind::Signature => Next::End(MessageStep::Failed),
        // Until its owner has mended it.
        Kind::Unauthorised | Kind::Revoked => again(60, true),
        Kind::OutOfFunds => again(told.unwrap_or(900), true),
        Kind::Throttled => again(told.unwrap_or(10), true),
        Kind::Unavailable | Kind::Unreachable => again(told.unwrap_or(own), true),
        Kind::Recipient(RecipientFault::Temporary) | Kind::TimedOut | Kind::Cut | Kind::Malformed => {
            again(told.unwrap_or(own), false)
        }
    }
}

/// Seconds until the platform is asked again what became of a message, after so many times; none: no more.
pub(in crate::outreach::delivery) fn ask_again(asked: i32) -> Option<i64> {
    ASKING.get(usize::try_from(asked).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn failures_of_the_connection_pause_it_and_those_of_a_message_are_bounded() {
        let error = |kind| PlatformError::new(kind, "x");
        let wait = Retry::After(Duration::from_millis(7_500));
        assert_eq!(next(&error(Kind::Throttled).retry(wait), 1), Next::Pause(8));
        assert_eq!(next(&error(Kind::Unreachable), 9), Next::Pause(7_200));
        assert_eq!(
            next(&error(Kind::Recipient(RecipientFault::Temporary)), 1),
            Next::Again(10)
        );
        assert_eq!(
            next(&error(Kind::Recipient(RecipientFault::Temporary)), MOST_ATTEMPTS),
            Next::End(MessageStep::Failed)
        );
        assert_eq!(next(&error(Kind::OutcomeUnknown), 1), Next::Unknown);
        assert_eq!(next(&error(Kind::Refused), 1), Next::End(MessageStep::Failed));
    }
}
