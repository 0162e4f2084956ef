//! A stand-in of a mail server: signs in, takes mail, refuses some addresses, and keeps what it took.

mod conversation;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::net::TcpStream;
use url::Url;

use crate::facet::{Content, Message};
use crate::sandbox::{
    Cases, Failure, Faults, MessengerCase, Protocol, Sandbox, SandboxAnswer, SandboxRequest, Setup,
};
use crate::{Clock, Kind, RecipientFault};

/// How many mails it keeps.
const KEPT: usize = 1_000;
/// Who may sign in.
pub(super) const USER: &str = "sandbox@example.org";
/// With what.
pub(super) const PASSWORD: &str = "sandbox-password";
/// How large a mail may be.
pub(super) const LARGEST: usize = 10 << 20;

/// A mail server that keeps what it takes.
#[derive(Debug)]
pub struct SmtpSandbox {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    mails: VecDeque<HeldMail>,
    taken: usize,
    connections: usize,
    /// Who was told to come again later.
    greylisted: HashSet<String>,
}

/// A mail that it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldMail {
    /// The sender of the envelope.
    pub from: String,
    /// The parameters behind it, e.g. `SIZE=100 ENVID=a`.
    pub parameters: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// The mail itself, the doubled dots taken out.
    pub data: Bytes,
    /// When it came.
    pub at: DateTime<Utc>,
}

impl SmtpSandbox {
    /// A server without mails.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// The last mails that it took, oldest first.
    #[must_use]
    pub fn mails(&self) -> Vec<HeldMail> {
        self.state().mails.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, mail: HeldMail) -> usize {
        let mut state = self.state();
        if state.mails.len() >= KEPT {
            state.mails.pop_front();
        }
        state.mails.push_back(mail);
        state.taken += 1;
        state.taken
    }

    /// Whether it is the first time that somebody is asked for.
    fn is_first(&self, address: &str) -> bool {
        self.state().greylisted.insert(address.to_lowercase())
    }
}

#[async_trait]
impl Sandbox for SmtpSandbox {
    fn setup(&self, base: &Url) -> Setup {
        Setup {
            settings: json!({
                "host": base.host_str().unwrap_or_default(),
                "port": base.port(),
                "encryption": "NONE",
                "user": USER,
            }),
            secrets: json!({ "password": PASSWORD }),
            credentials: None,
        }
    }

    async fn answer(&self, _: &SandboxRequest) -> SandboxAnswer {
        SandboxAnswer::empty(404)
    }

    fn failure(&self, _: Failure, _: &SandboxRequest) -> Option<SandboxAnswer> {
        None
    }

    fn holds(&self) -> BTreeMap<&'static str, usize> {
        let state = self.state();
        BTreeMap::from([("messages", state.taken), ("connections", state.connections)])
    }

    fn cases(&self) -> Cases {
        let refused = |id: &str, to: &str, kind| (letter(id, to, "Hello"), kind);
        Cases {
            messenger: Some(MessengerCase {
                messages: vec![
                    letter("smtp-case-1", "alma.becker@example.com", "Your offer"),
                    letter(
                        "smtp-case-2",
                        "Jürgen Müller <juergen@bücher.example>",
                        "Grüße aus Köln",
                    ),
                ],
                refused: vec![
                    refused(
                        "smtp-case-3",
                        "unknown@example.com",
                        Kind::Recipient(RecipientFault::Unknown),
                    ),
                    refused(
                        "smtp-case-4",
                        "full@example.com",
                        Kind::Recipient(RecipientFault::Temporary),
                    ),
                    refused(
                        "smtp-case-5",
                        "policy@example.com",
                        Kind::Recipient(RecipientFault::Blocked),
                    ),
                    refused(
                        "smtp-case-6",
                        "optout@example.com",
                        Kind::Recipient(RecipientFault::OptedOut),
                    ),
                    refused(
                        "smtp-case-7",
                        "spam@example.com",
                        Kind::Recipient(RecipientFault::Blocked),
                    ),
                    (
                        letter("smtp-case-8", "bo@example.com", "Hello\r\nBcc: all@example.com"),
                        Kind::Refused,
                    ),
                ],
                held: "messages",
            }),
            ..Cases::default()
        }
    }

    fn protocol(&self) -> Option<&dyn Protocol> {
        Some(self)
    }
}

#[async_trait]
impl Protocol for SmtpSandbox {
    async fn speak(&self, stream: TcpStream, faults: &Faults) {
        self.state().connections += 1;
        // Whoever hangs up has got what they wanted.
        let _ = self.converse(stream, faults).await;
    }
}

/// A mail to somebody.
pub(super) fn letter(id: &str, to: &str, subject: &str) -> Message {
    Message {
        id: id.to_owned(),
        from: "Sam Sender <sam@example.org>".to_owned(),
        to: to.to_owned(),
        to_name: None,
        content: Content::Email {
            subject: subject.to_owned(),
            text: Some("Good day,\n\nhere is your offer.\n.\nSam\n".to_owned()),
            html: Some("<p>Good day,</p><p>here is your offer.</p>".to_owned()),
            reply_to: Some("answers@example.org".to_owned()),
            message_id: format!("{id}@mail.example.org"),
            references: vec!["first@mail.example.org".to_owned(), "second@mail.example.org".to_owned()],
            headers: vec![
                (
                    "List-Unsubscribe".to_owned(),
                    "<https://u.example.org/u/9fK3opaque>, <mailto:unsubscribe@example.org?subject=9fK3opaque>"
                        .to_owned(),
                ),
                (
                    "List-Unsubscribe-Post".to_owned(),
                    "List-Unsubscribe=One-Click".to_owned(),
                ),
            ],
        },
        callback: None,
    }
}
