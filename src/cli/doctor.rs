//! `leadline doctor`: looks over a deployment and says how to mend what is wrong. It changes nothing.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use entity::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::failure::Failure;
use super::output::{counted, print};
use super::runtime::block_on;
use crate::assembly;
use crate::clock::Clock;
use crate::config::{DatabaseKind, Settings};
use crate::db::{Db, sqlite_file};
use crate::events::{self, Progress, connect_nats, progress};
use crate::http::console;

/// Longest wait for anything outside of this process.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events that wait longer, in seconds, are handled by nobody or too slowly.
const WORRYING_SECONDS: i64 = 60;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    Ok(String),
    /// It works, but not as it should.
    Warning {
        found: String,
        mend: String,
    },
    /// Something does not work.
    Error {
        found: String,
        mend: String,
    },
}

impl Finding {
    fn ok(found: impl Into<String>) -> Self {
        Self::Ok(found.into())
    }

    fn warning(found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Warning {
            found: found.into(),
            mend: mend.into(),
        }
    }

    fn error(found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Error {
            found: found.into(),
            mend: mend.into(),
        }
    }
}

/// What was looked at, and what was found.
type Line = (String, Finding);

pub(super) fn run(settings: &Settings) -> Result<(), Failure> {
    block_on(async {
        let mut lines = database(settings).await;
        lines.push(("data folder".to_owned(), data_folder(&settings.data_dir)));
        lines.push(("address".to_owned(), address(settings.listen).await));
        lines.push(("NATS".to_owned(), nats(settings).await));
        lines.push(("console".to_owned(), console_page()));
        print(&shown(&lines))?;
        let wrong = lines
            .iter()
            .filter(|(_, finding)| matches!(finding, Finding::Error { .. }))
            .count();
        if wrong == 0 {
            return Ok(());
        }
        Err(
            Failure::new(format!("{wrong} of {} checks found something wrong", lines.len()))
                .with_hint("the lines `mend:` above say what to do"),
        )
    })
}

fn shown(lines: &[Line]) -> String {
    let mut text = String::new();
    for (what, finding) in lines {
        let (level, found, mend) = match finding {
            Finding::Ok(found) => ("ok", found, None),
            Finding::Warning { found, mend } => ("warning", found, Some(mend)),
            Finding::Error { found, mend } => ("error", found, Some(mend)),
        };
        let _ = writeln!(text, "{level:8} {what}: {found}");
        if let Some(mend) = mend {
            let _ = writeln!(text, "{:8} mend: {mend}", "");
        }
    }
    text
}

/// The database, its schema and, where both are in order, the handlers of events.
async fn database(settings: &Settings) -> Vec<Line> {
    let line = |finding| vec![("database".to_owned(), finding)];
    if settings.database_kind() == DatabaseKind::Sqlite
        && let Some(file) = sqlite_file(settings.database_url.expose())
        && !file.exists()
    {
        return line(Finding::warning(
            format!("there is no file `{}` yet", file.display()),
            "`leadline migrate` makes it, and so does `leadline serve`",
        ));
    }
    let db = match timeout(PATIENCE, assembly::open(settings)).await {
        Ok(Ok(db)) => db,
        Ok(Err(error)) => return line(Finding::error(error.to_string(), error.hint())),
        Err(_elapsed) => {
            return line(Finding::error(
                format!("{} does not answer", settings.database_url),
                "start it, or check host and port in `database_url`",
            ));
        }
    };
    let mut lines = line(match db.version().await {
        Ok(version) => Finding::ok(format!("{version}, {}", settings.database_url)),
        Err(error) => Finding::error(
            error.to_string(),
            "look into the log of the database, or restore a backup",
        ),
    });
    let (schema, usable) = match db.pending_migrations().await {
        Ok(pending) if pending.is_empty() => (Finding::ok("up to date"), true),
        Ok(pending) => (
            Finding::warning(
                match pending.as_slice() {
                    [one] => format!("1 change is to be made: {one}"),
                    all => format!("{} changes are to be made: {}", all.len(), all.join(", ")),
                },
                "`leadline migrate` makes them, and so does the next start of `leadline serve`",
            ),
            false,
        ),
        Err(error) => (Finding::error(error.to_string(), error.hint()), false),
    };
    lines.push(("schema".to_owned(), schema));
    if usable {
        lines.extend(handlers(&db).await);
    }
    // The process ends: closing only tidies up.
    let _ = db.close().await;
    lines
}

async fn handlers(db: &Db) -> Vec<Line> {
    let now = Clock::system().now();
    let mut lines = Vec::new();
    let relay = match events::is_waiting(db).await {
        Ok(true) => Some(Finding::ok("events wait for their place in the log")),
        Ok(false) => None,
        Err(error) => Some(Finding::error(
            error.to_string(),
            "look into the log of the database",
        )),
    };
    lines.extend(relay.map(|finding| ("event relay".to_owned(), finding)));
    for handler in assembly::handlers() {
        let finding = match progress(db, &*handler).await {
            Ok(progress) => handler_finding(&progress, now),
            Err(error) => Finding::error(error.to_string(), "look into the log of the database"),
        };
        lines.push((format!("handler {}", handler.name()), finding));
    }
    lines
}

fn handler_finding(progress: &Progress, now: Timestamp) -> Finding {
    let Progress {
        waiting,
        waiting_since,
        failures,
        last_error,
    } = progress;
    let wait = match waiting {
        1 => "1 event waits".to_owned(),
        count => format!("{count} events wait"),
    };
    if *failures > 0 {
        return Finding::error(
            format!(
                "failed {} in a row, {wait}: {}",
                counted((*failures).into(), "times"),
                last_error.as_deref().unwrap_or("it did not say why")
            ),
            "the log of the worker tells more; it goes on trying, and nothing is lost meanwhile",
        );
    }
    match waiting_since {
        Some(since) if since.plus_seconds(WORRYING_SECONDS) < now => Finding::warning(
            format!(
                "{wait}, since {}",
                since.to_chrono().format("%Y-%m-%d %H:%M:%S UTC")
            ),
            "start a worker: `leadline serve` is one unless `--no-worker` is given, `leadline worker` is nothing else",
        ),
        Some(_) => Finding::ok(format!("{wait}, all of them new")),
        None => Finding::ok("has handled everything"),
    }
}

fn data_folder(folder: &Path) -> Finding {
    let shown = folder.display();
    match fs::metadata(folder) {
        Ok(found) if !found.is_dir() => {
            return Finding::error(
                format!("`{shown}` is a file"),
                "move it away, or choose another `data_dir`",
            );
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::warning(
                format!("`{shown}` does not exist yet"),
                "nothing: it is made when it is first needed; set `data_dir` where another was meant",
            );
        }
        Err(error) => {
            return Finding::error(
                format!("`{shown}` cannot be looked at: {error}"),
                "make it readable for this user, or choose another `data_dir`",
            );
        }
    }
    let probe = folder.join(format!(".leadline-doctor-{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)
        .and_then(|mut file| io::Write::write_all(&mut file, &[0; 4096]));
    // Where it could not be made there is nothing to remove.
    let _ = fs::remove_file(&probe);
    match written {
        Ok(()) => Finding::ok(format!("`{shown}` can be written to")),
        Err(error) => Finding::error(
            format!("`{shown}` cannot be written to: {error}"),
            "make it writable for this user, free some space, or choose another `data_dir`",
        ),
    }
}

async fn address(address: SocketAddr) -> Finding {
    match assembly::check_address(address).await {
        Ok(()) => Finding::ok(format!("{address} is free")),
        Err(_) if is_leadline(address).await => {
            Finding::ok(format!("a running Leadline listens there ({address})"))
        }
        Err(error) => Finding::error(error.to_string(), error.hint()),
    }
}

/// Whether a Leadline answers at an address.
async fn is_leadline(address: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /health/live HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    match timeout(Duration::from_secs(2), ask).await {
        Ok(Ok(answer)) => answer.starts_with("HTTP/1.1 200") && answer.contains(r#""status":"live""#),
        _ => false,
    }
}

async fn nats(settings: &Settings) -> Finding {
    let Some(url) = &settings.nats_url else {
        return Finding::ok("not set, and not needed by a single process");
    };
    let why = match timeout(PATIENCE, connect_nats(url.expose(), true, None)).await {
        Ok(Ok(_client)) => return Finding::ok(format!("{url} answers")),
        Ok(Err(error)) => error.to_string(),
        Err(_elapsed) => "no answer".to_owned(),
    };
    Finding::warning(
        format!("{url} cannot be reached ({why}): events of other processes are seen up to 250 ms later"),
        "start it, or check `nats_url`; Leadline connects by itself when it is back",
    )
}

fn console_page() -> Finding {
    if console::is_built_in() {
        Finding::ok("the page at / is built in")
    } else {
        Finding::warning(
            "this binary was built without the page at /",
            "run `make web` with Node 20.19 or newer, then build again; the API does not need it",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_level_and_its_mend() {
        let lines = [
            ("a".to_owned(), Finding::ok("fine")),
            ("b".to_owned(), Finding::warning("so so", "rest")),
            ("c".to_owned(), Finding::error("broken", "glue")),
        ];
        assert_eq!(
            shown(&lines),
            "ok       a: fine\nwarning  b: so so\n         mend: rest\nerror    c: broken\n         mend: glue\n"
        );
    }

    #[test]
    fn a_handler_is_worrying_when_its_events_wait_long_and_wrong_when_it_fails() {
        let now = Timestamp::from_micros(1_780_000_000_000_000);
        let mut progress = Progress {
            waiting: 3,
            waiting_since: Some(now.plus_seconds(-60)),
            failures: 0,
            last_error: None,
        };
        assert_eq!(
            handler_finding(&progress, now),
            Finding::ok("3 events wait, all of them new")
        );
        progress.waiting_since = Some(now.plus_seconds(-61));
        assert!(matches!(
            handler_finding(&progress, now),
            Finding::Warning { found, .. } if found == "3 events wait, since 2026-05-28 20:25:39 UTC"
        ));
        progress.waiting = 1;
        progress.failures = 1;
        assert!(matches!(
            handler_finding(&progress, now),
            Finding::Error { found, .. } if found == "failed 1 time in a row, 1 event waits: it did not say why"
        ));
        progress.waiting = 3;
        progress.failures = 2;
        progress.last_error = Some("no such column".to_owned());
        assert!(matches!(
            handler_finding(&progress, now),
            Finding::Error { found, .. } if found == "failed 2 times in a row, 3 events wait: no such column"
        ));
    }

    #[test]
    fn a_data_folder_is_tried_by_writing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(data_folder(folder.path()), Finding::Ok(_)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
        assert!(matches!(
            data_folder(&folder.path().join("none")),
            Finding::Warning { .. }
        ));
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(data_folder(&file), Finding::Error { .. }));
    }
}
