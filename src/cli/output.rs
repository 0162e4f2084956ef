//! Standard output, without a panic when the reader goes away.

use std::io::{self, Write as _};

use super::failure::Failure;

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
