//! Table `sync_run`.

use sea_orm::entity::prelude::*;

use crate::{
    JobState, SyncCause, Timestamp,
    id::{ConnectionId, JobId, SyncId},
};

/// A reading of a platform.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_run")]
pub struct Model {
    /// The reading.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SyncId,
    /// Of which connection.
    pub connection_id: ConnectionId,
    /// The job that does it.
    pub job_id: JobId,
    /// Why it was begun.
    pub cause: SyncCause,
    /// What is read, separated by spaces, in this order.
    pub kinds: String,
    /// Everything, not only what changed since the last time.
    pub is_full: bool,
    /// Where it stands.
    pub state: JobState,
    /// Figures by name, e.g. `customers.created` (JSON object).
    pub counts: String,
    /// What kind of failure ended it, e.g. `THROTTLED`.
    pub problem_kind: Option<String>,
    /// The same in words.
    pub problem: Option<String>,
    /// Who asked for it.
    pub created_by: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
