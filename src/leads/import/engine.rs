//! Drives an import: reads and converts on a thread of its own, writes batch by batch, each in one transaction.

use std::path::PathBuf;

use async_trait::async_trait;
use entity::id::LeadId;
use entity::{IdentityKind, Timestamp};
use tokio::sync::mpsc;

use super::convert::{ConvertError, Converter, Record};
use super::mapping::{Mapping, MappingError};
use super::report::Rejection;
use super::row::Row;
use super::source::{Source, SourceError};
use super::spec::ImportSpec;
use super::targets::Field;
use super::value::Value;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::identity::Caller;
use crate::leads::lead::Identity;

/// Rows that are written in one transaction.
pub const BATCH_ROWS: usize = 1_000;
/// Batches that wait between reading and writing: with the batch size the bound of the memory.
const BATCHES_AHEAD: usize = 3;

/// What became of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Landed {
    /// Something new.
    Created,
    /// Something that was there has changed.
    Updated,
    /// It is there already.
    Unchanged,
    /// Nothing was done. Each with the name of the column where it can be told, a code for counting and the reason.
    Rejected(Vec<(Option<String>, &'static str, String)>),
}

/// The file that records come from.
#[derive(Clone, Debug)]
pub struct FileContext {
    /// Its columns and what they feed.
    pub mapping: Mapping,
    /// Whose external ids it has.
    pub namespace: String,
}

impl FileContext {
    /// The name of the column that feeds a field; `None` when none does.
    #[must_use]
    pub fn column(&self, field: Field) -> Option<String> {
        let at = self.mapping.bindings()[self.mapping.position(field)?].column?;
        Some(self.mapping.header().names[at].clone())
    }

    /// The lead that a value names, for what belongs to a lead.
    #[must_use]
    pub fn lead(&self, field: Field, value: &Value) -> Option<LeadRef> {
        let known = |kind, namespace: &str, text: &str| {
            LeadRef::Known(Identity {
                kind,
                namespace: namespace.to_owned(),
                value: text.to_owned(),
            })
        };
        match (field, value) {
            (Field::LeadId, Value::Lead(id)) => Some(LeadRef::Id(*id)),
            (Field::ExternalId, Value::Text(text)) => {
                Some(known(IdentityKind::External, &self.namespace, text))
            }
            (Field::Email, Value::Text(text)) => Some(known(IdentityKind::Email, "", text)),
            (Field::Phone, Value::Text(text)) => Some(known(IdentityKind::Phone, "", text)),
            _ => None,
        }
    }
}

/// By what a row names its lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeadRef {
    /// By Leadline's own id.
    Id(LeadId),
    /// By what the lead is known by.
    Known(Identity),
}

/// A dedupe key made of all values of a row, for files that have none of their own.
#[must_use]
pub fn row_key(what: &str, file: &FileContext, record: &Record) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(what.as_bytes())
        .update(b"\n")
        .update(file.namespace.as_bytes());
    for (binding, value) in file.mapping.bindings().iter().zip(&record.values) {
        if let Some(value) = value {
            hasher.update(b"\n").update(binding.target.to_string().as_bytes());
            hasher.update(b"=").update(value.to_string().as_bytes());
        }
    }
    format!("row:{}", hasher.finalize().to_hex())
}

/// Where records land: leads, engagements or conversions.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Writes a batch within the transaction; answers for each record in its order.
    ///
    /// # Errors
    /// The database's; a missing scope. Wrong records are answers, not errors.
    async fn write(
        &self,
        app: &App,
        tx: &Tx,
        caller: &Caller,
        now: Timestamp,
        file: &FileContext,
        records: &[Record],
    ) -> Result<Vec<Landed>, Error>;
}

/// Why a file cannot be imported at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read as CSV or Excel.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The mapping does not fit it.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// Its values cannot be told.
    #[error(transparent)]
    Convert(#[from] ConvertError),
}

/// An opened file with what turns its rows into records.
pub type Opened = (Source, Converter);

/// Opens a file the way a specification says.
///
/// # Errors
/// See [`FileError`].
pub fn open(path: &std::path::Path, spec: &ImportSpec) -> Result<Opened, FileError> {
    let mut source = Source::open(path, &spec.source_options())?;
    let mapping = Mapping::new(spec.kind, source.header(), &spec.map, &spec.defaults)?;
    let converter = Converter::prepare(mapping, spec.convert_options(), &mut source)?;
    Ok((source, converter))
}

/// What one batch came to.
#[derive(Debug, Default)]
pub struct Step {
    /// Rows of the file that are done, rejected ones among them, from the first one on.
    pub rows: u64,
    /// How much of the file that is, 0–1.
    pub progress: f64,
    /// Of this batch: new ones.
    pub created: u64,
    /// Of this batch: changed ones.
    pub updated: u64,
    /// Of this batch: those that were there already.
    pub unchanged: u64,
    /// Of this batch: what was rejected.
    pub rejections: Vec<Rejection>,
    /// Of this batch: how many rows that are.
    pub rejected: u64,
}

/// Looks on while an import goes: stores its progress, shows it, stops it.
#[async_trait]
pub trait Watcher: Send {
    /// Called in the transaction of each batch, before its commit.
    ///
    /// # Errors
    /// Then the batch is not committed and the import ends.
    async fn batch(&mut self, tx: &Tx, step: &Step) -> Result<(), Error>;

    /// Called after each commit; false stops the import there.
    async fn committed(&mut self, step: Step) -> bool;
}

struct Batch {
    records: Vec<Record>,
    rejections: Vec<Rejection>,
    rejected: u64,
    rows: u64,
    progress: f64,
}

/// Imports a file from behind its first `skip` rows on. Answers whether it came to the end of the file.
///
/// # Errors
/// The file's ([`Error::BadInput`]), the database's, the watcher's. What was committed stays; a later call that skips
/// the rows that are done goes on behind them.
pub async fn drive(
    app: &App,
    caller: &Caller,
    path: PathBuf,
    spec: ImportSpec,
    sink: &dyn Sink,
    skip: u64,
    watcher: &mut dyn Watcher,
) -> Result<bool, Error> {
    let namespace = spec.namespace.clone();
    let (mapping_tx, mapping_rx) = tokio::sync::oneshot::channel();
    let (batches_tx, mut batches) = mpsc::channel(BATCHES_AHEAD);
    let reader = tokio::task::spawn_blocking(move || -> Result<(), FileError> {
        let (mut source, converter) = open(&path, &spec)?;
        // A receiver that is gone means that the import was given up.
        if mapping_tx.send(converter.mapping().clone()).is_err() {
            return Ok(());
        }
        read(&mut source, &converter, skip, &batches_tx)
    });
    let Ok(mapping) = mapping_rx.await else {
        // The reader has ended before it could read: it says why.
        return Err(ended(reader.await));
    };
    let file = FileContext { mapping, namespace };
    while let Some(batch) = batches.recv().await {
        let step = write(app, caller, sink, &file, batch, watcher).await?;
        if !watcher.committed(step).await {
            return Ok(false);
        }
    }
    match reader.await {
        Ok(Ok(())) => Ok(true),
        other => Err(ended(other)),
    }
}

fn ended(outcome: Result<Result<(), FileError>, tokio::task::JoinError>) -> Error {
    match outcome {
        Ok(Err(error)) => Error::BadInput(error.to_string()),
        Ok(Ok(())) => Error::internal(anyhow::anyhow!("the reader of a file ended without a word")),
        Err(error) => Error::internal(error),
    }
}

fn read(
    source: &mut Source,
    converter: &Converter,
    skip: u64,
    batches: &mpsc::Sender<Batch>,
) -> Result<(), FileError> {
    let mut rows = source.rows()?;
    let mut row = Row::default();
    let mut done = 0;
    while done < skip && rows.read(&mut row)? {
        done += 1;
    }
    loop {
        let mut records = Vec::with_capacity(BATCH_ROWS);
        let mut rejections = Vec::new();
        let (mut rejected, mut taken) = (0, 0);
        while taken < BATCH_ROWS && rows.read(&mut row)? {
            taken += 1;
            done += 1;
            let mut record = Record::default();
            if converter.convert(&row, &mut record, &mut rejections) {
                records.push(record);
            } else {
                rejected += 1;
            }
        }
        let batch = Batch {
            records,
            rejections,
            rejected,
            rows: done,
            progress: rows.progress(),
        };
        if taken == 0 || batches.blocking_send(batch).is_err() || taken < BATCH_ROWS {
            return Ok(());
        }
    }
}

async fn write(
    app: &App,
    caller: &Caller,
    sink: &dyn Sink,
    file: &FileContext,
    batch: Batch,
    watcher: &mut dyn Watcher,
) -> Result<Step, Error> {
    let Batch {
        records,
        rejections,
        rejected,
        rows,
        progress,
    } = batch;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let now = app.clock().now();
        let tx = app.db().begin().await?;
        let outcome = async {
            let landed = sink.write(app, &tx, caller, now, file, &records).await?;
            let mut step = Step {
                rows,
                progress,
                rejections: rejections.clone(),
                rejected,
                ..Step::default()
            };
            for (record, landed) in records.iter().zip(landed) {
                match landed {
                    Landed::Created => step.created += 1,
                    Landed::Updated => step.updated += 1,
                    Landed::Unchanged => step.unchanged += 1,
                    Landed::Rejected(faults) => {
                        step.rejected += 1;
                        step.rejections
                            .extend(faults.into_iter().map(|(column, code, reason)| {
                                Rejection::new(
                                    record.line,
                                    column.as_deref(),
                                    &shown(&file.mapping, record, column.as_deref()),
                                    code,
                                    reason,
                                )
                            }));
                    }
                }
            }
            step.rejections.sort_by_key(|rejection| rejection.line);
            watcher.batch(&tx, &step).await?;
            Ok(step)
        }
        .await;
        match outcome {
            Ok(step) => {
                tx.commit().await?;
                return Ok(step);
            }
            // Others write the same rows in another order: nothing was written, so it is simply tried again.
            Err(error) if attempt < 4 && crate::db::is_transient(&error) => tx.rollback().await?,
            Err(error) => return Err(error),
        }
    }
}

/// The value of a column in a record, for the report.
fn shown(mapping: &Mapping, record: &Record, column: Option<&str>) -> String {
    let Some(column) = column else {
        return String::new();
    };
    let names = &mapping.header().names;
    mapping
        .bindings()
        .iter()
        .position(|binding| binding.column.is_some_and(|at| names[at] == column))
        .and_then(|at| record.values.get(at).and_then(Option::as_ref))
        .map_or_else(String::new, ToString::to_string)
}
