//! Imports as background work: they survive a killed worker, can be watched and cancelled.

use async_trait::async_trait;
use entity::id::{JobId, UploadId};
use entity::{Area, import_rejection};
use serde::{Deserialize, Serialize};

use super::convert::ConvertError;
use super::engine::{self, Step, Watcher, drive};
use super::mapping::{Assignments, MappingError};
use super::preview::{Preview, preview};
use super::sink::Sink;
use super::source::SourceError;
use super::spec::{ImportChoices, ImportSpec};
use super::store;
use super::targets::{Field, ImportKind};
use crate::app::App;
use crate::db::{CallKey, Once, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::identity::{Actor, Caller, Scope, rows_of};
use crate::jobs::{self, Counts, Job, JobContext, JobKind, JobOutcome};
use crate::media::files;

/// A rejection as it is kept with its import.
pub use import_rejection::Model as StoredRejection;

/// What can be wrong with a call about imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "ImportErrorCode")]
pub enum ImportProblem {
    /// There is no such upload, or not any more.
    UploadNotFound,
    /// The file is neither CSV nor Excel, or damaged.
    UnreadableFile,
    /// The mapping does not fit the file.
    InvalidMapping,
    /// A choice such as the date format cannot be used.
    InvalidChoice,
}

/// What an import job is asked to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportInput {
    /// The file.
    pub upload_id: UploadId,
    /// What its owner calls it.
    pub file_name: String,
    /// How to read it.
    pub choices: ImportChoices,
}

/// The name of the kind of job that imports.
#[must_use]
pub const fn job_kind(kind: ImportKind) -> &'static str {
    match kind {
        ImportKind::Leads => "leads.import",
        ImportKind::Engagements => "engagements.import",
        ImportKind::Conversions => "conversions.import",
        ImportKind::Costs => "costs.import",
        ImportKind::Rates => "rates.import",
    }
}

/// What has to be open to whoever imports.
const fn area(kind: ImportKind) -> Area {
    match kind {
        ImportKind::Leads => Area::Leads,
        ImportKind::Engagements | ImportKind::Conversions => Area::Engagement,
        ImportKind::Costs => Area::Revenue,
        ImportKind::Rates => Area::Settings,
    }
}

/// Asks for what an import needs: costs and rates are of the deployment, and belong to no lead.
fn require(caller: &Caller, kind: ImportKind) -> Result<(), Error> {
    caller.require(Scope::Write(area(kind)))?;
    match kind {
        ImportKind::Costs | ImportKind::Rates => caller.require_all_rows(),
        ImportKind::Leads | ImportKind::Engagements | ImportKind::Conversions => Ok(()),
    }
}

/// What is wrong with a file, by the field of the input that has to be mended.
fn problem(error: &engine::FileError, spec: &ImportSpec) -> Problem<ImportProblem> {
    use engine::FileError::{Convert, Mapping, Source};
    let (path, code) = match error {
        Source(error) | Convert(ConvertError::Source(error)) => match error {
            SourceError::UnknownSheet { .. } | SourceError::NoSheets { .. } => {
                ("sheet".to_owned(), ImportProblem::InvalidChoice)
            }
            _ => ("uploadId".to_owned(), ImportProblem::UnreadableFile),
        },
        Mapping(error) => (place(error, spec), ImportProblem::InvalidMapping),
        Convert(ConvertError::AmbiguousDates { .. }) => {
            ("dateFormat".to_owned(), ImportProblem::InvalidChoice)
        }
        Convert(ConvertError::Default { target, .. }) => {
            let given = |name: &str| {
                spec.kind
                    .target(name)
                    .is_some_and(|given| given.to_string() == *target)
            };
            let place = item("defaults", "value", &spec.defaults, |(left, _)| given(left));
            (
                place.unwrap_or_else(|| "defaults".to_owned()),
                ImportProblem::InvalidChoice,
            )
        }
    };
    Problem::new(&path, code, error.to_string())
}

/// Where in the input the mistake of a mapping stands.
fn place(error: &MappingError, spec: &ImportSpec) -> String {
    let found = match error {
        MappingError::UnknownTarget { name, .. } => {
            let named = |(left, _): &(String, String)| left == name;
            item("map", "target", &spec.map, named)
                .or_else(|| item("defaults", "target", &spec.defaults, named))
        }
        MappingError::UnknownColumn { name, .. } => {
            item("map", "column", &spec.map, |(_, right)| right.trim() == name)
        }
        MappingError::Namespace { target, .. } => {
            let named = |(left, _): &(String, String)| {
                spec.kind
                    .target(left)
                    .is_some_and(|given| given.to_string() == *target)
            };
            item("map", "target", &spec.map, named)
                .or_else(|| item("defaults", "target", &spec.defaults, named))
        }
        MappingError::UnknownCustomField { key, .. } => {
            let named = |(left, _): &(String, String)| {
                let target = spec.kind.target(left);
                target.is_some_and(|target| target.field() == Field::Custom && target.key() == key)
            };
            item("map", "target", &spec.map, named)
                .or_else(|| item("defaults", "target", &spec.defaults, named))
        }
        MappingError::Syntax { .. } | MappingError::TwoColumns { .. } | MappingError::Missing { .. } => None,
    };
    found.unwrap_or_else(|| "map".to_owned())
}

/// The path of one side of the first pair that is meant: `map.1.column`.
fn item(
    list: &str,
    side: &str,
    pairs: &Assignments,
    is_meant: impl Fn(&(String, String)) -> bool,
) -> Option<String> {
    let n = pairs.0.iter().position(is_meant)?;
    Some(format!("{list}.{n}.{side}"))
}

/// Finds the file of an upload and checks that it can be read the way the caller wants.
///
/// # Errors
/// [`ImportProblem`]s; a missing scope.
async fn checked(
    app: &App,
    caller: &Caller,
    kind: ImportKind,
    upload_id: UploadId,
    choices: &ImportChoices,
) -> Outcome<(files::StoredUpload, ImportSpec, engine::Opened), ImportProblem> {
    require(caller, kind)?;
    let upload = match files::locate(app, caller, upload_id).await {
        Ok(upload) => upload,
        Err(Error::NotFound(message)) => {
            return Err(Problem::new("uploadId", ImportProblem::UploadNotFound, message).into());
        }
        Err(error) => return Err(error.into()),
    };
    let spec = ImportSpec::new(kind, choices)
        .map_err(|error| Problem::new(error.choice, ImportProblem::InvalidChoice, error.reason))?;
    let (path, for_reader) = (upload.path.clone(), spec.clone());
    let opened = tokio::task::spawn_blocking(move || engine::open(&path, &for_reader))
        .await
        .map_err(Error::internal)?
        .map_err(|error| problem(&error, &spec))?;
    engine::check_custom_fields(app, opened.1.mapping())
        .await?
        .map_err(|error| problem(&error.into(), &spec))?;
    Ok((upload, spec, opened))
}

/// Starts the import of an upload, once for a key; what is wrong with the file as a whole is said at once.
///
/// # Errors
/// [`ImportProblem`]s; a missing scope; a key used for another call.
pub async fn start(
    app: &App,
    caller: &Caller,
    kind: ImportKind,
    upload_id: UploadId,
    choices: ImportChoices,
    key: Option<&CallKey>,
) -> Outcome<Job, ImportProblem> {
    require(caller, kind)?;
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, job_kind(kind))?;
    if key.is_some() {
        // Asked before the file is looked at: an import that has ended may have left it behind.
        let tx = app.db().begin().await?;
        let before = once.before(&tx, now).await?;
        tx.rollback().await?;
        if let Some(id) = before {
            return Ok(jobs::queued_before(app, id).await?);
        }
    }
    let choices = choices.or_region(app.region());
    let (upload, ..) = checked(app, caller, kind, upload_id, &choices).await?;
    let input = ImportInput {
        upload_id,
        file_name: upload.file_name,
        choices,
    };
    let tx = app.db().begin().await?;
    if let Some(id) = once.before(&tx, now).await? {
        tx.rollback().await?;
        return Ok(jobs::queued_before(app, id).await?);
    }
    let job = jobs::enqueue(&tx, caller, now, job_kind(kind), &input, None).await?;
    once.keep(&tx, &job.id).await?;
    tx.commit().await?;
    jobs::wake(app, job.id).await;
    Ok(job)
}

/// Shows what the import of an upload would do: looks at up to 10,000 rows and shows the first 10 good ones.
///
/// # Errors
/// [`ImportProblem`]s; a missing scope.
pub async fn preview_upload(
    app: &App,
    caller: &Caller,
    kind: ImportKind,
    upload_id: UploadId,
    choices: ImportChoices,
) -> Outcome<Preview, ImportProblem> {
    let choices = choices.or_region(app.region());
    let (_, spec, (mut source, converter)) = checked(app, caller, kind, upload_id, &choices).await?;
    let preview = tokio::task::spawn_blocking(move || preview(&mut source, &converter, 10, Some(10_000)))
        .await
        .map_err(Error::internal)?
        .map_err(|error| problem(&error.into(), &spec))?;
    Ok(preview)
}

/// Rejections of an import behind the `after`th, in the order of the file.
///
/// # Errors
/// [`Error::NotFound`] when there is no such import; a missing scope, `leads:read` or `engagement:read` by what was
/// imported; the database's.
pub async fn rejections(
    app: &App,
    caller: &Caller,
    job_id: JobId,
    after: i64,
    limit: u64,
) -> Result<Vec<StoredRejection>, Error> {
    let name = jobs::kind_of(app, caller, job_id).await?;
    let kind = ImportKind::ALL
        .into_iter()
        .find(|kind| name.as_deref() == Some(job_kind(*kind)))
        .ok_or_else(|| Error::NotFound(format!("there is no import `{job_id}`")));
    // Who may read neither learns nothing, not even that there is none.
    let readable = kind.as_ref().map_or(Area::Leads, |kind| area(*kind));
    caller.require(Scope::Read(readable))?;
    kind?;
    Ok(store::page(app.db().read(), job_id, after, limit).await?)
}

/// The kind of job that imports into a sink.
pub struct ImportJob<S> {
    kind: ImportKind,
    sink: S,
}

impl<S: Sink> ImportJob<S> {
    /// Imports of `kind` land in `sink`.
    #[must_use]
    pub const fn new(kind: ImportKind, sink: S) -> Self {
        Self { kind, sink }
    }
}

/// Where a later run goes on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Checkpoint {
    rows: u64,
    rejections: i64,
}

#[async_trait]
impl<S: Sink + 'static> JobKind for ImportJob<S> {
    fn kind(&self) -> &'static str {
        job_kind(self.kind)
    }

    async fn run(&self, app: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        let ImportInput {
            upload_id, choices, ..
        } = job.input()?;
        // The permission was decided when the import was asked for; what it does is still theirs in every history, and
        // what they see of the leads by now is what it may touch.
        let rows = rows_of(app, job.created_by()).await?;
        let caller = Caller::on_behalf_of(Actor::of_id(job.created_by())).with_rows(rows);
        let upload = files::locate(app, &caller, upload_id).await?;
        let spec =
            ImportSpec::new(self.kind, &choices).map_err(|error| Error::BadInput(error.to_string()))?;
        let checkpoint: Checkpoint = job.checkpoint()?.unwrap_or_default();
        let mut watcher = JobWatcher {
            job,
            counts: job.counts()?,
            checkpoint,
        };
        let rows = checkpoint.rows;
        let finished = drive(app, &caller, upload.path, spec, &self.sink, rows, &mut watcher).await?;
        Ok(if finished {
            JobOutcome::Finished
        } else {
            JobOutcome::Stopped
        })
    }
}

struct JobWatcher<'a> {
    job: &'a JobContext,
    counts: Counts,
    checkpoint: Checkpoint,
}

fn counted(counts: &Counts, step: &Step) -> Counts {
    let mut counts = counts.clone();
    for (name, more) in [
        ("created", step.created),
        ("updated", step.updated),
        ("unchanged", step.unchanged),
        ("rejected", step.rejected),
    ] {
        *counts.entry(name.to_owned()).or_default() += i64::try_from(more).unwrap_or(i64::MAX);
    }
    counts
}

#[async_trait]
impl Watcher for JobWatcher<'_> {
    async fn batch(&mut self, tx: &Tx, step: &Step) -> Result<(), Error> {
        store::add(tx, self.job.id(), self.checkpoint.rejections, &step.rejections).await?;
        let done = i64::try_from(step.rows).unwrap_or(i64::MAX);
        // How many rows a file has is known at its end alone; until then the part that is read says it nearly.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "an estimate for display"
        )]
        let total = (step.progress > 0.0).then(|| ((done as f64 / step.progress).round() as i64).max(done));
        let checkpoint = Checkpoint {
            rows: step.rows,
            rejections: self.checkpoint.rejections + i64::try_from(step.rejections.len()).unwrap_or(0),
        };
        self.job
            .progress(tx, done, total, &counted(&self.counts, step), &checkpoint)
            .await
    }

    async fn committed(&mut self, step: Step) -> bool {
        self.counts = counted(&self.counts, &step);
        self.checkpoint.rows = step.rows;
        self.checkpoint.rejections += i64::try_from(step.rejections.len()).unwrap_or(0);
        !self.job.is_cancelled().await
    }
}
