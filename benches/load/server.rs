//! Starts the real server binary of the release build, and databases to run it on.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// Where the figures are taken.
#[derive(Clone, Debug)]
pub enum Backend {
    /// A file in a temporary folder.
    Sqlite,
    /// A fresh database on this server.
    Postgres(String),
}

impl Backend {
    /// Its name in the tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }
}

/// A data folder with its database, and how to call the binary on it.
pub struct Deployment {
    folder: PathBuf,
    /// Removes the folder at the end; none where it is kept.
    _temporary: Option<tempfile::TempDir>,
    url: String,
    binary: PathBuf,
}

impl Deployment {
    /// A fresh one, its schema in place.
    pub fn new(backend: &Backend) -> anyhow::Result<Self> {
        let temporary = tempfile::tempdir()?;
        let folder = temporary.path().to_owned();
        Self::open(fresh_url(backend, &folder)?, folder, Some(temporary))
    }

    /// One in a folder that is kept; which database it is stands there.
    pub fn kept(backend: &Backend, folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let noted = folder.join("database-url");
        if let Ok(url) = std::fs::read_to_string(&noted) {
            return Self::open(url, folder.to_owned(), None);
        }
        let url = fresh_url(backend, folder)?;
        std::fs::write(&noted, &url)?;
        Self::open(url, folder.to_owned(), None)
    }

    fn open(url: String, folder: PathBuf, temporary: Option<tempfile::TempDir>) -> anyhow::Result<Self> {
        let deployment = Self {
            folder,
            _temporary: temporary,
            url,
            binary: PathBuf::from(env!("CARGO_BIN_EXE_leadline")),
        };
        deployment.run(&["migrate"])?;
        Ok(deployment)
    }

    /// The address of its database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .env("LEADLINE_DATA_DIR", &self.folder)
            .env("LEADLINE_DATABASE_URL", &self.url)
            .env("LEADLINE_LISTEN", "127.0.0.1:0")
            // What the server can do is measured, not what it allows.
            .env("LEADLINE_GRAPHQL_BUDGET", "0")
            .env("LEADLINE_TRUSTED_PROXIES", "127.0.0.0/8")
            // The platforms' stand-ins are on this machine.
            .env("LEADLINE_PLATFORMS_PRIVATE_NETWORKS", "true")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end; answers what it printed, how long it took and its peak memory in bytes.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<Finished> {
        let begin = Instant::now();
        let mut child = self
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut errors = child.stderr.take().context("stderr is piped")?;
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            text
        });
        let mut output = child.stdout.take().context("stdout is piped")?;
        let output = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = output.read_to_string(&mut text);
            text
        });
        let mut peak_bytes = 0;
        let status = loop {
            peak_bytes = peak_bytes.max(peak_memory(child.id()));
            if let Some(status) = child.try_wait()? {
                break status;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let elapsed = begin.elapsed();
        let (output, errors) = (output.join().expect("reads"), errors.join().expect("reads"));
        anyhow::ensure!(
            status.success(),
            "`leadline {}`: {status}\n{errors}",
            arguments.join(" ")
        );
        Ok(Finished {
            output,
            elapsed,
            peak_bytes,
        })
    }

    /// Waits until nothing is left for the handlers: what is measured then is a server at rest.
    pub fn settle(&self) -> anyhow::Result<()> {
        let begin = Instant::now();
        let mut quiet = 0;
        while quiet < 2 {
            let told = self.run(&["doctor"])?.output;
            anyhow::ensure!(told.contains("has handled everything"), "doctor says: {told}");
            quiet = if told.contains("events wait") {
                0
            } else {
                quiet + 1
            };
            anyhow::ensure!(
                begin.elapsed() < Duration::from_secs(600),
                "it does not settle: {told}"
            );
            std::thread::sleep(Duration::from_millis(300));
        }
        Ok(())
    }

    /// A token with all rights.
    pub fn token(&self) -> anyhow::Result<String> {
        let made = self.run(&["token", "create", "--name", "bench", "--scope", "admin"])?;
        Ok(made.output.trim().to_owned())
    }

    /// Starts the server; returns when it listens.
    pub fn serve(&self, arguments: &[&str]) -> anyhow::Result<Server> {
        let mut all = vec!["serve"];
        all.extend_from_slice(arguments);
        let begin = Instant::now();
        let mut child = self
            .command(&all)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut errors = BufReader::new(child.stderr.take().context("stderr is piped")?);
        let mut line = String::new();
        let address = loop {
            line.clear();
            anyhow::ensure!(
                errors.read_line(&mut line)? > 0,
                "the server ended before it listened"
            );
            if let Some((_, rest)) = line.split_once("http://") {
                let end = rest
                    .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))
                    .unwrap_or(rest.len());
                break rest[..end].to_owned();
            }
        };
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        Ok(Server {
            child,
            address,
            started: begin,
        })
    }
}

/// A command that came to its end.
pub struct Finished {
    /// Standard output.
    pub output: String,
    /// Wall time.
    pub elapsed: Duration,
    /// Peak resident memory.
    pub peak_bytes: u64,
}

/// A running server; ended when dropped.
pub struct Server {
    child: Child,
    /// `host:port`.
    pub address: String,
    /// When its process was started.
    pub started: Instant,
}

impl Server {
    /// Peak resident memory so far, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        peak_memory(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `VmHWM` of a process.
fn peak_memory(pid: u32) -> u64 {
    let status =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn fresh_url(backend: &Backend, folder: &Path) -> anyhow::Result<String> {
    match backend {
        Backend::Sqlite => Ok(format!("sqlite:{}", folder.join("leadline.db").display())),
        Backend::Postgres(admin) => fresh_database(admin),
    }
}

fn fresh_database(admin: &str) -> anyhow::Result<String> {
    let name = format!("bench_{}", uuid::Uuid::now_v7().simple());
    let status = Command::new("psql")
        .args([admin, "-q", "-c", &format!("CREATE DATABASE {name}")])
        .status()?;
    anyhow::ensure!(
        status.success(),
        "psql could not create a database at the given address"
    );
    let base = admin.rsplit_once('/').map_or(admin, |(base, _)| base);
    Ok(format!("{base}/{name}"))
}
