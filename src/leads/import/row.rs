//! One row of a file: a buffer that is filled again and again, so that a row costs no allocation.

use chrono::NaiveDateTime;

/// What a cell holds. Cells of a CSV file are always text or empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CellKind {
    /// Nothing, or only blanks.
    Empty,
    /// Text as written.
    Text,
    /// A number of a workbook; the text is its shortest form with at most 15 significant digits.
    Number,
    /// A true or false of a workbook; the text is `true` or `false`.
    Boolean,
    /// A date of a workbook, without a time zone; the text is ISO 8601.
    Moment(NaiveDateTime),
    /// An error of a workbook, like `#N/A`.
    Error,
}

/// One cell of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell<'r> {
    /// The text, without blanks around it.
    pub text: &'r str,
    /// What it is.
    pub kind: CellKind,
}

/// Why a row cannot be used as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// Fewer cells than the header has columns.
    #[error("the row has {found} cells, the header {expected}{}", open_quote(*.last_line))]
    TooFewCells {
        /// Columns of the header.
        expected: usize,
        /// Cells of the row.
        found: usize,
        /// Where the row ends, when it runs over several lines.
        last_line: Option<u64>,
    },
    /// More cells than the header has columns, and not all of the further ones empty.
    #[error(
        "the row has {found} cells, the header {expected}; a value with the delimiter in it needs quotes"
    )]
    TooManyCells {
        /// Columns of the header.
        expected: usize,
        /// Cells of the row.
        found: usize,
    },
    /// A cell above the limit.
    #[error("a cell holds more than 64 KiB{}", open_quote(*.last_line))]
    CellTooLong {
        /// Index of the column.
        column: usize,
        /// Where the row ends, when it runs over several lines.
        last_line: Option<u64>,
    },
}

impl RowFault {
    /// A short name for counting.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooFewCells { .. } => "too few cells",
            Self::TooManyCells { .. } => "too many cells",
            Self::CellTooLong { .. } => "cell too long",
        }
    }
}

fn open_quote(last_line: Option<u64>) -> String {
    last_line.map_or_else(String::new, |line| {
        format!("; it runs on to line {line}: a quote may have been opened and not closed")
    })
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    start: usize,
    end: usize,
    kind: CellKind,
}

/// A row: its line and its cells, one for each column of the header.
#[derive(Clone, Debug, Default)]
pub struct Row {
    line: u64,
    text: String,
    slots: Vec<Slot>,
    fault: Option<RowFault>,
}

impl Row {
    /// The line an editor shows for the beginning of the row, or the row number of a sheet; from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Why the row cannot be used, if so. Its cells are then incomplete.
    pub fn fault(&self) -> Option<&RowFault> {
        self.fault.as_ref()
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no cell at all.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The cell of a column; an empty one where the row ends before it.
    pub fn cell(&self, column: usize) -> Cell<'_> {
        match self.slots.get(column) {
            Some(slot) => Cell {
                text: &self.text[slot.start..slot.end],
                kind: slot.kind,
            },
            None => Cell {
                text: "",
                kind: CellKind::Empty,
            },
        }
    }

    /// All cells, in the order of the columns.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        (0..self.slots.len()).map(|column| self.cell(column))
    }

    pub(super) fn clear(&mut self, line: u64) {
        self.line = line;
        self.text.clear();
        self.slots.clear();
        self.fault = None;
    }

    /// Takes over the text of a whole row and where each cell ends in it.
    pub(super) fn fill(&mut self, text: &str, ends: &[usize]) {
        self.text.push_str(text);
        let mut start = 0;
        for &end in ends {
            let cell = &text[start..end];
            let trimmed_start = start + (cell.len() - cell.trim_start().len());
            let trimmed = cell.trim();
            let kind = if trimmed.is_empty() {
                CellKind::Empty
            } else {
                CellKind::Text
            };
            self.slots.push(Slot {
                start: trimmed_start,
                end: trimmed_start + trimmed.len(),
                kind,
            });
            start = end;
        }
    }

    /// Puts a cell at a column, with empty ones before it where they are missing.
    pub(super) fn put(&mut self, column: usize, kind: CellKind, write: impl FnOnce(&mut String)) {
        while self.slots.len() < column {
            let here = self.text.len();
            self.slots.push(Slot {
                start: here,
                end: here,
                kind: CellKind::Empty,
            });
        }
        let start = self.text.len();
        write(&mut self.text);
        let cell = &self.text[start..];
        let trimmed = cell.trim();
        let kind = if trimmed.is_empty() { CellKind::Empty } else { kind };
        let start = start + (cell.len() - cell.trim_start().len());
        let end = start + trimmed.len();
        self.slots.push(Slot { start, end, kind });
    }

    pub(super) fn has_values(&self) -> bool {
        self.slots.iter().any(|slot| slot.kind != CellKind::Empty)
    }

    pub(super) fn set_fault(&mut self, fault: RowFault) {
        self.fault = Some(fault);
    }

    /// Brings the row to the width of the header: empty cells beyond it are dropped, others are a fault.
    pub(super) fn fit(&mut self, columns: usize) {
        let filled = self
            .slots
            .iter()
            .rposition(|slot| slot.kind != CellKind::Empty)
            .map_or(0, |last| last + 1);
        if filled > columns {
            self.fault = Some(RowFault::TooManyCells {
                expected: columns,
                found: self.slots.len(),
            });
        }
        self.slots.truncate(columns);
    }
}
