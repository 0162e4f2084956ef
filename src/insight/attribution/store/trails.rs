//! Trails: the touches of each conversion, and those that none has come after.

use std::pin::pin;

use entity::id::LeadId;
use entity::{ConversionKind, Timestamp, attribution_trail};
use futures_util::TryStreamExt as _;
use sea_orm::sea_query::Condition;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, StreamTrait};
use uuid::Uuid;

use super::facts::since_table;
use crate::db::{PageRequest, Tx, newest_of_leads, padded, sql, upsert_many};
use crate::error::Error;
use crate::insight::attribution::model::trail::{End, Trail};
use crate::leads::visible::Visible;

/// A trail as it is stored.
pub(in crate::insight::attribution) type StoredTrail = attribution_trail::Model;

/// The stored trails of leads, each from a moment on, and those that no conversion has ended.
pub(in crate::insight::attribution) async fn trails(
    db: &impl ConnectionTrait,
    version: i32,
    since: &[(LeadId, Timestamp)],
) -> Result<Vec<StoredTrail>, DbErr> {
    let mut values = Vec::new();
    let table = since_table(db, since, &mut values);
    values.push(version.into());
    let text = format!(
        "WITH {table} SELECT t.* FROM k CROSS JOIN attribution_trail t WHERE t.lead_id = k.lead_id AND t.version = ? \
         AND (t.at >= k.since OR t.ended_in IS NULL)"
    );
    let found = attribution_trail::Entity::find().from_raw_sql(sql(db.get_database_backend(), &text, values));
    found.all(db).await
}

/// The newest trails of each lead that a conversion has ended.
pub(in crate::insight::attribution) async fn newest_trails(
    db: &impl ConnectionTrait,
    version: i32,
    leads: &[LeadId],
    most: u64,
) -> Result<Vec<StoredTrail>, DbErr> {
    let page = PageRequest::first(most);
    let also = ("AND version = ? AND ended_in IS NOT NULL", vec![version.into()]);
    let order = ("at", "id");
    let lead_of = |row: &StoredTrail| row.lead_id;
    let table = "attribution_trail";
    let found =
        newest_of_leads::<attribution_trail::Entity, _>(db, table, order, leads, &page, also, lead_of)
            .await?;
    Ok(found.into_values().flat_map(|page| page.items).collect())
}

/// A stored trail, read.
pub(in crate::insight::attribution) fn read(row: &StoredTrail) -> Result<Trail, Error> {
    let end = row.ended_in.map_or(End::Lost, |kind| End::Converted {
        kind,
        value: row.value_minor,
        opportunity_at: row.opportunity_at,
    });
    Ok(Trail {
        at: row.at,
        end,
        touches: serde_json::from_str(&row.touches)?,
    })
}

/// A trail to be stored under the id of its conversion, or of its lead.
pub(in crate::insight::attribution) fn written(
    version: i32,
    id: Uuid,
    lead_id: LeadId,
    trail: &Trail,
) -> Result<StoredTrail, Error> {
    let (ended_in, value_minor, opportunity_at) = match trail.end {
        End::Converted {
            kind,
            value,
            opportunity_at,
        } => (Some(kind), value, opportunity_at),
        End::Lost => (None, None, None),
    };
    Ok(StoredTrail {
        version,
        id,
        lead_id,
        at: trail.at,
        ended_in,
        value_minor,
        opportunity_at,
        touches: serde_json::to_string(&trail.touches)?,
    })
}

/// Writes trails, and takes others away.
pub(in crate::insight::attribution) async fn write_trails(
    tx: &Tx,
    version: i32,
    changed: &[StoredTrail],
    gone: &[Uuid],
) -> Result<(), DbErr> {
    for chunk in gone.chunks(512) {
        attribution_trail::Entity::delete_many()
            .filter(attribution_trail::Column::Version.eq(version))
            .filter(attribution_trail::Column::Id.is_in(padded(chunk)))
            .exec(&**tx)
            .await?;
    }
    upsert_many(tx, changed, "version, id").await.map(drop)
}

/// Which trails.
#[derive(Clone, Copy, Debug)]
pub(in crate::insight::attribution) struct Trails<'a> {
    /// That ended in a span: at or after its begin, before its end.
    pub(in crate::insight::attribution) span: (Timestamp, Timestamp),
    /// In conversions of these kinds; of all where none is named.
    pub(in crate::insight::attribution) kinds: &'a [ConversionKind],
    /// And those that no conversion has ended.
    pub(in crate::insight::attribution) with_lost: bool,
    /// Of these leads.
    pub(in crate::insight::attribution) leads: &'a Visible,
    /// So many at most: PostgreSQL sends to the end what was asked for, though nobody reads on.
    pub(in crate::insight::attribution) limit: Option<u64>,
}

/// Takes trails in no order, one by one as they come: while one is read here the database is at the next.
pub(in crate::insight::attribution) async fn each_trail(
    db: &(impl ConnectionTrait + StreamTrait),
    version: i32,
    asked: Trails<'_>,
    mut take: impl FnMut(&StoredTrail) -> Result<(), Error>,
) -> Result<(), Error> {
    let Trails {
        span: (from, to),
        kinds,
        with_lost,
        leads,
        limit,
    } = asked;
    let ended_in = attribution_trail::Column::EndedIn;
    let ended = match kinds {
        [] if with_lost => Condition::all(),
        [] => Condition::all().add(ended_in.is_not_null()),
        kinds => {
            let lost = with_lost.then(|| ended_in.is_null());
            let of_kinds = ended_in.is_in(kinds.iter().copied());
            Condition::any().add(of_kinds).add_option(lost)
        }
    };
    let lead = (attribution_trail::Entity, attribution_trail::Column::LeadId);
    let found = attribution_trail::Entity::find()
        .filter(attribution_trail::Column::Version.eq(version))
        .filter(attribution_trail::Column::At.gte(from))
        .filter(attribution_trail::Column::At.lt(to))
        .filter(Condition::all().add(ended).add_option(leads.among(lead)))
        .limit(limit);
    let mut rows = pin!(found.stream(db).await?);
    while let Some(row) = rows.try_next().await? {
        take(&row)?;
    }
    Ok(())
}
