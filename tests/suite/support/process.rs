//! The real binary.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::throwaway::Throwaway;
use super::{Database, scratch, until};

const BINARY: &str = env!("CARGO_BIN_EXE_leadline");

/// What one command of the binary said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a command over a database to its end, with nothing of the settings of whoever runs the tests.
pub fn command(database: &Database, arguments: &[&str]) -> Said {
    let output = prepared(database, arguments).output().expect("the binary starts");
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    Said {
        code: status.code(),
        out: String::from_utf8(stdout).expect("UTF-8"),
        err: String::from_utf8(stderr).expect("UTF-8"),
    }
}

/// The same command before it starts, for tests that do more with it than wait for its end.
pub fn prepared(database: &Database, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("LEADLINE_") {
            command.env_remove(key);
        }
    }
    command
        .args(arguments)
        .envs(environment(database))
        .current_dir(database.folder());
    command
}

fn environment(database: &Database) -> [(&'static str, OsString); 3] {
    [
        ("LEADLINE_DATABASE_URL", database.url().into()),
        ("LEADLINE_DATA_DIR", database.folder().into()),
        ("LEADLINE_LISTEN", "127.0.0.1:0".into()),
    ]
}

/// A process of the binary that runs on, `serve` or `worker`; it ends with the test at the latest.
#[derive(Debug)]
pub struct Process {
    running: Throwaway,
    folder: PathBuf,
}

impl Process {
    /// Starts a command, e.g. `&["serve"]`, over a database.
    pub fn start(database: &Database, arguments: &[&str]) -> Self {
        Self::start_by(&[], database, arguments)
    }

    /// The same; it outlives a write beyond [`Self::limit_files`], which then fails as on a full disk.
    pub fn start_to_be_limited(database: &Database, arguments: &[&str]) -> Self {
        Self::start_by(&["--ignore-signal=XFSZ"], database, arguments)
    }

    /// Starts a command by `env` with these options.
    fn start_by(options: &[&str], database: &Database, arguments: &[&str]) -> Self {
        let folder = scratch("leadline-process-")
            // The watchdog removes it.
            .keep();
        let mut all: Vec<OsString> = options.iter().map(Into::into).collect();
        all.extend(environment(database).into_iter().map(|(key, value)| {
            let mut pair = OsString::from(format!("{key}="));
            pair.push(value);
            pair
        }));
        all.push(BINARY.into());
        all.extend(arguments.iter().map(Into::into));
        // `env` becomes the binary: signals reach it.
        let running = Throwaway::start(Path::new("env"), &all, &folder, "TERM", None);
        Self { running, folder }
    }

    /// Where it listens, once it does.
    pub async fn address(&self) -> SocketAddr {
        let mut address = None;
        until("the process listens", async || {
            let log = self.running.log();
            let found = log
                .split("listening on http://")
                .nth(1)
                .and_then(|rest| rest.split_whitespace().next());
            address = found.and_then(|found| found.parse().ok());
            address.is_some()
        })
        .await;
        address.expect("waited for")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.running.log()
    }

    fn pid(&self) -> String {
        let pid = std::fs::read_to_string(self.folder.join("pid")).expect("the watchdog wrote it");
        pid.trim().to_owned()
    }

    /// From now on no file is written beyond so many bytes, or as far as the disk goes.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let set = Command::new("prlimit")
            .args(["--pid", &self.pid(), &format!("--fsize={limit}:")])
            .status();
        assert!(set.expect("there is a `prlimit`").success());
    }

    /// Kills it as a crash would (SIGKILL).
    pub fn kill(self) {
        let pid = self.pid();
        let killed = Command::new("kill").args(["-KILL", &pid]).status();
        assert!(
            killed.expect("there is a `kill`").success(),
            "the process {pid} was not there"
        );
        self.running.end();
    }

    /// Asks it to end (SIGTERM); answers its exit code.
    pub fn end(self) -> Option<i32> {
        self.running.end()
    }
}
