//! The `leadline` binary. See [`leadline::cli`].

use std::process::ExitCode;

/// For all of the program, SQLite too: a request allocates thousands of small pieces, and in profiles glibc's allocator was
/// the largest item.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    leadline::cli::main()
}
