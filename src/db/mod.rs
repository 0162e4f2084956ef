//! Connections, transactions, bulk writes, keyset pages and what differs between the two databases.
//!
//! SQLite: WAL, `synchronous = FULL`, one writer connection with `BEGIN IMMEDIATE`, several readers: no "database is
//! locked" reaches a caller, and nothing that was acknowledged is lost on power loss. PostgreSQL: one pool, and
//! a second one where a read replica is configured.

mod bulk;
mod connect;
mod counting;
mod deployment;
mod error;
mod idempotency;
mod keys;
mod keyset;
mod lease;
mod open_error;
mod ranked;
mod rows;
mod transaction;

pub(crate) use bulk::insert_outbox;
pub use bulk::{Conflict, insert_many, insert_new, insert_refs, upsert_many};
pub use connect::{Db, DbOptions, sqlite_file};
pub(crate) use counting::for_operation;
pub use deployment::{deployment_id, deployment_key, forget_outcomes};
pub use error::is_transient;
pub use idempotency::{CallKey, Once, Repeatable};
pub use keys::{KeyType, among, key_table, looked_up};
pub use keyset::{Direction, Keyset, KeysetError, Page, PageRequest, SortValue};
pub use lease::{end_lease, renew_lease, rest_lease, running_leases, take_lease, wake_leases};
pub use open_error::OpenError;
pub use ranked::newest_of_leads;
pub use rows::{raw_rows, rows};
pub use transaction::Tx;

pub use sea_orm::{ConnectionTrait, DbErr};

use sea_orm::sea_query::Value;

/// Pads a list of keys to the next power of two by repeating the last one, so that `IN` lists of any length come as
/// few different statements, and each stays prepared.
#[must_use]
pub fn padded<T: Clone>(keys: &[T]) -> Vec<T> {
    let mut padded = keys.to_vec();
    if let Some(last) = keys.last() {
        padded.resize(keys.len().next_power_of_two(), last.clone());
    }
    padded
}

/// `?, ?, ?` or `$1, $2, $3`, for statements written as text; `from` counts from 1.
#[must_use]
pub fn placeholders(backend: sea_orm::DbBackend, from: usize, count: usize) -> String {
    let mut text = String::with_capacity(count * 4);
    for n in from..from + count {
        if n > from {
            text.push(',');
        }
        match backend {
            sea_orm::DbBackend::Postgres => {
                text.push('$');
                text.push_str(&n.to_string());
            }
            _ => text.push('?'),
        }
    }
    text
}

/// A statement written as text with `?` for its values, which become `$1…` on PostgreSQL.
/// The text must not contain a literal question mark.
#[must_use]
pub fn sql(
    backend: sea_orm::DbBackend,
    text: &str,
    values: impl IntoIterator<Item = Value>,
) -> sea_orm::Statement {
    if backend != sea_orm::DbBackend::Postgres {
        return sea_orm::Statement::from_sql_and_values(backend, text, values);
    }
    let mut numbered = String::with_capacity(text.len() + 16);
    let mut n = 0;
    for ch in text.chars() {
        if ch == '?' {
            n += 1;
            numbered.push('$');
            numbered.push_str(&n.to_string());
        } else {
            numbered.push(ch);
        }
    }
    sea_orm::Statement::from_sql_and_values(backend, numbered, values)
}
