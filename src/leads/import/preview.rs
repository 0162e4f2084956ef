//! A look at a file before anything is imported.

use super::convert::{Converter, Record};
use super::mapping::UnknownColumn;
use super::report::RejectionLog;
use super::row::Row;
use super::source::{Format, Source, SourceError};

/// A row as it would land.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewRow {
    /// Line in the file.
    pub line: u64,
    /// Target and value, for each target with a value.
    pub values: Vec<(String, String)>,
}

/// What an import would do.
pub struct Preview {
    /// What the file is.
    pub format: Format,
    /// The first good rows.
    pub rows: Vec<PreviewRow>,
    /// Columns that nothing uses.
    pub unknown_columns: Vec<UnknownColumn>,
    /// Number of rows that were looked at.
    pub checked: u64,
    /// Number of them that would be imported.
    pub good: u64,
    /// What is wrong with the others.
    pub rejections: RejectionLog,
}

/// Reads up to `limit` rows (all of them when absent) as an import would and keeps the first `shown` good ones.
///
/// # Errors
/// When the file cannot be read to its end.
pub fn preview(
    source: &mut Source,
    converter: &Converter,
    shown: usize,
    limit: Option<u64>,
) -> Result<Preview, SourceError> {
    let mut preview = Preview {
        format: source.format(),
        rows: Vec::with_capacity(shown.min(1_000)),
        unknown_columns: converter.mapping().unknown_columns().to_vec(),
        checked: 0,
        good: 0,
        rejections: RejectionLog::default(),
    };
    let (mut row, mut record, mut rejected) = (Row::default(), Record::default(), Vec::new());
    let mut rows = source.rows()?;
    while limit.is_none_or(|limit| preview.checked < limit) && rows.read(&mut row)? {
        preview.checked += 1;
        if converter.convert(&row, &mut record, &mut rejected) {
            preview.good += 1;
            if preview.rows.len() < shown {
                preview.rows.push(landed(converter, &record));
            }
        }
        for rejection in rejected.drain(..) {
            preview.rejections.add(rejection)?;
        }
    }
    Ok(preview)
}

fn landed(converter: &Converter, record: &Record) -> PreviewRow {
    let targets = converter
        .mapping()
        .bindings()
        .iter()
        .map(|binding| binding.target.to_string());
    let values = targets
        .zip(&record.values)
        .filter_map(|(target, value)| Some((target, value.as_ref()?.to_string())));
    PreviewRow {
        line: record.line,
        values: values.collect(),
    }
}
