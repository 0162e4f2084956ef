//! What could not be imported, by line and column.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::leads::cell::guarded;
use crate::leads::contact::shortened;

/// Why one cell, or one row as a whole, was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Line in the file, or row of the sheet, from 1.
    pub line: u64,
    /// The column; none when it is about the row as a whole.
    pub column: Option<String>,
    /// What the cell holds, at most 80 characters of it.
    pub value: String,
    /// A short name of the fault, for counting.
    pub code: &'static str,
    /// What is wrong and what was expected.
    pub reason: String,
}

impl Rejection {
    /// A rejection of a cell, or of a row when there is no column.
    pub fn new(line: u64, column: Option<&str>, value: &str, code: &'static str, reason: String) -> Self {
        Self {
            line,
            column: column.map(str::to_owned),
            value: shortened(value),
            code,
            reason,
        }
    }
}

/// How often a fault occurred in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonCount {
    /// The column; none for faults of whole rows.
    pub column: Option<String>,
    /// The fault.
    pub code: &'static str,
    /// How often.
    pub count: u64,
}

/// Collects rejections in bounded memory: the first ones are kept, all are counted, and all are written to a
/// CSV file where one is given (line, column, value, reason).
pub struct RejectionLog {
    kept: Vec<Rejection>,
    limit: usize,
    rows: u64,
    last_line: Option<u64>,
    counts: BTreeMap<(Option<String>, &'static str), u64>,
    writer: Option<::csv::Writer<Box<dyn Write + Send>>>,
}

impl Default for RejectionLog {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT)
    }
}

impl RejectionLog {
    /// Rejections kept unless said otherwise.
    pub const DEFAULT_LIMIT: usize = 1_000;

    /// Keeps the first `limit` rejections.
    pub fn new(limit: usize) -> Self {
        Self {
            kept: Vec::new(),
            limit,
            rows: 0,
            last_line: None,
            counts: BTreeMap::new(),
            writer: None,
        }
    }

    /// Writes all rejections to `writer` as CSV as well.
    ///
    /// # Errors
    /// When its header cannot be written.
    pub fn with_writer(mut self, writer: impl Write + Send + 'static) -> io::Result<Self> {
        let mut writer = ::csv::Writer::from_writer(Box::new(writer) as Box<dyn Write + Send>);
        writer.write_record(["line", "column", "value", "reason"])?;
        self.writer = Some(writer);
        Ok(self)
    }

    /// Adds a rejection. Those of one row come one after the other.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, rejection: Rejection) -> io::Result<()> {
        if self.last_line != Some(rejection.line) {
            self.last_line = Some(rejection.line);
            self.rows += 1;
        }
        if let Some(writer) = &mut self.writer {
            let line = rejection.line.to_string();
            let column = rejection.column.as_deref().unwrap_or_default();
            // Column and value come from a file of somebody else, and the reason may repeat them.
            let texts = [column, &rejection.value, &rejection.reason].map(guarded);
            writer.write_record(std::iter::once(&*line).chain(texts.iter().map(AsRef::as_ref)))?;
        }
        *self
            .counts
            .entry((rejection.column.clone(), rejection.code))
            .or_default() += 1;
        if self.kept.len() < self.limit {
            self.kept.push(rejection);
        }
        Ok(())
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), ::csv::Writer::flush)
    }

    /// The first rejections, in the order of the file.
    pub fn first(&self) -> &[Rejection] {
        &self.kept
    }

    /// Number of rows with a rejection.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How often each fault occurred in each column, the most frequent first.
    pub fn counts(&self) -> Vec<ReasonCount> {
        let mut counts: Vec<_> = self
            .counts
            .iter()
            .map(|((column, code), &count)| ReasonCount {
                column: column.clone(),
                code,
                count,
            })
            .collect();
        counts.sort_by_key(|reason| std::cmp::Reverse(reason.count));
        counts
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_first_are_kept_and_all_are_counted_and_written() {
        let file = Shared::default();
        let mut log = RejectionLog::new(2).with_writer(file.clone()).unwrap();
        for line in 2..=4 {
            log.add(Rejection::new(
                line,
                Some("mail"),
                "x,y",
                "e-mail",
                "no `@`".to_owned(),
            ))
            .unwrap();
        }
        log.add(Rejection::new(
            4,
            None,
            "",
            "no identity",
            "nothing to know it by".to_owned(),
        ))
        .unwrap();
        log.flush().unwrap();
        assert_eq!(log.first().len(), 2);
        assert_eq!(log.first()[1].line, 3);
        assert_eq!(log.rows(), 3);
        assert_eq!(
            log.counts(),
            [
                ReasonCount {
                    column: Some("mail".to_owned()),
                    code: "e-mail",
                    count: 3
                },
                ReasonCount {
                    column: None,
                    code: "no identity",
                    count: 1
                },
            ]
        );
        let written = String::from_utf8(file.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            written,
            "line,column,value,reason\n2,mail,\"x,y\",no `@`\n3,mail,\"x,y\",no `@`\n4,mail,\"x,y\",no `@`\n4,,,nothing to know it by\n"
        );
    }

    #[test]
    fn the_file_of_rejections_holds_no_formula() {
        let file = Shared::default();
        let mut log = RejectionLog::new(1).with_writer(file.clone()).unwrap();
        let value = "=HYPERLINK(\"http://x\")";
        log.add(Rejection::new(
            2,
            Some("@column"),
            value,
            "c",
            "-wrong".to_owned(),
        ))
        .unwrap();
        log.flush().unwrap();
        assert_eq!(log.first()[0].value, value);
        let written = String::from_utf8(file.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            written,
            "line,column,value,reason\n2,'@column,\"'=HYPERLINK(\"\"http://x\"\")\",'-wrong\n"
        );
    }

    #[test]
    fn long_values_are_shortened() {
        let rejection = Rejection::new(1, None, &"x".repeat(500), "c", String::new());
        assert_eq!(rejection.value.chars().count(), 80);
    }
}
