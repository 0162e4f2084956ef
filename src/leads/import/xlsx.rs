//! Rows of an Excel workbook, cell by cell: the sheet is never in memory as a whole, its shared texts are.

use std::fmt::Write as _;

use calamine::{Cell as SheetCell, DataRef, Reader as _, Xlsx, XlsxCellReader, XlsxError};
use chrono::NaiveDateTime;

use super::row::{CellKind, Row, RowFault};
use super::source::{Input, SourceError};
use super::{MAX_CELL_BYTES, MAX_COLUMNS};

pub(super) type Workbook = Xlsx<Box<dyn Input>>;

/// Opens a workbook whose first bytes are those of a ZIP archive.
pub(super) fn open(input: Box<dyn Input>) -> Result<Workbook, SourceError> {
    Workbook::new(input).map_err(|error| match error {
        XlsxError::Io(error) => SourceError::Read(error),
        XlsxError::Zip(_) => SourceError::DamagedWorkbook("the archive is cut off or damaged".to_owned()),
        XlsxError::Password => SourceError::OldExcel,
        XlsxError::FileNotFound(_) | XlsxError::RelationshipNotFound => SourceError::OtherArchive,
        other => SourceError::DamagedWorkbook(other.to_string()),
    })
}

/// The sheet to read: the one named, or the first.
pub(super) fn choose_sheet(workbook: &Workbook, wanted: Option<&str>) -> Result<String, SourceError> {
    let names = workbook.sheet_names();
    match wanted {
        None => names.first().cloned().ok_or(SourceError::Empty),
        Some(wanted) => names
            .iter()
            .find(|name| *name == wanted)
            .or_else(|| {
                names
                    .iter()
                    .find(|name| name.to_lowercase() == wanted.to_lowercase())
            })
            .cloned()
            .ok_or_else(|| SourceError::UnknownSheet {
                name: wanted.to_owned(),
                valid: names.join(", "),
            }),
    }
}

pub(super) struct XlsxRows<'w> {
    cells: XlsxCellReader<'w, Box<dyn Input>>,
    pending: Option<SheetCell<DataRef<'w>>>,
    last_row: u32,
}

impl<'w> XlsxRows<'w> {
    pub(super) fn new(workbook: &'w mut Workbook, sheet: &str) -> Result<Self, SourceError> {
        let mut cells = workbook.worksheet_cells_reader(sheet).map_err(damaged)?;
        let last_row = cells.dimensions().end.0;
        let pending = cells.next_cell().map_err(damaged)?;
        Ok(Self {
            cells,
            pending,
            last_row,
        })
    }

    /// The number of the last row as the sheet declares it, from 1; it may be missing or wrong.
    pub(super) fn declared_rows(&self) -> u64 {
        u64::from(self.last_row) + 1
    }

    /// Reads the next row that has a value; false at the end of the sheet.
    pub(super) fn read(&mut self, row: &mut Row) -> Result<bool, SourceError> {
        while let Some(first) = self.pending.take() {
            let number = first.get_position().0;
            row.clear(u64::from(number) + 1);
            put(row, &first);
            loop {
                match self.cells.next_cell().map_err(damaged)? {
                    Some(cell) if cell.get_position().0 == number => put(row, &cell),
                    next => {
                        self.pending = next;
                        break;
                    }
                }
            }
            if row.has_values() || row.fault().is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn damaged(error: XlsxError) -> SourceError {
    match error {
        XlsxError::Io(error) => SourceError::DamagedWorkbook(error.to_string()),
        XlsxError::NotAWorksheet(kind) => SourceError::DamagedWorkbook(format!("the sheet is a {kind}")),
        other => SourceError::DamagedWorkbook(other.to_string()),
    }
}

fn put(row: &mut Row, cell: &SheetCell<DataRef<'_>>) {
    let column = cell.get_position().1 as usize;
    let value = cell.get_value();
    if matches!(value, DataRef::Empty) || column < row.len() {
        return;
    }
    if column >= MAX_COLUMNS {
        row.set_fault(RowFault::TooManyCells {
            expected: MAX_COLUMNS,
            found: column + 1,
        });
        return;
    }
    match value {
        DataRef::Empty => {}
        DataRef::Int(number) => row.put(column, CellKind::Number, |text| append(text, number)),
        DataRef::Float(number) => row.put(column, CellKind::Number, |text| write_number(text, *number)),
        DataRef::String(value) => put_text(row, column, value),
        DataRef::SharedString(value) => put_text(row, column, value),
        DataRef::Bool(value) => row.put(column, CellKind::Boolean, |text| append(text, value)),
        DataRef::DateTime(value) => match value.as_datetime() {
            Some(moment) if value.is_datetime() && value.as_f64() >= 1.0 => put_moment(row, column, moment),
            // A time of day or a length of time, with no date in it.
            Some(moment) => row.put(column, CellKind::Text, |text| {
                append(text, moment.format("%H:%M:%S"))
            }),
            None => row.put(column, CellKind::Number, |text| {
                write_number(text, value.as_f64())
            }),
        },
        DataRef::DateTimeIso(value) | DataRef::DurationIso(value) => put_text(row, column, value),
        DataRef::Error(error) => row.put(column, CellKind::Error, |text| append(text, error)),
    }
}

fn put_text(row: &mut Row, column: usize, value: &str) {
    if value.len() > MAX_CELL_BYTES {
        row.set_fault(RowFault::CellTooLong {
            column,
            last_line: None,
        });
    } else {
        row.put(column, CellKind::Text, |text| text.push_str(value));
    }
}

fn put_moment(row: &mut Row, column: usize, moment: NaiveDateTime) {
    row.put(column, CellKind::Moment(moment), |text| {
        if moment.time() == chrono::NaiveTime::MIN {
            append(text, moment.format("%Y-%m-%d"));
        } else {
            append(text, moment.format("%Y-%m-%dT%H:%M:%S%.f"));
        }
    });
}

fn append(text: &mut String, value: impl std::fmt::Display) {
    write!(text, "{value}").expect("writing to a string cannot fail");
}

/// Writes a number as Excel shows it: at most 15 significant digits, no `.0`.
fn write_number(text: &mut String, number: f64) {
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    append(text, rounded);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_excel_shows_them() {
        let written = |number| {
            let mut text = String::new();
            write_number(&mut text, number);
            text
        };
        assert_eq!(written(42.0), "42");
        assert_eq!(written(-0.5), "-0.5");
        assert_eq!(written(0.1 + 0.2), "0.3");
        assert_eq!(written(5_511_961_234_567.0), "5511961234567");
        assert_eq!(written(1e15), "1000000000000000");
    }
}
