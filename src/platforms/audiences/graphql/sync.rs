//! How telling platforms went, as clients see it.

use async_graphql::{Context, Object, Result};
use entity::id::{AudienceSyncId, JobId};
use entity::{AudienceTask, JobState, SyncCause, Timestamp};

use super::audience::{Audience, AudienceFailure, load};
use crate::api::types::{Access, scoped};
use crate::jobs::{self, graphql::Job};
use crate::platforms::audiences as room;

/// One time that a platform was told of an audience, or asked about it.
pub struct AudienceSync(pub room::AudienceSync);

#[scoped]
#[Object]
impl AudienceSync {
    /// Its id.
    async fn id(&self) -> AudienceSyncId {
        self.0.id
    }
    /// The audience.
    #[graphql(complexity = "2 + child_complexity")]
    async fn audience(&self, ctx: &Context<'_>) -> Result<Option<Audience>> {
        load(ctx, self.0.audience_id).await
    }
    /// What the platform was asked.
    async fn task(&self) -> AudienceTask {
        self.0.task
    }
    /// Why it was begun.
    async fn cause(&self) -> SyncCause {
        self.0.cause
    }
    /// Where it stands.
    async fn state(&self) -> JobState {
        self.0.state
    }
    /// Leads that came in.
    async fn added(&self) -> i64 {
        self.0.added
    }
    /// Leads that were taken out.
    async fn removed(&self) -> i64 {
        self.0.removed
    }
    /// Leads that are known by something else now, and that the platform was told of anew.
    async fn changed(&self) -> i64 {
        self.0.changed
    }
    /// How many of those it was told of the platform took; whether it knows them it does not say.
    async fn received(&self) -> i64 {
        self.0.received
    }
    /// How many the platform could not read.
    async fn invalid(&self) -> i64 {
        self.0.invalid
    }
    /// How many were not sent, as the platform could not know them by what there is.
    async fn unmatchable(&self) -> i64 {
        self.0.unmatchable
    }
    /// Why it failed; null unless it did.
    async fn failure(&self) -> Option<AudienceFailure> {
        Some(AudienceFailure {
            kind: self.0.problem_kind.clone()?,
            message: self.0.problem.clone(),
        })
    }
    /// The id of the job that does it; `jobCancel` stops it.
    async fn job_id(&self) -> JobId {
        self.0.job_id
    }
    /// The job that does it.
    #[scope("jobs:read")]
    #[graphql(complexity = "2 + child_complexity")]
    async fn job(&self, ctx: &Context<'_>) -> Result<Option<Job>> {
        Ok(jobs::find(ctx.app(), ctx.caller()?, self.0.job_id)
            .await?
            .map(Job::new))
    }
    /// Who asked for it: `user_…`, `token_…`, `operator`, `system`.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }
    /// When it was asked for.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// When it ended; null while it goes on.
    async fn ended_at(&self) -> Option<Timestamp> {
        self.0.ended_at
    }
}
