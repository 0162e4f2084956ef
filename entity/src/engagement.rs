//! Table `engagement`.

use leadline_macros::ByPlace;
use sea_orm::entity::prelude::*;

use crate::{
    Channel, Device, EngagementType, SourceKind, Timestamp,
    id::{EngagementId, LeadId},
};

/// One interaction with a lead; append-only.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, ByPlace)]
#[sea_orm(table_name = "engagement")]
pub struct Model {
    /// The engagement.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EngagementId,
    /// The lead.
    pub lead_id: LeadId,
    /// What happened.
    pub engagement_type: EngagementType,
    /// By which way.
    pub channel: Channel,
    /// Name of a custom engagement.
    pub custom_name: Option<String>,
    /// What brought it about.
    pub source_kind: Option<SourceKind>,
    /// Its id there.
    pub source_id: Option<String>,
    /// Its name there.
    pub source_name: Option<String>,
    /// Groups the engagements of one message.
    pub message_id: Option<String>,
    /// How many links that message has.
    pub message_link_count: Option<i32>,
    /// The page or link.
    pub url: Option<String>,
    /// The page's title, the mail's subject …
    pub title: Option<String>,
    /// Worth given by the source, 0–100.
    pub value: Option<i32>,
    /// Revenue in minor units.
    pub revenue_minor: Option<i64>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// Device.
    pub device: Option<Device>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Address.
    pub ip: Option<String>,
    /// Browser or client.
    pub user_agent: Option<String>,
    /// More (JSON object).
    pub metadata: Option<String>,
    /// How surely a person did it, in thousandths.
    pub confidence_milli: i32,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When Leadline learnt of it.
    pub received_at: Timestamp,
    /// The same key twice is one engagement.
    pub dedupe_key: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
