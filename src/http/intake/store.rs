//! What callers have spent at all servers together (PostgreSQL).

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{ConnectionTrait as _, DbBackend};
use serde_json::json;

use crate::db::{Db, sql};
use crate::error::Error;

/// What one server has to say of one account.
pub(super) struct Spent {
    pub(super) account: Arc<str>,
    /// Points since it last said so.
    pub(super) spent: f64,
    pub(super) restore_per_second: u64,
}

/// Whether several servers may share this database.
pub(super) fn is_shared(db: &Db) -> bool {
    db.backend() == DbBackend::Postgres
}

/// Adds what was spent here to what was spent elsewhere and has not come back; answers the sums.
///
/// One statement, by the clock of the database, which is the same for all. The order keeps two servers from waiting for
/// each other's rows.
pub(super) async fn exchange(db: &Db, told: &[Spent]) -> Result<HashMap<String, f64>, Error> {
    let rows: Vec<_> = told
        .iter()
        .map(
            |Spent {
                 account,
                 spent,
                 restore_per_second,
             }| {
                json!({ "account": **account, "spent": spent, "restore": *restore_per_second as f64 })
            },
        )
        .collect();
    let statement = sql(
        DbBackend::Postgres,
        "INSERT INTO query_budget AS known (account, used, restore, told_at) \
         SELECT account, spent, restore, (extract(epoch FROM statement_timestamp()) * 1000000)::bigint \
         FROM json_to_recordset(?::json) AS told (account text, spent double precision, restore double precision) \
         ORDER BY account \
         ON CONFLICT (account) DO UPDATE SET \
         used = GREATEST(0, GREATEST(0, known.used - excluded.restore * GREATEST(0, excluded.told_at - known.told_at) / 1000000) \
         + excluded.used), \
         restore = excluded.restore, told_at = GREATEST(known.told_at, excluded.told_at) \
         RETURNING account, used",
        [serde_json::Value::from(rows).to_string().into()],
    );
    let mut sums = HashMap::new();
    for row in db.write().query_all_raw(statement).await? {
        sums.insert(row.try_get("", "account")?, row.try_get("", "used")?);
    }
    Ok(sums)
}

/// Removes what nobody has told of for an hour and has come back by then.
pub(super) async fn tidy(db: &Db) -> Result<(), Error> {
    let statement = sql(
        DbBackend::Postgres,
        "DELETE FROM query_budget WHERE told_at < (extract(epoch FROM statement_timestamp()) * 1000000)::bigint - 3600000000 \
         AND used <= restore * 3600",
        [],
    );
    db.write().execute_raw(statement).await?;
    Ok(())
}
