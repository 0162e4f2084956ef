//! Excel: a workbook of one sheet, written to files row by row and never in memory as a whole.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use rust_xlsxwriter::{Format, Workbook, XlsxError};
use tokio::sync::mpsc;

use super::cells::{Entry, cells};
use super::columns::Column;
use crate::error::Error;
use crate::leads::cell::{MOST_UNITS, put};

/// Most rows of a sheet, the header among them.
const MOST_ROWS: u32 = 1_048_576;

/// What the writer is given.
pub(super) enum Part {
    /// The next leads.
    Leads(Vec<Entry>),
    /// There are no more.
    End,
}

/// Writes a workbook from parts, until [`Part::End`]; answers the file, from its beginning, and its length. `None` when
/// the parts end without it. Files are made in `folder` and have no names: they go with the process at the latest.
///
/// # Errors
/// [`Error::BadInput`] for what does not fit a sheet, saying what fits; [`Error::Unavailable`] for a full disk.
pub(super) fn write(
    folder: &Path,
    columns: &[Column],
    mut parts: mpsc::Receiver<Part>,
) -> Result<Option<(File, u64)>, Error> {
    std::fs::create_dir_all(folder).map_err(disk)?;
    let mut workbook = Workbook::new();
    workbook.set_tempdir(folder).map_err(failed)?;
    let bold = Format::new().set_bold();
    let sheet = workbook.add_worksheet_with_constant_memory().map_err(failed)?;
    sheet.set_name("Leads").map_err(failed)?;
    sheet.set_freeze_panes(1, 0).map_err(failed)?;
    for (column, at) in columns.iter().zip(0..) {
        let name = column.to_string();
        sheet
            .write_string_with_format(0, at, name, &bold)
            .map_err(failed)?;
    }
    let mut row = 1;
    loop {
        match parts.blocking_recv() {
            None => return Ok(None),
            Some(Part::End) => break,
            Some(Part::Leads(entries)) => {
                for entry in &entries {
                    if row == MOST_ROWS {
                        return Err(Error::BadInput(format!(
                            "an Excel sheet has room for {} leads, and there are more: choose csv or ndjson, or a \
                             filter for which fewer hold",
                            MOST_ROWS - 1
                        )));
                    }
                    for ((value, column), at) in cells(columns, entry)?.iter().zip(columns).zip(0..) {
                        put(sheet, row, at, value).map_err(|error| match error {
                            XlsxError::MaxStringLengthExceeded => Error::BadInput(format!(
                                "`{column}` of {} does not fit an Excel cell, which takes {MOST_UNITS} characters: \
                                 choose csv or ndjson, or leave that column out",
                                entry.lead.id
                            )),
                            error => failed(error),
                        })?;
                    }
                    row += 1;
                }
            }
        }
    }
    let file = tempfile::tempfile_in(folder).map_err(disk)?;
    let mut file = BufWriter::with_capacity(256 << 10, file);
    workbook.save_to_writer(&mut file).map_err(failed)?;
    file.flush().map_err(disk)?;
    let mut file = file
        .into_inner()
        .map_err(|error| disk(io::Error::from(error.error().kind())))?;
    let length = file.stream_position().map_err(disk)?;
    file.seek(SeekFrom::Start(0)).map_err(disk)?;
    Ok(Some((file, length)))
}

fn failed(error: XlsxError) -> Error {
    match error {
        XlsxError::IoError(error) | XlsxError::TempFileError(_, error) => disk(error),
        error => Error::internal(error),
    }
}

fn disk(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            tracing::error!(%error, "cannot write an Excel file");
            Error::Unavailable("the server's disk is full; the Excel file could not be written".into())
        }
        _ => Error::internal(error),
    }
}
