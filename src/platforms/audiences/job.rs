//! The job that tells a platform of an audience: the difference between who belongs into it and who is in it, batch by batch.
//!
//! Nothing of it is kept but who is in: a run that takes over where another one died looks at the difference anew.

use std::collections::HashSet;

use async_trait::async_trait;
use entity::id::{AudienceSyncId, LeadId};
use entity::{AudienceKind, AudienceMemberState, AudienceTask, JobState};
use integrations::facet::{
    Audience as Made, AudienceReceipt, AudienceSink, AudienceSize, Lookalike, NewAudience,
};
use integrations::{Context, Kind};
use serde::Deserialize;

use super::selection::{Selection, selection};
use super::syncs::{self, End};
use super::{Audience, AudienceSync, Member, model, store};
use crate::app::App;
use crate::db::{DbErr, Tx, deployment_key};
use crate::error::Error;
use crate::jobs::{Counts, JobContext, JobKind, JobOutcome};
use crate::leads::visible::Visible;
use crate::platforms::connections::{Live, live, report};

/// The name of the kind of job.
pub(super) const KIND: &str = "platforms.audience";
/// Most leads of a batch, whatever the platform takes: a bound of memory and of transactions.
const MOST: usize = 10_000;

/// Tells platforms of audiences.
#[derive(Clone, Copy, Debug, Default)]
pub struct AudienceJob;

#[derive(Deserialize)]
struct Input {
    sync: AudienceSyncId,
}

/// Why it does not go on.
enum Halt {
    /// The job is to stop.
    Stopped,
    /// The audience was removed meanwhile.
    Gone,
    /// The platform failed.
    Failed(integrations::Error),
    /// We failed.
    Fault(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Fault(error)
    }
}

impl From<DbErr> for Halt {
    fn from(error: DbErr) -> Self {
        Self::Fault(error.into())
    }
}

fn no(kind: Kind, message: impl Into<String>) -> Halt {
    Halt::Failed(integrations::Error::new(kind, message))
}

#[async_trait]
impl JobKind for AudienceJob {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn waits_for_others(&self) -> bool {
        true
    }

    async fn run(&self, app: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        let Input { sync: id } = job.input()?;
        let sync = store::find_sync(app.db().write(), id).await?;
        let Some(sync) = sync.filter(|sync| sync.job_id == job.id()) else {
            return Err(Error::NotFound("the sync of this job is gone".into()));
        };
        if sync.ended_at.is_some() {
            // The process died between the end of the sync and that of its job.
            return Ok(JobOutcome::Finished);
        }
        let end = match told(app, job, sync.clone()).await {
            Ok(end) => end,
            Err(Halt::Gone) => {
                syncs::end(app, sync, &End::Cancelled).await?;
                return Ok(JobOutcome::Finished);
            }
            Err(Halt::Stopped) if job.is_cancel_requested().await? => End::Cancelled,
            // The process ends: another one goes on.
            Err(Halt::Stopped) => return Ok(JobOutcome::Stopped),
            Err(Halt::Failed(error)) => End::Failed(error),
            // The job is tried again, or fails, and the schedule closes the sync then.
            Err(Halt::Fault(error)) => return Err(error),
        };
        syncs::end(app, sync, &end).await?;
        match end {
            End::Told(_) | End::Removed | End::Broken(_) => Ok(JobOutcome::Finished),
            End::Cancelled => Ok(JobOutcome::Stopped),
            End::Failed(error) => Err(Error::BadInput(error.to_string())),
        }
    }
}

async fn told(app: &App, job: &JobContext, sync: AudienceSync) -> Result<End, Halt> {
    let Some(audience) = store::find(app.db().write(), sync.audience_id).await? else {
        return Err(Halt::Gone);
    };
    if audience.deleted_at.is_some() && sync.task != AudienceTask::Remove {
        return Err(Halt::Gone);
    }
    let Some(live) = live(app, audience.connection_id).await? else {
        return Err(no(Kind::NotFound, "the connection was removed"));
    };
    if !live.is_active() {
        let message = format!("the connection is {}; it has to be ACTIVE", live.row.state);
        return Err(no(Kind::Settings, message));
    }
    let task = sync.task;
    let mut telling = Telling {
        app,
        job,
        context: live.context(app),
        live,
        audience,
        sync: AudienceSync {
            state: JobState::Running,
            ..sync
        },
        total: None,
    };
    let outcome = match task {
        AudienceTask::Sync => telling.whole().await,
        AudienceTask::Size => telling.size().await.map(|size| End::Told(Ok(size))),
        AudienceTask::Remove => telling.remove().await,
    };
    match &outcome {
        // What is wrong with one audience is not wrong with the connection.
        Err(Halt::Failed(error)) | Ok(End::Told(Err(error)))
            if !matches!(
                error.kind,
                Kind::Forbidden | Kind::NotFound | Kind::Refused | Kind::Unsupported | Kind::Settings
            ) =>
        {
            report(app, &telling.live, Err(error)).await?;
        }
        Err(_) | Ok(End::Told(Err(_))) => {}
        Ok(_) => report(app, &telling.live, Ok(())).await?,
    }
    outcome
}

struct Telling<'a> {
    app: &'a App,
    job: &'a JobContext,
    live: Live,
    context: Context,
    audience: Audience,
    /// With the figures so far.
    sync: AudienceSync,
    total: Option<i64>,
}

impl Telling<'_> {
    fn sink(&self) -> Result<&dyn AudienceSink, Halt> {
        let sink = self.live.facets(self.app).audience_sink;
        sink.ok_or_else(|| {
            let message = format!("{} has no audiences, or is switched off", self.live.row.platform);
            no(Kind::Unsupported, message)
        })
    }

    /// The platform's answer, unless the job is to stop meanwhile: what it was told by then is told again.
    async fn answer<T>(&self, call: impl Future<Output = integrations::Result<T>>) -> Result<T, Halt> {
        tokio::select! {
            answer = call => answer.map_err(Halt::Failed),
            () = self.job.stopped() => Err(Halt::Stopped),
        }
    }

    fn external_id(&self) -> Result<&str, Halt> {
        let id = self.audience.external_id.as_deref();
        id.ok_or_else(|| no(Kind::NotFound, "the platform does not have the audience"))
    }

    async fn size(&self) -> Result<AudienceSize, Halt> {
        let id = self.external_id()?;
        self.answer(self.sink()?.size(&self.context, id)).await
    }

    async fn remove(&self) -> Result<End, Halt> {
        if let Some(id) = &self.audience.external_id {
            self.answer(self.sink()?.delete(&self.context, id)).await?;
        }
        Ok(End::Removed)
    }

    /// All of it. An audience that somebody removed at the platform is made anew, once.
    async fn whole(&mut self) -> Result<End, Halt> {
        let was_there = self.audience.external_id.is_some();
        match self.once().await {
            Err(Halt::Failed(error)) if was_there && error.kind == Kind::NotFound => {
                tracing::info!(audience = %self.audience.id, %error, "an audience is gone at the platform; making it anew");
                self.change(|row| {
                    row.external_id = None;
                    row.generation += 1;
                })
                .await?;
                self.once().await
            }
            outcome => outcome,
        }
    }

    async fn once(&mut self) -> Result<End, Halt> {
        if self.audience.external_id.is_none() {
            let made = self.made().await?;
            self.keep_made(made).await?;
        }
        if syncs::has_members(&self.audience) {
            let Selection { belonging, unusable } = selection(self.app, &self.audience.filter).await?;
            let db = self.app.db().read();
            if self.total.is_none() {
                let left = store::difference(db, &self.audience, &belonging).await?;
                self.total = Some(self.done() + left);
            }
            // First: whoever withdrew does not wait for those who come.
            self.take_out(&belonging).await?;
            if let Some(message) = unusable {
                let message = format!("the filter cannot be used any more: {message}");
                return Err(no(Kind::Settings, message));
            }
            self.put_in(&belonging).await?;
        }
        match self.size().await {
            Ok(size) => Ok(End::Told(Ok(size))),
            // All is told, whatever became of the size; one that is gone meanwhile is made anew.
            Err(Halt::Failed(error)) if error.kind != Kind::NotFound => Ok(End::Told(Err(error))),
            Err(halt) => Err(halt),
        }
    }

    async fn made(&self) -> Result<Made, Halt> {
        let row = &self.audience;
        let sink = self.sink()?;
        if row.kind == AudienceKind::Custom {
            let new = NewAudience {
                name: row.name.clone(),
                description: row.description.clone(),
            };
            return self.answer(sink.create(&self.context, &new)).await;
        }
        let origin = match row.origin_id {
            Some(id) => store::find(self.app.db().write(), id).await?,
            None => None,
        };
        let Some(origin) = origin.and_then(|origin| origin.external_id) else {
            let message = "the audience whose people they are to be like is not there any more";
            return Err(no(Kind::Settings, message));
        };
        let like = Lookalike {
            name: row.name.clone(),
            country: row.country.clone().unwrap_or_default(),
            ratio: f64::from(row.percent.unwrap_or(1)) / 100.0,
        };
        self.answer(sink.lookalike(&self.context, &origin, &like)).await
    }

    /// Kept also where the audience was removed meanwhile: so that it can be removed at the platform, too.
    async fn keep_made(&mut self, made: Made) -> Result<(), Halt> {
        let tx = self.app.db().begin().await?;
        let Some(mut row) = store::locked(&tx, self.audience.id).await? else {
            return Err(Halt::Gone);
        };
        if let Some(twin) = store::twin(&tx, row.id, &self.live.row.platform, &made.id).await? {
            let message = format!(
                "the platform's audience `{}` is that of `{twin}` already; give this one another name",
                made.name
            );
            return Err(no(Kind::Settings, message));
        }
        row.external_id = Some(made.id);
        store::update(&tx, row.clone()).await?;
        tx.commit().await?;
        let is_gone = row.deleted_at.is_some();
        self.audience = row;
        if is_gone { Err(Halt::Gone) } else { Ok(()) }
    }

    async fn change(&mut self, change: impl FnOnce(&mut Audience)) -> Result<(), Halt> {
        let tx = self.app.db().begin().await?;
        let mut row = self.locked(&tx).await?;
        change(&mut row);
        store::update(&tx, row.clone()).await?;
        tx.commit().await?;
        self.audience = row;
        Ok(())
    }

    /// The audience, which is not removed before the transaction ends.
    async fn locked(&self, tx: &Tx) -> Result<Audience, Halt> {
        let row = store::locked(tx, self.audience.id).await?;
        row.filter(|row| row.deleted_at.is_none()).ok_or(Halt::Gone)
    }

    fn limit(&self) -> Result<usize, Halt> {
        Ok(self.sink()?.batch_limit().clamp(1, MOST))
    }

    async fn take_out(&mut self, belonging: &Visible) -> Result<(), Halt> {
        let (limit, mut after) = (self.limit()?, None);
        loop {
            let db = self.app.db().read();
            let batch = store::leaving(db, self.audience.id, belonging, after, limit as u64).await?;
            let Some(last) = batch.last() else { return Ok(()) };
            after = Some(*last);
            let people: Vec<_> = batch.iter().copied().map(model::nobody).collect();
            let id = self.external_id()?;
            let receipt = self
                .answer(self.sink()?.remove(&self.context, id, &people))
                .await?;
            self.sync.removed += count(batch.len());
            self.add_up(receipt);
            let tx = self.app.db().begin().await?;
            self.locked(&tx).await?;
            store::remove_members(&tx, self.audience.id, &batch).await?;
            self.written(tx).await?;
            if batch.len() < limit {
                return Ok(());
            }
        }
    }

    async fn put_in(&mut self, belonging: &Visible) -> Result<(), Halt> {
        let (limit, mut after) = (self.limit()?, None);
        let key = deployment_key(self.app.db(), self.app.clock().now()).await?;
        loop {
            let db = self.app.db().read();
            let batch = store::missing(db, &self.audience, belonging, after, limit as u64).await?;
            let Some(last) = batch.last() else { return Ok(()) };
            after = Some(last.id);
            let leads: Vec<LeadId> = batch.iter().map(|lead| lead.id).collect();
            let held = store::held(db, self.audience.id, &leads).await?;
            let now = self.app.clock().now();
            let step = model::step(&self.audience, &batch, &held, &key, now);
            if !step.told.is_empty() {
                let changed: HashSet<LeadId> = step.changed.iter().copied().collect();
                let joining: Vec<Member> = step
                    .told
                    .iter()
                    .map(|member| joining(member, changed.contains(&member.lead_id)))
                    .collect();
                let tx = self.app.db().begin().await?;
                self.locked(&tx).await?;
                store::put_members(&tx, &joining).await?;
                tx.commit().await?;
                let id = self.external_id()?;
                if !step.changed.is_empty() {
                    let people: Vec<_> = step.changed.iter().copied().map(model::nobody).collect();
                    self.answer(self.sink()?.remove(&self.context, id, &people))
                        .await?;
                }
                let told: HashSet<LeadId> = step.told.iter().map(|member| member.lead_id).collect();
                let people: Vec<_> = batch
                    .iter()
                    .filter(|lead| told.contains(&lead.id))
                    .map(model::person)
                    .collect();
                let receipt = self.answer(self.sink()?.add(&self.context, id, &people)).await?;
                self.sync.added += step.new;
                self.sync.changed += count(step.changed.len());
                self.add_up(receipt);
            }
            let tx = self.app.db().begin().await?;
            self.locked(&tx).await?;
            store::put_members(&tx, &step.told).await?;
            store::put_members(&tx, &step.same).await?;
            self.written(tx).await?;
            if batch.len() < limit {
                return Ok(());
            }
        }
    }

    fn add_up(&mut self, receipt: AudienceReceipt) {
        let AudienceReceipt {
            received,
            invalid,
            unmatchable,
        } = receipt;
        let whole = |figure: u64| i64::try_from(figure).unwrap_or(i64::MAX);
        self.sync.received = self.sync.received.saturating_add(whole(received));
        self.sync.invalid = self.sync.invalid.saturating_add(whole(invalid));
        self.sync.unmatchable = self.sync.unmatchable.saturating_add(whole(unmatchable));
    }

    /// Leads that were done, by earlier runs as well.
    fn done(&self) -> i64 {
        self.sync.added + self.sync.removed + self.sync.changed
    }

    /// A batch is done.
    async fn written(&self, tx: Tx) -> Result<(), Halt> {
        let sync = &self.sync;
        let counts: Counts = [
            ("added", sync.added),
            ("removed", sync.removed),
            ("changed", sync.changed),
            ("received", sync.received),
            ("invalid", sync.invalid),
            ("unmatchable", sync.unmatchable),
        ]
        .into_iter()
        .map(|(name, figure)| (name.to_owned(), figure))
        .collect();
        self.job
            .progress(&tx, self.done(), self.total, &counts, &())
            .await?;
        store::update_sync(&tx, sync.clone()).await?;
        tx.commit().await?;
        if self.job.is_cancelled().await {
            return Err(Halt::Stopped);
        }
        Ok(())
    }
}

/// `is_changed`: the platform still knows them by something else, until it is told. Then what they are known by is nothing, so that
/// whoever goes on after a failure finds them changed again.
fn joining(member: &Member, is_changed: bool) -> Member {
    Member {
        state: AudienceMemberState::Joining,
        told_at: None,
        match_key: if is_changed { 0 } else { member.match_key },
        ..member.clone()
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
