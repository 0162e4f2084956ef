//! A mail as it is written: checked first, then put into MIME or into a platform's own form.

use std::collections::HashSet;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use lettre::message::header::{HeaderName, HeaderValue, Headers};
use lettre::message::{Mailbox, MultiPart, SinglePart};

use super::address::{mailbox, squeezed};
use crate::facet::{Content, Message};
use crate::{Error, Kind, RecipientFault, Result};

/// The header that holds our id of a mail; it comes back in reports about it.
pub const ID_HEADER: &str = "X-Leadline-Id";

/// What a word of a header may have: it cannot be folded, and no line is longer than 998 characters.
const LONGEST_WORD: usize = 900;

/// Headers that are made from the other parts of a message, or by whoever carries it.
const OWN_HEADERS: [&str; 18] = [
    "bcc",
    "cc",
    "content-transfer-encoding",
    "content-type",
    "date",
    "dkim-signature",
    "from",
    "in-reply-to",
    "message-id",
    "mime-version",
    "received",
    "references",
    "reply-to",
    "return-path",
    "sender",
    "subject",
    "to",
    "x-leadline-id",
];

/// A mail, checked: nothing in it can pass for something else.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter<'a> {
    /// Our id.
    pub id: &'a str,
    /// The sender.
    pub from: Mailbox,
    /// The recipient.
    pub to: Mailbox,
    /// Where answers go.
    pub reply_to: Option<Mailbox>,
    /// Its subject.
    pub subject: String,
    /// As plain text.
    pub text: Option<&'a str>,
    /// As HTML.
    pub html: Option<&'a str>,
    /// `Message-ID` and what it answers to, and the further headers; not yet encoded.
    pub headers: Vec<(String, String)>,
}

impl<'a> Letter<'a> {
    /// Checks a message.
    ///
    /// # Errors
    /// [`Kind::Refused`] with what is wrong with it, [`Kind::Recipient`] when the recipient is no address,
    /// [`Kind::Unsupported`] when it is no mail.
    pub fn of(message: &'a Message) -> Result<Self> {
        let Content::Email {
            subject,
            text,
            html,
            reply_to,
            message_id,
            references,
            headers,
        } = &message.content
        else {
            return Err(Error::new(Kind::Unsupported, "only e-mail is carried here"));
        };
        if !message
            .id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        {
            return Err(Error::refused(
                "the id has other characters than letters, digits, `-` and `_`",
            ));
        }
        let sender =
            |what: &str, text: &str| mailbox(text).map_err(|why| Error::refused(format!("{what}: {why}")));
        let from = sender("the sender", &message.from)?;
        let reply_to = reply_to
            .as_deref()
            .map(|text| sender("the address for answers", text))
            .transpose()?;
        let mut to = mailbox(&message.to).map_err(|why| {
            Error::new(
                Kind::Recipient(RecipientFault::Unknown),
                format!("the recipient: {why}"),
            )
        })?;
        if let Some(name) = message.to_name.as_deref().filter(|name| !name.trim().is_empty()) {
            one_line("the recipient's name", name)?;
            to.name = Some(squeezed(name));
        }
        one_line("the subject", subject)?;
        let text = text.as_deref().filter(|text| !text.is_empty());
        let html = html.as_deref().filter(|html| !html.is_empty());
        if text.is_none() && html.is_none() {
            return Err(Error::refused("the mail has neither a text nor HTML"));
        }
        Ok(Self {
            id: &message.id,
            from,
            to,
            reply_to,
            subject: squeezed(subject),
            text,
            html,
            headers: all_headers(&message.id, message_id, references, headers)?,
        })
    }

    /// The mail as MIME, with CR LF. It is ASCII, unless an address has other characters before the @.
    ///
    /// # Errors
    /// [`Kind::Refused`] when it cannot be put together.
    pub fn mime(&self, date: DateTime<Utc>) -> Result<Vec<u8>> {
        let mut builder = lettre::Message::builder()
            .from(self.from.clone())
            .to(self.to.clone())
            .subject(self.subject.as_str())
            .date(SystemTime::from(date));
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        for (name, value) in &self.headers {
            builder = builder.raw_header(HeaderValue::new(header_name(name)?, value.clone()));
        }
        let built = match (self.text, self.html) {
            (Some(text), Some(html)) => builder.multipart(MultiPart::alternative_plain_html(
                with_crlf(text),
                with_crlf(html),
            )),
            (None, Some(html)) => builder.singlepart(SinglePart::html(with_crlf(html))),
            (text, None) => builder.singlepart(SinglePart::plain(with_crlf(text.unwrap_or_default()))),
        };
        let built = built.map_err(|error| Error::refused(format!("the mail cannot be written: {error}")))?;
        Ok(built.formatted())
    }

    /// The further headers with their values encoded, for platforms that put them into a mail as they are.
    ///
    /// # Errors
    /// [`Kind::Refused`] for a name that is none.
    pub fn encoded_headers(&self) -> Result<Vec<(String, String)>> {
        self.headers
            .iter()
            .map(|(name, value)| {
                if value.is_ascii() {
                    return Ok((name.clone(), value.clone()));
                }
                let mut one = Headers::new();
                one.insert_raw(HeaderValue::new(header_name(name)?, value.clone()));
                let line = one.to_string().replace("\r\n", "");
                let value = line.split_once(": ").map_or("", |(_, value)| value);
                Ok((name.clone(), value.to_owned()))
            })
            .collect()
    }
}

/// A text whose lines end with CR LF. The library does it as well, but by moving all that follows for each line.
fn with_crlf(text: &str) -> String {
    let mut whole = String::with_capacity(text.len() + text.len() / 16);
    let mut rest = text;
    while let Some(at) = rest.find(['\r', '\n']) {
        whole.push_str(&rest[..at]);
        whole.push_str("\r\n");
        let end = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[at + end..];
    }
    whole.push_str(rest);
    whole
}

fn all_headers(
    id: &str,
    message_id: &str,
    references: &[String],
    further: &[(String, String)],
) -> Result<Vec<(String, String)>> {
    let mut headers = vec![("Message-ID".to_owned(), bracketed(message_id)?)];
    if let Some(nearest) = references.last() {
        let all: Vec<_> = references.iter().map(|id| bracketed(id)).collect::<Result<_>>()?;
        headers.push(("In-Reply-To".to_owned(), bracketed(nearest)?));
        headers.push(("References".to_owned(), all.join(" ")));
    }
    headers.push((ID_HEADER.to_owned(), id.to_owned()));
    let mut seen = HashSet::new();
    for (name, value) in further {
        let lower = name.to_ascii_lowercase();
        header_name(name)?;
        if OWN_HEADERS.contains(&lower.as_str()) {
            return Err(Error::refused(format!(
                "the header `{name}` is made by the mail itself"
            )));
        }
        if !seen.insert(lower) {
            return Err(Error::refused(format!("the header `{name}` is there twice")));
        }
        one_line(&format!("the header `{name}`"), value)?;
        headers.push((name.clone(), squeezed(value)));
    }
    Ok(headers)
}

/// What is one line stays one: a line break would begin a header of its own.
fn one_line(what: &str, text: &str) -> Result<()> {
    if text
        .chars()
        .any(|character| character.is_control() && character != '\t')
    {
        return Err(Error::refused(format!(
            "{what} has a line break or another control character"
        )));
    }
    if text.is_ascii() && text.split(' ').any(|word| word.len() > LONGEST_WORD) {
        return Err(Error::refused(format!(
            "{what} has a word of more than {LONGEST_WORD} characters"
        )));
    }
    Ok(())
}

fn header_name(name: &str) -> Result<HeaderName> {
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    HeaderName::new_from_ascii(name.to_owned())
        .ok()
        .filter(|_| is_name)
        .ok_or_else(|| Error::refused("a header's name has 1 to 76 letters, digits, `-` and `_`"))
}

fn bracketed(id: &str) -> Result<String> {
    let id = id
        .strip_prefix('<')
        .and_then(|id| id.strip_suffix('>'))
        .unwrap_or(id);
    let is_id = id
        .split_once('@')
        .is_some_and(|(left, right)| !left.is_empty() && !right.is_empty())
        && id.len() <= 250
        && id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte));
    if is_id {
        Ok(format!("<{id}>"))
    } else {
        Err(Error::refused("a `Message-ID` is like `id@example.org`"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message() -> Message {
        Message {
            id: "m-1".to_owned(),
            from: "Sam Sender <sam@example.org>".to_owned(),
            to: "lea@bücher.example".to_owned(),
            to_name: Some("Léa, die Käuferin".to_owned()),
            content: Content::Email {
                subject: "Grüße ".repeat(30),
                text: Some(format!("Hallo\n.\n{}\nEnde", "x".repeat(3_000))),
                html: Some("<p>Größe</p>\n".repeat(200)),
                reply_to: None,
                message_id: "m-1@mail.example.org".to_owned(),
                references: (1..40)
                    .map(|number| format!("reference-{number}@mail.example.org"))
                    .collect(),
                headers: vec![(
                    "List-Unsubscribe".to_owned(),
                    "<https://u.example.org/x>".to_owned(),
                )],
            },
            callback: None,
        }
    }

    fn with(change: impl FnOnce(&mut Message)) -> Message {
        let mut message = message();
        change(&mut message);
        message
    }

    fn with_header(name: &str, value: &str) -> Message {
        with(|message| {
            if let Content::Email { headers, .. } = &mut message.content {
                headers.push((name.to_owned(), value.to_owned()));
            }
        })
    }

    #[test]
    fn a_mail_has_short_lines_and_ascii_alone() {
        let message = message();
        let mime = Letter::of(&message).unwrap().mime(DateTime::UNIX_EPOCH).unwrap();
        let text = String::from_utf8(mime).unwrap();
        assert!(text.is_ascii());
        for line in text.split("\r\n") {
            assert!(line.len() <= 998 && !line.contains('\n'), "{line}");
        }
        assert!(text.contains("Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"));
        assert!(text.contains("Message-ID: <m-1@mail.example.org>\r\n"));
        assert!(text.contains("X-Leadline-Id: m-1\r\n"));
        assert!(text.contains("In-Reply-To: <reference-39@mail.example.org>\r\n"));
        assert!(text.contains("multipart/alternative"));
        let read = mail_parser::MessageParser::default().parse(&text).unwrap();
        assert_eq!(read.subject(), Some("Grüße ".repeat(30).trim_end()));
        assert_eq!(
            read.to().unwrap().first().unwrap().name(),
            Some("Léa, die Käuferin")
        );
        assert_eq!(
            read.to().unwrap().first().unwrap().address(),
            Some("lea@xn--bcher-kva.example")
        );
        assert_eq!(read.references().as_text_list().unwrap().len(), 39);
        assert!(read.body_text(0).unwrap().contains(&"x".repeat(3_000)));
        assert_eq!(read.body_html(0).unwrap().matches("<p>Größe</p>").count(), 200);
    }

    proptest! {
        #[test]
        fn whatever_is_written_makes_no_header_of_its_own(
            subject in "\\PC{0,60}( {0,90})\\PC{0,60}",
            name in "\\PC{0,80}",
            value in "[\\x20-\\x7eäß👋]{0,200}",
        ) {
            let mut message = with_header("X-Value", &value);
            message.to_name = Some(name);
            if let Content::Email { subject: own, .. } = &mut message.content {
                own.clone_from(&subject);
            }
            let Ok(letter) = Letter::of(&message) else {
                return Ok(());
            };
            let mime = String::from_utf8(letter.mime(DateTime::UNIX_EPOCH).unwrap()).unwrap();
            let (head, _) = mime.split_once("\r\n\r\n").unwrap();
            let mut names = Vec::new();
            for line in head.split("\r\n") {
                prop_assert!(!line.trim().is_empty() && line.len() <= 998 && !line.contains(['\r', '\n']), "{head}");
                if !line.starts_with([' ', '\t']) {
                    names.push(line.split(':').next().unwrap());
                }
            }
            prop_assert_eq!(
                names,
                [
                    "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "X-Leadline-Id",
                    "List-Unsubscribe", "X-Value", "MIME-Version", "Content-Type",
                ]
            );
            let read = mail_parser::MessageParser::default().parse(&mime).unwrap();
            prop_assert_eq!(read.subject().unwrap_or_default(), squeezed(&subject));
        }
    }

    #[test]
    fn lines_end_with_both_characters() {
        assert_eq!(with_crlf("a\nb\r\nc\rd\n\ne\r"), "a\r\nb\r\nc\r\nd\r\n\r\ne\r\n");
    }

    #[test]
    fn nothing_can_begin_a_header_of_its_own() {
        let bad = [
            with(|message| message.from.push_str("\r\nBcc: x@example.org")),
            with(|message| message.to_name = Some("Lea\r\nBcc: x@example.org".to_owned())),
            with(|message| message.to_name = Some("Lea\u{85}".to_owned())),
            with(|message| message.id = "a b".to_owned()),
            with_header("X-A", "b\nBcc: x@example.org"),
            with_header("X-A: b\r\nBcc", "x@example.org"),
            with_header("X A", "b"),
            with_header("", "b"),
            with_header("X-É", "b"),
            with_header("bCC", "x@example.org"),
            with_header("Message-Id", "<a@example.org>"),
            with_header("list-unsubscribe", "<https://u.example.org/y>"),
            with_header("X-Long", &"x".repeat(2_000)),
        ];
        for message in bad {
            assert_eq!(
                Letter::of(&message).unwrap_err().kind,
                Kind::Refused,
                "{message:?}"
            );
        }
        let ids = [
            "",
            "a",
            "@",
            "a@b c",
            "a@b>\r\nBcc: x@example.org",
            "ü@example.org",
        ];
        for id in ids {
            let message = with(|message| {
                if let Content::Email { message_id, .. } = &mut message.content {
                    id.clone_into(message_id);
                }
            });
            assert_eq!(Letter::of(&message).unwrap_err().kind, Kind::Refused, "{id}");
        }
    }

    #[test]
    fn a_recipient_that_is_no_address_is_the_recipients_fault() {
        let message = with(|message| message.to = "nobody".to_owned());
        let error = Letter::of(&message).unwrap_err();
        assert_eq!(error.kind, Kind::Recipient(RecipientFault::Unknown));
    }

    #[test]
    fn headers_of_other_characters_are_encoded() {
        let message = with_header("X-Town", &"Köln am Rhein ".repeat(20));
        let headers = Letter::of(&message).unwrap().encoded_headers().unwrap();
        let (_, value) = headers.iter().find(|(name, _)| name == "X-Town").unwrap();
        assert!(value.is_ascii() && !value.contains(['\r', '\n']) && value.contains("=?utf-8?"));
    }
}
