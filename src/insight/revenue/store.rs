//! All SQL of conversions.

use std::collections::HashMap;

use entity::conversion;
use entity::id::LeadId;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

use super::Conversion;
use crate::db::{Conflict, Tx, insert_many, padded};
use crate::identity::Rows;

/// Conversions of a lead that are shown at most.
const SHOWN: usize = 100;

pub(super) async fn insert(tx: &Tx, rows: &[Conversion]) -> Result<(), DbErr> {
    insert_many(tx, rows, Conflict::Fail).await.map(drop)
}

pub(super) async fn by_dedupe_keys(tx: &Tx, keys: &[String]) -> Result<HashMap<String, Conversion>, DbErr> {
    let mut found = HashMap::new();
    for chunk in keys.chunks(512) {
        let rows = conversion::Entity::find()
            .filter(conversion::Column::DedupeKey.is_in(padded(chunk)))
            .all(&**tx)
            .await?;
        found.extend(
            rows.into_iter()
                .filter_map(|row| Some((row.dedupe_key.clone()?, row))),
        );
    }
    Ok(found)
}

pub(super) async fn of_leads(
    db: &impl ConnectionTrait,
    rows: Rows,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Vec<Conversion>>, DbErr> {
    let Rows::All = rows;
    let found = conversion::Entity::find()
        .filter(conversion::Column::LeadId.is_in(padded(leads)))
        .order_by_desc(conversion::Column::OccurredAt)
        .order_by_desc(conversion::Column::Id)
        .all(db)
        .await?;
    let mut by_lead: HashMap<LeadId, Vec<Conversion>> = HashMap::new();
    for row in found {
        let of_lead = by_lead.entry(row.lead_id).or_default();
        if of_lead.len() < SHOWN {
            of_lead.push(row);
        }
    }
    Ok(by_lead)
}
