//! Where the tests' folders are made.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// Memory that the machine lends as a folder.
const IN_MEMORY: &str = "/dev/shm";
/// What has to be free of it, in KiB; all tests together take a part of that.
const ENOUGH_KIB: u64 = 4 << 20;

/// A folder for a while, in memory where there is enough of it: to make and remove the files of a database for each test costs a
/// disk's file system more than all that the tests do with them. An explicit `TMPDIR` has its way.
pub fn scratch(prefix: &str) -> TempDir {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    let place = PLACE.get_or_init(|| {
        let in_memory = Path::new(IN_MEMORY);
        if std::env::var_os("TMPDIR").is_none() && free_kib(in_memory) >= ENOUGH_KIB {
            in_memory.to_owned()
        } else {
            std::env::temp_dir()
        }
    });
    tempfile::Builder::new()
        .prefix(prefix)
        .tempdir_in(place)
        .expect("a folder can be made")
}

/// What may be written below a folder; nothing when that cannot be told.
fn free_kib(folder: &Path) -> u64 {
    let output = Command::new("df").arg("-Pk").arg(folder).output();
    let Ok(output) = output else { return 0 };
    let text = String::from_utf8_lossy(&output.stdout);
    let field = text
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().nth(3));
    field.and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
