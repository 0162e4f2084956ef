//! CSV and NDJSON. Pure.

use std::io;

use serde::Serializer as _;

use super::cells::{Entry, cells};
use super::columns::Column;
use super::request::ExportFormat;
use crate::error::Error;

/// Writes batches of leads as text.
pub(super) struct Lines {
    format: Kind,
    columns: Vec<Column>,
    names: Vec<String>,
}

/// A format of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Csv,
    Ndjson,
}

impl Lines {
    /// For a format of lines; `None` for Excel, which is none.
    pub(super) fn new(format: ExportFormat, columns: Vec<Column>) -> Option<Self> {
        let format = match format {
            ExportFormat::Csv => Kind::Csv,
            ExportFormat::Ndjson => Kind::Ndjson,
            ExportFormat::Xlsx => return None,
        };
        let names = columns.iter().map(ToString::to_string).collect();
        Some(Self {
            format,
            columns,
            names,
        })
    }

    /// What stands before the first lead.
    pub(super) fn head(&self) -> Result<Vec<u8>, Error> {
        match self.format {
            Kind::Csv => csv([&self.names].into_iter()),
            Kind::Ndjson => Ok(Vec::new()),
        }
    }

    /// The lines of a batch.
    ///
    /// # Errors
    /// When the stored JSON of a lead cannot be read.
    pub(super) fn batch(&self, entries: &[Entry]) -> Result<Vec<u8>, Error> {
        match self.format {
            Kind::Csv => {
                let mut rows = Vec::with_capacity(entries.len());
                for entry in entries {
                    let cells = cells(&self.columns, entry)?;
                    rows.push(cells.iter().map(|cell| cell.text().into_owned()).collect());
                }
                csv(rows.iter())
            }
            Kind::Ndjson => {
                let mut text = Vec::with_capacity(entries.len() * 1_024);
                for entry in entries {
                    let cells = cells(&self.columns, entry)?;
                    serde_json::Serializer::new(&mut text).collect_map(self.names.iter().zip(&cells))?;
                    text.push(b'\n');
                }
                Ok(text)
            }
        }
    }
}

fn csv<'r>(rows: impl Iterator<Item = &'r Vec<String>>) -> Result<Vec<u8>, Error> {
    let mut writer = ::csv::Writer::from_writer(Vec::with_capacity(64 * 1_024));
    for row in rows {
        writer.write_record(row).map_err(Error::internal)?;
    }
    writer
        .into_inner()
        .map_err(|error| Error::internal(io::Error::from(error.error().kind())))
}
