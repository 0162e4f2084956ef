//! What a message says.

use entity::MessageChannel;
use integrations::facet::{self, Limits};
use serde::{Deserialize, Serialize};

use super::{MessageProblem, Refused};
use crate::outreach::delivery::Message;

/// Most characters of a subject (RFC 5322).
const MOST_SUBJECT: usize = 998;
/// Most bytes of a text and of HTML, whatever the platform takes.
pub const MOST_BYTES: usize = 200_000;
/// Most values that a template is filled in with.
const MOST_VARIABLES: usize = 100;

/// What is to be said.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A mail.
    Email {
        /// Its subject.
        subject: String,
        /// As plain text.
        text: Option<String>,
        /// As HTML.
        html: Option<String>,
        /// Where answers go.
        reply_to: Option<String>,
    },
    /// A text message.
    Sms {
        /// What it says.
        text: String,
    },
    /// WhatsApp within the 24 hours after the lead wrote.
    WhatsApp {
        /// What it says.
        text: String,
    },
    /// WhatsApp by a template that was approved.
    WhatsAppTemplate {
        /// The platform's id of it.
        template: String,
        /// What to fill in, by name.
        variables: Vec<(String, String)>,
    },
    /// A call that reads a text out.
    Voice {
        /// What is said.
        text: String,
        /// BCP 47, e.g. `en-GB`.
        language: Option<String>,
    },
}

/// What a message says beside its texts, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Details {
    /// Where answers go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// The name of the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The platform's id of the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What it is filled in with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<(String, String)>,
    /// The language that a text is read out in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Addresses of pictures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<String>,
    /// The word that it is as a whole: `STOP`, `START`, `HELP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyword: Option<String>,
}

impl Content {
    /// What it goes by.
    #[must_use]
    pub const fn channel(&self) -> MessageChannel {
        match self {
            Self::Email { .. } => MessageChannel::Email,
            Self::Sms { .. } => MessageChannel::Sms,
            Self::WhatsApp { .. } | Self::WhatsAppTemplate { .. } => MessageChannel::Whatsapp,
            Self::Voice { .. } => MessageChannel::Voice,
        }
    }

    /// Whether it can be sent by a platform with these limits.
    pub(in crate::outreach::delivery) fn checked(
        &self,
        limits: Limits,
    ) -> Result<(), (&'static str, Refused)> {
        let wrong = |field, code, message: String| Err((field, Refused::new(code, message)));
        let characters = |field, text: &str| {
            let count = text.chars().count();
            if text.trim().is_empty() {
                return wrong(
                    field,
                    MessageProblem::InvalidContent,
                    "it says nothing".to_owned(),
                );
            }
            if count > limits.length {
                let message = format!("it has {count} characters; the platform takes {}", limits.length);
                return wrong(field, MessageProblem::TooLong, message);
            }
            Ok(())
        };
        match self {
            Self::Email {
                subject,
                text,
                html,
                reply_to: _,
            } => {
                let is_there =
                    |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
                if subject.trim().is_empty() || subject.chars().any(char::is_control) {
                    let message = "a subject is one line that says something";
                    return wrong(
                        "content.email.subject",
                        MessageProblem::InvalidContent,
                        message.to_owned(),
                    );
                }
                if subject.chars().count() > MOST_SUBJECT {
                    let message = format!("a subject has at most {MOST_SUBJECT} characters");
                    return wrong("content.email.subject", MessageProblem::TooLong, message);
                }
                if !is_there(text) && !is_there(html) {
                    let message = "a mail has `text`, `html` or both";
                    return wrong(
                        "content.email",
                        MessageProblem::InvalidContent,
                        message.to_owned(),
                    );
                }
                let size = |text: &Option<String>| text.as_ref().map_or(0, String::len);
                let most = limits.length.min(MOST_BYTES);
                if size(text) + size(html) > most {
                    let message = format!("a mail has at most {most} bytes");
                    return wrong("content.email", MessageProblem::TooLong, message);
                }
                Ok(())
            }
            Self::Sms { text } => characters("content.sms.text", text),
            Self::WhatsApp { text } => characters("content.whatsApp.text", text),
            Self::Voice { text, language: _ } => characters("content.voice.text", text),
            Self::WhatsAppTemplate { template, variables } => {
                if template.trim().is_empty() || template.len() > 200 {
                    let message = "the platform's id of the template, up to 200 bytes";
                    return wrong(
                        "content.whatsAppTemplate.template",
                        MessageProblem::InvalidContent,
                        message.to_owned(),
                    );
                }
                let size: usize = variables
                    .iter()
                    .map(|(name, value)| name.len() + value.len())
                    .sum();
                if variables.len() > MOST_VARIABLES || size > MOST_BYTES {
                    let message = format!(
                        "a template is filled in with at most {MOST_VARIABLES} values of {MOST_BYTES} bytes"
                    );
                    return wrong(
                        "content.whatsAppTemplate.variables",
                        MessageProblem::TooLong,
                        message,
                    );
                }
                Ok(())
            }
        }
    }
}

/// How many different links HTML has: what is clicked all at once was clicked by a machine.
pub(in crate::outreach::delivery) fn link_count(html: &str) -> i32 {
    let lower = html.to_ascii_lowercase();
    let mut links = std::collections::HashSet::new();
    for (at, _) in lower.match_indices("href=") {
        let rest = &html[at + 5..];
        let link = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => rest[1..].split(quote).next(),
            _ => rest.split([' ', '>']).next(),
        };
        if let Some(link) = link.filter(|link| link.starts_with("http")) {
            links.insert(link);
        }
    }
    i32::try_from(links.len()).unwrap_or(i32::MAX).min(10_000)
}

/// The domain of a sender such as `Sam <sam@example.org>`.
pub(in crate::outreach::delivery) fn domain_of(sender: &str) -> Option<&str> {
    let (_, domain) = sender.rsplit_once('@')?;
    let domain = domain.trim_end_matches(['>', ' ']);
    let is_good = !domain.is_empty()
        && domain
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    is_good.then_some(domain)
}

/// A message as platforms get it; none for what came in, or was blanked.
pub(in crate::outreach::delivery) fn outgoing(row: &Message) -> Option<facet::Message> {
    let details: Details = serde_json::from_str(&row.details).unwrap_or_default();
    let text = row.body.clone();
    let content = match row.channel {
        MessageChannel::Email => facet::Content::Email {
            subject: row.subject.clone()?,
            text,
            html: row.html.clone(),
            reply_to: details.reply_to,
            message_id: row.internet_id.clone()?,
            references: serde_json::from_str(&row.refs).unwrap_or_default(),
            headers: Vec::new(),
        },
        MessageChannel::Sms => facet::Content::Sms {
            text: text?,
            media: Vec::new(),
        },
        MessageChannel::Whatsapp => match details.template {
            Some(template) => facet::Content::WhatsAppTemplate {
                template,
                variables: details.variables,
            },
            None => facet::Content::WhatsApp { text: text? },
        },
        MessageChannel::Voice => facet::Content::Voice {
            text: text?,
            language: details.language,
        },
    };
    Some(facet::Message {
        id: row.id.to_string(),
        from: row.own_address.clone().unwrap_or_default(),
        to: row.address.clone()?,
        to_name: details.name,
        content,
        callback: row.callback.as_deref().and_then(|text| text.parse().ok()),
    })
}

/// The longest beginning of a text that has at most so many bytes.
pub(in crate::outreach::delivery) fn cut(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

/// The same to be stored: NUL is no character of PostgreSQL's texts.
pub(in crate::outreach::delivery) fn kept(text: &str, bytes: usize) -> String {
    cut(text, bytes).replace('\0', "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_cut_between_characters(text in "\\PC{0,40}", bytes in 0_usize..60) {
            let short = cut(&text, bytes);
            prop_assert!(short.len() <= bytes.max(text.len().min(bytes)) && text.starts_with(short));
        }
    }

    #[test]
    fn links_are_counted_once_and_domains_are_found() {
        let html = r#"<a href="https://a.example/1">x</a> <A HREF='https://a.example/2'>y</A> <a href="https://a.example/1">z</a> <a href="mailto:x@y">m</a>"#;
        assert_eq!(link_count(html), 2);
        assert_eq!(domain_of("Sam <sam@example.org>"), Some("example.org"));
        assert_eq!(domain_of("sam@mail.example.org"), Some("mail.example.org"));
        assert_eq!(domain_of("+4930123"), None);
        assert_eq!(domain_of("a@b>\r\nx"), None);
    }

    #[test]
    fn what_says_nothing_or_too_much_is_refused() {
        let limits = Limits {
            length: 10,
            per_second: None,
        };
        let sms = |text: &str| {
            let content = Content::Sms {
                text: text.to_owned(),
            };
            content.checked(limits).map_err(|(_, refused)| refused.code)
        };
        assert_eq!(sms("hello"), Ok(()));
        assert_eq!(sms("grüße 1234"), Ok(()));
        assert_eq!(sms(" "), Err(MessageProblem::InvalidContent));
        assert_eq!(sms("01234567890"), Err(MessageProblem::TooLong));
    }
}
