//! Readings as clients see them.

use std::collections::BTreeMap;

use async_graphql::{Context, Object, Result, SimpleObject};
use entity::id::{JobId, SyncId};
use entity::{JobState, SyncCause, SyncKind, Timestamp};

use super::connection::{Connection, load};
use crate::api::types::{Access, scoped};
use crate::error::Error;
use crate::jobs::{self, graphql::Job};
use crate::platforms::connections::sync;

/// A reading of a platform.
pub struct Sync(pub sync::Sync);

/// Figures of a reading for one kind of things.
#[derive(SimpleObject, Default)]
pub struct SyncCount {
    /// What was read.
    kind: Option<SyncKind>,
    /// New ones.
    created: i64,
    /// Changed ones.
    updated: i64,
    /// Those that were there already.
    unchanged: i64,
    /// Those that could not be used, in whole or in part.
    refused: i64,
}

/// Something that was read and could not be used.
#[derive(SimpleObject)]
struct SyncRefusal {
    /// Its place among those of the reading, from 0.
    position: i32,
    /// What it is.
    kind: SyncKind,
    /// The platform's id of it.
    external_id: String,
    /// Why it could not be used.
    message: String,
}

/// Why a reading failed.
#[derive(SimpleObject)]
struct SyncFailure {
    /// What kind of failure, e.g. `UNAUTHORISED`, `THROTTLED`.
    kind: String,
    /// In words.
    message: Option<String>,
}

/// `customers.created` and the like, told apart by kind.
pub(super) fn counts(counts: &BTreeMap<String, i64>) -> Vec<SyncCount> {
    let mut found: Vec<SyncCount> = Vec::new();
    for kind in SyncKind::ALL {
        let name = kind.as_str().to_lowercase();
        let of = |what: &str| counts.get(&format!("{name}.{what}")).copied().unwrap_or_default();
        let count = SyncCount {
            kind: Some(*kind),
            created: of("created"),
            updated: of("updated"),
            unchanged: of("unchanged"),
            refused: of("refused"),
        };
        if count.created + count.updated + count.unchanged + count.refused > 0 {
            found.push(count);
        }
    }
    found
}

#[scoped]
#[Object]
impl Sync {
    /// The reading's id.
    async fn id(&self) -> SyncId {
        self.0.id
    }
    /// The connection that is read.
    async fn connection(&self, ctx: &Context<'_>) -> Result<Option<Connection>> {
        load(ctx, self.0.connection_id).await
    }
    /// What is read, in this order.
    async fn kinds(&self) -> Vec<SyncKind> {
        let kinds = self.0.kinds.split_whitespace();
        kinds.filter_map(|kind| kind.parse().ok()).collect()
    }
    /// Everything is read, not only what changed since the last time.
    async fn full(&self) -> bool {
        self.0.is_full
    }
    /// Why it was begun.
    async fn cause(&self) -> SyncCause {
        self.0.cause
    }
    /// Where it stands.
    async fn state(&self) -> JobState {
        self.0.state
    }
    /// What became of what was read, by kind.
    async fn counts(&self) -> Result<Vec<SyncCount>> {
        Ok(counts(
            &serde_json::from_str(&self.0.counts).map_err(Error::from)?,
        ))
    }
    /// Why it failed; null unless it did.
    async fn failure(&self) -> Option<SyncFailure> {
        Some(SyncFailure {
            kind: self.0.problem_kind.clone()?,
            message: self.0.problem.clone(),
        })
    }
    /// What could not be used, the first 1,000 of a reading.
    #[graphql(complexity = "5 + first.clamp(1, 100) as usize * child_complexity")]
    async fn refusals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1–100.", default = 25)] first: i32,
        #[graphql(desc = "From this position on.", default = 0)] from: i32,
    ) -> Result<Vec<SyncRefusal>> {
        if !(1..=100).contains(&first) {
            return Err(Error::BadInput(format!("`first` is {first}; it has to be from 1 to 100")).into());
        }
        let limit = u64::from(first.unsigned_abs());
        let found = sync::refusals(ctx.app(), ctx.caller()?, self.0.id, from, limit).await?;
        Ok(found
            .into_iter()
            .map(|row| SyncRefusal {
                position: row.position,
                kind: row.kind,
                external_id: row.external_id,
                message: row.message,
            })
            .collect())
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
