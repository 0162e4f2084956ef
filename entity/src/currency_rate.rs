//! Table `currency_rate`.

use sea_orm::entity::prelude::*;

use crate::{Day, Timestamp};

/// What the base of the table bought of a currency on a day.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "currency_rate")]
pub struct Model {
    /// ISO 4217.
    #[sea_orm(primary_key, auto_increment = false)]
    pub currency: String,
    /// The day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Day,
    /// Units of the currency for one unit of the base (decimal).
    pub rate: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
