//! What becomes of a message, and what follows from it.

use entity::{
    Channel, EngagementType, MessageChannel, MessageState, MessageStep, SuppressionReason, Timestamp,
};
use integrations::RecipientFault;
use integrations::facet::{self, DeliveryState};
use serde::{Deserialize, Serialize};

/// A channel, as platforms know it.
pub(in crate::outreach::delivery) const fn theirs(channel: MessageChannel) -> facet::Channel {
    match channel {
        MessageChannel::Email => facet::Channel::Email,
        MessageChannel::Sms => facet::Channel::Sms,
        MessageChannel::Whatsapp => facet::Channel::WhatsApp,
        MessageChannel::Voice => facet::Channel::Voice,
    }
}

/// A channel of a platform, as ours.
pub(in crate::outreach::delivery) const fn ours(channel: facet::Channel) -> MessageChannel {
    match channel {
        facet::Channel::Email => MessageChannel::Email,
        facet::Channel::Sms => MessageChannel::Sms,
        facet::Channel::WhatsApp => MessageChannel::Whatsapp,
        facet::Channel::Voice => MessageChannel::Voice,
    }
}

/// The channel of an engagement.
pub(in crate::outreach::delivery) const fn engagement_channel(channel: MessageChannel) -> Channel {
    match channel {
        MessageChannel::Email => Channel::Email,
        MessageChannel::Sms => Channel::Sms,
        MessageChannel::Whatsapp => Channel::Whatsapp,
        MessageChannel::Voice => Channel::Voice,
    }
}

/// How far a state is. What happens later or tells more ranks higher, and a message only ever goes up: so the order in which
/// things are told does not matter. A platform's word that something arrived counts more than ours that it failed.
pub(in crate::outreach::delivery) const fn rank(state: MessageState) -> u8 {
    match state {
        MessageState::Queued => 0,
        MessageState::Sending => 1,
        MessageState::Unknown => 2,
        MessageState::Sent => 3,
        MessageState::Deferred => 4,
        MessageState::Failed => 5,
        MessageState::Blocked => 6,
        MessageState::Delivered => 7,
        MessageState::Bounced => 8,
        MessageState::Received => 9,
    }
}

/// The state that a step leads to; none for what only adds to the history.
pub(in crate::outreach::delivery) const fn state_of(step: MessageStep) -> Option<MessageState> {
    Some(match step {
        MessageStep::Queued => MessageState::Queued,
        MessageStep::Sending => MessageState::Sending,
        MessageStep::Unknown => MessageState::Unknown,
        MessageStep::Sent => MessageState::Sent,
        MessageStep::Deferred => MessageState::Deferred,
        MessageStep::Failed => MessageState::Failed,
        MessageStep::Blocked => MessageState::Blocked,
        MessageStep::Delivered => MessageState::Delivered,
        MessageStep::Bounced => MessageState::Bounced,
        MessageStep::Received => MessageState::Received,
        MessageStep::Opened
        | MessageStep::Clicked
        | MessageStep::Complained
        | MessageStep::Unsubscribed
        | MessageStep::Resubscribed
        | MessageStep::Replied => return None,
    })
}

/// The state after a step.
pub(in crate::outreach::delivery) const fn after(state: MessageState, step: MessageStep) -> MessageState {
    match state_of(step) {
        Some(next) if rank(next) > rank(state) => next,
        _ => state,
    }
}

/// What a platform tells, as a step of ours.
pub(in crate::outreach::delivery) const fn step_of(state: DeliveryState) -> MessageStep {
    match state {
        DeliveryState::Queued | DeliveryState::Sent => MessageStep::Sent,
        DeliveryState::Delivered => MessageStep::Delivered,
        DeliveryState::Deferred => MessageStep::Deferred,
        DeliveryState::Bounced => MessageStep::Bounced,
        DeliveryState::Blocked => MessageStep::Blocked,
        DeliveryState::Failed | DeliveryState::NoAnswer | DeliveryState::Busy => MessageStep::Failed,
        DeliveryState::Opened => MessageStep::Opened,
        DeliveryState::Clicked => MessageStep::Clicked,
        DeliveryState::Complained => MessageStep::Complained,
        DeliveryState::Unsubscribed => MessageStep::Unsubscribed,
        DeliveryState::Resubscribed => MessageStep::Resubscribed,
    }
}

/// What is wrong with a recipient, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::outreach::delivery) enum Fault {
    /// No such address or number.
    Unknown,
    /// They asked not to be written to.
    OptedOut,
    /// Anything else.
    Other,
}

impl From<RecipientFault> for Fault {
    fn from(fault: RecipientFault) -> Self {
        match fault {
            RecipientFault::Unknown => Self::Unknown,
            RecipientFault::OptedOut => Self::OptedOut,
            RecipientFault::NotMobile
            | RecipientFault::Blocked
            | RecipientFault::Temporary
            | RecipientFault::NoRoute => Self::Other,
        }
    }
}

/// Why an address is to be written to no more after a step; none when it may be.
pub(in crate::outreach::delivery) const fn suppression_after(
    channel: MessageChannel,
    step: MessageStep,
    fault: Option<Fault>,
) -> Option<SuppressionReason> {
    let is_mail = matches!(channel, MessageChannel::Email);
    match (step, fault) {
        (MessageStep::Complained, _) => Some(SuppressionReason::Complaint),
        (MessageStep::Unsubscribed, _) => Some(SuppressionReason::Unsubscribed),
        (MessageStep::Bounced, None | Some(Fault::Unknown)) | (MessageStep::Failed, Some(Fault::Unknown))
            if is_mail =>
        {
            Some(SuppressionReason::HardBounce)
        }
        (MessageStep::Bounced | MessageStep::Failed | MessageStep::Blocked, Some(Fault::OptedOut)) => {
            Some(if is_mail {
                SuppressionReason::Unsubscribed
            } else {
                SuppressionReason::Stop
            })
        }
        _ => None,
    }
}

/// What a step is as an engagement of the lead; what was delivered was also sent.
pub(in crate::outreach::delivery) const fn engagements_of(
    channel: MessageChannel,
    step: MessageStep,
) -> &'static [EngagementType] {
    use EngagementType as T;
    match (channel, step) {
        (MessageChannel::Email, MessageStep::Sent) => &[T::EmailSent],
        (MessageChannel::Email, MessageStep::Delivered) => &[T::EmailSent, T::EmailDelivered],
        (MessageChannel::Email, MessageStep::Bounced) => &[T::EmailBounced],
        (MessageChannel::Email, MessageStep::Opened) => &[T::EmailOpened],
        (MessageChannel::Email, MessageStep::Clicked) => &[T::EmailClicked],
        (MessageChannel::Email, MessageStep::Complained) => &[T::EmailComplained],
        (MessageChannel::Email, MessageStep::Unsubscribed) => &[T::EmailUnsubscribed],
        (MessageChannel::Sms, MessageStep::Sent) => &[T::SmsSent],
        (MessageChannel::Sms, MessageStep::Delivered) => &[T::SmsSent, T::SmsDelivered],
        (MessageChannel::Whatsapp, MessageStep::Sent | MessageStep::Delivered) => &[T::WhatsappSent],
        (MessageChannel::Sms | MessageChannel::Whatsapp, MessageStep::Clicked) => &[T::LinkClicked],
        (MessageChannel::Voice, MessageStep::Sent) => &[T::CallMade],
        (MessageChannel::Voice, MessageStep::Delivered) => &[T::CallMade, T::CallAnswered],
        _ => &[],
    }
}

/// What an answer is as an engagement.
pub(in crate::outreach::delivery) const fn reply_of(channel: MessageChannel) -> EngagementType {
    match channel {
        MessageChannel::Email => EngagementType::EmailReplied,
        MessageChannel::Sms => EngagementType::SmsReplied,
        MessageChannel::Whatsapp => EngagementType::WhatsappReplied,
        MessageChannel::Voice => EngagementType::CallAnswered,
    }
}

/// When something happened, as it is told: nothing after it was told.
pub(in crate::outreach::delivery) fn moment(told: Option<Timestamp>, arrived: Timestamp) -> Timestamp {
    told.filter(|at| *at <= arrived && *at > Timestamp(0))
        .unwrap_or(arrived)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEPS: &[MessageStep] = &[
        MessageStep::Sent,
        MessageStep::Deferred,
        MessageStep::Failed,
        MessageStep::Blocked,
        MessageStep::Delivered,
        MessageStep::Bounced,
        MessageStep::Opened,
        MessageStep::Clicked,
        MessageStep::Unknown,
    ];

    proptest! {
        #[test]
        fn the_state_is_the_same_whatever_the_order_and_however_often(
            picked in proptest::collection::vec(0..STEPS.len(), 0..12),
            seed in any::<u64>(),
        ) {
            let fold = |picked: &[usize]| picked.iter().fold(MessageState::Sending, |state, at| after(state, STEPS[*at]));
            let mut other = picked.clone();
            other.extend(picked.iter().take(3).copied().collect::<Vec<_>>());
            let mut shuffle = seed;
            other.sort_by_key(|_| {
                shuffle = shuffle.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                shuffle >> 32
            });
            prop_assert_eq!(fold(&picked), fold(&other));
        }

        #[test]
        fn a_message_never_goes_back(from in 0..MessageState::ALL.len(), step in 0..MessageStep::ALL.len()) {
            let from = MessageState::ALL[from];
            prop_assert!(rank(after(from, MessageStep::ALL[step])) >= rank(from));
        }
    }

    #[test]
    fn hard_bounces_complaints_and_opt_outs_suppress() {
        use MessageChannel::{Email, Sms};
        use SuppressionReason as R;
        let after = suppression_after;
        assert_eq!(after(Email, MessageStep::Bounced, None), Some(R::HardBounce));
        assert_eq!(after(Email, MessageStep::Bounced, Some(Fault::Other)), None);
        assert_eq!(after(Sms, MessageStep::Failed, Some(Fault::Unknown)), None);
        assert_eq!(
            after(Sms, MessageStep::Blocked, Some(Fault::OptedOut)),
            Some(R::Stop)
        );
        assert_eq!(after(Email, MessageStep::Complained, None), Some(R::Complaint));
        assert_eq!(after(Email, MessageStep::Delivered, None), None);
    }
}
