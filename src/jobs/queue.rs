//! apalis as the alarm clock of jobs.
//!
//! PostgreSQL: apalis keeps its tables and its history of migrations in its own schema `apalis`; its migrations take
//! an advisory lock. SQLite: a file of its own beside the database (`leadline.db.queue`), because apalis's set-up
//! switches `synchronous` off on the connection it is given, and because this way its polling never competes for the
//! database's one writer. The file may be deleted while nothing runs: the truth is table `job`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use apalis::prelude::{TaskBuilder, TaskSink};
use apalis_postgres::PostgresStorage;
use apalis_sqlite::SqliteStorage;
use entity::id::JobId;
use sea_orm::DbBackend;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Executor, SqlitePool};

use crate::db::Db;
use crate::error::Error;

/// The name of our queue within apalis.
const NAME: &str = "leadline.jobs";
/// How often apalis notes that its worker lives.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How often a new SQLite queue is tried to be set up: two processes that start at once get in each other's way.
const SETUP_TRIES: u32 = 5;

/// The payload of a task: which job to look at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Wake {
    pub(super) job: JobId,
}

/// The queue of wake-ups.
#[derive(Clone)]
pub(super) enum Queue {
    Sqlite(SqliteStorage<Wake>),
    Postgres(PostgresStorage<Wake>),
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sqlite(_) => "Queue::Sqlite",
            Self::Postgres(_) => "Queue::Postgres",
        })
    }
}

impl Queue {
    /// Opens the queue that belongs to a database and brings its tables up to date.
    pub(super) async fn open(db: &Db) -> Result<Self, Error> {
        if db.backend() == DbBackend::Postgres {
            let pool = db.write().get_postgres_connection_pool();
            PostgresStorage::setup(pool).await.map_err(Error::internal)?;
            let config = apalis_postgres::Config::default()
                .queue(NAME)
                .batch_size(1)
                .heartbeat_interval(HEARTBEAT);
            return Ok(Self::Postgres(PostgresStorage::new(pool).with_config(config)));
        }
        let file = queue_file(db.file().expect("SQLite has a file"));
        let pool = open_sqlite(&file).await.map_err(|error| {
            let file = file.display();
            Error::internal(anyhow::Error::new(error).context(format!(
                "cannot open the queue `{file}`; it can be deleted, nothing is lost with it"
            )))
        })?;
        let config = apalis_sqlite::Config::default()
            .queue(NAME)
            .batch_size(1)
            .heartbeat_interval(HEARTBEAT);
        Ok(Self::Sqlite(SqliteStorage::new(&pool).with_config(config)))
    }

    /// Pushes the wake-up of a job.
    pub(super) async fn push(&self, job: JobId) -> Result<(), Error> {
        // Due since the epoch: the clocks of this machine and of the database need not agree.
        let task = TaskBuilder::new(Wake { job })
            .max_attempts(1)
            .run_at_timestamp(0)
            .build();
        match self {
            Self::Sqlite(storage) => storage.clone().push_task(task).await.map_err(Error::internal),
            Self::Postgres(storage) => storage.clone().push_task(task).await.map_err(Error::internal),
        }
    }

    /// Removes wake-ups that were seen to.
    pub(super) async fn clean(&self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(storage) => storage
                .pool()
                .execute("DELETE FROM Jobs WHERE status IN ('Done', 'Failed', 'Killed')")
                .await
                .map(drop),
            Self::Postgres(storage) => storage
                .pool()
                .execute(
                    "DELETE FROM apalis.jobs WHERE job_type = 'leadline.jobs' \
                     AND status IN ('Done', 'Failed', 'Killed')",
                )
                .await
                .map(drop),
        }
    }
}

/// The queue's file beside the database file.
fn queue_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".queue");
    PathBuf::from(name)
}

async fn open_sqlite(file: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A wake-up that a power failure takes is found again by the sweep.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(10));
    let mut tries = 0;
    loop {
        tries += 1;
        // SQLite waits for nobody when it makes a new file one with a write-ahead log: whoever comes second is told that it is
        // locked.
        let connected = SqlitePoolOptions::new()
            .max_connections(2)
            .connect_with(options.clone())
            .await;
        let error = match connected {
            Ok(pool) => match SqliteStorage::migrations().run(&pool).await {
                Ok(()) => return Ok(pool),
                Err(error) => {
                    pool.close().await;
                    error.into()
                }
            },
            Err(error) => error,
        };
        if tries >= SETUP_TRIES {
            return Err(error);
        }
        tracing::debug!(%error, tries, "could not set up the queue; trying again");
        tokio::time::sleep(Duration::from_millis(100 * u64::from(tries))).await;
    }
}
