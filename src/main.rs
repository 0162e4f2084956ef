//! The `leadline` binary. See [`leadline::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    leadline::cli::main()
}
