//! Table `text_spending`.

use sea_orm::entity::prelude::*;

use crate::{Day, id::ConnectionId};

/// What a connection has spent on texts in a day; of those that are being written, an estimate.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "text_spending")]
pub struct Model {
    /// The connection.
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// The day, UTC.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Day,
    /// In US dollars, millionths of a millionth.
    pub cost: i64,
    /// Tokens, read and written.
    pub tokens: i64,
}

impl ActiveModelBehavior for ActiveModel {}
