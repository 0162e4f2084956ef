//! Leases: what only one process may do at a time, or only once in a while.

use entity::Timestamp;
use sea_orm::{ConnectionTrait, DbErr};

use super::{Db, sql};

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
