//! Jobs in GraphQL.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::{Context, InputObject, Object, Result, SimpleObject, Subscription};
use entity::id::JobId;
use entity::{Area, EventKind, JobState, Timestamp};
use futures_util::{Stream, StreamExt};
use serde::Deserialize;

use super::JobFilter;
use crate::api::types::{Access, Json, Listed, Live, Pages, connection, page_request, scoped, user_errors};
use crate::error::Error;
use crate::events::{Event, Filter};
use crate::identity::Scope;

/// A piece of background work.
pub struct Job(super::Job);

impl Job {
    /// Shows a job that the caller may see.
    #[must_use]
    pub fn new(job: super::Job) -> Self {
        Self(job)
    }
}

/// A figure of a job.
#[derive(SimpleObject, Clone, Debug, PartialEq, Eq)]
pub struct JobCount {
    /// What is counted, e.g. `created`.
    name: String,
    /// How many.
    value: i64,
}

fn counts(counts: BTreeMap<String, i64>) -> Vec<JobCount> {
    counts
        .into_iter()
        .map(|(name, value)| JobCount { name, value })
        .collect()
}

/// From 0 to 1; `None` while the total is unknown.
#[expect(clippy::cast_precision_loss, reason = "a share for display")]
fn progress(state: JobState, done: i64, total: Option<i64>) -> Option<f64> {
    match (state, total) {
        (JobState::Succeeded, _) => Some(1.0),
        (_, Some(total)) if total > 0 => Some((done as f64 / total as f64).clamp(0.0, 1.0)),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact to a microsecond for 285 years")]
fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    (to.micros() - from.micros()).max(0) as f64 / 1e6
}

#[Object]
impl Job {
    /// The job's id.
    async fn id(&self) -> JobId {
        self.0.id
    }
    /// Which work, e.g. `leads.import`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }
    /// Where it stands.
    async fn state(&self) -> JobState {
        self.0.state
    }
    /// Share that is done, from 0 to 1; null while the total is unknown.
    async fn progress(&self) -> Option<f64> {
        progress(self.0.state, self.0.done, self.0.total)
    }
    /// Units done, e.g. rows of a file.
    async fn done(&self) -> i64 {
        self.0.done
    }
    /// Units in all; null while unknown.
    async fn total(&self) -> Option<i64> {
        self.0.total
    }
    /// Figures of the work, e.g. how many were created and rejected, ordered by name.
    async fn counts(&self) -> Result<Vec<JobCount>> {
        Ok(counts(serde_json::from_str(&self.0.counts).map_err(Error::from)?))
    }
    /// Why it failed; null unless it did.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }
    /// How often it was begun: more than once when a worker's process died.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }
    /// What it was asked to do.
    async fn input(&self) -> Result<Json> {
        Ok(Json(serde_json::from_str(&self.0.input).map_err(Error::from)?))
    }
    /// Who asked for it: `token_…`, `operator`, `system`.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }
    /// When it was asked for.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// When it was first begun; null while it waits.
    async fn started_at(&self) -> Option<Timestamp> {
        self.0.started_at
    }
    /// When it ended; null while it waits or runs.
    async fn ended_at(&self) -> Option<Timestamp> {
        self.0.ended_at
    }
    /// When somebody asked to cancel it; null when nobody did.
    async fn cancel_requested_at(&self) -> Option<Timestamp> {
        self.0.cancel_requested_at
    }
    /// Seconds that it waited for a worker, up to now while it waits.
    async fn waited_seconds(&self, ctx: &Context<'_>) -> f64 {
        let job = &self.0;
        let until = job.started_at.or(job.ended_at);
        seconds_between(job.created_at, until.unwrap_or_else(|| ctx.app().clock().now()))
    }
    /// Seconds from its first start to its end, up to now while it runs; null before it is begun.
    async fn duration_seconds(&self, ctx: &Context<'_>) -> Option<f64> {
        let started = self.0.started_at?;
        let until = self.0.ended_at.unwrap_or_else(|| ctx.app().clock().now());
        Some(seconds_between(started, until))
    }
}

/// Queries about jobs.
#[derive(Default)]
pub struct JobQuery;

#[scoped]
#[Object]
impl JobQuery {
    /// A job; null when there is none with this id.
    #[scope("jobs:read")]
    async fn job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The job's id, `job_…`.")] id: JobId,
    ) -> Result<Option<Job>> {
        Ok(super::find(ctx.app(), ctx.caller()?, id).await?.map(Job))
    }

    /// Jobs, newest first.
    #[scope("jobs:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a connection and a filter"
    )]
    async fn jobs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only jobs in one of these states.")] states: Option<Vec<JobState>>,
        #[graphql(desc = "Only jobs of one of these kinds, e.g. `leads.import`.")] kinds: Option<Vec<String>>,
    ) -> Result<Listed<Job>> {
        let page = page_request(
            &Pages {
                first,
                after,
                last,
                before,
            },
            JobFilter::ORDER,
        )?;
        let filter = JobFilter {
            states: states.unwrap_or_default(),
            kinds: kinds.unwrap_or_default(),
        };
        let page = super::list(ctx.app(), ctx.caller()?, &filter, &page).await?;
        Ok(connection(page, |job| (JobFilter::keyset(&job), Job(job))))
    }
}

user_errors!(
    /// An expected failure of a call about jobs.
    JobUserError,
    super::JobProblem
);

/// Which job to cancel.
#[derive(InputObject)]
struct JobCancelInput {
    /// The job's id, `job_…`.
    id: JobId,
}

/// The answer of `jobCancel`.
#[derive(SimpleObject)]
struct JobCancelPayload {
    /// The job; null when there are user errors. One that runs is still `RUNNING` here, and ends as `CANCELLED` after the
    /// batch it is at.
    job: Option<Job>,
    /// What was wrong with the input.
    user_errors: Vec<JobUserError>,
}

/// Changes of jobs.
#[derive(Default)]
pub struct JobMutation;

#[scoped]
#[Object]
impl JobMutation {
    /// Cancels a job: at once while it waits, after the current batch while it runs; what was committed stays. Asking
    /// again changes nothing.
    #[scope("jobs:write")]
    async fn job_cancel(&self, ctx: &Context<'_>, input: JobCancelInput) -> Result<JobCancelPayload> {
        let JobCancelInput { id } = input;
        let (job, user_errors) = JobUserError::split(super::cancel(ctx.app(), ctx.caller()?, id).await)?;
        Ok(JobCancelPayload {
            job: job.map(Job),
            user_errors,
        })
    }
}

/// A job was queued, went on or ended.
struct JobProgressed {
    event: Arc<Event>,
    then: Standing,
}

/// How a job stood at an event, as the event keeps it.
#[derive(Deserialize)]
struct Standing {
    state: JobState,
    done: i64,
    total: Option<i64>,
    counts: BTreeMap<String, i64>,
}

#[Object]
impl JobProgressed {
    /// Resume after this event by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.event)
    }
    /// When it was recorded.
    async fn at(&self) -> Timestamp {
        self.event.at
    }
    /// Where the job stood then.
    async fn state(&self) -> JobState {
        self.then.state
    }
    /// Share that was done then, from 0 to 1; null while the total is unknown. It never falls.
    async fn progress(&self) -> Option<f64> {
        progress(self.then.state, self.then.done, self.then.total)
    }
    /// Units done then.
    async fn done(&self) -> i64 {
        self.then.done
    }
    /// Units in all; null while unknown.
    async fn total(&self) -> Option<i64> {
        self.then.total
    }
    /// The figures of the work then, ordered by name.
    async fn counts(&self) -> Vec<JobCount> {
        counts(self.then.counts.clone())
    }
    /// The job as it is now.
    async fn job(&self, ctx: &Context<'_>) -> Result<Option<Job>> {
        let id = self.event.subject.parse::<JobId>().map_err(Error::internal)?;
        Ok(super::find(ctx.app(), ctx.caller()?, id).await?.map(Job))
    }
}

/// Subscriptions to jobs.
#[derive(Default)]
pub struct JobSubscription;

#[scoped]
#[Subscription]
impl JobSubscription {
    /// Jobs as they are queued, go on (a few times a second) and end.
    #[scope("jobs:read")]
    async fn job_progressed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this job.")] id: Option<JobId>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<JobProgressed>> + use<>> {
        let filter = Filter {
            subjects: id.map(|id| id.to_string()).into_iter().collect::<HashSet<_>>(),
            ..Filter::kinds(&[EventKind::JobProgressed])
        };
        let (app, caller) = (ctx.app().clone(), ctx.caller()?.clone());
        let own = move |events: Vec<Arc<Event>>| {
            let (app, caller) = (app.clone(), caller.clone());
            async move {
                let id = |event: &Event| event.subject.parse::<JobId>().ok();
                let ids: HashSet<JobId> = events.iter().filter_map(|event| id(event)).collect();
                let ids: Vec<JobId> = ids.into_iter().collect();
                let jobs = super::get_many(&app, &ids).await?;
                let is_own = |event: &Arc<Event>| {
                    let job = id(event).and_then(|id| jobs.get(&id));
                    job.is_some_and(|job| caller.sees_made_by(&job.created_by))
                };
                Ok(events.into_iter().filter(is_own).collect())
            }
        };
        let events = Live::open_for(ctx, Scope::Read(Area::Jobs), filter, after.as_deref(), own)?;
        Ok(events.map(|event| {
            let event = event?;
            let then = serde_json::from_str(&event.payload).map_err(Error::from)?;
            Ok(JobProgressed { event, then })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_share_once_the_total_is_known() {
        assert_eq!(progress(JobState::Running, 25, Some(100)), Some(0.25));
        assert_eq!(progress(JobState::Running, 101, Some(100)), Some(1.0));
        assert_eq!(progress(JobState::Running, 25, None), None);
        assert_eq!(progress(JobState::Queued, 0, Some(0)), None);
        assert_eq!(progress(JobState::Succeeded, 0, Some(0)), Some(1.0));
        assert_eq!(progress(JobState::Cancelled, 40, Some(100)), Some(0.4));
    }
}
