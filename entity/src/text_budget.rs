//! Table `text_budget`.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::ConnectionId};

/// What may be spent on texts by a connection in a day, and the model that writes where none is named.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "text_budget")]
pub struct Model {
    /// The connection.
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// The model where none is named.
    pub default_model: Option<String>,
    /// In US dollars, millionths of a millionth; none: no limit.
    pub cost_per_day: Option<i64>,
    /// In tokens; none: no limit.
    pub tokens_per_day: Option<i64>,
    /// Who changed it last.
    pub updated_by: String,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
