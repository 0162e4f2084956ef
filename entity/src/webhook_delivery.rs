//! Table `webhook_delivery`.

use sea_orm::entity::prelude::*;

use crate::{
    Timestamp, WebhookState,
    id::{ConnectionId, WebhookDeliveryId},
};

/// A webhook as it came.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_delivery")]
pub struct Model {
    /// The delivery.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookDeliveryId,
    /// To which connection.
    pub connection_id: ConnectionId,
    /// BLAKE3 of the platform's id of it, or of its bytes.
    pub dedupe_key: Vec<u8>,
    /// What it is about, in the platform's words.
    pub topic: Option<String>,
    /// `GET` or `POST`.
    pub method: String,
    /// The address it was sent to.
    pub url: String,
    /// Its headers (JSON list of pairs), without those of no use.
    pub headers: String,
    /// Its bytes.
    pub body: Vec<u8>,
    /// What became of it.
    pub state: WebhookState,
    /// How many events were in it.
    pub events: i32,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is to be tried (again); none when it is done or given up.
    pub due_at: Option<Timestamp>,
    /// What kind of failure the last one was.
    pub problem_kind: Option<String>,
    /// The same in words.
    pub problem: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
    /// When it was done.
    pub processed_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
