//! Table `audience_sync`.

use sea_orm::entity::prelude::*;

use crate::{
    AudienceTask, JobState, SyncCause, Timestamp,
    id::{AudienceId, AudienceSyncId, JobId},
};

/// One time that a platform was told of an audience.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audience_sync")]
pub struct Model {
    /// The sync.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AudienceSyncId,
    /// Of which audience.
    pub audience_id: AudienceId,
    /// The job that does it.
    pub job_id: JobId,
    /// What the platform is asked.
    pub task: AudienceTask,
    /// Why it was begun.
    pub cause: SyncCause,
    /// Where it stands.
    pub state: JobState,
    /// Leads that came in.
    pub added: i64,
    /// Leads that were taken out.
    pub removed: i64,
    /// Leads that are known by something else now.
    pub changed: i64,
    /// How many the platform took.
    pub received: i64,
    /// How many the platform could not read.
    pub invalid: i64,
    /// How many were not sent, as the platform could not match them.
    pub unmatchable: i64,
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
