//! Table `ad_result`.

use sea_orm::entity::prelude::*;

use crate::{AdLevel, Day, Timestamp, id::ConnectionId};

/// What advertisements cost and brought on a day.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ad_result")]
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
    /// Its name.
    pub name: String,
    /// ISO 4217.
    pub currency: String,
    /// What it cost, in minor units.
    pub spend_minor: i64,
    /// How often it was shown.
    pub impressions: i64,
    /// How often it was clicked.
    pub clicks: i64,
    /// When it was read.
    pub synced_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
