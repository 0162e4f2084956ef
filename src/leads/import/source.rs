//! Opening a file: what it is, its header, and its rows.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use encoding_rs_io::DecodeReaderBytes;

use super::MAX_CELL_BYTES;
use super::csv::CsvReader;
use super::row::{CellKind, Row, RowFault};
use super::text::{self, Delimiter, Scan, TextEncoding};
use super::xlsx::{self, Workbook, XlsxRows};

/// What a source reads from: a file, or uploaded bytes on disk.
pub trait Input: Read + Seek + Send {}

impl<T: Read + Seek + Send> Input for T {}

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be opened or read.
    #[error("cannot read the file: {0}")]
    Read(#[from] io::Error),
    /// No row with a value in it.
    #[error("the file is empty: expected a first row with the names of the columns")]
    Empty,
    /// Names of columns, and nothing below them.
    #[error("the file has no rows: below the names of the columns (line {line}) nothing is written")]
    NoRows {
        /// The line of the header.
        line: u64,
    },
    /// An old Excel file, or one with a password: both are the same kind of container.
    #[error(
        "the file is an old Excel file (.xls) or has a password: save it as .xlsx without a password, or as CSV"
    )]
    OldExcel,
    /// A ZIP archive that is no Excel workbook.
    #[error(
        "the file is a ZIP archive, but not an Excel workbook (.xlsx): save the sheet as .xlsx or CSV, or unpack the archive first"
    )]
    OtherArchive,
    /// A workbook that cannot be read to its end.
    #[error("the Excel workbook is damaged: {0}; save it as .xlsx again, or as CSV")]
    DamagedWorkbook(String),
    /// Neither a workbook nor text.
    #[error("the file is neither text nor an Excel workbook: save it as .xlsx or CSV")]
    Binary,
    /// A web page or another XML document; some systems name such files .xls.
    #[error(
        "the file is an HTML or XML document: open it in a spreadsheet program and save it as .xlsx or CSV"
    )]
    Markup,
    /// JSON, such as an export of leads as NDJSON.
    #[error("the file is JSON, which is not read: export it as CSV or Excel (.xlsx)")]
    Json,
    /// A sheet of a file that is no workbook.
    #[error("the file is CSV and has no sheets: leave out the sheet `{name}`")]
    NoSheets {
        /// The sheet asked for.
        name: String,
    },
    /// No such sheet.
    #[error("the workbook has no sheet `{name}`; its sheets are: {valid}")]
    UnknownSheet {
        /// The sheet asked for.
        name: String,
        /// The sheets there are.
        valid: String,
    },
    /// The first row holds values instead of names.
    #[error("line {line} looks like data, not like names of columns (`{cell}`): put a header above it")]
    NoHeader {
        /// The line of the first row.
        line: u64,
        /// What looks like data.
        cell: String,
    },
    /// Two columns of one name.
    #[error("two columns are named `{name}` (columns {first} and {second}): rename one of them")]
    DuplicateColumn {
        /// The name.
        name: String,
        /// Number of the first of them, from 1.
        first: usize,
        /// Number of the second, from 1.
        second: usize,
    },
    /// Beyond the limit.
    #[error("the file has {found} columns; at most 512 are read")]
    TooManyColumns {
        /// Columns of the header.
        found: usize,
    },
    /// A header cell beyond the limit.
    #[error(
        "a column name in line {line} is longer than 64 KiB: a quote may have been opened and not closed"
    )]
    HeaderTooLong {
        /// The line of the header.
        line: u64,
    },
}

/// Choices in reading a file; the default finds out by itself.
#[derive(Clone, Debug, Default)]
pub struct SourceOptions {
    /// The sheet of a workbook; the first one when absent. Text has none.
    pub sheet: Option<String>,
    /// The delimiter of a text file; found out when absent.
    pub delimiter: Option<Delimiter>,
}

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Delimited text.
    Csv {
        /// How its letters are encoded.
        encoding: TextEncoding,
        /// What stands between the cells.
        delimiter: Delimiter,
    },
    /// A sheet of an Excel workbook.
    Xlsx {
        /// Name of the sheet that is read.
        sheet: String,
    },
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Csv { encoding, delimiter } => write!(formatter, "CSV, {encoding}, {delimiter}"),
            Self::Xlsx { sheet } => write!(formatter, "Excel workbook, sheet `{sheet}`"),
        }
    }
}

/// The names of the columns. A column without a name is called `column N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Line of the header in the file, from 1.
    pub line: u64,
    /// The names, without blanks around them.
    pub names: Vec<String>,
}

enum Content {
    Csv {
        input: Box<dyn Input>,
        encoding: TextEncoding,
        delimiter: Delimiter,
        length: u64,
    },
    Xlsx {
        workbook: Box<Workbook>,
        sheet: String,
    },
}

/// An opened file. Its rows can be read as often as wanted, from the first one each time.
pub struct Source {
    content: Content,
    header: Header,
}

impl Source {
    /// Opens a file, whatever its name says.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub fn open(path: &Path, options: &SourceOptions) -> Result<Self, SourceError> {
        Self::read(File::open(path)?, options)
    }

    /// Opens what has been uploaded. Text is read once to its end to learn its encoding.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub fn read(input: impl Input + 'static, options: &SourceOptions) -> Result<Self, SourceError> {
        let mut input: Box<dyn Input> = Box::new(BufReader::with_capacity(64 * 1024, input));
        let mut magic = Vec::with_capacity(8);
        input.by_ref().take(8).read_to_end(&mut magic)?;
        input.seek(SeekFrom::Start(0))?;
        let content = match magic.as_slice() {
            [] => return Err(SourceError::Empty),
            [0xd0, 0xcf, 0x11, 0xe0, ..] => return Err(SourceError::OldExcel),
            [b'P', b'K', 3 | 5 | 7, 4 | 6 | 8, ..] => {
                let workbook = xlsx::open(input)?;
                let sheet = xlsx::choose_sheet(&workbook, options.sheet.as_deref())?;
                Content::Xlsx {
                    workbook: Box::new(workbook),
                    sheet,
                }
            }
            _ => open_text(input, options)?,
        };
        let mut source = Self {
            content,
            header: Header {
                line: 0,
                names: Vec::new(),
            },
        };
        source.header = source.read_header()?;
        Ok(source)
    }

    /// What the file is.
    pub fn format(&self) -> Format {
        match &self.content {
            Content::Csv {
                encoding, delimiter, ..
            } => Format::Csv {
                encoding: *encoding,
                delimiter: *delimiter,
            },
            Content::Xlsx { sheet, .. } => Format::Xlsx { sheet: sheet.clone() },
        }
    }

    /// The names of the columns.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The rows after the header, from the first one.
    ///
    /// # Errors
    /// When the file cannot be read again from its beginning.
    pub fn rows(&mut self) -> Result<Rows<'_>, SourceError> {
        let columns = self.header.names.len();
        let header_line = self.header.line;
        let mut rows = Rows {
            stream: self.content.stream()?,
            columns,
        };
        let mut row = Row::default();
        while rows.stream.read(&mut row)? {
            if row.line() >= header_line {
                break;
            }
        }
        Ok(rows)
    }

    /// Makes sure that there is a row below the header.
    ///
    /// # Errors
    /// [`SourceError::NoRows`]; the file's.
    pub fn expect_rows(&mut self) -> Result<(), SourceError> {
        let line = self.header.line;
        if self.rows()?.read(&mut Row::default())? {
            Ok(())
        } else {
            Err(SourceError::NoRows { line })
        }
    }

    fn read_header(&mut self) -> Result<Header, SourceError> {
        let mut stream = self.content.stream()?;
        let mut row = Row::default();
        loop {
            if !stream.read(&mut row)? {
                return Err(SourceError::Empty);
            }
            // Excel's own hint about the delimiter is not a header.
            let hint = row.line() == 1 && row.len() <= 2 && row.cell(0).text.starts_with("sep=");
            if !hint {
                break;
            }
        }
        match row.fault() {
            Some(RowFault::TooManyCells { found, .. }) => {
                return Err(SourceError::TooManyColumns { found: *found });
            }
            Some(_) => return Err(SourceError::HeaderTooLong { line: row.line() }),
            None => {}
        }
        let filled = row.cells().filter(|cell| cell.kind != CellKind::Empty).count();
        if row.cells().any(|cell| cell.text.contains('\0')) {
            return Err(SourceError::Binary);
        }
        let is_value = |text: &str| looks_like_email(text) || looks_like_date(text);
        if let Some(cell) = row.cells().find(|cell| is_value(cell.text)) {
            return Err(SourceError::NoHeader {
                line: row.line(),
                cell: cell.text.to_owned(),
            });
        }
        let numbers = row
            .cells()
            .filter(|cell| cell.text.parse::<f64>().is_ok())
            .count();
        if numbers == filled {
            return Err(SourceError::NoHeader {
                line: row.line(),
                cell: row.cell(0).text.to_owned(),
            });
        }
        let width = row
            .cells()
            .collect::<Vec<_>>()
            .iter()
            .rposition(|cell| cell.kind != CellKind::Empty);
        let width = width.map_or(0, |last| last + 1);
        let mut names = Vec::with_capacity(width);
        let mut seen = HashMap::with_capacity(width);
        for (index, cell) in row.cells().take(width).enumerate() {
            let name = if cell.kind == CellKind::Empty {
                format!("column {}", index + 1)
            } else {
                one_line(cell.text)
            };
            if let Some(first) = seen.insert(name.to_lowercase(), index) {
                return Err(SourceError::DuplicateColumn {
                    name,
                    first: first + 1,
                    second: index + 1,
                });
            }
            names.push(name);
        }
        Ok(Header {
            line: row.line(),
            names,
        })
    }
}

/// A name without the line breaks that wrapped header cells have.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn looks_like_email(text: &str) -> bool {
    text.contains('@') && crate::leads::contact::normalise_email(text).is_ok()
}

fn looks_like_date(text: &str) -> bool {
    let date = text.split([' ', 'T']).next().unwrap_or_default();
    let parts: Vec<&str> = date.split(['/', '-', '.']).collect();
    let digits = |part: &str| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(|part| digits(part)) && parts.iter().any(|part| part.len() == 4)
}

fn open_text(mut input: Box<dyn Input>, options: &SourceOptions) -> Result<Content, SourceError> {
    let Scan::Text(encoding) = text::scan(&mut input)? else {
        return Err(SourceError::Binary);
    };
    let length = input.seek(SeekFrom::End(0))?;
    input.seek(SeekFrom::Start(0))?;
    let mut beginning = Vec::new();
    text::decoded(&mut input, encoding)
        .take(MAX_CELL_BYTES as u64)
        .read_to_end(&mut beginning)?;
    let beginning = String::from_utf8_lossy(&beginning);
    match beginning.trim_start().chars().next() {
        Some('<') => return Err(SourceError::Markup),
        Some('{' | '[') => return Err(SourceError::Json),
        _ => {}
    }
    if let Some(name) = &options.sheet {
        return Err(SourceError::NoSheets { name: name.clone() });
    }
    let delimiter = options.delimiter.unwrap_or_else(|| {
        let hint = beginning
            .strip_prefix("sep=")
            .and_then(|rest| rest.bytes().next());
        Delimiter::ALL
            .into_iter()
            .find(|delimiter| Some(delimiter.byte()) == hint)
            .unwrap_or_else(|| text::sniff_delimiter(&beginning))
    });
    Ok(Content::Csv {
        input,
        encoding,
        delimiter,
        length,
    })
}

impl Content {
    fn stream(&mut self) -> Result<Stream<'_>, SourceError> {
        Ok(match self {
            Self::Csv {
                input,
                encoding,
                delimiter,
                length,
            } => {
                input.seek(SeekFrom::Start(0))?;
                let passed = Arc::new(AtomicU64::new(0));
                let counted = Counted {
                    input,
                    passed: Arc::clone(&passed),
                };
                let reader = CsvReader::new(text::decoded(counted, *encoding), *delimiter);
                Stream::Csv {
                    reader: Box::new(reader),
                    passed,
                    length: *length,
                }
            }
            Self::Xlsx { workbook, sheet } => Stream::Xlsx {
                rows: Box::new(XlsxRows::new(workbook, sheet)?),
                line: 0,
            },
        })
    }
}

/// Counts the bytes that pass, for the progress.
struct Counted<'s> {
    input: &'s mut Box<dyn Input>,
    passed: Arc<AtomicU64>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.passed.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

enum Stream<'s> {
    Csv {
        reader: Box<CsvReader<DecodeReaderBytes<Counted<'s>, Vec<u8>>>>,
        passed: Arc<AtomicU64>,
        length: u64,
    },
    Xlsx {
        rows: Box<XlsxRows<'s>>,
        line: u64,
    },
}

impl Stream<'_> {
    fn read(&mut self, row: &mut Row) -> Result<bool, SourceError> {
        match self {
            Self::Csv { reader, .. } => Ok(reader.read(row)?),
            Self::Xlsx { rows, line } => {
                let more = rows.read(row)?;
                *line = row.line();
                Ok(more)
            }
        }
    }
}

/// The rows of a source, one after the other.
pub struct Rows<'s> {
    stream: Stream<'s>,
    columns: usize,
}

impl Rows<'_> {
    /// Reads the next row into `row`; false at the end. Empty rows are skipped. A row that cannot be used is
    /// given with its [fault](Row::fault), and reading goes on after it.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub fn read(&mut self, row: &mut Row) -> Result<bool, SourceError> {
        if !self.stream.read(row)? {
            return Ok(false);
        }
        if row.fault().is_none() {
            let found = row.len();
            if let Stream::Csv { reader, .. } = &self.stream
                && found < self.columns
            {
                let last_line = reader.last_line(row);
                row.set_fault(RowFault::TooFewCells {
                    expected: self.columns,
                    found,
                    last_line,
                });
            }
            row.fit(self.columns);
        }
        Ok(true)
    }

    /// How far the reading is, 0 to 1.
    pub fn progress(&self) -> f64 {
        let (passed, whole) = match &self.stream {
            // Much is read ahead of the rows.
            Stream::Csv {
                reader,
                passed,
                length,
            } => (
                passed.load(Ordering::Relaxed) as f64 * reader.share_read(),
                *length,
            ),
            Stream::Xlsx { rows, line } => (*line as f64, rows.declared_rows()),
        };
        if whole == 0 {
            0.0
        } else {
            (passed / whole as f64).min(1.0)
        }
    }
}
