//! Table `ad_action`.

use sea_orm::entity::prelude::*;

use crate::{AdLevel, Day, id::ConnectionId};

/// What came of advertisements on a day, by the platform's word for it.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ad_action")]
pub struct Model {
    /// By which connection.
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// By what it is broken down.
    #[sea_orm(primary_key, auto_increment = false)]
    pub level: AdLevel,
    /// The platform's id of the campaign, group or advertisement.
    #[sea_orm(primary_key, auto_increment = false)]
    pub external_id: String,
    /// The day, in the account's time zone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Day,
    /// The platform's word.
    #[sea_orm(primary_key, auto_increment = false)]
    pub action: String,
    /// How often, in thousandths: platforms share one between several advertisements.
    pub count_milli: i64,
    /// What it was worth, in minor units of the currency of the result.
    pub value_minor: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
