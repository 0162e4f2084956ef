//! Why a database could not be opened, in one line and with a mend.

use std::path::{Path, PathBuf};

use sea_orm::{DbErr, RuntimeErr};

use super::error::means_full;

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Neither SQLite nor PostgreSQL.
    #[error("the database address is neither `sqlite:PATH` nor `postgres://…`")]
    UnknownScheme,
    /// The folder of the SQLite file.
    #[error("cannot create the folder `{}` for the database file: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A schema that this version does not know.
    #[error(
        "the database was written by a newer Leadline: it has `{version}`, which this version does not know"
    )]
    Newer {
        /// The unknown migration.
        version: String,
    },
    /// The database, or the system under it, refuses for a reason that is known.
    #[error("{what}")]
    Refused {
        /// What is wrong; names the file or the server, without a secret.
        what: String,
        /// How to mend it.
        hint: &'static str,
    },
    /// Anything else.
    #[error("cannot open the database: {0}")]
    Other(#[source] DbErr),
}

/// The mend of a full disk.
const FREE_SPACE: &str = "free some space, or move the folder and set `data_dir`";

/// What fails once the database is open, such as a migration.
impl From<DbErr> for OpenError {
    fn from(error: DbErr) -> Self {
        if database_code(&error).is_some_and(|code| means_full(&code)) {
            return Self::Refused {
                what: "the disk of the database is full".to_owned(),
                hint: FREE_SPACE,
            };
        }
        Self::Other(error)
    }
}

/// Whether an SQLite file is locked by another connection.
pub(super) fn is_locked(error: &DbErr) -> bool {
    database_code(error)
        .is_some_and(|code| code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6)))
}

impl OpenError {
    /// How to mend it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::UnknownScheme => "set `database_url` to one of the two, or leave it out for an SQLite file",
            Self::Folder { .. } => "choose another `data_dir`, or make its parent folder writable",
            Self::Newer { .. } => "run that newer version, or restore a backup made by this one",
            Self::Refused { hint, .. } => hint,
            Self::Other(_) => "`leadline doctor` looks closer",
        }
    }

    pub(super) fn sqlite(error: DbErr, path: &Path) -> Self {
        let code = database_code(&error).unwrap_or_default();
        // Extended result codes carry the primary one in their low byte.
        let primary = code.parse::<u32>().map_or(0, |code| code & 0xff);
        let file = path.display();
        let (what, hint) = match primary {
            _ if means_full(&code) => (
                format!("the disk of the database file `{file}` is full"),
                FREE_SPACE,
            ),
            5 | 6 => (
                format!("the database file `{file}` is locked by another program"),
                "end the program that holds it, such as an SQLite shell or a backup, and start again",
            ),
            8 => (
                format!("the database file `{file}` cannot be written to"),
                "make the file and its folder writable for this user, or choose another `data_dir`",
            ),
            14 => (
                format!("the database file `{file}` cannot be opened or created"),
                "make the file and its folder readable and writable for this user, or choose another `data_dir`",
            ),
            11 => (
                format!("the database file `{file}` is damaged"),
                "restore a backup; `sqlite3 FILE .recover` may save what is left",
            ),
            26 => (
                format!("the file `{file}` is not an SQLite database"),
                "set `database_url` or `data_dir` to another place, or move that file away",
            ),
            _ => return Self::Other(error),
        };
        Self::Refused { what, hint }
    }

    pub(super) fn postgres(error: DbErr, url: &str) -> Self {
        let server = url::Url::parse(url).ok().map_or_else(
            || "PostgreSQL".to_owned(),
            |url| {
                let host = url
                    .host_str()
                    .filter(|host| !host.is_empty())
                    .unwrap_or("localhost");
                format!("PostgreSQL at {host}:{}", url.port().unwrap_or(5432))
            },
        );
        if let Some(code) = database_code(&error) {
            let said = database_message(&error);
            let hint = match code.as_str() {
                "28P01" | "28000" => {
                    "check user and password in `database_url`, and the server's pg_hba.conf"
                }
                "3D000" => "create it, for instance by `createdb NAME`, or name another in `database_url`",
                "42501" => "grant the user the right, or name the owner of the database in `database_url`",
                "53300" => "raise the server's max_connections, or lower `database_max_connections`",
                "57P01" | "57P02" | "57P03" => "wait until the server is up, then start again",
                "25006" => "set `database_url` to the primary server: this one only takes reads",
                _ => return Self::Other(error),
            };
            return Self::Refused {
                what: format!("{server} refuses: {said}"),
                hint,
            };
        }
        match sqlx_error(&error) {
            Some(sqlx::Error::Io(source)) => Self::Refused {
                what: format!("{server} cannot be reached: {source}"),
                hint: "start it, or check host and port in `database_url`",
            },
            Some(sqlx::Error::PoolTimedOut) => Self::Refused {
                what: format!("{server} does not answer"),
                hint: "start it, or check host and port in `database_url`",
            },
            Some(sqlx::Error::Tls(source)) => Self::Refused {
                what: format!("{server} does not agree on encryption: {source}"),
                hint: "check `sslmode` and `sslrootcert` in `database_url`",
            },
            _ if matches!(error, DbErr::ConnectionAcquire(_)) => Self::Refused {
                what: format!("{server} does not answer"),
                hint: "start it, or check host and port in `database_url`",
            },
            _ => Self::Other(error),
        }
    }
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

fn database_code(error: &DbErr) -> Option<String> {
    match sqlx_error(error)? {
        sqlx::Error::Database(error) => error.code().map(|code| code.into_owned()),
        _ => None,
    }
}

fn database_message(error: &DbErr) -> String {
    match sqlx_error(error) {
        Some(sqlx::Error::Database(error)) => error.message().to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::error::Error;
    use std::fmt;
    use std::sync::Arc;

    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    /// An error as a database tells it: its code alone.
    #[derive(Debug)]
    struct Told(&'static str);

    impl fmt::Display for Told {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("disk I/O error")
        }
    }

    impl Error for Told {}

    impl DatabaseError for Told {
        fn message(&self) -> &str {
            "disk I/O error"
        }
        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }
        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            self
        }
        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
            self
        }
        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
            self
        }
        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn told(code: &'static str) -> DbErr {
        let error = sqlx::Error::Database(Box::new(Told(code)));
        DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
    }

    #[test]
    fn a_full_disk_is_named_whatever_met_it_first() {
        for code in ["13", "4874"] {
            let error = OpenError::sqlite(told(code), Path::new("x.db"));
            assert_eq!(error.to_string(), "the disk of the database file `x.db` is full");
            assert_eq!(error.hint(), FREE_SPACE);
            let error = OpenError::from(told(code));
            assert_eq!(error.to_string(), "the disk of the database is full");
            assert_eq!(error.hint(), FREE_SPACE);
        }
        // Another failure of the disk is none.
        let error = OpenError::sqlite(told("266"), Path::new("x.db"));
        assert!(matches!(error, OpenError::Other(_)), "{error}");
    }
}
