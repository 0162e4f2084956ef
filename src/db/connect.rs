//! Opening the database, checking it, bringing its schema up to date.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    IsolationLevel, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::watch;

use super::counting::Statements;
use super::open_error::{OpenError, is_locked};
use super::transaction::Tx;

/// How to open the database.
#[derive(Clone)]
pub struct DbOptions {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
    /// A PostgreSQL read replica for reads that may lag.
    pub replica_url: Option<String>,
    /// Most connections (SQLite: of readers; PostgreSQL: half of them for what writes, see [`Db::begin`]).
    pub max_connections: u32,
    /// How long a caller waits for a connection.
    pub acquire_timeout: Duration,
}

impl DbOptions {
    /// With the defaults: 16 connections, 5 s.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            replica_url: None,
            max_connections: 16,
            acquire_timeout: Duration::from_secs(5),
        }
    }
}

/// The database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    backend: DbBackend,
    file: Option<PathBuf>,
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    replica: Option<DatabaseConnection>,
    wake: watch::Sender<u64>,
    statements: Arc<Statements>,
}

impl Db {
    /// Opens the database; creates an SQLite file that is not there. The schema is left as it is.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(options: &DbOptions) -> Result<Self, OpenError> {
        let statements = Arc::new(Statements::default());
        let url = options.url.as_str();
        let mut file = None;
        let (backend, mut writer, mut reader) = if let Some(path) = sqlite_file(url) {
            let (writer, reader) = open_sqlite(&path, options).await?;
            file = Some(path);
            (DbBackend::Sqlite, writer, reader)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            // Pools of their own: who holds a transaction open and reads beside it never waits for others like itself.
            let writers = options.max_connections.div_ceil(2);
            let readers = (options.max_connections - writers).max(1);
            let writer = open_postgres(url, writers, options).await?;
            let reader = open_postgres(url, readers, options).await?;
            (DbBackend::Postgres, writer, reader)
        } else {
            return Err(OpenError::UnknownScheme);
        };
        let mut replica = match &options.replica_url {
            Some(url) => Some(open_postgres(url, options.max_connections, options).await?),
            None => None,
        };
        for connection in [Some(&mut writer), Some(&mut reader), replica.as_mut()]
            .into_iter()
            .flatten()
        {
            let statements = Arc::clone(&statements);
            connection.set_metric_callback(move |info| {
                let work = statements.count();
                metrics::histogram!("leadline_sql_seconds", "work" => work)
                    .record(info.elapsed.as_secs_f64());
                if info.failed {
                    metrics::counter!("leadline_sql_failures_total").increment(1);
                }
            });
        }
        let wake = watch::Sender::new(0);
        Ok(Self {
            inner: Arc::new(Inner {
                backend,
                file,
                writer,
                reader,
                replica,
                wake,
                statements,
            }),
        })
    }

    /// Brings the schema up to date, all or nothing. Safe when several processes start at once: one does it, the others
    /// wait for it.
    ///
    /// # Errors
    /// [`OpenError::Newer`] when the database knows migrations that this version does not.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        if self.pending_migrations().await?.is_empty() {
            return Ok(());
        }
        let tx = self.begin().await?;
        if self.inner.backend == DbBackend::Postgres {
            // Held until the transaction ends; the number is this program's own ("leadline" in ASCII).
            tx.execute_unprepared("SELECT pg_advisory_xact_lock(7810756212687466085)")
                .await?;
        }
        Migrator::up(&*tx, None).await?;
        Ok(tx.commit().await?)
    }

    /// The migrations that are still to be applied, in their order.
    ///
    /// # Errors
    /// As [`Self::migrate`].
    pub async fn pending_migrations(&self) -> Result<Vec<String>, OpenError> {
        let known: Vec<String> = Migrator::migrations()
            .iter()
            .map(|m| m.name().to_owned())
            .collect();
        let applied = self.applied_migrations().await?;
        if let Some(version) = applied.iter().find(|name| !known.contains(name)) {
            return Err(OpenError::Newer {
                version: version.clone(),
            });
        }
        Ok(known.into_iter().filter(|name| !applied.contains(name)).collect())
    }

    async fn applied_migrations(&self) -> Result<Vec<String>, DbErr> {
        let listing = match self.inner.backend {
            DbBackend::Sqlite => "SELECT name AS present FROM sqlite_master WHERE name = 'seaql_migrations'",
            _ => "SELECT to_regclass('seaql_migrations')::text AS present",
        };
        let row = self
            .inner
            .writer
            .query_one_raw(super::sql(self.inner.backend, listing, []))
            .await?;
        let present = row
            .map(|row| row.try_get::<Option<String>>("", "present"))
            .transpose()?
            .flatten();
        if present.is_none() {
            return Ok(Vec::new());
        }
        let sql = super::sql(
            self.inner.backend,
            "SELECT version FROM seaql_migrations ORDER BY version",
            [],
        );
        let rows = self.inner.writer.query_all_raw(sql).await?;
        rows.into_iter().map(|row| row.try_get("", "version")).collect()
    }

    /// The product and its version, e.g. `PostgreSQL 16.4`.
    ///
    /// # Errors
    /// The database's.
    pub async fn version(&self) -> Result<String, DbErr> {
        let (product, question) = match self.inner.backend {
            DbBackend::Sqlite => ("SQLite", "SELECT sqlite_version() AS version"),
            _ => (
                "PostgreSQL",
                "SELECT current_setting('server_version') AS version",
            ),
        };
        let row = self
            .inner
            .writer
            .query_one_raw(super::sql(self.inner.backend, question, []))
            .await?;
        let version = row.map(|row| row.try_get::<String>("", "version")).transpose()?;
        Ok(format!("{product} {}", version.unwrap_or_default()))
    }

    /// Which database it is.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.inner.backend
    }

    /// The database file (SQLite).
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.inner.file.as_deref()
    }

    /// For reads that must see what was committed before.
    #[must_use]
    pub fn read(&self) -> &DatabaseConnection {
        &self.inner.reader
    }

    /// For reads that may lag a little: the replica where there is one.
    #[must_use]
    pub fn read_lagging(&self) -> &DatabaseConnection {
        self.inner.replica.as_ref().unwrap_or(&self.inner.reader)
    }

    /// For a single statement that writes, outside of a transaction.
    #[must_use]
    pub fn write(&self) -> &DatabaseConnection {
        &self.inner.writer
    }

    /// Begins a write transaction (SQLite: `BEGIN IMMEDIATE`, so that it never has to give up half-way).
    ///
    /// # Errors
    /// When no connection can be had in time.
    pub async fn begin(&self) -> Result<Tx, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: (self.inner.backend == DbBackend::Sqlite)
                .then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let tx = self.inner.writer.begin_with_options(options).await?;
        Ok(Tx::new(tx, self.inner.backend, self.inner.wake.clone()))
    }

    /// Begins a transaction that only reads, all of it as of one moment.
    ///
    /// # Errors
    /// When no connection can be had in time.
    pub async fn snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            isolation_level: (self.inner.backend == DbBackend::Postgres)
                .then_some(IsolationLevel::RepeatableRead),
            ..TransactionOptions::default()
        };
        self.inner.reader.begin_with_options(options).await
    }

    /// Counts the commits of this process that brought events.
    #[must_use]
    pub fn commits_with_events(&self) -> watch::Receiver<u64> {
        self.inner.wake.subscribe()
    }

    /// How many statements were executed since the start.
    #[must_use]
    pub fn statement_count(&self) -> u64 {
        self.inner.statements.all.load(Ordering::Relaxed)
    }

    /// How many of them GraphQL operations executed; tests guard against N+1 with it.
    #[must_use]
    pub fn statements_of_operations(&self) -> u64 {
        self.inner.statements.of_operations.load(Ordering::Relaxed)
    }

    /// Answers when the database does.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.inner.reader.ping().await?;
        match self.inner.backend {
            // One connection, which a long transaction may hold.
            DbBackend::Sqlite => Ok(()),
            _ => self.inner.writer.ping().await,
        }
    }

    /// Waits for running statements and closes the connections.
    ///
    /// # Errors
    /// When a connection cannot be closed.
    pub async fn close(&self) -> Result<(), DbErr> {
        self.inner.reader.clone().close().await?;
        if let Some(replica) = self.inner.replica.clone() {
            replica.close().await?;
        }
        self.inner.writer.clone().close().await
    }
}

/// The file of an SQLite address, `None` for others. It is written percent-decoded up to a `?`, as SQLx would read it.
#[must_use]
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path
        .trim_start_matches("//")
        .split('?')
        .next()
        .unwrap_or_default();
    Some(PathBuf::from(path.replace("%3F", "?").replace("%25", "%")))
}

/// Pages that the writer of an SQLite file keeps, in KiB: what a batch of an import touches stays in memory.
const WRITER_CACHE_KIB: u32 = 48 * 1_024;
/// The same for each reader; the rest is the system's cache of the file.
const READER_CACHE_KIB: u32 = 8 * 1_024;

/// In so short a time a new file has its write-ahead log.
const AT_ONCE: Duration = Duration::from_secs(3);

async fn open_sqlite(
    path: &Path,
    options: &DbOptions,
) -> Result<(DatabaseConnection, DatabaseConnection), OpenError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder {
            path: folder.to_owned(),
            source,
        })?;
    }
    let base = {
        let path = path.to_owned();
        move |cache_kib: u32| {
            SqliteConnectOptions::new()
                .filename(&path)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(Duration::from_secs(15))
                .foreign_keys(true)
                .statement_cache_capacity(512)
                // A page's rows at once: for each that does not fit, two threads would wake each other.
                .row_buffer_size(1_024)
                .pragma("cache_size", format!("-{cache_kib}"))
                .pragma("temp_store", "MEMORY")
                .pragma("journal_size_limit", "67108864")
                // 64 MiB: a page that many transactions write reaches the file once, not once for each.
                .pragma("wal_autocheckpoint", "16384")
        }
    };
    let mut writer = ConnectOptions::new("sqlite::memory:");
    writer
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(60))
        .sqlx_logging(false);
    writer
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>);
    writer.test_before_acquire(false);
    {
        let base = base.clone();
        writer
            .map_sqlx_sqlite_opts(move |_| base(WRITER_CACHE_KIB).create_if_missing(true).disable_logging());
    }
    writer.map_sqlx_sqlite_pool_opts(without_transaction);
    let refused = |error| OpenError::sqlite(error, path);
    let begin = Instant::now();
    let writer = loop {
        match Database::connect(writer.clone()).await {
            // SQLite waits for nobody when it gives a new file its write-ahead log: of processes that start at once, all but
            // the first are told that it is locked. (A file that somebody holds is said to be locked after the timeout.)
            Err(error) if begin.elapsed() < AT_ONCE && is_locked(&error) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            outcome => break outcome.map_err(refused)?,
        }
    };
    let mut reader = ConnectOptions::new("sqlite::memory:");
    reader
        .max_connections(options.max_connections.min(8))
        .min_connections(1);
    reader
        .acquire_timeout(options.acquire_timeout)
        .sqlx_logging(false)
        .test_before_acquire(false);
    reader
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>);
    reader.map_sqlx_sqlite_opts(move |_| {
        base(READER_CACHE_KIB)
            .pragma("query_only", "ON")
            .disable_logging()
    });
    reader.map_sqlx_sqlite_pool_opts(without_transaction);
    let reader = Database::connect(reader).await.map_err(refused)?;
    Ok((writer, reader))
}

/// Closes a connection that comes back with a transaction. SQLite itself ends a transaction that meets a full disk or a failing
/// one; SQLx goes on counting it, takes the next for a part of it, and would commit nothing any more.
fn without_transaction(options: SqlitePoolOptions) -> SqlitePoolOptions {
    options.after_release(|connection, _| {
        Box::pin(async move {
            if connection.is_in_transaction() {
                // The rollback of a transaction that was dropped may be on its way: what follows it has to wait for it.
                connection.ping().await?;
            }
            Ok(!connection.is_in_transaction())
        })
    })
}

/// A connection that was idle for longer is tried before it is used.
const RESTED: Duration = Duration::from_secs(1);

async fn open_postgres(
    url: &str,
    connections: u32,
    options: &DbOptions,
) -> Result<DatabaseConnection, OpenError> {
    let mut connect = ConnectOptions::new(url.to_owned());
    connect
        .max_connections(connections)
        .min_connections(connections.min(2))
        .acquire_timeout(options.acquire_timeout)
        .sqlx_logging(false)
        .test_before_acquire(false);
    connect.map_sqlx_postgres_opts(|given| {
        given
            .application_name("leadline")
            .statement_cache_capacity(512)
            .disable_logging()
    });
    // A busy connection is known to live; one that rested may have lost its server meanwhile.
    connect.map_sqlx_postgres_pool_opts(|given| {
        given.before_acquire(|connection, resting| {
            Box::pin(async move {
                if resting.idle_for > RESTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
    });
    Database::connect(connect)
        .await
        .map_err(|error| OpenError::postgres(error, url))
}

/// `disable_statement_logging` is a trait method that returns `Self`; named here for both databases.
trait DisableLogging {
    fn disable_logging(self) -> Self;
}

impl<T: sqlx::ConnectOptions> DisableLogging for T {
    fn disable_logging(self) -> Self {
        self.disable_statement_logging()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn a_transaction_that_sqlite_ends_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new.db");
        let db = Db::open(&DbOptions::new(format!("sqlite:{}", file.display())))
            .await
            .unwrap();
        let table = "CREATE TABLE kept (n INTEGER PRIMARY KEY)";
        db.write().execute_unprepared(table).await.unwrap();
        // As a full disk does at a commit: the whole transaction is undone, not the statement alone.
        for _ in 0..3 {
            let tx = db.begin().await.unwrap();
            let refused = tx.execute_unprepared("INSERT OR ROLLBACK INTO kept VALUES (1), (1)");
            assert!(refused.await.is_err());
            let _ = tx.rollback().await;
        }
        let tx = db.begin().await.unwrap();
        tx.execute_unprepared("INSERT INTO kept VALUES (2)")
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let select = crate::db::sql(DbBackend::Sqlite, "SELECT n FROM kept", []);
        let kept = db.read().query_all_raw(select).await.unwrap();
        assert_eq!(kept.len(), 1, "what is committed is there for others");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_open_a_new_file_at_once() {
        for _ in 0..10 {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite:{}", folder.path().join("new.db").display());
            let opened = join_all((0..6).map(|_| {
                let options = DbOptions::new(url.clone());
                tokio::spawn(async move {
                    let db = Db::open(&options).await.map_err(|error| error.to_string())?;
                    db.migrate().await.map_err(|error| error.to_string())
                })
            }));
            for outcome in opened.await {
                assert_eq!(outcome.unwrap(), Ok(()));
            }
        }
    }
}
