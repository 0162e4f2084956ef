//! What becomes of a delivery: consent, hindrances, when it is tried again.

use entity::{
    ConsentChannel, ConsentPurpose, ConsentState, ConversionDeliveryState, Timestamp, UnknownConsent,
};
use integrations::facet::AdConsent;
use integrations::{Error, Kind, Retry};

use crate::leads::consent::ConsentRecord;
use crate::platforms::conversions::ConversionDelivery;

/// A delivery is tried at most so often.
const MOST_ATTEMPTS: i32 = 12;
/// Longest wait between two tries, in seconds.
const LONGEST_SECONDS: i64 = 3_600;

/// Whether a lead lets advertisers have their data: one who has said no to any of it has said no.
pub(in super::super) fn consent(words: &[ConsentRecord], unknown: UnknownConsent) -> AdConsent {
    let said = words.iter().filter(|word| {
        word.channel == ConsentChannel::Ads
            && matches!(
                word.purpose,
                ConsentPurpose::Marketing | ConsentPurpose::ThirdParty
            )
    });
    let states: Vec<ConsentState> = said.map(|word| word.state).collect();
    if states
        .iter()
        .any(|state| matches!(state, ConsentState::Denied | ConsentState::Withdrawn))
    {
        AdConsent::Denied
    } else if states.contains(&ConsentState::Granted) {
        AdConsent::Granted
    } else if !states.is_empty() {
        // Asked, and not answered yet: whether it is needed is no question any more.
        AdConsent::Unknown
    } else {
        match unknown {
            UnknownConsent::Withhold => AdConsent::Unknown,
            UnknownConsent::NotRequired => AdConsent::NotRequired,
        }
    }
}

/// Why a delivery is not told, or not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Stop {
    /// The platform has it.
    Sent,
    /// The lead has said no.
    Denied,
    /// It is not known what the lead says.
    Unknown,
    /// The platform's own words.
    Refused(String),
    /// It is older than this many days.
    TooOld(i64),
    /// The conversion was called off or given back.
    Reversed,
    /// The lead is deleted.
    LeadGone,
    /// The lead's data was erased.
    Erased,
    /// The conversion is not there.
    ConversionGone,
    /// It failed as often as is sensible.
    GivenUp(Error),
}

impl Stop {
    /// What the row says then.
    pub(in super::super) fn put(self, row: &mut ConversionDelivery, now: Timestamp) {
        use ConversionDeliveryState as State;
        let (state, kind, words) = match self {
            Self::Sent => {
                row.sent_at = Some(now);
                (State::Sent, None, None)
            }
            Self::Denied => (
                State::Withheld,
                Some("CONSENT_DENIED"),
                Some("the lead does not let advertisers have their data (consent ADS)".to_owned()),
            ),
            Self::Unknown => (
                State::Withheld,
                Some("CONSENT_UNKNOWN"),
                Some(
                    "it is not known whether the lead lets advertisers have their data (consent ADS)"
                        .to_owned(),
                ),
            ),
            Self::Refused(words) => (State::Refused, Some("REFUSED"), Some(words)),
            Self::TooOld(days) => (
                State::Expired,
                Some("TOO_OLD"),
                Some(format!("the platform takes what is not older than {days} days")),
            ),
            Self::Reversed => (
                State::Cancelled,
                Some("REVERSED"),
                Some("the conversion was called off or given back before it was told".to_owned()),
            ),
            Self::LeadGone => (
                State::Cancelled,
                Some("LEAD_DELETED"),
                Some("the lead is deleted".to_owned()),
            ),
            Self::Erased => (
                State::Cancelled,
                Some("LEAD_ERASED"),
                Some("the lead's personal data was erased".to_owned()),
            ),
            Self::ConversionGone => (
                State::Cancelled,
                Some("CONVERSION_GONE"),
                Some("the conversion is not there any more".to_owned()),
            ),
            Self::GivenUp(error) => (State::Failed, Some(error.kind.name()), Some(error.message)),
        };
        row.state = state;
        row.problem_kind = kind.map(str::to_owned);
        // A text of a platform, for a database that knows no NUL.
        row.problem = words.map(|words| words.replace('\0', "").chars().take(1_000).collect());
        row.due_at = None;
        row.updated_at = now;
    }
}

/// What follows when the platform failed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Next {
    /// After so many seconds; `counts` as one of the tries that a delivery has.
    Again {
        /// Seconds.
        seconds: i64,
        /// Whether it is one of them.
        counts: bool,
    },
    /// Nothing any more.
    GiveUp,
}

/// When a delivery that was tried `attempts` times before is tried again. To tell again is harmless: an id counts once.
pub(in super::super) fn next_try(error: &Error, attempts: i32) -> Next {
    let back_off = || {
        if attempts + 1 >= MOST_ATTEMPTS {
            return Next::GiveUp;
        }
        let seconds = (10_i64 << attempts.clamp(0, 20)).min(LONGEST_SECONDS);
        Next::Again {
            seconds,
            counts: true,
        }
    };
    match (error.kind, error.retry) {
        // It is tried when the owner has mended the connection, however long that takes.
        (
            Kind::Unauthorised
            | Kind::Revoked
            | Kind::Settings
            | Kind::Forbidden
            | Kind::NotFound
            | Kind::OutOfFunds,
            _,
        ) => Next::Again {
            seconds: LONGEST_SECONDS,
            counts: false,
        },
        (_, Retry::After(time)) => Next::Again {
            seconds: i64::try_from(time.as_secs())
                .unwrap_or(i64::MAX)
                .clamp(1, 24 * LONGEST_SECONDS),
            counts: false,
        },
        (_, Retry::BackOff | Retry::Exhausted) => back_off(),
        (Kind::Malformed | Kind::Cut | Kind::TimedOut | Kind::OutcomeUnknown, Retry::Never) => back_off(),
        (_, Retry::Never) => Next::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use entity::id::{ConsentId, LeadId};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn word(channel: ConsentChannel, purpose: ConsentPurpose, state: ConsentState) -> ConsentRecord {
        ConsentRecord {
            id: ConsentId::at(Timestamp(1)),
            lead_id: LeadId::at(Timestamp(1)),
            channel,
            purpose,
            state,
            at: Timestamp(1),
            source: None,
            wording: None,
            ip: None,
            user_agent: None,
            fingerprint: Uuid::nil(),
            recorded_by: "system".into(),
            recorded_at: Timestamp(1),
        }
    }

    #[test]
    fn who_said_nothing_is_withheld_unless_no_law_wants_it_asked() {
        use ConsentChannel::{Ads, Email};
        use ConsentPurpose::{Marketing, ThirdParty, Transactional};
        use ConsentState::{Denied, Granted, Pending, Withdrawn};
        let [withhold, free] = [UnknownConsent::Withhold, UnknownConsent::NotRequired];
        assert_eq!(consent(&[], withhold), AdConsent::Unknown);
        assert_eq!(consent(&[], free), AdConsent::NotRequired);
        let letters = [word(Email, Marketing, Granted), word(Ads, Transactional, Granted)];
        assert_eq!(
            consent(&letters, withhold),
            AdConsent::Unknown,
            "letters are no advertisements"
        );
        assert_eq!(
            consent(&[word(Ads, Marketing, Pending)], free),
            AdConsent::Unknown,
            "asked, not answered"
        );
        for unknown in [withhold, free] {
            assert_eq!(
                consent(&[word(Ads, Marketing, Granted)], unknown),
                AdConsent::Granted
            );
            assert_eq!(
                consent(&[word(Ads, ThirdParty, Granted)], unknown),
                AdConsent::Granted
            );
            assert_eq!(
                consent(&[word(Ads, Marketing, Withdrawn)], unknown),
                AdConsent::Denied
            );
            let both = [word(Ads, Marketing, Granted), word(Ads, ThirdParty, Denied)];
            assert_eq!(consent(&both, unknown), AdConsent::Denied);
        }
    }

    #[test]
    fn what_a_platform_says_of_coming_again_is_kept_to() {
        let error = |kind, retry| Error::new(kind, "x").retry(retry);
        let again = |seconds, counts| Next::Again { seconds, counts };
        let day = Duration::from_secs(3 * 86_400);
        assert_eq!(
            next_try(&error(Kind::Throttled, Retry::After(Duration::from_secs(60))), 3),
            again(60, false)
        );
        assert_eq!(
            next_try(&error(Kind::Throttled, Retry::After(day)), 3),
            again(86_400, false)
        );
        assert_eq!(
            next_try(&error(Kind::Unavailable, Retry::BackOff), 0),
            again(10, true)
        );
        assert_eq!(
            next_try(&error(Kind::Unavailable, Retry::Exhausted), 4),
            again(160, true)
        );
        assert_eq!(
            next_try(&error(Kind::Malformed, Retry::Never), 0),
            again(10, true)
        );
        assert_eq!(
            next_try(&error(Kind::Unauthorised, Retry::Never), 11),
            again(3_600, false)
        );
        assert_eq!(
            next_try(&error(Kind::Settings, Retry::Never), 11),
            again(3_600, false)
        );
        assert_eq!(next_try(&error(Kind::Refused, Retry::Never), 0), Next::GiveUp);
        assert_eq!(
            next_try(&error(Kind::Unavailable, Retry::BackOff), 11),
            Next::GiveUp
        );
    }

    proptest! {
        #[test]
        fn a_platform_that_never_works_is_given_up_within_a_day(start in 0..12_i32) {
            let error = Error::new(Kind::Unavailable, "x");
            let (mut attempts, mut waited) = (start, 0);
            while let Next::Again { seconds, counts } = next_try(&error, attempts) {
                prop_assert!(counts && (10..=3_600).contains(&seconds));
                attempts += 1;
                waited += seconds;
            }
            prop_assert!(attempts < 12 && waited < 86_400);
        }
    }
}
