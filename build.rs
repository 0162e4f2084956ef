//! Has the crate rebuilt when the console page in `web/dist`, which is embedded, has changed.

use std::{fs, io, path::Path, time::SystemTime};

fn main() {
    let dist = Path::new("web/dist");
    if dist.is_dir() || create_empty(dist).is_ok() {
        println!("cargo::rerun-if-changed={}", dist.display());
    } else {
        // A tree that cannot be written to: nothing is added to it later either.
        println!("cargo::rerun-if-changed=build.rs");
    }
}

/// Cargo takes a watched path that is missing for a change on every build, and must see the page when it is added later:
/// so the folder is always there, empty without the page.
fn create_empty(dist: &Path) -> io::Result<()> {
    fs::create_dir_all(dist)?;
    // Older than this build, or the next one would take the new folder for a change. Where that cannot be set, the cost is
    // one build more.
    let _ = fs::File::open(dist).and_then(|folder| folder.set_modified(SystemTime::UNIX_EPOCH));
    Ok(())
}
