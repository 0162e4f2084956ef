//! Use cases of exports.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use entity::id::LeadId;
use entity::{ActorKind, Area};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::io::ReaderStream;

use super::cells::{Entry, ExportedScore};
use super::columns::{Choices, Column};
use super::lines::Lines;
use super::request::{ExportFormat, ExportProblem, ExportRequest};
use super::store;
use super::workbook::{self, Part};
use crate::app::App;
use crate::error::{Error, Outcome, Problem};
use crate::identity::{self, Actor, Caller, Link, MOST_LINK, Scope, audit};
use crate::leads::custom_fields;
use crate::leads::filter::{ScoreScale, Terms};
use crate::leads::import::Field;
use crate::leads::lead::Lead;
use crate::leads::visible::Visible;

/// Leads that are read at once: with the size of a lead the bound of the memory.
pub const BATCH_LEADS: u64 = 500;
/// What links of this room are signed for.
const PURPOSE: &str = "leadline export link 1";
/// Most namespaces of external ids that get a column unasked.
const MOST_NAMESPACES: usize = 100;
/// Batches that wait between reading and writing an Excel file.
const BATCHES_AHEAD: usize = 2;
/// Read from an Excel file at once, in bytes.
const FILE_CHUNK: usize = 64 << 10;

/// Tells the scores of leads. Scoring stands above this room, so whoever opens an export brings it.
#[async_trait]
pub trait ScoreSource: Send + Sync {
    /// The scores of leads as they are now.
    ///
    /// # Errors
    /// The database's.
    async fn scores(&self, app: &App, leads: &[LeadId]) -> Result<HashMap<LeadId, ExportedScore>, Error>;

    /// How a filter reads scores.
    ///
    /// # Errors
    /// The database's.
    async fn scale(&self, app: &App) -> Result<ScoreScale, Error>;
}

/// A file on its way.
pub struct Content {
    /// Its format.
    pub format: ExportFormat,
    /// What to call it, e.g. `leads-2026-03-01.csv`.
    pub file_name: String,
    /// Its length in bytes, where that is known.
    pub length: Option<u64>,
    /// How many leads are in the chunks so far; all of them once the chunks have ended.
    pub leads: Arc<AtomicU64>,
    /// Its bytes. Leads are read as this is read; dropping it ends the work.
    pub chunks: BoxStream<'static, Result<Bytes, Error>>,
}

/// A request that was checked.
struct Plan {
    request: ExportRequest,
    columns: Vec<Column>,
    terms: Terms,
}

async fn plan(app: &App, caller: &Caller, request: ExportRequest) -> Outcome<Plan, ExportProblem> {
    caller.require(Scope::Read(Area::Leads))?;
    let definitions = custom_fields::definitions(app).await?;
    if let Err(error) = request.filter.check(&definitions) {
        let problem = Problem::new("filter", ExportProblem::InvalidFilter, error.to_string());
        return Err(problem.into());
    }
    let may_see_scores = caller.scopes.allows(Scope::Read(Area::Scoring));
    let choices = |namespaces| Choices {
        definitions: &definitions,
        namespaces,
        scores: may_see_scores,
    };
    let columns = match &request.columns {
        Some(names) => choices(&[])
            .named(names)
            .map_err(|message| Problem::new("columns", ExportProblem::InvalidColumns, message))?,
        None => {
            let visible = Visible::of(app, &caller.rows).await?;
            let namespaces = store::namespaces(app.db().read(), &visible, MOST_NAMESPACES).await?;
            choices(&namespaces).all()
        }
    };
    if columns.iter().any(Column::is_score) {
        caller.require(Scope::Read(Area::Scoring))?;
    }
    Ok(Plan {
        request,
        columns,
        terms: Terms {
            now: app.clock().now(),
            scale: ScoreScale::default(),
        },
    })
}

/// Exports leads. What is wrong with the request, and a database that is away, are told before the first byte; an
/// Excel file is written as a whole before it.
///
/// # Errors
/// [`ExportProblem`]s of columns and filter; a missing scope `leads:read` (columns of the score: `scoring:read`); more
/// than an Excel sheet can hold; the database's. Within the chunks: the database's.
pub async fn open(
    app: &App,
    caller: &Caller,
    request: ExportRequest,
    scores: Arc<dyn ScoreSource>,
) -> Outcome<Content, ExportProblem> {
    let Plan {
        request,
        columns,
        mut terms,
    } = plan(app, caller, request).await?;
    if request.filter.reads_scores() {
        terms.scale = scores.scale(app).await?;
    }
    let format = request.format;
    if caller.actor.kind != ActorKind::System {
        audit::note(
            app,
            caller,
            "LEADS_EXPORTED",
            &json!({ "format": format.to_string() }),
        )
        .await?;
    }
    let file_name = format!("leads-{}.{format}", terms.now.day());
    let mut reader = Reader {
        wants: Wants::of(&columns),
        last: store::last_id(app.db().read()).await?,
        after: None,
        terms,
        request,
        progress: Progress::begin(format, caller),
        caller: caller.clone(),
        scores,
        app: app.clone(),
    };
    let leads = Arc::clone(&reader.progress.leads);
    let (length, chunks) = match Lines::new(format, columns.clone()) {
        Some(lines) => {
            let mut first = lines.head()?;
            let entries = reader.next().await?;
            let text = lines.batch(&entries);
            first.extend(text.map_err(|error| reader.progress.failed(error))?);
            reader.progress.count(&entries);
            (None, in_lines(Bytes::from(first), lines, reader))
        }
        None => {
            let (length, chunks) = in_workbook(columns, reader).await?;
            (Some(length), chunks)
        }
    };
    Ok(Content {
        format,
        file_name,
        length,
        leads,
        chunks,
    })
}

fn in_lines(first: Bytes, lines: Lines, reader: Reader) -> BoxStream<'static, Result<Bytes, Error>> {
    let rest = stream::try_unfold((lines, reader), |(lines, mut reader)| async move {
        let entries = reader.next().await?;
        if entries.is_empty() {
            reader.progress.done();
            return Ok(None);
        }
        match lines.batch(&entries) {
            Ok(text) => {
                reader.progress.count(&entries);
                Ok(Some((Bytes::from(text), (lines, reader))))
            }
            Err(error) => Err(reader.progress.failed(error)),
        }
    });
    let first = stream::iter((!first.is_empty()).then_some(Ok(first)));
    first.chain(rest).boxed()
}

async fn in_workbook(
    columns: Vec<Column>,
    mut reader: Reader,
) -> Result<(u64, BoxStream<'static, Result<Bytes, Error>>), Error> {
    let folder = reader.app.storage().data_dir.join("exports");
    let (parts, received) = mpsc::channel(BATCHES_AHEAD);
    // Ends by itself when the parts end, be it because this future is dropped.
    let writing = tokio::task::spawn_blocking(move || workbook::write(&folder, &columns, received));
    loop {
        let entries = reader.next().await?;
        reader.progress.count(&entries);
        let part = if entries.is_empty() {
            Part::End
        } else {
            Part::Leads(entries)
        };
        let ends = matches!(part, Part::End);
        // A writer that is gone says why below.
        if parts.send(part).await.is_err() || ends {
            break;
        }
    }
    let written = writing.await.map_err(Error::internal).and_then(|written| written);
    let mut progress = reader.progress;
    let (file, length) = match written {
        Ok(Some(written)) => written,
        Ok(None) => {
            return Err(Error::internal(anyhow::anyhow!(
                "the parts of a workbook ended early"
            )));
        }
        Err(error) => return Err(progress.failed(error)),
    };
    let mut left = length;
    let chunks = ReaderStream::with_capacity(tokio::fs::File::from_std(file), FILE_CHUNK);
    let chunks = chunks.map(move |chunk| match chunk {
        Ok(bytes) => {
            left = left.saturating_sub(bytes.len() as u64);
            if left == 0 {
                // Whoever knows the length need not ask for more.
                progress.done();
            }
            Ok(bytes)
        }
        Err(error) => Err(progress.failed(Error::internal(error))),
    });
    Ok((length, chunks.boxed()))
}

/// What has to be read beside the leads.
#[derive(Clone, Copy, Debug)]
struct Wants {
    identities: bool,
    tags: bool,
    consents: bool,
    scores: bool,
}

impl Wants {
    fn of(columns: &[Column]) -> Self {
        let any = |wanted: fn(&Column) -> bool| columns.iter().any(wanted);
        Self {
            identities: any(|column| matches!(column, Column::ExternalId(_) | Column::Identities)),
            tags: any(|column| column.field() == Some(Field::Tags)),
            consents: any(|column| matches!(column, Column::Consent(..))),
            scores: any(Column::is_score),
        }
    }
}

/// Reads the leads of an export, batch by batch.
struct Reader {
    app: App,
    caller: Caller,
    request: ExportRequest,
    terms: Terms,
    wants: Wants,
    after: Option<LeadId>,
    last: Option<LeadId>,
    scores: Arc<dyn ScoreSource>,
    progress: Progress,
}

impl Reader {
    /// The next leads; none at the end.
    async fn next(&mut self) -> Result<Vec<Entry>, Error> {
        let read = self.read().await;
        read.map_err(|error| self.progress.failed(error))
    }

    async fn read(&mut self) -> Result<Vec<Entry>, Error> {
        let Some(last) = self.last else {
            return Ok(Vec::new());
        };
        let visible = Visible::of(&self.app, &self.caller.rows).await?;
        let selected = store::Selected {
            visible: &visible,
            filter: &self.request.filter,
            terms: &self.terms,
        };
        // One moment for all that is told of a lead; the transaction is over before anybody is waited for.
        let tx = self.app.db().snapshot().await?;
        let leads = store::batch(&tx, &selected, self.after, last, BATCH_LEADS).await?;
        if (leads.len() as u64) < BATCH_LEADS {
            self.last = None;
        }
        let Some(newest) = leads.last() else {
            return Ok(Vec::new());
        };
        self.after = Some(newest.id);
        let ids: Vec<LeadId> = leads.iter().map(|lead| lead.id).collect();
        let Wants {
            identities,
            tags,
            consents,
            scores,
        } = self.wants;
        let mut identities = if identities {
            store::identities(&tx, &ids).await?
        } else {
            HashMap::new()
        };
        let mut tags = if tags {
            store::tags(&tx, &ids).await?
        } else {
            HashMap::new()
        };
        let mut consents = if consents {
            store::consents(&tx, &ids).await?
        } else {
            HashMap::new()
        };
        tx.commit().await?;
        let scores = if scores {
            self.scores.scores(&self.app, &ids).await?
        } else {
            HashMap::new()
        };
        let entry = |lead: Lead| Entry {
            identities: identities.remove(&lead.id).unwrap_or_default(),
            tags: tags.remove(&lead.id).unwrap_or_default(),
            consents: consents.remove(&lead.id).unwrap_or_default(),
            score: scores.get(&lead.id).copied(),
            lead,
        };
        Ok(leads.into_iter().map(entry).collect())
    }
}

/// What an export has come to; told to log and metrics when it ends, in whichever way.
struct Progress {
    format: ExportFormat,
    caller: Actor,
    leads: Arc<AtomicU64>,
    outcome: &'static str,
}

impl Progress {
    fn begin(format: ExportFormat, caller: &Caller) -> Self {
        Self {
            format,
            caller: caller.actor.clone(),
            leads: Arc::default(),
            // Unless it is told otherwise: the reader has hung up.
            outcome: "broken_off",
        }
    }

    fn count(&self, entries: &[Entry]) {
        self.leads.fetch_add(entries.len() as u64, Ordering::Relaxed);
    }

    fn done(&mut self) {
        self.outcome = "done";
    }

    fn failed(&mut self, error: Error) -> Error {
        self.outcome = "failed";
        error
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let Self {
            format,
            caller,
            leads,
            outcome,
        } = self;
        let leads = leads.load(Ordering::Relaxed);
        metrics::counter!("leadline_exports_total", "format" => format.as_str(), "outcome" => *outcome)
            .increment(1);
        metrics::counter!("leadline_exported_leads_total").increment(leads);
        if caller.kind == ActorKind::Operator {
            // Whoever sits before the command sees it.
            tracing::debug!(%format, %caller, leads, outcome, "an export of leads ended");
        } else {
            tracing::info!(%format, %caller, leads, outcome, "an export of leads ended");
        }
    }
}

/// A link by which the holder of a token, or whoever is given it, can open an export for 15 minutes without the token.
/// The request is checked now and the caller's rights again when the link is opened.
///
/// # Errors
/// [`ExportProblem`]s of the request; a missing scope `leads:read`; a caller without a token; the database's.
pub async fn link(app: &App, caller: &Caller, request: ExportRequest) -> Outcome<Link, ExportProblem> {
    let Plan { request, .. } = plan(app, caller, request).await?;
    let link = identity::sign_link(app, caller, PURPOSE, request).await?;
    if link.link.len() > MOST_LINK {
        let message = format!(
            "filter and columns are too long for a link: it would have {} characters, the most is {MOST_LINK}; ask \
             `GET /exports/leads` with the token instead",
            link.link.len()
        );
        return Err(Problem::new("filter", ExportProblem::TooLong, message).into());
    }
    Ok(link)
}

/// Opens a link made by [`link`]; see [`open`].
///
/// # Errors
/// [`Error::Forbidden`] for a link that is forged or has expired, or whose token was revoked or has expired; and as
/// [`open`].
pub async fn open_link(
    app: &App,
    link: &str,
    scores: Arc<dyn ScoreSource>,
) -> Outcome<Content, ExportProblem> {
    let (caller, request) = identity::open_link(app, PURPOSE, link).await?;
    open(app, &caller, request, scores).await
}
