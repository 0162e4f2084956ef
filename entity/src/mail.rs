//! Table `mail`: mails to users: the outbox.

use sea_orm::entity::prelude::*;

use crate::{MailState, Timestamp, id::MailId};

/// A mail that Leadline sends or sent.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "mail")]
pub struct Model {
    /// The mail.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MailId,
    /// To whom.
    pub recipient: String,
    /// Its subject.
    pub subject: String,
    /// Its text, sealed by the vault: it may hold a link that is good once.
    pub body: Vec<u8>,
    /// How far it is.
    pub state: MailState,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is tried next.
    pub next_attempt_at: Option<Timestamp>,
    /// What went wrong last.
    pub error: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When the server took it.
    pub sent_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
