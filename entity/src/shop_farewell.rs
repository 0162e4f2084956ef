//! Table `shop_farewell`.

use sea_orm::entity::prelude::*;

use crate::{
    ConsentChannel, Timestamp,
    id::{ConnectionId, LeadId},
};

/// That a customer wants no more messages, which a shop is still to be told.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "shop_farewell")]
pub struct Model {
    /// By which connection.
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// The platform's id of the customer.
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer_id: String,
    /// By which channel.
    #[sea_orm(primary_key, auto_increment = false)]
    pub channel: ConsentChannel,
    /// Whose consent it was.
    pub lead_id: LeadId,
    /// When the shop is to be told; none when it does not take it.
    pub due_at: Option<Timestamp>,
    /// How often it was tried in vain.
    pub attempts: i32,
    /// What kind of failure was the last.
    pub problem_kind: Option<String>,
    /// The same in words.
    pub problem: Option<String>,
    /// When the consent was taken back here.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
