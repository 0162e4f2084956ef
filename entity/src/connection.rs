//! Table `connection`.

use sea_orm::entity::prelude::*;

use crate::{ConnectionState, Timestamp, id::ConnectionId};

/// A platform that the deployment is connected with: an account, a shop, a relay.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "connection")]
pub struct Model {
    /// The connection.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConnectionId,
    /// The key of the platform, e.g. `shopify`.
    pub platform: String,
    /// What its owner calls it.
    pub name: String,
    /// Whether it is used.
    pub state: ConnectionState,
    /// What was entered (JSON of the platform's form).
    pub settings: String,
    /// Which of their fields feed which of ours, where that differs from the platform's defaults (JSON object).
    pub mapping: Option<String>,
    /// What was entered as secret: a sealed JSON object.
    pub secrets: Option<Vec<u8>>,
    /// What the platform handed out after consent: a sealed JSON object.
    pub credentials: Option<Vec<u8>>,
    /// Until when the access token in it is good.
    pub credentials_until: Option<Timestamp>,
    /// The account as the platform names it.
    pub account_id: Option<String>,
    /// The account for people.
    pub account_name: Option<String>,
    /// Where the account is to be seen.
    pub account_url: Option<String>,
    /// What was granted, separated by spaces, where the platform tells.
    pub scopes: Option<String>,
    /// What kind of failure the last one was, e.g. `UNAUTHORISED`; none while it works.
    pub problem_kind: Option<String>,
    /// The same in words.
    pub problem: Option<String>,
    /// When it was tried last.
    pub checked_at: Option<Timestamp>,
    /// How often it is read; only when somebody asks without one.
    pub sync_every_seconds: Option<i32>,
    /// When it is read next.
    pub next_sync_at: Option<Timestamp>,
    /// Grows with each change of what is needed to ask the platform.
    pub version: i64,
    /// Grows with each change of what is entered or consented to: what was tried before says nothing about what is there now.
    pub access_version: i64,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// When it was removed; what came by it stays.
    pub deleted_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
