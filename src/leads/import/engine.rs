//! Drives an import: reads and converts on a thread of its own, writes batch by batch, each in one transaction.

use std::path::PathBuf;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::convert::{ConvertError, Converter, Record};
use super::mapping::{Mapping, MappingError};
use super::report::Rejection;
use super::row::Row;
use super::sink::{FileContext, Landed, Sink};
use super::source::{Source, SourceError};
use super::spec::ImportSpec;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::identity::Caller;
use crate::leads::custom_fields;

/// Rows that are written in one transaction.
pub const BATCH_ROWS: usize = 2_000;
/// Batches that wait between reading and writing: with the batch size the bound of the memory.
const BATCHES_AHEAD: usize = 1;

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
    source.expect_rows()?;
    Ok((source, converter))
}

/// Makes sure that the custom fields of a mapping are defined, rather than to reject every row of a file.
///
/// # Errors
/// The database's; within: [`MappingError::UnknownCustomField`].
pub async fn check_custom_fields(app: &App, mapping: &Mapping) -> Result<Result<(), MappingError>, Error> {
    let keys = mapping.custom_fields();
    if keys.is_empty() {
        return Ok(Ok(()));
    }
    let definitions = custom_fields::definitions(app).await?;
    Ok(
        match keys.into_iter().find(|key| definitions.get(key).is_none()) {
            Some(key) => Err(MappingError::UnknownCustomField {
                key: key.to_owned(),
                message: definitions.unknown(key),
            }),
            None => Ok(()),
        },
    )
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
    sink: &impl Sink,
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
    check_custom_fields(app, &mapping)
        .await?
        .map_err(|error| Error::BadInput(error.to_string()))?;
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
        let at_end = taken < BATCH_ROWS;
        let batch = Batch {
            records,
            rejections,
            rejected,
            rows: done,
            // The last batch, be it empty, says that now the number of rows is known.
            progress: if at_end { 1.0 } else { rows.progress() },
        };
        if batches.blocking_send(batch).is_err() || at_end {
            return Ok(());
        }
    }
}

async fn write(
    app: &App,
    caller: &Caller,
    sink: &impl Sink,
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
        let mut step = Step {
            rows,
            progress,
            rejections: rejections.clone(),
            rejected,
            ..Step::default()
        };
        let tx = app.db().begin().await?;
        let outcome = async {
            land(app, &tx, caller, sink, file, &records, &mut step).await?;
            watcher.batch(&tx, &step).await
        }
        .await;
        match outcome {
            Ok(()) => {
                tx.commit().await?;
                return Ok(step);
            }
            // Others write the same rows in another order: nothing was written, so it is simply tried again.
            Err(error) if attempt < 4 && crate::db::is_transient(&error) => tx.rollback().await?,
            Err(error) => return Err(error),
        }
    }
}

/// Lets the records of a batch land, and counts what became of them.
async fn land(
    app: &App,
    tx: &Tx,
    caller: &Caller,
    sink: &impl Sink,
    file: &FileContext,
    records: &[Record],
    step: &mut Step,
) -> Result<(), Error> {
    let mut items = Vec::with_capacity(records.len());
    let refused: Vec<_> = records
        .iter()
        .map(|record| sink.item(file, record).map(|item| items.push(item)).err())
        .collect();
    let now = app.clock().now();
    let landed = if items.is_empty() {
        Vec::new()
    } else {
        sink.write(app, tx, caller, now, file, items).await?
    };
    let mut landed = landed.into_iter();
    for (record, refused) in records.iter().zip(refused) {
        let landed = match refused {
            Some(faults) => Landed::Refused(faults),
            None => landed.next().expect("one answer for each item"),
        };
        match landed {
            Landed::Created => step.created += 1,
            Landed::Updated => step.updated += 1,
            Landed::Unchanged => step.unchanged += 1,
            Landed::Refused(faults) => {
                step.rejected += 1;
                let faults = faults.into_iter().map(|fault| file.rejection(record, fault));
                step.rejections.extend(faults);
            }
        }
    }
    step.rejections.sort_by_key(|rejection| rejection.line);
    Ok(())
}
