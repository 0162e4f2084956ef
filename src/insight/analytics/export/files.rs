//! Tables as files.

use std::io;

use rust_xlsxwriter::{Format, Workbook, XlsxError};
use serde::Serializer as _;

use super::table::Table;
use crate::error::Error;
use crate::leads::cell::{Value, put};

/// Comma-separated values, the names of the columns first.
pub(super) fn csv(table: &Table) -> Result<Vec<u8>, Error> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(&table.columns).map_err(Error::internal)?;
    for row in &table.rows {
        let cells: Vec<_> = row.iter().map(Value::text).collect();
        writer
            .write_record(cells.iter().map(|cell| cell.as_bytes()))
            .map_err(Error::internal)?;
    }
    writer
        .into_inner()
        .map_err(|error| Error::internal(io::Error::from(error.error().kind())))
}

/// A JSON object on each line.
pub(super) fn ndjson(table: &Table) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    for row in &table.rows {
        serde_json::Serializer::new(&mut text).collect_map(table.columns.iter().zip(row))?;
        text.push(b'\n');
    }
    Ok(text)
}

/// An Excel workbook: a sheet that says what it is about, and one for each table.
pub(super) fn workbook(about: &[(&str, Value)], tables: &[Table]) -> Result<Vec<u8>, Error> {
    written(about, tables).map_err(Error::internal)
}

fn written(about: &[(&str, Value)], tables: &[Table]) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let bold = Format::new().set_bold();
    let sheet = workbook.add_worksheet();
    sheet
        .set_name("report")?
        .set_column_width(0, 16)?
        .set_column_width(1, 32)?;
    for ((name, value), row) in about.iter().zip(0..) {
        sheet.write_string_with_format(row, 0, *name, &bold)?;
        put(sheet, row, 1, value)?;
    }
    for table in tables {
        let sheet = workbook.add_worksheet();
        sheet.set_name(table.name)?.set_freeze_panes(1, 0)?;
        for (column, at) in table.columns.iter().zip(0..) {
            sheet.write_string_with_format(0, at, *column, &bold)?;
            sheet.set_column_width(at, 16)?;
        }
        for (line, row) in table.rows.iter().zip(1..) {
            for (value, column) in line.iter().zip(0..) {
                put(sheet, row, column, value)?;
            }
        }
    }
    workbook.save_to_buffer()
}
