//! Who may be written to.

use entity::{
    ConsentChannel, ConsentPurpose, ConsentState, MessageChannel, MessagePurpose, SuppressionReason,
};

use super::{MessageProblem, Refused};
use crate::outreach::delivery::Suppression;

/// The consent that a channel needs.
pub(in crate::outreach::delivery) const fn consent_channel(channel: MessageChannel) -> ConsentChannel {
    match channel {
        MessageChannel::Email => ConsentChannel::Email,
        MessageChannel::Sms => ConsentChannel::Sms,
        MessageChannel::Whatsapp => ConsentChannel::Whatsapp,
        MessageChannel::Voice => ConsentChannel::Voice,
    }
}

/// The consent that a purpose asks for.
pub(in crate::outreach::delivery) const fn consent_purpose(purpose: MessagePurpose) -> ConsentPurpose {
    match purpose {
        MessagePurpose::Marketing => ConsentPurpose::Marketing,
        MessagePurpose::Transactional => ConsentPurpose::Transactional,
    }
}

/// Whether an address may be written to for a purpose, as far as suppressions go. Who unsubscribed still gets what a contract
/// needs; the other reasons hold for all.
pub(in crate::outreach::delivery) fn suppressed(
    suppression: Option<&Suppression>,
    purpose: MessagePurpose,
) -> Result<(), Refused> {
    let Some(suppression) = suppression.filter(|suppression| suppression.lifted_at.is_none()) else {
        return Ok(());
    };
    if suppression.reason == SuppressionReason::Unsubscribed && purpose == MessagePurpose::Transactional {
        return Ok(());
    }
    let message = format!(
        "the address is not written to by {}: {} since {}",
        suppression.channel, suppression.reason, suppression.since
    );
    Err(Refused::new(MessageProblem::Suppressed, message))
}

/// Whether somebody may be written to for a purpose, by the word in force: marketing needs a yes, what a contract needs goes
/// unless there is a no.
pub(in crate::outreach::delivery) fn consented(
    word: Option<ConsentState>,
    purpose: MessagePurpose,
) -> Result<(), Refused> {
    match (word, purpose) {
        (Some(ConsentState::Granted), _)
        | (None | Some(ConsentState::Pending), MessagePurpose::Transactional) => Ok(()),
        (Some(state @ (ConsentState::Denied | ConsentState::Withdrawn)), _) => Err(Refused::new(
            MessageProblem::ConsentWithdrawn,
            format!("the consent to {purpose} messages is {state}"),
        )),
        (Some(ConsentState::Pending), MessagePurpose::Marketing) => Err(Refused::new(
            MessageProblem::ConsentMissing,
            "the consent to MARKETING messages is PENDING: the lead has not confirmed it yet",
        )),
        (None, MessagePurpose::Marketing) => Err(Refused::new(
            MessageProblem::ConsentMissing,
            "MARKETING needs a consent that was GRANTED, and none is known",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marketing_needs_a_yes_and_a_contract_no_no() {
        use ConsentState as C;
        use MessagePurpose::{Marketing, Transactional};
        let code = |word, purpose| consented(word, purpose).err().map(|refused| refused.code);
        for (word, marketing, transactional) in [
            (Some(C::Granted), None, None),
            (None, Some(MessageProblem::ConsentMissing), None),
            (Some(C::Pending), Some(MessageProblem::ConsentMissing), None),
            (
                Some(C::Denied),
                Some(MessageProblem::ConsentWithdrawn),
                Some(MessageProblem::ConsentWithdrawn),
            ),
            (
                Some(C::Withdrawn),
                Some(MessageProblem::ConsentWithdrawn),
                Some(MessageProblem::ConsentWithdrawn),
            ),
        ] {
            assert_eq!(
                (code(word, Marketing), code(word, Transactional)),
                (marketing, transactional),
                "{word:?}"
            );
        }
    }
}
