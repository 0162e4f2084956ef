//! Table `conversion_reversal`.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::ConversionId};

/// That a conversion was taken back, in part or as a whole.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conversion_reversal")]
pub struct Model {
    /// Which conversion.
    #[sea_orm(primary_key, auto_increment = false)]
    pub conversion_id: ConversionId,
    /// When.
    #[sea_orm(primary_key, auto_increment = false)]
    pub at: Timestamp,
    /// What is given back of it from then on, all in all, in minor units.
    pub refunded_minor: i64,
    /// It was called off.
    pub is_void: bool,
}

impl ActiveModelBehavior for ActiveModel {}
