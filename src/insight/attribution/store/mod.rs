//! All SQL of attribution: versions of the settings here, what is read of leads in [`facts`], [`trails`], [`sums`].

mod facts;
mod sums;
mod trails;

use entity::{AttributionState, Timestamp, attribution_settings};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

pub(super) use facts::{
    Counted, Known, Outline, conversions, conversions_known_by, last_conversions_known_by, leads_after,
    leads_touched, opportunities, outlines, reversal_as_of, touched_later, touches, touches_between,
    touches_known_by,
};
pub(super) use sums::{Asked, Credits, add, all_sums, credits, forget, paths, totals};
pub(super) use trails::{
    StoredTrail, Trails, each_trail, newest_trails, read, trails, write_trails, written,
};

use super::model::settings::AttributionSettings;
use crate::db::{Tx, sql, upsert_many};
use crate::error::Error;

/// A transaction: one that reads as of one moment, or the one within a [`Tx`].
pub(super) type Snapshot = sea_orm::DatabaseTransaction;

/// A version of the settings.
pub(super) type StoredSettings = attribution_settings::Model;

/// The versions whose sums are kept: the active one, and one that is being summed up; ascending.
pub(super) async fn kept(db: &impl ConnectionTrait) -> Result<Vec<StoredSettings>, DbErr> {
    attribution_settings::Entity::find()
        .filter(
            attribution_settings::Column::State.is_in([AttributionState::Active, AttributionState::Building]),
        )
        .order_by_asc(attribution_settings::Column::Version)
        .all(db)
        .await
}

/// The same, held until the transaction ends: whoever writes sums holds them, so that one does so at a time.
pub(super) async fn held(tx: &Tx) -> Result<Vec<StoredSettings>, DbErr> {
    if tx.backend() == DbBackend::Postgres {
        // Version 1 is always there.
        let text = "SELECT version FROM attribution_settings WHERE version = 1 FOR UPDATE";
        tx.query_one_raw(sql(tx.backend(), text, [])).await?;
    }
    kept(&**tx).await
}

/// The versions whose sums are to go.
pub(super) async fn past(db: &impl ConnectionTrait) -> Result<Vec<i32>, DbErr> {
    attribution_settings::Entity::find()
        .select_only()
        .column(attribution_settings::Column::Version)
        .filter(attribution_settings::Column::State.eq(AttributionState::Past))
        .into_tuple()
        .all(db)
        .await
}

/// Notes that the sums of a version are gone.
pub(super) async fn close(tx: &Tx, version: i32) -> Result<(), DbErr> {
    attribution_settings::Entity::update_many()
        .col_expr(
            attribution_settings::Column::State,
            sea_orm::sea_query::Expr::val(AttributionState::Closed.as_str()),
        )
        .filter(attribution_settings::Column::Version.eq(version))
        .exec(&**tx)
        .await
        .map(drop)
}

/// The settings that were in force at a moment; the first ones have been since 1970, and are taken for all that was before.
pub(super) async fn settings_as_of(
    db: &impl ConnectionTrait,
    at: Timestamp,
) -> Result<StoredSettings, DbErr> {
    let row = attribution_settings::Entity::find()
        .filter(attribution_settings::Column::CreatedAt.lte(at.max(Timestamp(0))))
        .order_by_desc(attribution_settings::Column::Version)
        .one(db)
        .await?;
    row.ok_or_else(|| DbErr::RecordNotFound("settings of attribution".to_owned()))
}

/// Writes versions of the settings.
pub(super) async fn store_settings(tx: &Tx, rows: &[StoredSettings]) -> Result<(), DbErr> {
    upsert_many(tx, rows, "version").await.map(drop)
}

/// What is stored of the settings, with what is absent as it came.
pub(super) fn settings_of(row: &StoredSettings) -> Result<AttributionSettings, Error> {
    Ok(serde_json::from_str(&row.settings)?)
}
