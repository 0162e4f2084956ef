//! Standard output, without a panic when the reader goes away.

use std::io::{self, Write as _};

use super::failure::Failure;

/// A number with what it counts, given in the plural: `1 row`, `2 rows`.
pub(super) fn counted(count: u64, what: &str) -> String {
    match what.strip_suffix('s') {
        Some(one) if count == 1 => format!("1 {one}"),
        _ => format!("{count} {what}"),
    }
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
