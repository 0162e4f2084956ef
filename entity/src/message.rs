//! Table `message`.

use sea_orm::entity::prelude::*;

use crate::{
    MessageChannel, MessageDirection, MessagePurpose, MessageState, Timestamp,
    id::{ConnectionId, LeadId, MessageId},
};

/// A message to a lead, or from one.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "message")]
pub struct Model {
    /// The message.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MessageId,
    /// By which connection.
    pub connection_id: ConnectionId,
    /// The lead, where it is known.
    pub lead_id: Option<LeadId>,
    /// Which way it goes.
    pub direction: MessageDirection,
    /// What it goes by.
    pub channel: MessageChannel,
    /// What it is for; none of what comes in.
    pub purpose: Option<MessagePurpose>,
    /// What has become of it.
    pub state: MessageState,
    /// The other's address or number, in the form in which they are compared.
    pub address: Option<String>,
    /// Our address or number; empty where the platform chooses it.
    pub own_address: Option<String>,
    /// The subject of a mail.
    pub subject: Option<String>,
    /// What it says, as text.
    pub body: Option<String>,
    /// What it says, as HTML.
    pub html: Option<String>,
    /// What else it says (JSON object).
    pub details: String,
    /// Its `Message-ID`, without angle brackets.
    pub internet_id: Option<String>,
    /// The platform's id of it.
    pub platform_id: Option<String>,
    /// The `Message-ID`s that it answers to, the nearest last (JSON list).
    pub refs: String,
    /// The message of ours, or to us, that it answers.
    pub answers_id: Option<MessageId>,
    /// The message that it is sent again for.
    pub resend_of: Option<MessageId>,
    /// Into how many parts a text message was cut.
    pub segments: Option<i32>,
    /// How many links it has.
    pub link_count: i32,
    /// How many entries its history has.
    pub steps: i32,
    /// How often it was opened.
    pub opens: i32,
    /// How often a link in it was followed.
    pub clicks: i32,
    /// How often it was handed over.
    pub attempts: i32,
    /// How often the platform was asked what became of it.
    pub asked: i32,
    /// When something is to be done with it.
    pub due_at: Option<Timestamp>,
    /// Who hands it over.
    pub claim: Option<String>,
    /// When it was handed over; of what comes in: when it was written.
    pub sent_at: Option<Timestamp>,
    /// What kind of failure was the last.
    pub problem_kind: Option<String>,
    /// The same in words.
    pub problem: Option<String>,
    /// The platform's code of it.
    pub problem_code: Option<String>,
    /// Where the platform tells what becomes of it.
    pub callback: Option<String>,
    /// Who asked for it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// When what is personal was taken out of it.
    pub blanked_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
