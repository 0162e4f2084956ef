//! Leases: what only one process may do at a time, or only once in a while.

use std::collections::HashSet;

use entity::Timestamp;
use sea_orm::{ConnectionTrait, DbErr};

use super::{Db, Tx, sql};

/// Whose a lease is that rests.
const NOBODY: &str = "";

/// Takes a lease that has lapsed or that nobody ever held; false while one runs, whoever holds it.
/// Taken with the interval of a piece of work it lets one process do it once in that time.
///
/// # Errors
/// The database's.
pub async fn take_lease(
    db: &Db,
    name: &str,
    holder: &str,
    now: Timestamp,
    seconds: i64,
) -> Result<bool, DbErr> {
    let taken = db
        .write()
        .execute_raw(sql(
            db.backend(),
            "INSERT INTO lease (name, holder, until) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET \
             holder = excluded.holder, until = excluded.until WHERE lease.until <= ?",
            [
                name.into(),
                holder.into(),
                now.plus_seconds(seconds).micros().into(),
                now.micros().into(),
            ],
        ))
        .await?;
    Ok(taken.rows_affected() == 1)
}

/// Has a lease run for so many seconds from now on; false when somebody else has it by now.
///
/// # Errors
/// The database's.
pub async fn renew_lease(
    db: &Db,
    name: &str,
    holder: &str,
    now: Timestamp,
    seconds: i64,
) -> Result<bool, DbErr> {
    let statement = sql(
        db.backend(),
        "UPDATE lease SET until = ? WHERE name = ? AND holder = ?",
        [
            now.plus_seconds(seconds).micros().into(),
            name.into(),
            holder.into(),
        ],
    );
    Ok(db.write().execute_raw(statement).await?.rows_affected() == 1)
}

/// Gives a lease to nobody for a while, in place of giving it back: what it is about rests for all processes.
///
/// # Errors
/// The database's.
pub async fn rest_lease(db: &Db, name: &str, holder: &str, until: Timestamp) -> Result<(), DbErr> {
    let statement = sql(
        db.backend(),
        "UPDATE lease SET holder = ?, until = ? WHERE name = ? AND holder = ?",
        [NOBODY.into(), until.micros().into(), name.into(), holder.into()],
    );
    db.write().execute_raw(statement).await.map(drop)
}

/// Ends the rest of leases; those that somebody has stay.
///
/// # Errors
/// The database's.
pub async fn wake_leases(tx: &Tx, names: &[String]) -> Result<(), DbErr> {
    for name in names {
        let statement = sql(
            tx.backend(),
            "DELETE FROM lease WHERE name = ? AND holder = ?",
            [name.as_str().into(), NOBODY.into()],
        );
        tx.execute_raw(statement).await?;
    }
    Ok(())
}

/// The leases that run, somebody's or nobody's, of those whose names begin with a prefix.
///
/// # Errors
/// The database's.
pub async fn running_leases(
    db: &impl ConnectionTrait,
    prefix: &str,
    now: Timestamp,
) -> Result<HashSet<String>, DbErr> {
    let statement = sql(
        db.get_database_backend(),
        "SELECT name FROM lease WHERE until > ? AND substr(name, 1, ?) = ?",
        [
            now.micros().into(),
            i32::try_from(prefix.len()).unwrap_or(i32::MAX).into(),
            prefix.into(),
        ],
    );
    let rows = db.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get("", "name")).collect()
}

/// Gives a lease back before it lapses; of nobody else's.
///
/// # Errors
/// The database's.
pub async fn end_lease(db: &Db, name: &str, holder: &str) -> Result<(), DbErr> {
    let statement = sql(
        db.backend(),
        "DELETE FROM lease WHERE name = ? AND holder = ?",
        [name.into(), holder.into()],
    );
    db.write().execute_raw(statement).await.map(drop)
}
