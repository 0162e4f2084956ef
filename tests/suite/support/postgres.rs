//! A throw-away PostgreSQL.

use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use leadline::db::{Db, DbOptions};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database as Connection, DbErr};

use super::throwaway::{Throwaway, User, find_program};
use super::{aside, free_port, lacking, scratch, until};

/// A migrated database of our own servers, copied for each test.
const TEMPLATE: &str = "leadline_template";

/// A PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    /// Address of a database whose user may create others.
    admin: String,
    template: bool,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    user: Option<User>,
    running: Option<Throwaway>,
}

impl Postgres {
    /// The server that all tests of this process share; `None` when there is none to be had.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED
            .get_or_init(|| {
                if let Ok(admin) = std::env::var("TEST_POSTGRES_URL") {
                    return Some(Self {
                        admin,
                        template: false,
                        own: None,
                    });
                }
                Self::start()
            })
            .as_ref()
    }

    /// Starts a server of one's own, for tests that stop it.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            lacking("PostgreSQL is not installed (initdb and postgres) and TEST_POSTGRES_URL is not set");
            return None;
        };
        let folder = scratch("leadline-postgres-")
            // The watchdog removes it.
            .keep();
        let user = User::instead_of_root();
        if let Some(user) = user {
            chown(&folder, Some(user.uid), Some(user.gid)).expect("root may give a folder away");
        }
        let port = free_port();
        let mut own = Own {
            programs,
            folder,
            port,
            user,
            running: None,
        };
        own.initialise();
        own.run();
        let mut postgres = Self {
            admin: format!("postgres://leadline@127.0.0.1:{port}/postgres"),
            template: false,
            own: Some(own),
        };
        postgres.wait();
        postgres.make_template();
        Some(postgres)
    }

    /// Makes a database, migrated or empty; answers its address.
    pub fn create(&self, name: &str) -> String {
        let template = if self.template {
            format!(" TEMPLATE {TEMPLATE}")
        } else {
            String::new()
        };
        self.execute(&format!("CREATE DATABASE {name}{template}"))
            .unwrap_or_else(|error| panic!("cannot create a database: {error}"));
        self.url_of(name)
    }

    /// Removes a database and whoever is connected to it.
    pub fn remove(&self, name: &str) {
        // A server that a test has stopped takes its databases with it.
        let _ = self.execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }

    /// Stops the server; its data stays.
    pub fn stop(&mut self) {
        let own = self
            .own
            .as_mut()
            .expect("only a server of one's own can be stopped");
        own.running.take().expect("it runs").end_and_keep();
    }

    /// Starts it again on the same port.
    pub fn start_again(&mut self) {
        self.own.as_mut().expect("a server of one's own").run();
        self.wait();
    }

    fn url_of(&self, name: &str) -> String {
        let mut url = url::Url::parse(&self.admin).expect("TEST_POSTGRES_URL is a URL");
        url.set_path(name);
        url.into()
    }

    fn execute(&self, sql: &str) -> Result<(), DbErr> {
        aside(async || {
            let mut options = ConnectOptions::new(self.admin.clone());
            options.max_connections(1).sqlx_logging(false);
            let connection = Connection::connect(options).await?;
            let outcome = connection.execute_unprepared(sql).await;
            connection.close().await?;
            outcome.map(drop)
        })
    }

    fn wait(&self) {
        let log = || {
            self.own
                .as_ref()
                .and_then(|own| own.running.as_ref())
                .map(Throwaway::log)
        };
        aside(async || {
            until("PostgreSQL answers", async || {
                let failed = log().is_some_and(|log| log.contains("FATAL:  could not"));
                assert!(
                    !failed,
                    "PostgreSQL does not start:\n{}",
                    log().unwrap_or_default()
                );
                self.answers().await
            })
            .await;
        });
    }

    async fn answers(&self) -> bool {
        let address = url::Url::parse(&self.admin).expect("written above");
        let (host, port) = (
            address.host_str().expect("it has one"),
            address.port().expect("it has one"),
        );
        if tokio::net::TcpStream::connect((host, port)).await.is_err() {
            return false;
        }
        let mut options = ConnectOptions::new(self.admin.clone());
        options.max_connections(1).sqlx_logging(false);
        match Connection::connect(options).await {
            Ok(connection) => connection.close().await.is_ok(),
            Err(_starting) => false,
        }
    }

    fn make_template(&mut self) {
        let url = self.create(TEMPLATE);
        aside(async || {
            let db = Db::open(&DbOptions::new(url)).await.expect("it opens");
            db.migrate().await.expect("it migrates");
            db.close().await.expect("it closes");
        });
        self.template = true;
    }
}

impl Own {
    fn initialise(&self) {
        // The one that sorts by code points, as SQLite does; where a machine lacks it, the one without languages.
        for locale in ["--locale=C.UTF-8", "--no-locale"] {
            let mut command = Command::new(self.programs.join("initdb"));
            command
                .args([
                    "--username=leadline",
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--no-sync",
                    locale,
                    "-D",
                ])
                .arg(self.folder.join("data"))
                .current_dir(&self.folder)
                .stdin(Stdio::null());
            if let Some(user) = self.user {
                user.take_over(&mut command);
            }
            let output = command.output().expect("initdb starts");
            if output.status.success() {
                return;
            }
            assert!(
                locale == "--no-locale",
                "initdb failed: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }

    fn run(&mut self) {
        let data = self.folder.join("data").display().to_string();
        let port = self.port.to_string();
        let arguments: Vec<&str> = [
            ["-D", &data],
            ["-p", &port],
            ["-h", "127.0.0.1"],
            ["-c", "unix_socket_directories="],
            ["-c", "max_connections=600"],
            ["-c", "shared_buffers=64MB"],
            // Nothing of it has to outlive a crash of the machine.
            ["-c", "fsync=off"],
            ["-c", "full_page_writes=off"],
        ]
        .concat();
        let program = self.programs.join("postgres");
        // SIGQUIT ends it at once, connections and all.
        self.running = Some(Throwaway::start(
            &program,
            &arguments,
            &self.folder,
            "QUIT",
            self.user,
        ));
    }
}

/// The folder of PostgreSQL's own programs. Debian keeps them out of the path.
fn programs() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .collect();
    // The newest first.
    folders.sort_by_key(|folder| {
        let version = folder.parent().and_then(|folder| folder.file_name());
        std::cmp::Reverse(version.and_then(|version| version.to_str()?.parse::<u32>().ok()))
    });
    let postgres = find_program("postgres", &folders)?;
    let initdb = postgres.with_file_name("initdb");
    initdb
        .is_file()
        .then(|| postgres.parent().expect("a file has a folder").to_owned())
}
