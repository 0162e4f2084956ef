//! Messages to be sent.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{Context, Result};

/// A platform that carries messages.
#[async_trait]
pub trait Messenger: Send + Sync {
    /// What it carries.
    fn channels(&self) -> &'static [Channel];

    /// What it takes on a channel that it carries.
    fn limits(&self, channel: Channel) -> Limits;

    /// The sender of messages that name none: an empty text where the platform chooses one itself, `None` where each message
    /// must name its own.
    fn usual_sender(&self, context: &Context, channel: Channel) -> Option<String> {
        let _ = (context, channel);
        None
    }

    /// Hands a message over, once. Nothing is ever sent again without a word: where the platform cannot say whether it
    /// took a message, that is a [`Receipt::Unknown`], not an error.
    ///
    /// # Errors
    /// The message was surely not taken, and why: [`Kind::Recipient`](crate::Kind::Recipient) concerns the recipient,
    /// the others the connection or the message.
    async fn send(&self, context: &Context, message: &Message) -> Result<Receipt>;

    /// What became of a message whose receipt was [`Receipt::Unknown`].
    ///
    /// # Errors
    /// The platform's.
    async fn reconcile(
        &self,
        context: &Context,
        message: &Message,
        sent_at: DateTime<Utc>,
    ) -> Result<Reconciled>;
}

/// What a message goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// E-mail.
    Email,
    /// Text message.
    Sms,
    /// WhatsApp.
    WhatsApp,
    /// A call.
    Voice,
}

/// What a platform takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a mail; characters of a text.
    pub length: usize,
    /// Messages a second that are sensible without an agreement; `None`: the platform tells by its answers.
    pub per_second: Option<u32>,
}

/// A message to one recipient.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Ours: unique, short, letters, digits, `-` and `_`. It comes back with all that the platform tells of the message.
    pub id: String,
    /// The sender: an address (`Sam <sam@example.org>`) or a number.
    pub from: String,
    /// The recipient: an address, or a number in E.164.
    pub to: String,
    /// The recipient's name.
    pub to_name: Option<String>,
    /// What it says; decides the channel.
    pub content: Content,
    /// Where the platform is to tell what becomes of it, where that is said with each message.
    pub callback: Option<url::Url>,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A mail.
    Email {
        /// Its subject.
        subject: String,
        /// As plain text.
        text: Option<String>,
        /// As HTML. One of the two is there.
        html: Option<String>,
        /// Where answers go.
        reply_to: Option<String>,
        /// Our `Message-ID`, without angle brackets: `id@domain`. Answers and events find their way back by it.
        message_id: String,
        /// The `Message-ID`s it answers to, oldest first.
        references: Vec<String>,
        /// Further headers, e.g. `List-Unsubscribe`.
        headers: Vec<(String, String)>,
    },
    /// A text message.
    Sms {
        /// What it says.
        text: String,
        /// Pictures to go with it.
        media: Vec<url::Url>,
    },
    /// WhatsApp within the 24 hours in which one may write freely.
    WhatsApp {
        /// What it says.
        text: String,
    },
    /// WhatsApp by a template that the platform has approved.
    WhatsAppTemplate {
        /// The platform's id of the template.
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

impl Content {
    /// The channel that it goes by.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Email { .. } => Channel::Email,
            Self::Sms { .. } => Channel::Sms,
            Self::WhatsApp { .. } | Self::WhatsAppTemplate { .. } => Channel::WhatsApp,
            Self::Voice { .. } => Channel::Voice,
        }
    }
}

/// What a platform says to a message that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It has it.
    Taken {
        /// The platform's id of the message; `None` where it tells none.
        id: Option<String>,
        /// What it has done with it so far.
        state: DeliveryState,
        /// Into how many parts a text message is cut, where it tells.
        segments: Option<u32>,
    },
    /// The connection broke or no answer came in time; it may have been sent.
    Unknown {
        /// What happened.
        reason: String,
    },
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// The platform has it.
    Queued,
    /// It is on its way.
    Sent,
    /// It has arrived.
    Delivered,
    /// It will be tried again by the platform.
    Deferred,
    /// It came back, for good.
    Bounced,
    /// It was not taken there: content, reputation or policy; the address may be good.
    Blocked,
    /// It was not sent or not delivered.
    Failed,
    /// It was looked at.
    Opened,
    /// A link in it was followed.
    Clicked,
    /// The recipient called it spam.
    Complained,
    /// The recipient asked not to be written to.
    Unsubscribed,
    /// The recipient asked to be written to again.
    Resubscribed,
    /// A call that nobody took.
    NoAnswer,
    /// A call to a line in use.
    Busy,
}

/// What became of a message that was perhaps sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reconciled {
    /// The platform has it.
    Found {
        /// The platform's id of it.
        id: String,
        /// What has become of it.
        state: DeliveryState,
    },
    /// The platform does not have it.
    Absent,
    /// The platform cannot say; its events may tell later.
    CannotTell,
}
