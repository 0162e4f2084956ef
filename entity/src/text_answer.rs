//! Table `text_answer`.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::TextId};

/// A text that a model wrote, kept for a while.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "text_answer")]
pub struct Model {
    /// Which text.
    #[sea_orm(primary_key, auto_increment = false)]
    pub generation_id: TextId,
    /// The text, sealed.
    pub text: Vec<u8>,
    /// Until when it is kept.
    pub until: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
