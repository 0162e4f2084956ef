//! Table `job`.

use sea_orm::entity::prelude::*;

use crate::{JobState, Timestamp, id::JobId};

/// A piece of background work.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub struct Model {
    /// The job.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JobId,
    /// Which work, e.g. `leads.import`.
    pub kind: String,
    /// Where it stands.
    pub state: JobState,
    /// What it was asked to do (JSON).
    pub input: String,
    /// How far it has come, committed with the work itself (JSON).
    pub checkpoint: String,
    /// Units done.
    pub done: i64,
    /// Units in all, once known.
    pub total: Option<i64>,
    /// Figures by name, e.g. created, updated, rejected (JSON object).
    pub counts: String,
    /// Why it failed.
    pub error: Option<String>,
    /// How often it was begun.
    pub attempts: i32,
    /// Who asked for it.
    pub created_by: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was first begun.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When its worker last gave a sign of life.
    pub heartbeat_at: Option<Timestamp>,
    /// When somebody asked to stop it.
    pub cancel_requested_at: Option<Timestamp>,
    /// The run that holds it: only that one may write its progress and its end.
    pub claim: Option<Uuid>,
    /// While it is queued: when to wake a worker for it (again).
    pub wake_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
