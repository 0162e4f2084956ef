//! Table `lifetime_model`.

use sea_orm::entity::prelude::*;

use crate::{Day, Timestamp};

/// A fit of the models of lifetime values.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "lifetime_model")]
pub struct Model {
    /// Counts the fits, from 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i32,
    /// When it was made.
    pub fitted_at: Timestamp,
    /// The last UTC day of the purchases it rests on.
    pub until_day: Day,
    /// ISO 4217, of all money.
    pub currency: String,
    /// What came of it (JSON object).
    pub report: String,
}

impl ActiveModelBehavior for ActiveModel {}
