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
    let mut written = Written::default();
    let leads: Vec<(LeadId, Timestamp)> = leads.iter().map(|(lead, since)| (*lead, *since)).collect();
    for chunk in leads.chunks(LEADS) {
        let difference = compare(tx, version, settings, chunk).await?;
        written.add(tx, version, difference).await?;
    }
    written.finish(tx, version).await
}

/// Gives some leads the trails of another version by which the same touches count. Answers how many trails changed.
///
/// # Errors
/// The database's.
pub(super) async fn keep_those_of(
    tx: &Tx,
    other: i32,
    version: i32,
    settings: &AttributionSettings,
    leads: &[LeadId],
) -> Result<usize, Error> {
    let mut written = Written::default();
    let leads: Vec<(LeadId, Timestamp)> = leads.iter().map(|lead| (*lead, EVER)).collect();
    for chunk in leads.chunks(LEADS) {
        let mut right = BTreeMap::new();
        for row in store::trails(&**tx, other, chunk).await? {
            right.insert(row.id, (row.lead_id, store::read(&row)?));
        }
        let difference = difference(tx, version, settings, chunk, right).await?;
        written.add(tx, version, difference).await?;
    }
    written.finish(tx, version).await
}

/// What was written of a batch: the sums of all of it are added at once, as many trails end on the same days.
#[derive(Default)]
struct Written {
    trails: usize,
    sums: Sums,
}

impl Written {
    async fn add(&mut self, tx: &Tx, version: i32, difference: Difference) -> Result<(), Error> {
        self.trails += difference.changed.len() + difference.gone.len();
        store::write_trails(tx, version, &difference.changed, &difference.gone).await?;
        self.sums.merge(difference.sums);
        Ok(())
    }

    async fn finish(self, tx: &Tx, version: i32) -> Result<usize, Error> {
        store::add(tx, version, self.sums).await?;
        Ok(self.trails)
    }
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
    let right = right(&conversions, &outlines, &touches, settings);
    difference(db, version, settings, since, right).await
}

/// Compares what is stored of some leads with what it should be.
async fn difference(
    db: &store::Snapshot,
    version: i32,
    settings: &AttributionSettings,
    since: &[(LeadId, Timestamp)],
    mut right: Trails,
) -> Result<Difference, Error> {
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

/// Trails of leads, by the ids they are stored under.
type Trails = BTreeMap<Uuid, (LeadId, Trail)>;

/// The trails as they should be.
fn right(
    conversions: &[Counted],
    outlines: &HashMap<LeadId, Outline>,
    touches: &HashMap<LeadId, Vec<Touch>>,
    settings: &AttributionSettings,
) -> Trails {
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
