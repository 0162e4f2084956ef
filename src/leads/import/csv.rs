//! Rows of a delimited text file, with the line numbers that an editor shows.

use std::io::{self, Read};

use csv_core::ReadRecordResult;

use super::row::{Row, RowFault};
use super::text::Delimiter;
use super::{MAX_CELL_BYTES, MAX_COLUMNS};

/// Reads records one at a time from UTF-8 text. Memory stays bounded by one record within the limits, also
/// when a quote that is never closed makes the rest of the file one cell.
pub(super) struct CsvReader<R> {
    input: R,
    core: csv_core::Reader,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    lines: LineCounter,
    /// Bytes taken in so far.
    taken_in: u64,
    output: Vec<u8>,
    ends: Vec<usize>,
}

/// Counts line ends: `\n`, `\r\n` and a lone `\r` are one each.
struct LineCounter {
    line: u64,
    after_return: bool,
}

impl LineCounter {
    fn pass(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' => self.line += 1,
                b'\r' => {
                    self.line += 1;
                    self.after_return = true;
                }
                _ => self.after_return = false,
            }
        }
    }
}

impl<R: Read> CsvReader<R> {
    pub(super) fn new(input: R, delimiter: Delimiter) -> Self {
        Self {
            input,
            core: csv_core::ReaderBuilder::new().delimiter(delimiter.byte()).build(),
            buffer: vec![0; 64 * 1024],
            start: 0,
            end: 0,
            at_end: false,
            lines: LineCounter {
                line: 1,
                after_return: false,
            },
            taken_in: 0,
            output: vec![0; 4 * 1024],
            ends: vec![0; MAX_COLUMNS + 1],
        }
    }

    /// Reads the next record that has a value; false at the end of the input. What is wrong with the record is
    /// in the row's fault.
    pub(super) fn read(&mut self, row: &mut Row) -> io::Result<bool> {
        loop {
            self.skip_line_ends()?;
            if self.at_end && self.start == self.end {
                return Ok(false);
            }
            if self.read_record(row)? && (row.has_values() || row.fault().is_some()) {
                return Ok(true);
            }
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        if self.start == self.end && !self.at_end {
            self.start = 0;
            self.end = loop {
                match self.input.read(&mut self.buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
            self.at_end = self.end == 0;
            self.taken_in += self.end as u64;
        }
        Ok(())
    }

    fn skip_line_ends(&mut self) -> io::Result<()> {
        loop {
            self.refill()?;
            let rest = &self.buffer[self.start..self.end];
            let count = rest
                .iter()
                .take_while(|&&byte| matches!(byte, b'\n' | b'\r'))
                .count();
            self.lines.pass(&rest[..count]);
            self.start += count;
            if self.start < self.end || self.at_end {
                return Ok(());
            }
        }
    }

    fn read_record(&mut self, row: &mut Row) -> io::Result<bool> {
        let line = self.lines.line;
        row.clear(line);
        let (mut written, mut cells) = (0, 0);
        let mut too_long = None;
        // Once a record is beyond the limits its text is read on and dropped.
        let mut dropped_ends = 0;
        loop {
            self.refill()?;
            let (result, read, wrote, ended) = self.core.read_record(
                &self.buffer[self.start..self.end],
                &mut self.output[written..],
                &mut self.ends[cells..],
            );
            self.lines.pass(&self.buffer[self.start..self.start + read]);
            self.start += read;
            written += wrote;
            cells += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    let cell_start = if cells == 0 { 0 } else { self.ends[cells - 1] };
                    if too_long.is_some() || dropped_ends > 0 {
                        written = 0;
                    } else if written - cell_start > MAX_CELL_BYTES {
                        too_long = Some(cells);
                        written = 0;
                    } else {
                        self.output.resize(self.output.len() * 2, 0);
                    }
                }
                ReadRecordResult::OutputEndsFull => {
                    dropped_ends += cells;
                    cells = 0;
                }
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(false),
            }
        }
        let found = dropped_ends + cells;
        let last_line = (self.lines.line > line + 1).then(|| self.lines.line - 1);
        if let Some(column) = too_long {
            row.set_fault(RowFault::CellTooLong { column, last_line });
        } else if dropped_ends > 0 {
            row.set_fault(RowFault::TooManyCells {
                expected: MAX_COLUMNS,
                found,
            });
        } else {
            let ends = &self.ends[..cells];
            let text = std::str::from_utf8(&self.output[..written])
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let mut start = 0;
            for (column, &end) in ends.iter().enumerate() {
                if end - start > MAX_CELL_BYTES {
                    row.set_fault(RowFault::CellTooLong { column, last_line });
                    return Ok(true);
                }
                start = end;
            }
            row.fill(text, ends);
        }
        Ok(true)
    }

    /// How much of what was taken in belongs to the records read so far, 0–1.
    pub(super) fn share_read(&self) -> f64 {
        let waiting = (self.end - self.start) as u64;
        match self.taken_in {
            0 => 0.0,
            taken_in => (taken_in - waiting) as f64 / taken_in as f64,
        }
    }

    /// The last line of the record read last, for records that run over several lines.
    pub(super) fn last_line(&self, row: &Row) -> Option<u64> {
        (self.lines.line > row.line() + 1).then(|| self.lines.line - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(text: &[u8]) -> Vec<(u64, Vec<String>)> {
        let mut reader = CsvReader::new(text, Delimiter::Comma);
        let mut row = Row::default();
        let mut rows = Vec::new();
        while reader.read(&mut row).unwrap() {
            assert_eq!(row.fault(), None);
            rows.push((row.line(), row.cells().map(|cell| cell.text.to_owned()).collect()));
        }
        rows
    }

    fn lines(text: &[u8]) -> Vec<u64> {
        rows(text).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        assert_eq!(lines(b"a,b\n1,2\n3,4\n"), [1, 2, 3]);
        assert_eq!(lines(b"a,b\r\n1,2\r\n\r\n\r\n3,4"), [1, 2, 5]);
        assert_eq!(lines(b"a,b\r1,2\r\r3,4\r"), [1, 2, 4]);
        assert_eq!(lines(b"\n\n a , b \n , \n3,4\n"), [3, 5]);
        assert_eq!(lines(b"a,b\r\n\"1\r\n1\n1\",2\r\n3,4\r\n"), [1, 2, 5]);
    }

    #[test]
    fn quoted_cells_keep_delimiters_quotes_and_line_ends() {
        assert_eq!(
            rows(b"x,y\n\"a,\"\"b\"\"\nc\",\" d \"\n"),
            [
                (1, vec!["x".into(), "y".into()]),
                (2, vec!["a,\"b\"\nc".into(), "d".into()])
            ]
        );
    }

    #[test]
    fn an_open_quote_costs_no_memory_and_names_its_lines() {
        let mut text = b"a,b\n1,\"open\n".to_vec();
        for _ in 0..40_000 {
            text.extend_from_slice(b"some,more\n");
        }
        let mut reader = CsvReader::new(text.as_slice(), Delimiter::Comma);
        let mut row = Row::default();
        assert!(reader.read(&mut row).unwrap());
        assert!(reader.read(&mut row).unwrap());
        assert_eq!(
            row.fault(),
            Some(&RowFault::CellTooLong {
                column: 1,
                last_line: Some(40_002)
            })
        );
        assert!(reader.output.len() <= 4 * MAX_CELL_BYTES);
        assert!(!reader.read(&mut row).unwrap());
    }

    #[test]
    fn the_largest_cell_and_the_widest_row_are_read() {
        let wide = format!("{}\n", vec!["x"; MAX_COLUMNS].join(","));
        assert_eq!(rows(wide.as_bytes())[0].1.len(), MAX_COLUMNS);
        let long = format!("{},b\n", "x".repeat(MAX_CELL_BYTES));
        assert_eq!(rows(long.as_bytes())[0].1[0].len(), MAX_CELL_BYTES);
        for (text, fault) in [
            (
                format!("{}\n", vec!["x"; 2_000].join(",")),
                RowFault::TooManyCells {
                    expected: MAX_COLUMNS,
                    found: 2_000,
                },
            ),
            (
                format!("a,{}\n", "x".repeat(MAX_CELL_BYTES + 1)),
                RowFault::CellTooLong {
                    column: 1,
                    last_line: None,
                },
            ),
        ] {
            let mut reader = CsvReader::new(text.as_bytes(), Delimiter::Comma);
            let mut row = Row::default();
            assert!(reader.read(&mut row).unwrap());
            assert_eq!(row.fault(), Some(&fault));
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            table in prop::collection::vec(prop::collection::vec("[a-z,;\"\n\räß]{0,6}x", 3), 1..20),
            chunk in 1_usize..40
        ) {
            struct Chunks<'b>(&'b [u8], usize);
            impl Read for Chunks<'_> {
                fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                    let count = self.0.len().min(self.1).min(buffer.len());
                    buffer[..count].copy_from_slice(&self.0[..count]);
                    self.0 = &self.0[count..];
                    Ok(count)
                }
            }
            let mut writer = ::csv::Writer::from_writer(Vec::new());
            for row in &table {
                writer.write_record(row).unwrap();
            }
            let bytes = writer.into_inner().unwrap();
            let mut reader = CsvReader::new(Chunks(&bytes, chunk), Delimiter::Comma);
            let mut row = Row::default();
            let mut line = 1;
            for expected in &table {
                prop_assert!(reader.read(&mut row).unwrap());
                prop_assert_eq!(row.line(), line);
                let cells: Vec<&str> = row.cells().map(|cell| cell.text).collect();
                let trimmed: Vec<&str> = expected.iter().map(|cell| cell.trim()).collect();
                prop_assert_eq!(cells, trimmed);
                let within = expected.concat().replace("\r\n", "\n");
                line += 1 + within.matches(['\n', '\r']).count() as u64;
            }
            prop_assert!(!reader.read(&mut row).unwrap());
        }
    }
}
