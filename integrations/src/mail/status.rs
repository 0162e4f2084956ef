//! What reply codes (RFC 5321) and enhanced status codes (RFC 3463, RFC 5248) say.

use crate::facet::DeliveryState;
use crate::{Kind, RecipientFault, Retry};

/// An enhanced status code, its class apart: subject and detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enhanced {
    /// 2: done, 4: not now, 5: never.
    pub class: u8,
    /// What it is about: 1 addresses, 2 mailboxes, 3 systems, 4 network, 5 protocol, 6 content, 7 policy.
    pub subject: u16,
    /// What of it.
    pub detail: u16,
}

/// What a reply was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The connection.
    Greeting,
    /// User and password.
    SignIn,
    /// The sender.
    Sender,
    /// The recipient.
    Recipient,
    /// The mail itself.
    Content,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What kind of failure.
    pub kind: Kind,
    /// Whether to try again.
    pub retry: Retry,
}

impl Verdict {
    const fn of(kind: Kind) -> Self {
        Self {
            kind,
            retry: kind.usual_retry(),
        }
    }

    /// What it says about the recipient.
    #[must_use]
    pub const fn fault(self) -> Option<RecipientFault> {
        match self.kind {
            Kind::Recipient(fault) => Some(fault),
            _ => None,
        }
    }

    /// What became of a mail that was given up for it.
    #[must_use]
    pub const fn state(self) -> DeliveryState {
        match self.kind {
            Kind::Recipient(RecipientFault::Unknown) => DeliveryState::Bounced,
            Kind::Recipient(RecipientFault::Blocked | RecipientFault::OptedOut)
            | Kind::Refused
            | Kind::Forbidden => DeliveryState::Blocked,
            _ => DeliveryState::Failed,
        }
    }
}

const UNKNOWN: Kind = Kind::Recipient(RecipientFault::Unknown);
const BLOCKED: Kind = Kind::Recipient(RecipientFault::Blocked);
const OPTED_OUT: Kind = Kind::Recipient(RecipientFault::OptedOut);
const LATER: Kind = Kind::Recipient(RecipientFault::Temporary);

/// Subject, details from, to; what it means when it is for good, and when it is for now. The first row that fits counts.
const BY_ENHANCED: [(u16, u16, u16, Kind, Kind); 20] = [
    // Domain or address of the sender.
    (1, 7, 8, Kind::Forbidden, Kind::Unavailable),
    (1, 0, 999, UNKNOWN, LATER),
    (2, 1, 1, UNKNOWN, LATER),
    (2, 3, 3, Kind::Refused, LATER),
    (2, 0, 999, LATER, LATER),
    // Too large for the system.
    (3, 4, 4, Kind::Refused, Kind::Unavailable),
    (3, 0, 999, Kind::Unavailable, Kind::Unavailable),
    (4, 0, 999, LATER, LATER),
    // Too many recipients.
    (5, 3, 3, Kind::Refused, Kind::Throttled),
    (5, 0, 999, Kind::Refused, Kind::Unavailable),
    // An address that needs SMTPUTF8.
    (
        6,
        7,
        7,
        Kind::Recipient(RecipientFault::NoRoute),
        Kind::Unavailable,
    ),
    (6, 0, 999, Kind::Refused, Kind::Unavailable),
    (7, 8, 9, Kind::Unauthorised, Kind::Unavailable),
    (7, 11, 11, Kind::Unauthorised, Kind::Unavailable),
    // DKIM, SPF, DMARC, reverse DNS, null MX of the sender.
    (7, 20, 27, Kind::Forbidden, Kind::Unavailable),
    // Too much mail.
    (7, 28, 28, Kind::Throttled, Kind::Throttled),
    // Mailbox changed hands.
    (7, 17, 18, UNKNOWN, LATER),
    (7, 0, 999, BLOCKED, LATER),
    (0, 0, 999, BLOCKED, LATER),
    (8, 0, 999, Kind::Refused, Kind::Unavailable),
];

/// Replies that mean the same whatever the enhanced code says.
const BY_REPLY: [(u16, Kind); 8] = [
    (421, Kind::Throttled),
    (454, Kind::Unavailable),
    (530, Kind::Unauthorised),
    (534, Kind::Unauthorised),
    (535, Kind::Unauthorised),
    (538, Kind::Unauthorised),
    (555, Kind::Refused),
    (503, Kind::Refused),
];

/// Words that tell more than a general code; lower case.
const BY_WORDS: [(&str, Kind); 16] = [
    ("unsubscribed", OPTED_OUT),
    ("opted out", OPTED_OUT),
    ("relaying", Kind::Forbidden),
    ("unable to relay", Kind::Forbidden),
    ("relay access denied", Kind::Forbidden),
    ("user unknown", UNKNOWN),
    ("unknown user", UNKNOWN),
    ("no such user", UNKNOWN),
    ("does not exist", UNKNOWN),
    ("mailbox not found", UNKNOWN),
    ("spam", BLOCKED),
    ("blacklist", BLOCKED),
    ("blocklist", BLOCKED),
    ("blocked", BLOCKED),
    ("reputation", BLOCKED),
    ("policy", BLOCKED),
];

/// What a refusal means. The class of the reply (`basic`) counts more than that of the enhanced code; where there is no
/// reply, as in a report, pass none.
#[must_use]
pub fn verdict(basic: Option<u16>, code: Option<Enhanced>, stage: Stage, text: &str) -> Verdict {
    let known = |list: &[(u16, Kind)]| {
        let basic = basic?;
        list.iter()
            .find(|(reply, _)| *reply == basic)
            .map(|(_, kind)| *kind)
    };
    if let Some(kind) = known(&BY_REPLY) {
        return Verdict::of(kind);
    }
    let for_good = match basic {
        Some(basic) => basic >= 500,
        None => code.is_none_or(|code| code.class == 5),
    };
    if stage == Stage::SignIn {
        return Verdict::of(if for_good {
            Kind::Unauthorised
        } else {
            Kind::Unavailable
        });
    }
    let by_code = code.and_then(|code| by_enhanced(code, for_good));
    let is_general = matches!(by_code, None | Some(BLOCKED));
    if for_good && is_general && stage != Stage::Greeting {
        let text = text.to_lowercase();
        // Of the sender, "does not exist" says nothing about the recipient.
        let concerns = |kind| stage != Stage::Sender || !matches!(kind, UNKNOWN | OPTED_OUT);
        let told = BY_WORDS
            .iter()
            .find(|(words, kind)| concerns(*kind) && text.contains(words));
        if let Some((_, kind)) = told {
            return Verdict::of(*kind);
        }
    }
    Verdict::of(by_code.unwrap_or_else(|| by_stage(basic, for_good, stage)))
}

fn by_enhanced(code: Enhanced, for_good: bool) -> Option<Kind> {
    // x.0.0 says nothing.
    if (code.subject, code.detail) == (0, 0) {
        return None;
    }
    let row = BY_ENHANCED
        .iter()
        .find(|(subject, from, to, ..)| *subject == code.subject && (*from..=*to).contains(&code.detail))?;
    Some(if for_good { row.3 } else { row.4 })
}

fn by_stage(basic: Option<u16>, for_good: bool, stage: Stage) -> Kind {
    match (stage, for_good, basic) {
        (Stage::Greeting, true, _) | (Stage::Sender, true, Some(550 | 551 | 553 | 554)) => Kind::Forbidden,
        (Stage::Recipient, true, Some(550 | 551 | 553)) => UNKNOWN,
        (Stage::Recipient, true, Some(552)) => LATER,
        (Stage::Recipient, true, Some(554)) | (Stage::Content, true, Some(550 | 554)) => BLOCKED,
        (Stage::Recipient, false, Some(450 | 452)) => LATER,
        (_, true, _) => Kind::Refused,
        (_, false, _) => Kind::Unavailable,
    }
}

/// An enhanced code at the beginning of a text, e.g. `5.1.1 user unknown`.
#[must_use]
pub fn enhanced(text: &str) -> Option<Enhanced> {
    let word = text.split_whitespace().next()?.trim_end_matches([':', ',', ';']);
    let mut parts = word.split('.');
    let mut next = || -> Option<u16> {
        let part = parts.next()?;
        let is_number = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse().ok()).flatten()
    };
    let (class, subject, detail) = (next()?, next()?, next()?);
    let class = u8::try_from(class)
        .ok()
        .filter(|class| [2, 4, 5].contains(class))?;
    parts.next().is_none().then_some(Enhanced {
        class,
        subject,
        detail,
    })
}

/// The reply code and the enhanced code in the words of a server, e.g. `smtp; 550 5.1.1 user unknown` or `550-5.7.1 no`.
#[must_use]
pub fn read(text: &str) -> (Option<u16>, Option<Enhanced>) {
    let text = text.trim();
    let text = text
        .split_once(';')
        .filter(|(kind, _)| {
            kind.len() <= 10
                && kind
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
        .map_or(text, |(_, rest)| rest)
        .trim_start();
    let basic = text
        .get(..3)
        .filter(|_| text.as_bytes().get(3).is_none_or(|byte| b" -".contains(byte)))
        .and_then(|digits| digits.parse::<u16>().ok())
        .filter(|code| (200..600).contains(code));
    let rest = if basic.is_some() {
        text.get(4..).unwrap_or_default()
    } else {
        text
    };
    (basic, enhanced(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_by_the_table() {
        let cases = [
            ("550 5.1.1 user unknown", Stage::Recipient, UNKNOWN, Retry::Never),
            ("452 4.2.2 mailbox full", Stage::Recipient, LATER, Retry::BackOff),
            ("552 5.2.2 mailbox full", Stage::Recipient, LATER, Retry::BackOff),
            ("450 4.7.1 greylisted", Stage::Recipient, LATER, Retry::BackOff),
            ("550 5.7.1 refused", Stage::Recipient, BLOCKED, Retry::Never),
            (
                "550-5.7.1 no\n550 5.7.1 relaying denied",
                Stage::Recipient,
                Kind::Forbidden,
                Retry::Never,
            ),
            (
                "550 5.7.1 the recipient has unsubscribed",
                Stage::Recipient,
                OPTED_OUT,
                Retry::Never,
            ),
            ("550 no such user here", Stage::Recipient, UNKNOWN, Retry::Never),
            ("550 blocked for spam", Stage::Recipient, BLOCKED, Retry::Never),
            ("550 no", Stage::Sender, Kind::Forbidden, Retry::Never),
            ("553 5.1.8 sender", Stage::Sender, Kind::Forbidden, Retry::Never),
            ("554 5.6.0 content", Stage::Content, Kind::Refused, Retry::Never),
            ("554 no", Stage::Content, BLOCKED, Retry::Never),
            ("552 5.3.4 too big", Stage::Content, Kind::Refused, Retry::Never),
            ("552 too big", Stage::Content, Kind::Refused, Retry::Never),
            (
                "451 4.3.0 local error",
                Stage::Content,
                Kind::Unavailable,
                Retry::BackOff,
            ),
            (
                "421 4.7.0 closing",
                Stage::Sender,
                Kind::Throttled,
                Retry::BackOff,
            ),
            ("535 5.7.8 bad", Stage::SignIn, Kind::Unauthorised, Retry::Never),
            (
                "454 4.7.0 later",
                Stage::SignIn,
                Kind::Unavailable,
                Retry::BackOff,
            ),
            (
                "530 5.7.0 sign in",
                Stage::Sender,
                Kind::Unauthorised,
                Retry::Never,
            ),
            (
                "554 no service here",
                Stage::Greeting,
                Kind::Forbidden,
                Retry::Never,
            ),
            (
                "550 5.7.26 no DKIM",
                Stage::Content,
                Kind::Forbidden,
                Retry::Never,
            ),
            (
                "450 4.7.28 too much",
                Stage::Content,
                Kind::Throttled,
                Retry::BackOff,
            ),
            (
                "452 4.5.3 too many",
                Stage::Recipient,
                Kind::Throttled,
                Retry::BackOff,
            ),
            // The class of the reply counts.
            ("450 5.1.1 unknown", Stage::Recipient, LATER, Retry::BackOff),
            ("550 4.1.1 unknown", Stage::Recipient, UNKNOWN, Retry::Never),
            // The code says something, the words something else.
            (
                "550 5.1.1 blocked for spam",
                Stage::Recipient,
                UNKNOWN,
                Retry::Never,
            ),
            ("550 5.1.10 null MX", Stage::Recipient, UNKNOWN, Retry::Never),
        ];
        for (text, stage, kind, retry) in cases {
            let (basic, code) = read(text);
            assert_eq!(
                verdict(basic, code, stage, text),
                Verdict { kind, retry },
                "{text}"
            );
        }
    }

    #[test]
    fn codes_are_found_in_the_words_of_servers() {
        let code = |class, subject, detail| {
            Some(Enhanced {
                class,
                subject,
                detail,
            })
        };
        assert_eq!(read("smtp; 550 5.1.1 User unknown"), (Some(550), code(5, 1, 1)));
        assert_eq!(read("550-5.7.26 no"), (Some(550), code(5, 7, 26)));
        assert_eq!(read("X-Postfix; connect to mx: timed out"), (None, None));
        assert_eq!(read("5.2.2"), (None, code(5, 2, 2)));
        assert_eq!(read("550"), (Some(550), None));
        assert_eq!(read("10.0.0.1 refused"), (None, None));
        assert_eq!(read("5.1.1.1 x"), (None, None));
        assert_eq!(read("üüü"), (None, None));
    }
}
