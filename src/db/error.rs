//! Errors of the database, told apart: away for a while, or a fault.

use sea_orm::{DbErr, RuntimeErr};

use crate::error::{Error, Failure};

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if let Some(why) = unavailable(&error) {
            tracing::warn!(%error, "{why}");
            return Self::Unavailable(why.into());
        }
        Self::Internal(error.into())
    }
}

impl<C> From<DbErr> for Failure<C> {
    fn from(error: DbErr) -> Self {
        Self::Error(error.into())
    }
}

/// Why the database cannot do anything at the moment, as against having refused a statement.
fn unavailable(error: &DbErr) -> Option<&'static str> {
    const AWAY: &str = "the database is away; try again shortly";
    let error = match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => return Some(AWAY),
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => &**error,
        _ => return None,
    };
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Tls(_) => Some(AWAY),
        sqlx::Error::Database(error) => why(&error.code()?),
        _ => None,
    }
}

/// Whether a code says that the disk is full: `SQLITE_FULL`, `SQLITE_IOERR_SHMSIZE` (the file of shared memory beside the
/// database cannot grow), or PostgreSQL's.
pub(super) fn means_full(code: &str) -> bool {
    matches!(code, "13" | "4874" | "53100")
}

/// What a code of SQLite (a number) or of PostgreSQL (five characters) means, where it is no fault of the statement.
fn why(code: &str) -> Option<&'static str> {
    const FULL: &str = "the disk of the database is full, nothing was written: free some space and try again";
    const LOCKED: &str =
        "the database file is locked by another program, such as a shell or a backup; try again";
    const READ_ONLY: &str = "the database takes no writes: see whether its disk or server was made read-only";
    if means_full(code) {
        return Some(FULL);
    }
    if let (Ok(number), true) = (code.parse::<u32>(), code.len() < 5) {
        // Extended result codes carry the primary one in their low byte.
        return match number & 0xff {
            5 | 6 => Some(LOCKED),
            8 => Some(READ_ONLY),
            10 => Some("the disk of the database fails to read or write; see the system's log"),
            _ => None,
        };
    }
    match code {
        "25006" => Some(READ_ONLY),
        // 57P01-57P03: shutting down, crashed, starting up; 08*: connection exceptions; 53300: too many connections.
        _ if code.starts_with("57P0") || code.starts_with("08") || code == "53300" => {
            Some("the database is away; try again shortly")
        }
        _ => None,
    }
}

/// Whether the same transaction may succeed when it is begun anew: a deadlock, a serialisation failure, or a unique
/// key that somebody else wrote at the same moment.
#[must_use]
pub fn is_transient(error: &Error) -> bool {
    let Error::Internal(error) = error else {
        return false;
    };
    match error.downcast_ref::<DbErr>() {
        Some(DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) => {
            let code = error
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::code);
            code.is_some_and(|code| matches!(&*code, "40001" | "40P01" | "23505"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::why;

    #[test]
    fn codes_of_both_databases_are_told_apart() {
        let full = why("13").unwrap();
        assert!(full.contains("full"));
        assert_eq!(why("53100"), Some(full));
        assert_eq!(why("4874"), Some(full));
        assert!(why("266").unwrap().contains("fails to read or write"));
        // SQLITE_BUSY_SNAPSHOT: the primary code is in the low byte.
        assert_eq!(why("517"), why("5"));
        assert!(why("5").unwrap().contains("locked"));
        assert!(why("57P03").unwrap().contains("away"));
        // A unique key, on either: no such thing.
        assert_eq!(why("2067"), None);
        assert_eq!(why("23505"), None);
    }
}
