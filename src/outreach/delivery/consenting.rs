//! Who may be written to, and what people say about that.

use entity::id::LeadId;
use entity::{ConsentPurpose, ConsentState, MessageChannel, MessagePurpose, Timestamp};

use super::model::{Refused, consent_channel, consent_purpose, consented, suppressed};
use super::{store, suppressing};
use crate::db::Tx;
use crate::error::Error;
use crate::events;
use crate::leads::consent::{self, ConsentRecord, NewConsent};

/// Whether an address, and the lead behind it, may be written to for a purpose, as things stand within the transaction.
pub(super) async fn permitted(
    tx: &Tx,
    lead: Option<LeadId>,
    channel: MessageChannel,
    address: &str,
    purpose: MessagePurpose,
) -> Result<Result<(), Refused>, Error> {
    let digest = suppressing::digest(channel, address);
    let suppression = store::suppression_of(tx, channel, &digest).await?;
    if let Err(refused) = suppressed(suppression.as_ref(), purpose) {
        return Ok(Err(refused));
    }
    let word = match lead {
        Some(lead) => in_force(tx, lead, channel)
            .await?
            .into_iter()
            .find(|word| word.purpose == consent_purpose(purpose))
            .map(|word| word.state),
        None => None,
    };
    Ok(consented(word, purpose))
}

async fn in_force(tx: &Tx, lead: LeadId, channel: MessageChannel) -> Result<Vec<ConsentRecord>, Error> {
    let mut words = consent::in_force_within(tx, &[lead]).await?;
    let mut words = words.remove(&lead).unwrap_or_default();
    words.retain(|word| word.channel == consent_channel(channel));
    Ok(words)
}

/// A word of a lead about a channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    /// Whose.
    pub lead: LeadId,
    /// About which channel.
    pub channel: MessageChannel,
    /// When it was said.
    pub at: Timestamp,
    /// Where it was said.
    pub source: &'a str,
    /// Who says so here.
    pub actor: &'a str,
}

/// Takes consent back: to marketing, and, where all is meant, to what a contract needs, if that had been given.
pub(super) async fn withdraw(tx: &Tx, now: Timestamp, word: Word<'_>, all: bool) -> Result<(), Error> {
    let mut purposes = vec![ConsentPurpose::Marketing];
    if all {
        let given = in_force(tx, word.lead, word.channel).await?;
        let is_given = |given: &ConsentRecord| {
            given.purpose == ConsentPurpose::Transactional && given.state == ConsentState::Granted
        };
        if given.iter().any(is_given) {
            purposes.push(ConsentPurpose::Transactional);
        }
    }
    record(tx, now, word, &purposes, ConsentState::Withdrawn).await
}

/// Gives back what was withdrawn before.
pub(super) async fn give_back(tx: &Tx, now: Timestamp, word: Word<'_>) -> Result<(), Error> {
    let purposes: Vec<ConsentPurpose> = in_force(tx, word.lead, word.channel)
        .await?
        .into_iter()
        .filter(|before| before.state == ConsentState::Withdrawn)
        .map(|before| before.purpose)
        .collect();
    record(tx, now, word, &purposes, ConsentState::Granted).await
}

async fn record(
    tx: &Tx,
    now: Timestamp,
    word: Word<'_>,
    purposes: &[ConsentPurpose],
    state: ConsentState,
) -> Result<(), Error> {
    if purposes.is_empty() {
        return Ok(());
    }
    let words: Vec<NewConsent> = purposes
        .iter()
        .map(|purpose| NewConsent {
            lead_id: word.lead,
            channel: consent_channel(word.channel),
            purpose: *purpose,
            state,
            at: Some(word.at),
            source: Some(word.source.to_owned()),
            wording: None,
            ip: None,
            user_agent: None,
        })
        .collect();
    let recorded = consent::record_many(tx, word.actor, now, &words).await?;
    Ok(events::append(tx, word.actor, now, recorded.events).await?)
}
