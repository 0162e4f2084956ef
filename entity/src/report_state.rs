//! Table `report_state`.

use sea_orm::entity::prelude::*;

use crate::Timestamp;

/// Whether the sums of reports are complete; one row. Whoever writes sums holds it.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "report_state")]
pub struct Model {
    /// Always 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// How often all leads had to be looked at anew.
    pub wanted: i32,
    /// How many of these times were done: the sums are complete where it is all of them.
    pub built: i32,
    /// What is kept is to be forgotten before the next time.
    pub from_scratch: bool,
    /// When all of them were last looked at.
    pub built_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
