//! Reports about mails of ours: bounces (RFC 3464), complaints (RFC 5965), and what older systems write.

use chrono::{DateTime, Utc};
use mail_parser::{Message, MessageParser};

use super::received::{Part, Received};
use super::status::{Stage, enhanced, read, verdict};
use super::{ID_HEADER, Verdict};
use crate::RecipientFault;
use crate::facet::{DeliveryState, MessageEvent};

/// The mail that a report is about.
#[derive(Debug, Default)]
struct Original {
    /// Our id.
    id: Option<String>,
    message_id: Option<String>,
    to: Option<String>,
}

/// What a mail reports; nothing when it is no report.
///
/// [`MessageEvent::message`] is our id of the mail (by its header, by the id of the envelope, or by what stands behind the
/// `+` of the address that the report went to), [`MessageEvent::platform_message`] its `Message-ID`.
pub(super) fn events(mail: &Received, to: Option<&str>) -> Vec<MessageEvent> {
    let part = |kind: &str| mail.parts.iter().find(|part| part.kind == kind);
    let mut original = part("message/rfc822")
        .or_else(|| part("text/rfc822-headers"))
        .or_else(|| part("message/rfc822-headers"))
        .map(original)
        .unwrap_or_default();
    let mut found = if let Some(status) = part("message/delivery-status") {
        delivery_status(status, &mut original)
    } else if let Some(complaint) = part("message/feedback-report") {
        complaint_of(complaint, &original).into_iter().collect()
    } else if mail.by_system {
        by_words(mail).into_iter().collect()
    } else {
        return Vec::new();
    };
    let token = to
        .or(mail.to.as_deref())
        .and_then(|to| to.split('@').next()?.split_once('+'))
        .map(|(_, token)| token.to_owned());
    let several = found.len() > 1;
    for (at, event) in found.iter_mut().enumerate() {
        event.message = original.id.clone().or_else(|| token.clone());
        event.platform_message = original
            .message_id
            .clone()
            .or_else(|| mail.answers.last().cloned());
        event.recipient = event.recipient.take().or_else(|| original.to.clone());
        event.at = event.at.or(mail.at);
        event.id = mail
            .message_id
            .as_ref()
            .map(|id| if several { format!("{id}#{at}") } else { id.clone() });
    }
    found
}

fn event(state: DeliveryState) -> MessageEvent {
    MessageEvent {
        id: None,
        message: None,
        platform_message: None,
        recipient: None,
        state,
        fault: None,
        at: None,
        code: None,
        detail: None,
        url: None,
        user_agent: None,
        ip: None,
        machine: false,
    }
}

fn original(part: &Part) -> Original {
    let mut bytes = part.bytes.clone();
    // Headers alone may lack the empty line behind them.
    bytes.extend_from_slice(b"\r\n\r\n");
    let Some(message) = MessageParser::default().parse_headers(&bytes) else {
        return Original::default();
    };
    Original {
        id: text(&message, ID_HEADER),
        message_id: message.message_id().map(str::to_owned),
        to: message
            .to()
            .and_then(|to| to.first())
            .and_then(|to| to.address())
            .map(str::to_owned),
    }
}

fn text(message: &Message<'_>, name: &'static str) -> Option<String> {
    let value = message.header_raw(name)?;
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    (!value.is_empty()).then_some(value)
}

/// The value behind the kind of it, e.g. that of `rfc822; lea@example.com`.
fn typed(message: &Message<'_>, name: &'static str) -> Option<String> {
    let value = text(message, name)?;
    Some(match value.split_once(';') {
        Some((_, rest)) => rest.trim().to_owned(),
        None => value,
    })
}

fn moment(message: &Message<'_>, name: &'static str) -> Option<DateTime<Utc>> {
    let date = mail_parser::DateTime::parse_rfc822(&text(message, name)?)?;
    DateTime::from_timestamp(date.to_timestamp(), 0)
}

/// The blocks of fields of a report, each with an empty line behind it.
fn blocks(bytes: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    text.split("\n\n")
        .map(str::trim)
        .filter(|block| !block.is_empty())
        .map(|block| format!("{}\r\n\r\n", block.replace('\n', "\r\n")).into_bytes())
        .collect()
}

fn delivery_status(part: &Part, original: &mut Original) -> Vec<MessageEvent> {
    let mut events = Vec::new();
    for block in blocks(&part.bytes) {
        let Some(fields) = MessageParser::default().parse_headers(&block) else {
            continue;
        };
        if original.id.is_none() {
            original.id = text(&fields, "Original-Envelope-Id");
        }
        let Some(action) = text(&fields, "Action") else {
            continue;
        };
        let detail = text(&fields, "Diagnostic-Code");
        let status = text(&fields, "Status");
        let code = status.as_deref().and_then(enhanced);
        let mut event = match action.to_lowercase().as_str() {
            "failed" => {
                let (basic, told) = detail.as_deref().map(read).unwrap_or_default();
                let verdict = verdict(
                    basic,
                    code.filter(|code| (code.subject, code.detail) != (0, 0)).or(told),
                    Stage::Recipient,
                    detail.as_deref().unwrap_or_default(),
                );
                failed(verdict, basic.is_some() || code.is_some())
            }
            // It says nothing about the recipient yet.
            "delayed" => event(DeliveryState::Deferred),
            "delivered" => event(DeliveryState::Delivered),
            "relayed" | "expanded" => event(DeliveryState::Sent),
            _ => continue,
        };
        event.recipient = typed(&fields, "Original-Recipient").or_else(|| typed(&fields, "Final-Recipient"));
        event.at = moment(&fields, "Last-Attempt-Date");
        event.code = status;
        event.detail = detail;
        events.push(event);
    }
    events
}

fn failed(verdict: Verdict, is_classified: bool) -> MessageEvent {
    if !is_classified {
        return event(DeliveryState::Failed);
    }
    MessageEvent {
        fault: verdict.fault(),
        ..event(verdict.state())
    }
}

fn complaint_of(part: &Part, original: &Original) -> Option<MessageEvent> {
    let mut bytes = part.bytes.clone();
    bytes.extend_from_slice(b"\r\n\r\n");
    let fields = MessageParser::default().parse_headers(&bytes)?;
    let kind = text(&fields, "Feedback-Type")?.to_lowercase();
    if !matches!(kind.as_str(), "abuse" | "fraud" | "virus" | "other") {
        return None;
    }
    let recipient = text(&fields, "Original-Rcpt-To")
        .map(|address| address.trim_matches(['<', '>']).to_owned())
        .or_else(|| original.to.clone());
    Some(MessageEvent {
        fault: Some(RecipientFault::OptedOut),
        recipient,
        at: moment(&fields, "Arrival-Date").or_else(|| moment(&fields, "Received-Date")),
        detail: text(&fields, "User-Agent"),
        ip: text(&fields, "Source-IP"),
        code: Some(kind),
        ..event(DeliveryState::Complained)
    })
}

/// A report in plain words: only a code in it makes it one.
fn by_words(mail: &Received) -> Option<MessageEvent> {
    let found = mail.text.lines().find_map(|line| {
        let line = line.trim();
        let words: Vec<_> = line.split_whitespace().collect();
        (0..words.len()).find_map(|at| {
            // A reply and the enhanced code behind it.
            let both = words[at..words.len().min(at + 2)].join(" ");
            let (basic, code) = read(both.trim_start_matches(['(', '#', '<']));
            let code = code.filter(|code| code.class != 2);
            code.map(|code| (basic.filter(|basic| *basic >= 400), code, line.to_owned()))
        })
    });
    let (basic, code, line) = found?;
    let recipient = mail
        .text
        .split(|character: char| character.is_whitespace() || "<>()\"',;".contains(character))
        .map(|word| word.trim_matches([':', '.']))
        .find(|word| word.contains('@') && super::mailbox(word).is_ok());
    let is_for_good = basic.map_or(code.class == 5, |basic| basic >= 500);
    let mut event = if is_for_good {
        failed(verdict(basic, Some(code), Stage::Recipient, &line), true)
    } else {
        event(DeliveryState::Deferred)
    };
    event.recipient = recipient.map(str::to_owned);
    event.code = Some(format!("{}.{}.{}", code.class, code.subject, code.detail));
    event.detail = Some(line);
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facet::WebhookEvent;

    fn reported(mime: &str) -> Vec<MessageEvent> {
        let mime = mime.replace('\n', "\r\n");
        let events = Received::read(mime.as_bytes())
            .unwrap()
            .events(Some("bounce+v-1@in.example.org"));
        events
            .into_iter()
            .map(|event| match event {
                WebhookEvent::Message(event) => event,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn bounce(status: &str, original: &str) -> String {
        format!(
            "Return-Path: <>\nFrom: MAILER-DAEMON@mx.recv.example\nTo: bounce+v-1@in.example.org\n\
             Message-ID: <r1@mx.recv.example>\nSubject: Undelivered\nDate: Tue, 14 Nov 2023 22:13:20 +0000\n\
             Auto-Submitted: auto-replied\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n\
             --b\nContent-Type: text/plain\n\nSorry.\n\n\
             --b\nContent-Type: message/delivery-status\n\n{status}\n\n\
             --b\n{original}\n--b--\n"
        )
    }

    const ORIGINAL: &str = "Content-Type: message/rfc822\n\nFrom: sam@example.org\nTo: Lea <lead@recv.example>\n\
        Message-ID: <m-7@mail.example.org>\nX-Leadline-Id: m-7\nSubject: Hello\n\nGood day\n";

    #[test]
    fn a_bounce_leads_back_to_its_mail() {
        let status = "Reporting-MTA: dns; mx.recv.example\nArrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\n\n\
            Final-Recipient: rfc822; lead@recv.example\nAction: failed\nStatus: 5.1.1\n\
            Remote-MTA: dns; mx.recv.example\nDiagnostic-Code: smtp; 550 5.1.1\n User unknown";
        let [event] = &reported(&bounce(status, ORIGINAL))[..] else {
            panic!("one event")
        };
        assert_eq!(event.state, DeliveryState::Bounced);
        assert_eq!(event.fault, Some(RecipientFault::Unknown));
        assert_eq!(event.message.as_deref(), Some("m-7"));
        assert_eq!(event.platform_message.as_deref(), Some("m-7@mail.example.org"));
        assert_eq!(event.recipient.as_deref(), Some("lead@recv.example"));
        assert_eq!(event.code.as_deref(), Some("5.1.1"));
        assert_eq!(event.detail.as_deref(), Some("smtp; 550 5.1.1 User unknown"));
        assert_eq!(event.id.as_deref(), Some("r1@mx.recv.example"));
        assert_eq!(event.at, DateTime::from_timestamp(1_700_000_000, 0));
    }

    #[test]
    fn what_is_delayed_or_delivered_is_no_bounce() {
        let status = "Reporting-MTA: dns; mx\nOriginal-Envelope-Id: m-9\n\n\
            Final-Recipient: rfc822; a@recv.example\nAction: delayed\nStatus: 4.4.1\n\n\
            Final-Recipient: rfc822; b@recv.example\naction: Delivered\nStatus: 2.0.0\n\n\
            Final-Recipient: rfc822; c@recv.example\nAction: failed\nStatus: 5.7.1\n\n\
            Final-Recipient: rfc822; d@recv.example\nAction: failed\nStatus: 5.2.2\n\n\
            Final-Recipient: rfc822; e@recv.example\nAction: failed\nStatus: 5.0.0\n\
            Diagnostic-Code: smtp; 550-5.1.1 No such user";
        let headers = "Content-Type: text/rfc822-headers\n\nMessage-ID: <m-9@mail.example.org>\n";
        let events = reported(&bounce(status, headers));
        let found: Vec<_> = events.iter().map(|event| (event.state, event.fault)).collect();
        assert_eq!(
            found,
            [
                (DeliveryState::Deferred, None),
                (DeliveryState::Delivered, None),
                (DeliveryState::Blocked, Some(RecipientFault::Blocked)),
                (DeliveryState::Failed, Some(RecipientFault::Temporary)),
                (DeliveryState::Bounced, Some(RecipientFault::Unknown)),
            ]
        );
        assert!(events.iter().all(|event| event.message.as_deref() == Some("m-9")));
        assert_eq!(events[4].id.as_deref(), Some("r1@mx.recv.example#4"));
    }

    #[test]
    fn without_its_header_the_address_of_the_report_leads_back() {
        let status = "Reporting-MTA: dns; mx\n\nFinal-Recipient: rfc822; a@recv.example\nAction: failed\nStatus: 5.1.1";
        let events = reported(&bounce(status, "Content-Type: text/plain\n\nnothing\n"));
        assert_eq!(events[0].message.as_deref(), Some("v-1"));
    }

    #[test]
    fn a_complaint_is_one() {
        let mime = "From: fbl@isp.example\nMessage-ID: <f1@isp.example>\nMIME-Version: 1.0\n\
            Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n\
            --b\nContent-Type: text/plain\n\nA complaint.\n\n\
            --b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: Fbl/1\nVersion: 1\n\
            Original-Rcpt-To: <lead@isp.example>\nSource-IP: 192.0.2.1\n\n\
            --b\nContent-Type: message/rfc822\n\nMessage-ID: <m-7@mail.example.org>\nX-Leadline-Id: m-7\n\nHi\n--b--\n";
        let [event] = &reported(mime)[..] else {
            panic!("one event")
        };
        assert_eq!(
            (event.state, event.fault),
            (DeliveryState::Complained, Some(RecipientFault::OptedOut))
        );
        assert_eq!(event.message.as_deref(), Some("m-7"));
        assert_eq!(event.recipient.as_deref(), Some("lead@isp.example"));
        assert_eq!(event.ip.as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn plain_words_count_with_a_code_alone() {
        let head =
            "From: postmaster@recv.example\nTo: us@example.org\nIn-Reply-To: <m-3@mail.example.org>\n\n";
        let events = reported(&format!(
            "{head}Your mail to <lead@recv.example> failed:\n550 5.1.1 no such user\n"
        ));
        assert_eq!(events[0].state, DeliveryState::Bounced);
        assert_eq!(events[0].recipient.as_deref(), Some("lead@recv.example"));
        assert_eq!(
            events[0].platform_message.as_deref(),
            Some("m-3@mail.example.org")
        );

        let mime = format!("{head}Your mail could not be delivered.\n").replace('\n', "\r\n");
        let events = Received::read(mime.as_bytes()).unwrap().events(None);
        assert!(
            matches!(&events[..], [WebhookEvent::Ignored { .. }]),
            "{events:?}"
        );
    }
}
