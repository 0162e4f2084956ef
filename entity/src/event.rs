//! Table `event`.

use sea_orm::entity::prelude::*;

use crate::{EventKind, Timestamp, id::LeadId};

/// One entry of the event log: what happened, in the order of its position.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    /// Its place in the log; gap-free, given after the commit.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// What happened.
    pub kind: EventKind,
    /// The lead it is about, if it is about one.
    pub lead_id: Option<LeadId>,
    /// The id of the thing that changed.
    pub subject: String,
    /// Who did it: `user_…`, `token_…`, `operator`, `system`.
    pub actor: String,
    /// Details as a JSON object; no personal data beyond ids and words of the vocabulary.
    pub payload: String,
    /// When it was recorded.
    pub at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
