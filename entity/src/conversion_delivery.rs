//! Table `conversion_delivery`.

use sea_orm::entity::prelude::*;

use crate::{
    ConversionDeliveryState, HappeningKind, SharedAs, Stage, Timestamp,
    id::{ConnectionId, ConversionDeliveryId, ConversionId, LeadId},
};

/// A happening that is told to a platform; one row for each, whatever becomes of it.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conversion_delivery")]
pub struct Model {
    /// The delivery.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConversionDeliveryId,
    /// To which connection.
    pub connection_id: ConnectionId,
    /// What the platform knows it by: made from what happened, so that it counts once however often it is told.
    pub event_id: String,
    /// What happened.
    pub happening: HappeningKind,
    /// The lead.
    pub lead_id: LeadId,
    /// The conversion, where it was one.
    pub conversion_id: Option<ConversionId>,
    /// The stage that was reached, where it was one.
    pub stage: Option<Stage>,
    /// As what it is told.
    pub shared_as: SharedAs,
    /// By which name, where the deployment chose it.
    pub name: Option<String>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// What became of it.
    pub state: ConversionDeliveryState,
    /// How often it was tried in vain.
    pub attempts: i32,
    /// When it is tried (again).
    pub due_at: Option<Timestamp>,
    /// What kind of hindrance there was last.
    pub problem_kind: Option<String>,
    /// The same in words.
    pub problem: Option<String>,
    /// When the platform took it.
    pub sent_at: Option<Timestamp>,
    /// When the conversion was given back in part or called off.
    pub reversed_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
