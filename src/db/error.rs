//! Errors of the database, told apart: away for a while, or a fault.

use sea_orm::{DbErr, RuntimeErr};

use crate::error::{Error, Failure};

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if is_away(&error) {
            tracing::warn!(%error, "the database does not answer");
            return Self::Unavailable("the database is away; try again shortly".into());
        }
        Self::Internal(error.into())
    }
}

impl<C> From<DbErr> for Failure<C> {
    fn from(error: DbErr) -> Self {
        Self::Error(error.into())
    }
}

/// Whether the database could not be reached, as against having refused a statement.
fn is_away(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            match &**error {
                sqlx::Error::Io(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::Tls(_) => true,
                // 57P01-57P03: shutting down, crashed, starting up; 08*: connection exceptions; 53300: too many connections.
                sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                    code.starts_with("57P0") || code.starts_with("08") || code == "53300"
                }),
                _ => false,
            }
        }
        _ => false,
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
