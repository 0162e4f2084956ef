//! What each type of engagement means for the rules that build on it.

use entity::{Channel, EngagementType};

/// Whether the lead itself acted, and acted with interest: what scores, keeps a lead from decaying and makes a day
/// an active one.
///
/// Not inbound: what we or a platform did (sent, delivered, a call placed, an ad shown) and what speaks against
/// interest (bounces, complaints, unsubscribes). A custom engagement counts as the lead's own act, as that is what
/// integrators record with it.
#[must_use]
pub const fn is_inbound(kind: EngagementType) -> bool {
    use EngagementType as T;
    match kind {
        T::EmailOpened
        | T::EmailClicked
        | T::EmailReplied
        | T::SmsReplied
        | T::WhatsappReplied
        | T::CallAnswered
        | T::FormSubmitted
        | T::PageViewed
        | T::LinkClicked
        | T::ContentDownloaded
        | T::MeetingScheduled
        | T::CheckoutStarted
        | T::PurchaseMade
        | T::AdClicked
        | T::SocialInteraction
        | T::ChatMessage
        | T::Custom => true,
        T::EmailSent
        | T::EmailDelivered
        | T::EmailBounced
        | T::EmailComplained
        | T::EmailUnsubscribed
        | T::SmsSent
        | T::SmsDelivered
        | T::WhatsappSent
        | T::CallMade
        | T::AdViewed => false,
    }
}

/// Whether it is a touch point by default: the lead's inbound engagements and ad events, a view included.
#[must_use]
pub const fn is_touch_point(kind: EngagementType) -> bool {
    is_inbound(kind) || matches!(kind, EngagementType::AdViewed)
}

/// Whether the lead answered a message of ours.
#[must_use]
pub const fn is_reply(kind: EngagementType) -> bool {
    use EngagementType as T;
    matches!(kind, T::EmailReplied | T::SmsReplied | T::WhatsappReplied)
}

/// Whether it is a message of ours going out. A call is not a message.
#[must_use]
pub const fn is_outbound_message(kind: EngagementType) -> bool {
    use EngagementType as T;
    matches!(kind, T::EmailSent | T::SmsSent | T::WhatsappSent)
}

/// Whether human confidence weighs it: opens, and clicks of links in messages. All else counts in full.
#[must_use]
pub const fn is_weighed(kind: EngagementType) -> bool {
    use EngagementType as T;
    matches!(kind, T::EmailOpened | T::EmailClicked | T::LinkClicked)
}

/// The channel where none is given.
#[must_use]
pub const fn default_channel(kind: EngagementType) -> Channel {
    use EngagementType as T;
    match kind {
        T::EmailSent
        | T::EmailDelivered
        | T::EmailOpened
        | T::EmailClicked
        | T::EmailReplied
        | T::EmailBounced
        | T::EmailComplained
        | T::EmailUnsubscribed => Channel::Email,
        T::SmsSent | T::SmsDelivered | T::SmsReplied => Channel::Sms,
        T::WhatsappSent | T::WhatsappReplied => Channel::Whatsapp,
        T::CallMade | T::CallAnswered => Channel::Voice,
        T::FormSubmitted
        | T::PageViewed
        | T::LinkClicked
        | T::ContentDownloaded
        | T::CheckoutStarted
        | T::PurchaseMade
        | T::ChatMessage => Channel::Web,
        T::AdViewed | T::AdClicked => Channel::Ads,
        T::SocialInteraction => Channel::Social,
        T::MeetingScheduled | T::Custom => Channel::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(rule: fn(EngagementType) -> bool) -> Vec<&'static str> {
        EngagementType::ALL
            .iter()
            .filter(|kind| rule(**kind))
            .map(|kind| kind.as_str())
            .collect()
    }

    #[test]
    fn seventeen_types_are_inbound() {
        assert_eq!(
            names(|kind| !is_inbound(kind)),
            [
                "EMAIL_SENT",
                "EMAIL_DELIVERED",
                "EMAIL_BOUNCED",
                "EMAIL_COMPLAINED",
                "EMAIL_UNSUBSCRIBED",
                "SMS_SENT",
                "SMS_DELIVERED",
                "WHATSAPP_SENT",
                "CALL_MADE",
                "AD_VIEWED"
            ]
        );
    }

    #[test]
    fn touch_points_are_inbound_ones_and_ad_views() {
        assert_eq!(
            names(|kind| is_touch_point(kind) && !is_inbound(kind)),
            ["AD_VIEWED"]
        );
        assert_eq!(names(|kind| is_inbound(kind) && !is_touch_point(kind)), [""; 0]);
    }

    #[test]
    fn replies_messages_and_weighed_types() {
        assert_eq!(
            names(is_reply),
            ["EMAIL_REPLIED", "SMS_REPLIED", "WHATSAPP_REPLIED"]
        );
        assert_eq!(
            names(is_outbound_message),
            ["EMAIL_SENT", "SMS_SENT", "WHATSAPP_SENT"]
        );
        assert_eq!(
            names(is_weighed),
            ["EMAIL_OPENED", "EMAIL_CLICKED", "LINK_CLICKED"]
        );
    }

    #[test]
    fn the_channel_follows_the_name_where_the_name_has_one() {
        for kind in EngagementType::ALL {
            let word = kind.as_str().split('_').next().expect("a word");
            if let Ok(channel) = word.parse::<Channel>() {
                assert_eq!(default_channel(*kind), channel, "{kind}");
            }
        }
        assert_eq!(default_channel(EngagementType::CallMade), Channel::Voice);
        assert_eq!(default_channel(EngagementType::AdViewed), Channel::Ads);
    }
}
