//! All SQL of rates of exchange.

use std::collections::BTreeSet;

use entity::{Day, currency_rate, setting};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder};

use super::{CurrencyRate, Known};
use crate::db::{Conflict, Tx, insert_many, padded, sql, upsert_many};

/// The key of the settings, which migrations have put there.
pub(super) const SETTINGS: &str = "currencies";

/// The stored settings.
pub(super) async fn settings(db: &impl ConnectionTrait) -> Result<setting::Model, DbErr> {
    let row = setting::Entity::find_by_id(SETTINGS).one(db).await?;
    row.ok_or_else(|| DbErr::RecordNotFound(format!("setting `{SETTINGS}`")))
}

/// The same, held until the transaction ends: to be changed, or against being changed.
pub(super) async fn held_settings(tx: &Tx, to_change: bool) -> Result<setting::Model, DbErr> {
    if tx.backend() == DbBackend::Postgres {
        let lock = if to_change { "UPDATE" } else { "SHARE" };
        let text = format!("SELECT key FROM setting WHERE key = ? FOR {lock}");
        tx.query_one_raw(sql(tx.backend(), &text, [SETTINGS.into()]))
            .await?;
    }
    settings(&**tx).await
}

/// Writes the settings.
pub(super) async fn store_settings(tx: &Tx, row: setting::Model) -> Result<(), DbErr> {
    upsert_many(tx, &[row], "key").await.map(drop)
}

/// The rates of some currencies from a day to another, both included.
pub(super) async fn between(
    db: &impl ConnectionTrait,
    currencies: &BTreeSet<&str>,
    (from, to): (Day, Day),
) -> Result<Vec<CurrencyRate>, DbErr> {
    let currencies: Vec<&str> = currencies.iter().copied().collect();
    currency_rate::Entity::find()
        .filter(currency_rate::Column::Currency.is_in(padded(&currencies)))
        .filter(currency_rate::Column::Day.between(from, to))
        .order_by_asc(currency_rate::Column::Day)
        .all(db)
        .await
}

/// The newest rate of each of some currencies.
pub(super) async fn newest(
    db: &impl ConnectionTrait,
    currencies: &BTreeSet<&str>,
) -> Result<Vec<CurrencyRate>, DbErr> {
    let currencies: Vec<&str> = currencies.iter().copied().collect();
    let currencies = padded(&currencies);
    let marks = vec!["?"; currencies.len()].join(",");
    let text = format!(
        "SELECT * FROM currency_rate WHERE (currency, day) IN \
         (SELECT currency, max(day) FROM currency_rate WHERE currency IN ({marks}) GROUP BY currency)"
    );
    let values = currencies.into_iter().map(Into::into);
    currency_rate::Entity::find()
        .from_raw_sql(sql(db.get_database_backend(), &text, values))
        .all(db)
        .await
}

/// The currencies of the table, and how far it goes.
pub(super) async fn known(db: &impl ConnectionTrait) -> Result<Vec<Known>, DbErr> {
    let text = "SELECT currency, min(day) AS first, max(day) AS last, count(*) AS days FROM currency_rate \
                GROUP BY currency ORDER BY currency";
    let rows = db.query_all_raw(sql(db.get_database_backend(), text, [])).await?;
    rows.into_iter()
        .map(|row| {
            Ok(Known {
                currency: row.try_get("", "currency")?,
                first: row.try_get("", "first")?,
                last: row.try_get("", "last")?,
                days: row.try_get("", "days")?,
            })
        })
        .collect()
}

/// Forgets all rates.
pub(super) async fn clear(tx: &Tx) -> Result<(), DbErr> {
    currency_rate::Entity::delete_many().exec(&**tx).await.map(drop)
}

/// Writes rates; those of the same currency and day are replaced.
pub(super) async fn put(tx: &Tx, rows: &[CurrencyRate]) -> Result<(), DbErr> {
    insert_many(tx, rows, Conflict::Replace("currency, day"))
        .await
        .map(drop)
}
