//! What a word about a consent is, and which one is in force.

use std::net::IpAddr;

use entity::id::{ConsentId, LeadId};
use entity::{ConsentChannel, ConsentPurpose, ConsentState, Timestamp};
use uuid::Uuid;

use super::{Consent, ConsentRecord};
use crate::leads::text::{block, line};

/// Longest source, in characters.
const MOST_SOURCE: usize = 200;
/// Longest wording, in characters.
const MOST_WORDING: usize = 5_000;
/// Longest user agent, in characters.
const MOST_USER_AGENT: usize = 500;
/// How far a moment may lie ahead of this machine's clock, in seconds.
const AHEAD: i64 = 300;

/// A word about a consent that is about to be recorded.
#[derive(Clone, Debug)]
pub struct NewConsent {
    /// The lead.
    pub lead_id: LeadId,
    /// For which channel.
    pub channel: ConsentChannel,
    /// For what.
    pub purpose: ConsentPurpose,
    /// Given or not.
    pub state: ConsentState,
    /// When it was said; now when not given.
    pub at: Option<Timestamp>,
    /// Where: form, import, call …
    pub source: Option<String>,
    /// The text that was agreed to.
    pub wording: Option<String>,
    /// From which address.
    pub ip: Option<String>,
    /// With which browser.
    pub user_agent: Option<String>,
}

/// What is wrong with a new word: which field, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentFault {
    /// The field, as GraphQL calls it.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Checks a new word and makes it a row of the history.
pub(super) fn checked(
    new: &NewConsent,
    id: ConsentId,
    actor: &str,
    now: Timestamp,
) -> Result<ConsentRecord, ConsentFault> {
    let NewConsent {
        lead_id,
        channel,
        purpose,
        state,
        at,
        source,
        wording,
        ip,
        user_agent,
    } = new;
    let at = at.unwrap_or(now);
    if at > now.plus_seconds(AHEAD) {
        let message = format!("{at} lies in the future; a consent is recorded once it was said");
        return Err(ConsentFault { field: "at", message });
    }
    let source = optional("source", source.as_deref(), |text| {
        line("the source", text, MOST_SOURCE)
    })?;
    let wording = optional("wording", wording.as_deref(), |text| {
        block("the wording", text, MOST_WORDING)
    })?;
    let ip = optional("ip", ip.as_deref(), |text| {
        text.trim()
            .parse::<IpAddr>()
            .map(|ip| ip.to_string())
            .map_err(|_| {
                let given: String = text.chars().take(48).collect();
                format!("`{given}` is not an IP address such as `203.0.113.7` or `2001:db8::7`")
            })
    })?;
    let user_agent = optional("userAgent", user_agent.as_deref(), |text| {
        line("the user agent", text, MOST_USER_AGENT)
    })?;
    let mut record = ConsentRecord {
        id,
        lead_id: *lead_id,
        channel: *channel,
        purpose: *purpose,
        state: *state,
        at,
        source,
        wording,
        ip,
        user_agent,
        fingerprint: Uuid::nil(),
        recorded_by: actor.to_owned(),
        recorded_at: now,
    };
    record.fingerprint = fingerprint(&record);
    Ok(record)
}

fn optional(
    field: &'static str,
    text: Option<&str>,
    check: impl Fn(&str) -> Result<String, String>,
) -> Result<Option<String>, ConsentFault> {
    text.filter(|text| !text.trim().is_empty())
        .map(check)
        .transpose()
        .map_err(|message| ConsentFault { field, message })
}

/// A hash of what was said, when, and the proof: by it the same word read twice is one row. Who recorded it, and when,
/// is no part of it.
fn fingerprint(record: &ConsentRecord) -> Uuid {
    let mut hasher = blake3::Hasher::new();
    let at = record.at.micros().to_string();
    for part in [
        Some(record.channel.as_str()),
        Some(record.purpose.as_str()),
        Some(record.state.as_str()),
        Some(at.as_str()),
        record.source.as_deref(),
        record.wording.as_deref(),
        record.ip.as_deref(),
        record.user_agent.as_deref(),
    ] {
        // With its length, so that no two lists of parts run into the same bytes.
        let length = part.map_or(u64::MAX, |part| part.len() as u64);
        hasher.update(&length.to_le_bytes());
        hasher.update(part.unwrap_or_default().as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Uuid::from_bytes(bytes)
}

/// The consent in force once a further word has been recorded: the newest by the moment it was said; of two said in the
/// same moment, the one recorded last.
pub(super) fn after(current: Option<&Consent>, word: &ConsentRecord) -> Option<Consent> {
    let takes_over = current.is_none_or(|current| word.at >= current.at);
    takes_over.then_some(Consent {
        lead_id: word.lead_id,
        channel: word.channel,
        purpose: word.purpose,
        state: word.state,
        at: word.at,
        record_id: word.id,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(at: i64, state: ConsentState) -> ConsentRecord {
        let at = Timestamp::from_micros(at);
        let new = NewConsent {
            lead_id: LeadId(Uuid::nil()),
            channel: ConsentChannel::Email,
            purpose: ConsentPurpose::Marketing,
            state,
            at: Some(at),
            source: None,
            wording: None,
            ip: None,
            user_agent: None,
        };
        checked(&new, ConsentId::at(at), "system", at).expect("well formed")
    }

    fn in_force(words: &[ConsentRecord]) -> Option<Consent> {
        words
            .iter()
            .fold(None, |current, word| after(current.as_ref(), word).or(current))
    }

    #[test]
    fn a_withdrawal_said_earlier_and_heard_later_does_not_undo_a_grant() {
        let granted = said(20, ConsentState::Granted);
        let withdrawn = said(10, ConsentState::Withdrawn);
        let state = |words: &[ConsentRecord]| in_force(words).map(|consent| consent.state);
        assert_eq!(
            state(&[granted.clone(), withdrawn.clone()]),
            Some(ConsentState::Granted)
        );
        assert_eq!(state(&[withdrawn, granted]), Some(ConsentState::Granted));
        let same = [said(5, ConsentState::Granted), said(5, ConsentState::Withdrawn)];
        assert_eq!(state(&same), Some(ConsentState::Withdrawn));
    }

    #[test]
    fn faults_name_the_field() {
        let now = Timestamp::from_micros(0);
        let base = NewConsent {
            lead_id: LeadId(Uuid::nil()),
            channel: ConsentChannel::Email,
            purpose: ConsentPurpose::Marketing,
            state: ConsentState::Granted,
            at: None,
            source: Some(" Form ".into()),
            wording: None,
            ip: Some("2001:DB8:0:0::7".into()),
            user_agent: Some(" ".into()),
        };
        let check = |new: &NewConsent| checked(new, ConsentId(Uuid::nil()), "system", now);
        let record = check(&base).expect("well formed");
        assert_eq!(
            (
                record.source.as_deref(),
                record.ip.as_deref(),
                record.user_agent,
                record.at
            ),
            (Some("Form"), Some("2001:db8::7"), None, now)
        );
        let fault = |new: NewConsent| check(&new).expect_err("malformed");
        assert_eq!(
            fault(NewConsent {
                ip: Some("1.2.3".into()),
                ..base.clone()
            }),
            ConsentFault {
                field: "ip",
                message: "`1.2.3` is not an IP address such as `203.0.113.7` or `2001:db8::7`".into()
            }
        );
        assert_eq!(
            fault(NewConsent {
                at: Some(now.plus_seconds(301)),
                ..base
            }),
            ConsentFault {
                field: "at",
                message: "1970-01-01T00:05:01Z lies in the future; a consent is recorded once it was said"
                    .into()
            }
        );
    }

    #[test]
    fn the_fingerprint_is_of_the_word_and_not_of_its_recording() {
        let one = said(5, ConsentState::Granted);
        let again = ConsentRecord {
            recorded_by: "operator".into(),
            ..said(5, ConsentState::Granted)
        };
        assert_eq!(one.fingerprint, again.fingerprint);
        assert_ne!(one.fingerprint, said(5, ConsentState::Denied).fingerprint);
        let moved = |source: Option<&str>, wording: Option<&str>| {
            let mut record = one.clone();
            record.source = source.map(str::to_owned);
            record.wording = wording.map(str::to_owned);
            fingerprint(&record)
        };
        assert_ne!(moved(Some("ab"), Some("c")), moved(Some("a"), Some("bc")));
        assert_ne!(moved(Some("a"), None), moved(None, Some("a")));
    }

    proptest! {
        #[test]
        fn the_newest_word_is_in_force_whatever_the_order(
            words in proptest::collection::vec((0..1_000_i64, 0..4_usize), 1..12),
            seed in any::<u64>(),
        ) {
            // Each moment once: of two in one moment the order of recording decides, which is another rule.
            let mut words: Vec<_> = words
                .into_iter()
                .collect::<std::collections::BTreeMap<_, _>>()
                .into_iter()
                .map(|(at, state)| said(at, ConsentState::ALL[state]))
                .collect();
            let newest = words.last().map(|word| (word.id, word.state)).expect("there is one");
            let mut shuffle = seed;
            words.sort_by_key(|_| {
                shuffle = shuffle.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                shuffle >> 32
            });
            let found = in_force(&words).map(|consent| (consent.record_id, consent.state));
            prop_assert_eq!(found, Some(newest));
        }
    }
}
