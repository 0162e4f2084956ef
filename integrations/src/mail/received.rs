//! Mails that come in: answers of people, answers of machines, reports.

use chrono::{DateTime, Utc};
use mail_parser::decoders::html::html_to_text;
use mail_parser::{HeaderValue, Message, MessageParser, PartType};

use super::report;
use crate::facet::{Channel, InboundMessage, Keyword, WebhookEvent};
use crate::{Error, Result, signature};

/// A mail that came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Its `Message-ID`.
    pub message_id: Option<String>,
    /// The `Message-ID`s that it answers to, the nearest last.
    pub answers: Vec<String>,
    /// The sender's address.
    pub from: String,
    /// The sender's name.
    pub from_name: Option<String>,
    /// The first recipient that it names.
    pub to: Option<String>,
    /// Its subject.
    pub subject: Option<String>,
    /// What it says.
    pub text: String,
    /// When it was written, as it says itself.
    pub at: Option<DateTime<Utc>>,
    /// Why it is taken for the answer of a machine, if it is.
    pub automatic: Option<String>,
    /// What else is in it.
    pub parts: Vec<Part>,
    /// Whether a mail system wrote it.
    pub(super) by_system: bool,
}

/// A part of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its media type, lower case, without parameters.
    pub kind: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Received {
    /// Reads a mail in MIME.
    ///
    /// # Errors
    /// [`Kind::Malformed`](crate::Kind::Malformed) when it has no header.
    pub fn read(mime: &[u8]) -> Result<Self> {
        let message = parsed(mime)?;
        let mut received = Self::by_headers(&message);
        received.text = message.body_text(0).unwrap_or_default().into_owned();
        received.parts = message
            .parts
            .iter()
            .skip(1)
            .filter_map(|part| {
                let (kind, subtype) = match part.headers.iter().find(|header| header.name() == "Content-Type")
                {
                    Some(header) => {
                        let found = header.value.as_content_type()?;
                        (found.ctype(), found.subtype().unwrap_or_default())
                    }
                    None => return None,
                };
                let bytes = match &part.body {
                    PartType::Message(_) | PartType::Multipart(_) => {
                        let from = usize::try_from(part.raw_body_offset()).ok()?;
                        let to = usize::try_from(part.raw_end_offset()).ok()?;
                        mime.get(from..to)?
                    }
                    _ => part.contents(),
                };
                Some(Part {
                    kind: format!("{kind}/{subtype}").to_lowercase(),
                    bytes: bytes.to_vec(),
                })
            })
            .collect();
        Ok(received)
    }

    /// Puts a mail together that somebody has taken apart: its header as it came, its text and HTML, and its other parts.
    ///
    /// # Errors
    /// [`Kind::Malformed`](crate::Kind::Malformed) when it has no header.
    pub fn of(header: &[u8], text: Option<String>, html: Option<&str>, parts: Vec<Part>) -> Result<Self> {
        let message = MessageParser::default()
            .parse_headers(header)
            .filter(|message| !message.headers().is_empty())
            .ok_or_else(no_mail)?;
        let mut received = Self::by_headers(&message);
        received.text = text
            .filter(|text| !text.trim().is_empty())
            .or_else(|| html.map(html_to_text))
            .unwrap_or_default();
        received.parts = parts;
        Ok(received)
    }

    fn by_headers(message: &Message<'_>) -> Self {
        let from = message.from().and_then(|from| from.first());
        let mut answers = ids(message.references());
        for id in ids(message.in_reply_to()) {
            if answers.last() != Some(&id) {
                answers.retain(|known| *known != id);
                answers.push(id);
            }
        }
        let address = from.and_then(|from| from.address()).unwrap_or_default();
        let local = address.split('@').next().unwrap_or_default().to_lowercase();
        let returns_nowhere = message
            .header_raw("Return-Path")
            .is_some_and(|path| path.trim() == "<>");
        Self {
            message_id: message.message_id().map(str::to_owned),
            answers,
            from: address.to_owned(),
            from_name: from.and_then(|from| from.name()).map(str::to_owned),
            to: message
                .to()
                .and_then(|to| to.first())
                .and_then(|to| to.address())
                .map(str::to_owned),
            subject: message.subject().map(str::to_owned),
            text: String::new(),
            at: message
                .date()
                .and_then(|date| DateTime::from_timestamp(date.to_timestamp(), 0)),
            automatic: automatic(message),
            parts: Vec::new(),
            by_system: returns_nowhere || matches!(local.as_str(), "mailer-daemon" | "postmaster"),
        }
    }

    /// With the sender of its envelope: mail systems leave it empty.
    #[must_use]
    pub fn from_envelope(mut self, sender: &str) -> Self {
        self.by_system |= sender.trim_matches(['<', '>', ' ']).is_empty();
        self
    }

    /// What it tells: what became of mails of ours, that a machine answered, or what somebody wrote. `to` is the recipient
    /// of ours to whom it was handed, where that is known.
    #[must_use]
    pub fn events(self, to: Option<&str>) -> Vec<WebhookEvent> {
        let reported = report::events(&self, to);
        if !reported.is_empty() {
            return reported.into_iter().map(WebhookEvent::Message).collect();
        }
        if let Some(reason) = self.automatic {
            return vec![WebhookEvent::Ignored { reason }];
        }
        if self.by_system {
            let reason = "a report of a mail system that cannot be read".to_owned();
            return vec![WebhookEvent::Ignored { reason }];
        }
        if self.from.is_empty() {
            let reason = "a mail without a sender".to_owned();
            return vec![WebhookEvent::Ignored { reason }];
        }
        let keyword = keyword(self.subject.as_deref(), &self.text);
        let id = self.message_id.unwrap_or_else(|| {
            let whole = format!("{}\n{:?}\n{:?}\n{}", self.from, self.at, self.subject, self.text);
            format!("sha256:{}", signature::sha256_hex(whole.as_bytes()))
        });
        vec![WebhookEvent::Received(InboundMessage {
            id,
            channel: Channel::Email,
            from: self.from,
            to: to.map(str::to_owned).or(self.to).unwrap_or_default(),
            from_name: self.from_name,
            subject: self.subject,
            text: self.text,
            answers: self.answers,
            keyword,
            media: Vec::new(),
            at: self.at,
        })]
    }
}

fn no_mail() -> Error {
    Error::malformed("it is not a mail: it has no header")
}

fn parsed(mime: &[u8]) -> Result<Message<'_>> {
    MessageParser::default()
        .parse(mime)
        .filter(|message| !message.headers().is_empty())
        .ok_or_else(no_mail)
}

fn ids(value: &HeaderValue<'_>) -> Vec<String> {
    match value {
        HeaderValue::Text(id) => vec![id.to_string()],
        HeaderValue::TextList(ids) => ids.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

/// Why a mail is taken for the answer of a machine (RFC 3834, and what was usual before).
fn automatic(message: &Message<'_>) -> Option<String> {
    let value = |name: &'static str| message.header_raw(name).map(str::trim);
    if let Some(found) = value("Auto-Submitted")
        && !found
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .eq_ignore_ascii_case("no")
    {
        return Some(format!("an automatic answer (Auto-Submitted: {found})"));
    }
    for name in ["X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress"] {
        if let Some(found) = value(name) {
            return Some(format!("an automatic answer ({name}: {found})"));
        }
    }
    let precedence = value("Precedence")?.to_lowercase();
    ["bulk", "junk", "auto_reply"]
        .contains(&precedence.as_str())
        .then(|| format!("an automatic answer (Precedence: {precedence})"))
}

/// What somebody asks for who writes one word, above what they answer to.
fn keyword(subject: Option<&str>, text: &str) -> Option<Keyword> {
    let own = text
        .lines()
        .map(str::trim)
        .take_while(|line| {
            let begins_quote = line.starts_with("On ") && line.ends_with("wrote:");
            !begins_quote && !line.starts_with('>')
        })
        .collect::<Vec<_>>()
        .join(" ");
    let own = own.trim();
    let word = if own.is_empty() {
        subject.unwrap_or_default()
    } else {
        own
    };
    let word = word
        .trim_matches(|character: char| !character.is_alphanumeric())
        .to_lowercase();
    match word.as_str() {
        "stop" | "unsubscribe" => Some(Keyword::Stop),
        "start" | "subscribe" => Some(Keyword::Start),
        "help" => Some(Keyword::Help),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(mime: &str) -> Vec<WebhookEvent> {
        let mime = mime.replace('\n', "\r\n");
        Received::read(mime.as_bytes())
            .unwrap()
            .events(Some("us@in.example.org"))
    }

    #[test]
    fn an_answer_is_read_with_what_it_answers_to() {
        let mime = "From: =?utf-8?q?L=C3=A9a?= <lea@example.com>\nTo: us@example.org\n\
            Subject: =?iso-8859-1?q?Gr=FC=DFe?=\nMessage-ID: <a1@example.com>\n\
            In-Reply-To: <m-2@mail.example.org>\nReferences: <m-1@mail.example.org>\n <m-2@mail.example.org>\n\
            Date: Tue, 14 Nov 2023 23:13:20 +0100\nContent-Type: text/plain; charset=iso-8859-1\n\
            Content-Transfer-Encoding: quoted-printable\n\nSch=F6n.\n";
        let [WebhookEvent::Received(message)] = &events(mime)[..] else {
            panic!("one message")
        };
        assert_eq!(message.id, "a1@example.com");
        assert_eq!(
            (message.from.as_str(), message.from_name.as_deref()),
            ("lea@example.com", Some("Léa"))
        );
        assert_eq!(message.to, "us@in.example.org");
        assert_eq!(message.subject.as_deref(), Some("Grüße"));
        assert_eq!(message.text.trim(), "Schön.");
        assert_eq!(message.answers, ["m-1@mail.example.org", "m-2@mail.example.org"]);
        assert_eq!(message.at, DateTime::from_timestamp(1_700_000_000, 0));
        assert_eq!(message.keyword, None);
    }

    #[test]
    fn machines_that_answer_are_not_people() {
        for header in [
            "Auto-Submitted: auto-replied",
            "auto-submitted: auto-generated; owner=x",
            "X-Autoreply: yes",
            "X-Auto-Response-Suppress: All",
            "Precedence: bulk",
            "Precedence: auto_reply",
        ] {
            let mime = format!("From: lea@example.com\nSubject: Away\n{header}\n\nI am away.\n");
            let found = events(&mime);
            assert!(
                matches!(&found[..], [WebhookEvent::Ignored { reason }] if reason.starts_with("an automatic answer")),
                "{found:?}"
            );
        }
        let human = events("From: lea@example.com\nAuto-Submitted: no\nPrecedence: first-class\n\nHello\n");
        assert!(matches!(&human[..], [WebhookEvent::Received(_)]));
    }

    proptest! {
        #[test]
        fn whatever_comes_in_is_survived(
            head in "(Auto-Submitted|From|To|References|Content-Type|Return-Path|Date|Status): ?\\PC{0,60}\r?\n",
            kind in "(text/plain|message/rfc822|message/delivery-status|message/feedback-report|text/rfc822-headers)",
            inner in "([A-Z][a-z]{0,8}-?[A-Za-z]{0,9}: ?\\PC{0,30}\r?\n|\r?\n|5\\.[0-9]\\.[0-9] |\\PC{0,20}){0,12}",
            any in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut mime = format!(
                "{head}From: postmaster@example.com\r\nContent-Type: multipart/report; boundary=b\r\n\r\n\
                 --b\r\nContent-Type: {kind}\r\n\r\n{inner}\r\n--b--\r\n"
            ).into_bytes();
            mime.extend_from_slice(&any);
            for bytes in [&mime[..], &any[..], inner.as_bytes()] {
                if let Ok(received) = Received::read(bytes) {
                    prop_assert!(!received.events(Some("a+b@example.org")).is_empty());
                }
            }
        }
    }

    #[test]
    fn one_word_asks_for_something() {
        assert_eq!(keyword(None, "STOP!\n\n> Dear Lea,\n"), Some(Keyword::Stop));
        assert_eq!(
            keyword(None, "Unsubscribe\nOn Monday Sam wrote:\n> x"),
            Some(Keyword::Stop)
        );
        assert_eq!(keyword(Some("unsubscribe"), "  \n"), Some(Keyword::Stop));
        assert_eq!(keyword(Some("unsubscribe"), "How do I help you stop?"), None);
        assert_eq!(keyword(None, "Please stop by on Monday"), None);
    }

    #[test]
    fn html_alone_is_read_as_text_and_no_mail_is_told() {
        let header = b"From: lea@example.com\r\nSubject: x\r\n\r\n";
        let received = Received::of(header, None, Some("<p>Hello <b>you</b></p>"), Vec::new()).unwrap();
        assert_eq!(received.text.trim(), "Hello you");
        assert!(Received::read(b"").is_err());
    }
}
