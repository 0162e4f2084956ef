//! Standard output, without a panic when the reader goes away.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use entity::Timestamp;

use super::failure::Failure;

/// A number with what it counts, given in the plural: `1 row`, `2 rows`.
pub(super) fn counted(count: u64, what: &str) -> String {
    match what.strip_suffix('s') {
        Some(one) if count == 1 => format!("1 {one}"),
        _ => format!("{count} {what}"),
    }
}

/// A moment to the minute: `2026-01-31 17:05 UTC`.
pub(super) fn moment(at: Timestamp) -> String {
    at.to_chrono().format("%Y-%m-%d %H:%M UTC").to_string()
}

/// Rows under a head, in columns.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let head = head.map(str::to_owned);
    let mut widths = [0; N];
    for row in rows.iter().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in [&head].into_iter().chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Writes text to standard output.
///
/// A reader that has gone away (`leadline settings | head -1`) is no failure.
///
/// # Errors
/// The output cannot be written for another reason, such as a full disk.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(format!("cannot write to standard output: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_thing_is_singular() {
        let said = [0, 1, 2].map(|count| counted(count, "leads"));
        assert_eq!(said, ["0 leads", "1 lead", "2 leads"]);
    }
}
