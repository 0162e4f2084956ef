//! Keeps trails and sums true: what a lead's touches and conversions say by now, against what is stored of it.
//!
//! It is always made anew from the rows themselves, never from what an event says: so neither the order of arrival, nor a
//! repeat, nor a restart matters.

use std::collections::{BTreeMap, HashMap};

use entity::Timestamp;
use entity::id::LeadId;
use uuid::Uuid;

use super::model::settings::AttributionSettings;
use super::model::sums::Sums;
use super::model::trail::{End, Touch, Trail, window_start};
use super::store::{self, Counted, Outline};
use crate::db::Tx;
use crate::error::Error;

/// Leads of one round of statements: bounds what is in memory.
const LEADS: usize = 500;
/// Before anything that can be recorded.
pub(super) const EVER: Timestamp = Timestamp(i64::MIN / 2);

/// Makes the trails of some leads anew by all versions of the settings that are kept: those of conversions at or after a
/// moment, and those that no conversion has ended.
///
/// # Errors
/// The database's.
pub(super) async fn keep(tx: &Tx, leads: BTreeMap<LeadId, Timestamp>) -> Result<(), Error> {
    for row in store::held(tx).await? {
        let settings = store::settings_of(&row)?;
        keep_version(tx, row.version, &settings, &leads).await?;
    }
    Ok(())
}

/// The same by one version, which is held. Answers how many trails changed.
///
/// # Errors
/// The database's.
pub(super) async fn keep_version(
    tx: &Tx,
    version: i32,
    settings: &AttributionSettings,
    leads: &BTreeMap<LeadId, Timestamp>,
) -> Result<usize, Error> {
    let mut changes = 0;
    let leads: Vec<(LeadId, Timestamp)> = leads.iter().map(|(lead, since)| (*lead, *since)).collect();
    for chunk in leads.chunks(LEADS) {
        let difference = compare(tx, version, settings, chunk).await?;
        changes += difference.changed.len() + difference.gone.len();
        store::write_trails(tx, version, &difference.changed, &difference.gone).await?;
        store::add(tx, version, difference.sums).await?;
    }
    Ok(changes)
}

/// How what is stored differs from what it should be.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Trails as they should be, where they are not.
    pub(super) changed: Vec<store::StoredTrail>,
    /// Trails that should not be.
    pub(super) gone: Vec<Uuid>,
    /// What that adds to the sums.
    pub(super) sums: Sums,
}

/// Compares what is stored of some leads with what their touches and conversions say.
///
/// # Errors
/// The database's.
pub(super) async fn compare(
    db: &store::Snapshot,
    version: i32,
    settings: &AttributionSettings,
    since: &[(LeadId, Timestamp)],
) -> Result<Difference, Error> {
    let ids: Vec<LeadId> = since.iter().map(|(lead, _)| *lead).collect();
    let outlines = store::outlines(db, &ids, &settings.touch_types).await?;
    // What counts for the oldest conversion asked for, and for the touches that none has come after.
    let from = since.iter().filter_map(|(lead, since)| {
        let newest = outlines.get(lead)?.newest_touch?;
        Some((*lead, window_start((*since).min(newest), settings)))
    });
    let from: Vec<(LeadId, Timestamp)> = from.collect();
    let touches = store::touches(db, &from, &settings.touch_types).await?;
    let conversions = store::conversions(db, since).await?;
    let mut right = right(&conversions, &outlines, &touches, settings);
    let mut difference = Difference::default();
    for row in store::trails(db, version, since).await? {
        let before = store::read(&row)?;
        match right.get(&row.id) {
            Some((_, now)) if *now == before => {
                right.remove(&row.id);
                continue;
            }
            Some(_) => {}
            None => difference.gone.push(row.id),
        }
        difference.sums.add(&before, -1, settings);
    }
    for (id, (lead, now)) in &right {
        difference.sums.add(now, 1, settings);
        difference.changed.push(store::written(version, *id, *lead, now)?);
    }
    Ok(difference)
}

/// The trails as they should be, by the ids they are stored under.
fn right(
    conversions: &[Counted],
    outlines: &HashMap<LeadId, Outline>,
    touches: &HashMap<LeadId, Vec<Touch>>,
    settings: &AttributionSettings,
) -> BTreeMap<Uuid, (LeadId, Trail)> {
    let none = Vec::new();
    let touches = |lead: &LeadId| touches.get(lead).unwrap_or(&none);
    let mut right = BTreeMap::new();
    for conversion in conversions {
        let Some(outline) = outlines.get(&conversion.lead_id) else {
            continue;
        };
        let end = End::Converted {
            kind: conversion.kind,
            value: conversion.value,
            // What came after it is no part of its way: a later move changes no trail.
            opportunity_at: outline.opportunity_at.filter(|at| *at <= conversion.at),
        };
        let trail = Trail::of_conversion(conversion.at, end, touches(&conversion.lead_id), settings);
        right.insert(conversion.id.0, (conversion.lead_id, trail));
    }
    for (lead, outline) in outlines {
        if let Some(trail) = Trail::open(outline.last_conversion, touches(lead), settings) {
            right.insert(lead.0, (*lead, trail));
        }
    }
    right
}
