//! Twilio's messages, calls and webhooks as ours; nothing here asks anybody.

use chrono::{DateTime, TimeDelta, Utc};

use super::codes;
use super::wire::{CallResource, MessageResource};
use crate::facet::{Channel, Content, DeliveryState, Keyword, Message, Receipt};
use crate::{Error, Kind};

/// What stands before a WhatsApp number.
pub const WHATSAPP: &str = "whatsapp:";

/// By how much the clocks of both sides may differ.
const SKEW: TimeDelta = TimeDelta::minutes(2);
/// How long after it was sent a message may have been created: tries and waits included.
const LATEST: TimeDelta = TimeDelta::minutes(15);

/// What a status of a message means; `None` for one that is not known or is no outgoing message's.
#[must_use]
pub fn message_state(status: &str, code: Option<u32>) -> Option<DeliveryState> {
    Some(match status {
        "accepted" | "scheduled" | "queued" | "sending" => DeliveryState::Queued,
        // Some of it has arrived; that is not "it has arrived".
        "sent" | "partially_delivered" => DeliveryState::Sent,
        "delivered" => DeliveryState::Delivered,
        "read" => DeliveryState::Opened,
        "undelivered" | "failed" => code
            .and_then(codes::meaning)
            .map_or(DeliveryState::Failed, |meaning| meaning.state),
        "canceled" => DeliveryState::Failed,
        _ => return None,
    })
}

/// What a status of a call means; `None` for one that is not known.
#[must_use]
pub fn call_state(status: &str) -> Option<DeliveryState> {
    Some(match status {
        "queued" | "initiated" => DeliveryState::Queued,
        "ringing" | "in-progress" | "answered" => DeliveryState::Sent,
        "completed" => DeliveryState::Delivered,
        "busy" => DeliveryState::Busy,
        "no-answer" => DeliveryState::NoAnswer,
        "failed" | "canceled" => DeliveryState::Failed,
        _ => return None,
    })
}

/// An address as Twilio writes it for a channel.
#[must_use]
pub fn address(channel: Channel, number: &str) -> String {
    match channel {
        Channel::WhatsApp if !number.starts_with(WHATSAPP) => format!("{WHATSAPP}{number}"),
        _ => number.to_owned(),
    }
}

/// The channel of an address and the address itself; `None` for a channel that is none of ours.
#[must_use]
pub fn channel_of(address: &str) -> Option<(Channel, &str)> {
    match address.split_once(':') {
        Some(("whatsapp", number)) => Some((Channel::WhatsApp, number)),
        Some(_) => None,
        None => Some((Channel::Sms, address)),
    }
}

/// The address without its channel.
#[must_use]
pub fn bare(address: &str) -> &str {
    address.strip_prefix(WHATSAPP).unwrap_or(address)
}

/// What a text asks for when it is a keyword as a whole. A sentence with such a word in it asks for nothing.
#[must_use]
pub fn keyword(channel: Channel, text: &str) -> Option<Keyword> {
    match text.trim().to_uppercase().as_str() {
        "STOP" | "STOPALL" | "UNSUBSCRIBE" | "CANCEL" | "END" | "QUIT" | "OPTOUT" | "REVOKE" => {
            Some(Keyword::Stop)
        }
        "START" | "UNSTOP" => Some(Keyword::Start),
        // Elsewhere it is an answer as any other.
        "YES" if channel == Channel::Sms => Some(Keyword::Start),
        "HELP" | "INFO" => Some(Keyword::Help),
        _ => None,
    }
}

/// What Twilio itself says that was asked for.
#[must_use]
pub fn opt_out_type(text: &str) -> Option<Keyword> {
    match text.trim().to_uppercase().as_str() {
        "STOP" => Some(Keyword::Stop),
        "START" => Some(Keyword::Start),
        "HELP" => Some(Keyword::Help),
        _ => None,
    }
}

/// A moment as Twilio writes it.
#[must_use]
pub fn moment(text: &str) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc2822(text).ok()?.to_utc())
}

/// What Twilio says to a message that it has created: it may have failed at once.
///
/// # Errors
/// Why it failed.
pub fn receipt(message: MessageResource) -> Result<Receipt, Error> {
    let status = message.status.as_deref().unwrap_or_default();
    if matches!(status, "failed" | "undelivered" | "canceled") {
        return Err(failure(message.error_code, message.error_message.as_deref()));
    }
    Ok(Receipt::Taken {
        state: message_state(status, None).unwrap_or(DeliveryState::Queued),
        id: Some(message.sid),
        segments: message.num_segments.filter(|parts| *parts > 0),
    })
}

/// What Twilio says to a call that it has created.
///
/// # Errors
/// That it failed.
pub fn call_receipt(call: CallResource) -> Result<Receipt, Error> {
    let status = call.status.as_deref().unwrap_or_default();
    if matches!(status, "failed" | "canceled") {
        return Err(failure(None, None));
    }
    Ok(Receipt::Taken {
        state: call_state(status).unwrap_or(DeliveryState::Queued),
        id: Some(call.sid),
        segments: None,
    })
}

/// The failure that a code and Twilio's own words tell.
#[must_use]
pub fn failure(code: Option<u32>, words: Option<&str>) -> Error {
    let meaning = code.and_then(codes::meaning);
    let words = words.map(str::trim).filter(|words| !words.is_empty());
    let message = match (meaning.map(|meaning| meaning.about), words) {
        (Some(about), Some(words)) => format!("{about}: {words}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => "Twilio does not say why".to_owned(),
    };
    let error = match meaning {
        Some(meaning) => Error::new(meaning.kind, message).retry(meaning.retry),
        None => Error::new(Kind::Refused, message),
    };
    match code {
        Some(code) => error.code(code),
        None => error,
    }
}

/// Whether something that Twilio has is a message of ours, as far as it can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Its text is no longer (or not yet) there to be compared.
    Perhaps,
}

/// Whether a message that Twilio has is one of ours that was sent at a moment.
#[must_use]
pub fn is_message(found: &MessageResource, message: &Message, sent_at: DateTime<Utc>) -> Match {
    let channel = message.content.channel();
    // A service chooses the sender, and may not have chosen yet.
    let from = found.from.as_deref().filter(|from| !from.is_empty());
    let ours = found
        .direction
        .as_deref()
        .is_none_or(|direction| direction == "outbound-api")
        && found.to.as_deref() == Some(address(channel, &message.to).as_str())
        && (message.from.is_empty()
            || from.is_none_or(|from| from == address(channel, &message.from).as_str()))
        && created_about(found.date_created.as_deref(), sent_at);
    if !ours {
        return Match::No;
    }
    let body = found.body.as_deref().unwrap_or_default();
    let same = match &message.content {
        Content::Sms { text, .. } | Content::WhatsApp { text } => same_text(body, text),
        // What the template makes of them is not known here.
        Content::WhatsAppTemplate { variables, .. } => {
            let body = letters(body);
            variables.iter().all(|(_, value)| body.contains(&letters(value)))
        }
        Content::Email { .. } | Content::Voice { .. } => false,
    };
    match same {
        true if !body.is_empty() || is_textless(&message.content) => Match::Yes,
        _ if body.is_empty() => Match::Perhaps,
        _ => Match::No,
    }
}

/// Whether a call that Twilio has is one of ours that was made at a moment.
#[must_use]
pub fn is_call(found: &CallResource, message: &Message, sent_at: DateTime<Utc>) -> bool {
    found
        .direction
        .as_deref()
        .is_none_or(|direction| direction == "outbound-api")
        && found.to.as_deref() == Some(message.to.as_str())
        && found.from.as_deref() == Some(message.from.as_str())
        && created_about(found.date_created.as_deref(), sent_at)
}

/// The first day on which it can have been created, as filters want it.
#[must_use]
pub fn first_day(sent_at: DateTime<Utc>) -> String {
    (sent_at - SKEW).format("%Y-%m-%d").to_string()
}

fn created_about(created: Option<&str>, sent_at: DateTime<Utc>) -> bool {
    created
        .and_then(moment)
        .is_some_and(|created| created >= sent_at - SKEW && created <= sent_at + LATEST)
}

fn is_textless(content: &Content) -> bool {
    matches!(content, Content::Sms { text, .. } if text.is_empty())
}

/// What stands before each text of a trial account, its letters alone.
const TRIAL: &str = "SentfromyourTwiliotrialaccount";

/// Whether a text is ours, though Twilio may have replaced characters by look-alikes and, for trial accounts, put a sentence
/// before it.
fn same_text(found: &str, ours: &str) -> bool {
    let letters_of_ours = letters(ours);
    if letters_of_ours.is_empty() {
        found.trim() == ours.trim()
    } else {
        let found = letters(found);
        found.strip_prefix(TRIAL).unwrap_or(&found) == letters_of_ours
    }
}

fn letters(text: &str) -> String {
    text.chars()
        .filter(|character| character.is_alphanumeric())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecipientFault;

    fn message(content: Content) -> Message {
        Message {
            id: "m-1".to_owned(),
            from: "+15550200000".to_owned(),
            to: "+15550107001".to_owned(),
            to_name: None,
            content,
            callback: None,
        }
    }

    fn sms(text: &str) -> Message {
        message(Content::Sms {
            text: text.to_owned(),
            media: Vec::new(),
        })
    }

    fn found(body: &str) -> MessageResource {
        MessageResource {
            sid: "SM1".to_owned(),
            direction: Some("outbound-api".to_owned()),
            to: Some("+15550107001".to_owned()),
            from: Some("+15550200000".to_owned()),
            body: Some(body.to_owned()),
            date_created: Some("Fri, 14 Mar 2025 10:00:01 +0000".to_owned()),
            ..MessageResource::default()
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    #[test]
    fn keywords_are_whole_texts() {
        let sms = |text| keyword(Channel::Sms, text);
        for word in [
            "STOP",
            " stop\n",
            "StopAll",
            "unsubscribe",
            "Cancel",
            "end",
            "QUIT",
            "optout",
            "revoke",
        ] {
            assert_eq!(sms(word), Some(Keyword::Stop), "{word}");
        }
        for word in ["start", "UNSTOP", "yes"] {
            assert_eq!(sms(word), Some(Keyword::Start), "{word}");
        }
        for word in ["help", "Info "] {
            assert_eq!(sms(word), Some(Keyword::Help), "{word}");
        }
        for text in ["Please stop by at 5", "stop it", "yes please", "", "the end"] {
            assert_eq!(sms(text), None, "{text}");
        }
        assert_eq!(keyword(Channel::WhatsApp, "Yes"), None);
        assert_eq!(keyword(Channel::WhatsApp, "stop"), Some(Keyword::Stop));
        assert_eq!(opt_out_type("STOP"), Some(Keyword::Stop));
        assert_eq!(opt_out_type("SOMETHING"), None);
    }

    #[test]
    fn the_code_tells_what_a_failure_is() {
        assert_eq!(
            message_state("undelivered", Some(30_005)),
            Some(DeliveryState::Bounced)
        );
        assert_eq!(
            message_state("failed", Some(30_007)),
            Some(DeliveryState::Blocked)
        );
        assert_eq!(message_state("failed", Some(99_999)), Some(DeliveryState::Failed));
        assert_eq!(message_state("delivered", None), Some(DeliveryState::Delivered));
        assert_eq!(message_state("a_new_one", None), None);
        let error = failure(Some(21_610), Some("Attempt to send to unsubscribed recipient"));
        assert_eq!(error.kind, Kind::Recipient(RecipientFault::OptedOut));
        assert_eq!(error.code.as_deref(), Some("21610"));
        assert_eq!(
            failure(Some(99_999), Some("Why not")).to_string(),
            "REFUSED: Why not (code 99999)"
        );
    }

    #[test]
    fn a_message_is_found_by_recipient_sender_text_and_moment() {
        let sent_at = at("2025-03-14T10:00:00Z");
        let ours = sms("Hello – it’s Sam");
        let is = |found: &MessageResource| is_message(found, &ours, sent_at);
        assert_eq!(is(&found("Hello – it’s Sam")), Match::Yes);
        assert_eq!(is(&found("Hello - it's Sam")), Match::Yes, "look-alikes");
        assert_eq!(
            is(&found("Sent from your Twilio trial account - Hello – it’s Sam")),
            Match::Yes
        );
        assert_eq!(is(&found("Hello Sam")), Match::No);
        assert_eq!(is(&found("Well, Hello – it’s Sam")), Match::No);
        assert_eq!(is(&found("")), Match::Perhaps, "its text was removed");
        let change = |change: fn(&mut MessageResource)| {
            let mut found = found("Hello – it’s Sam");
            change(&mut found);
            is_message(&found, &ours, sent_at)
        };
        assert_eq!(
            change(|found| found.to = Some("+15550107009".to_owned())),
            Match::No
        );
        assert_eq!(
            change(|found| found.from = Some("+15550200001".to_owned())),
            Match::No
        );
        assert_eq!(
            change(|found| found.from = None),
            Match::Yes,
            "a service has not chosen yet"
        );
        assert_eq!(
            change(|found| found.direction = Some("outbound-reply".to_owned())),
            Match::No
        );
        assert_eq!(
            change(|found| found.date_created = Some("Fri, 14 Mar 2025 09:50:00 +0000".to_owned())),
            Match::No
        );
        assert_eq!(change(|found| found.date_created = None), Match::No);
        assert_eq!(first_day(at("2025-03-14T00:01:00Z")), "2025-03-13");
    }

    #[test]
    fn texts_without_letters_are_compared_as_they_are() {
        let sent_at = at("2025-03-14T10:00:00Z");
        assert_eq!(is_message(&found("👍"), &sms("👍"), sent_at), Match::Yes);
        assert_eq!(is_message(&found("👎"), &sms("👍"), sent_at), Match::No);
        assert_eq!(
            is_message(&found(""), &sms(""), sent_at),
            Match::Yes,
            "a picture alone"
        );
        assert_eq!(is_message(&found("A text"), &sms(""), sent_at), Match::No);
    }

    #[test]
    fn a_template_is_found_by_what_was_filled_in() {
        let sent_at = at("2025-03-14T10:00:00Z");
        let ours = message(Content::WhatsAppTemplate {
            template: "HX1".to_owned(),
            variables: vec![("1".to_owned(), "Lea".to_owned())],
        });
        let on_whatsapp = |body: &str| MessageResource {
            to: Some("whatsapp:+15550107001".to_owned()),
            from: Some("whatsapp:+15550200000".to_owned()),
            ..found(body)
        };
        assert_eq!(
            is_message(&on_whatsapp("Hi Lea, quick question."), &ours, sent_at),
            Match::Yes
        );
        assert_eq!(
            is_message(&on_whatsapp("Hi Max, quick question."), &ours, sent_at),
            Match::No
        );
        assert_eq!(is_message(&on_whatsapp(""), &ours, sent_at), Match::Perhaps);
        assert_eq!(
            is_message(&found("Hi Lea"), &ours, sent_at),
            Match::No,
            "not by WhatsApp"
        );
    }
}
