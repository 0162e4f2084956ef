//! Table `message_stray`.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::ConnectionId};

/// Something told of a message whose id at the platform is not written down yet.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "message_stray")]
pub struct Model {
    /// By which connection.
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// The platform's id of the message.
    #[sea_orm(primary_key, auto_increment = false)]
    pub platform_id: String,
    /// What tells it apart.
    #[sea_orm(primary_key, auto_increment = false)]
    pub step_key: String,
    /// What happened (JSON).
    pub happened: String,
    /// When it came.
    pub received_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
