//! Sums by what was known at a moment: made of the conversions and touches themselves, as none are kept.

use std::collections::HashMap;

use entity::id::LeadId;
use entity::{ConversionKind, Timestamp};

use super::model::settings::AttributionSettings;
use super::model::sums::{Sums, Wanted};
use super::model::trail::{End, Trail, window_start};
use super::store;
use crate::error::Error;
use crate::insight::revenue;

/// Most conversions of which sums are made so, and most leads among whom those are looked for that have not converted: it is done
/// while the caller waits.
pub const MOST_AS_OF: usize = 100_000;
/// Conversions or leads of one round of statements.
const BATCH: usize = 1_000;
/// After all that can be recorded.
const FOR_EVER: Timestamp = Timestamp(i64::MAX / 2);

/// What was known of the journeys that ended in a span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Then<'a> {
    /// By these settings.
    pub(super) settings: &'a AttributionSettings,
    /// The span.
    pub(super) span: (Timestamp, Timestamp),
    /// Conversions of these kinds; of all where none is named.
    pub(super) kinds: &'a [ConversionKind],
    /// Known at this moment.
    pub(super) as_of: Timestamp,
}

/// The sums of the journeys of a span: those that ended in a conversion, and those that had ended in none where models learn of
/// them, too.
///
/// # Errors
/// More than [`MOST_AS_OF`] conversions, or leads with touches; the database's.
pub(super) async fn sums(
    db: &store::Snapshot,
    then: Then<'_>,
    wanted: Wanted<'_>,
    with_lost: bool,
) -> Result<Sums, Error> {
    let Then {
        settings,
        span,
        kinds,
        as_of,
    } = then;
    let limit = MOST_AS_OF as u64 + 1;
    let found = store::conversions_known_by(db, span, kinds, as_of, limit).await?;
    check(found.len(), "conversions")?;
    let mut sums = Sums::default();
    for chunk in found.chunks(BATCH) {
        for trail in converted(db, then, chunk).await? {
            sums.add_wanted(wanted, &trail, 1, settings);
        }
    }
    if with_lost {
        let leads = store::leads_touched(db, span, as_of, &settings.touch_types, limit).await?;
        check(leads.len(), "leads with touches")?;
        for chunk in leads.chunks(BATCH) {
            for trail in lost(db, then, chunk).await? {
                sums.add_wanted(wanted, &trail, 1, settings);
            }
        }
    }
    Ok(sums)
}

fn check(found: usize, what: &str) -> Result<(), Error> {
    if found > MOST_AS_OF {
        let message = format!("the range has more than {MOST_AS_OF} {what}; with `asOf` ask for fewer days");
        return Err(Error::BadInput(message));
    }
    Ok(())
}

async fn converted(
    db: &store::Snapshot,
    Then { settings, as_of, .. }: Then<'_>,
    conversions: &[store::Known],
) -> Result<Vec<Trail>, Error> {
    let leads: Vec<LeadId> = conversions.iter().map(|known| known.lead_id).collect();
    let opportunities = store::opportunities(db, &leads).await?;
    let spans = conversions.iter().map(|known| {
        let span = (window_start(known.at, settings), known.at);
        (known.lead_id, span)
    });
    let spans: Vec<_> = spans.collect();
    let touches = store::touches_known_by(db, &spans, as_of, &settings.touch_types).await?;
    let values = values(db, conversions).await?;
    let trails = conversions.iter().enumerate().map(|(place, known)| {
        let opportunity_at = opportunities.get(&known.lead_id).copied();
        let end = End::Converted {
            kind: known.kind,
            value: values.get(&place).copied(),
            opportunity_at: opportunity_at.filter(|at| *at <= known.at.min(as_of)),
        };
        let touches = touches.get(&place).map_or(&[][..], Vec::as_slice);
        Trail::of_conversion(known.at, end, touches, settings)
    });
    Ok(trails.collect())
}

/// The journeys of leads that no conversion had ended, with the newest touch in the span.
async fn lost(
    db: &store::Snapshot,
    Then {
        settings,
        span: (from, to),
        as_of,
        ..
    }: Then<'_>,
    leads: &[LeadId],
) -> Result<Vec<Trail>, Error> {
    // Also what is behind the span: who did something later has ended nowhere in it.
    let since = window_start(from, settings);
    let spans: Vec<_> = leads.iter().map(|lead| (*lead, (since, FOR_EVER))).collect();
    let touches = store::touches_known_by(db, &spans, as_of, &settings.touch_types).await?;
    let converted = store::last_conversions_known_by(db, leads, as_of).await?;
    let trails = leads.iter().enumerate().filter_map(|(place, lead)| {
        let touches = touches.get(&place)?;
        let trail = Trail::open(converted.get(lead).copied(), touches, settings)?;
        (from <= trail.at && trail.at < to).then_some(trail)
    });
    Ok(trails.collect())
}

/// What was left of the value of conversions, by their places.
async fn values(db: &store::Snapshot, conversions: &[store::Known]) -> Result<HashMap<usize, i64>, Error> {
    let mut places = Vec::new();
    let mut amounts = Vec::new();
    for (place, known) in conversions.iter().enumerate() {
        if let (Some(minor), Some(currency)) = (known.minor, known.currency.as_deref()) {
            let day = known.at.day();
            places.push(place);
            amounts.extend([(minor, currency, day), (known.refunded, currency, day)]);
        }
    }
    let worth = revenue::in_reporting_currency(db, &amounts).await?;
    let left = worth.chunks(2).map(|pair| Some(pair[0]? - pair[1]?));
    let left = places.into_iter().zip(left);
    Ok(left.filter_map(|(place, left)| Some((place, left?))).collect())
}
