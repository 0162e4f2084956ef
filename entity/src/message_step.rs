//! Table `message_step`.

use sea_orm::entity::prelude::*;

use crate::{MessageStep, Timestamp, id::MessageId};

/// Something that became of a message.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "message_step")]
pub struct Model {
    /// The message.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: MessageId,
    /// What tells it apart: the same again is the same.
    #[sea_orm(primary_key, auto_increment = false)]
    pub step_key: String,
    /// Its place in the history, from 1.
    pub position: i32,
    /// What.
    pub step: MessageStep,
    /// When it happened.
    pub at: Timestamp,
    /// When it was known here.
    pub recorded_at: Timestamp,
    /// The platform's code.
    pub code: Option<String>,
    /// The platform's, or the receiving server's, own words.
    pub detail: Option<String>,
    /// The link that was followed.
    pub url: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
