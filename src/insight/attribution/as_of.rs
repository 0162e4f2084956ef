//! Journeys by what was known at a moment: made of the conversions and touches themselves, as none are kept.

use std::collections::{BTreeMap, HashMap};

use entity::id::LeadId;
use entity::{ConversionKind, Timestamp};

use super::model::settings::AttributionSettings;
use super::model::sums::{Sums, Wanted};
use super::model::trail::{End, Trail, window_start};
use super::store;
use crate::error::Error;
use crate::insight::revenue;
use crate::leads::visible::Visible;

/// Most conversions that are looked at so, and most leads with touches among whom those are looked for that have not converted: it is
/// done while the caller waits.
pub const MOST_AS_OF: usize = 100_000;
/// Conversions or leads of one round of statements.
const BATCH: usize = 1_000;

/// What was known of the journeys that ended in a span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Then<'a> {
    /// By these settings.
    pub(super) settings: &'a AttributionSettings,
    /// The span.
    pub(super) span: (Timestamp, Timestamp),
    /// Conversions of these kinds; of all where none is named.
    pub(super) kinds: &'a [ConversionKind],
    /// Of these leads, as they are now.
    pub(super) leads: &'a Visible,
    /// Known at this moment.
    pub(super) as_of: Timestamp,
}

/// Takes the journeys of a span: those that ended in a conversion, and those that had ended in none where models learn of them, too.
///
/// # Errors
/// More than [`MOST_AS_OF`] conversions, or leads with touches; the database's; those of `take`.
pub(super) async fn each_trail(
    db: &store::Snapshot,
    then: Then<'_>,
    with_lost: bool,
    mut take: impl FnMut(&Trail) -> Result<(), Error>,
) -> Result<(), Error> {
    let Then {
        settings,
        span,
        kinds,
        leads,
        as_of,
    } = then;
    let limit = MOST_AS_OF as u64 + 1;
    let found = store::conversions_known_by(db, span, kinds, leads, as_of, limit).await?;
    check(found.len(), "conversions")?;
    for chunk in found.chunks(BATCH) {
        for trail in converted(db, then, chunk).await? {
            take(&trail)?;
        }
    }
    if with_lost {
        let touched = store::leads_touched(db, span, leads, as_of, &settings.touch_types, limit).await?;
        check(touched.len(), "leads with touches")?;
        for chunk in touched.chunks(BATCH) {
            for trail in lost(db, then, chunk).await? {
                take(&trail)?;
            }
        }
    }
    Ok(())
}

/// Some sums of those journeys.
///
/// # Errors
/// As [`each_trail`].
pub(super) async fn sums(
    db: &store::Snapshot,
    then: Then<'_>,
    wanted: Wanted<'_>,
    with_lost: bool,
) -> Result<Sums, Error> {
    let mut sums = Sums::default();
    each_trail(db, then, with_lost, |trail| {
        sums.add_wanted(wanted, trail, 1, then.settings);
        Ok(())
    })
    .await?;
    Ok(sums)
}

pub(super) fn check(found: usize, what: &str) -> Result<(), Error> {
    if found > MOST_AS_OF {
        let message = format!("the range has more than {MOST_AS_OF} {what}: ask for fewer days");
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
    // Of each lead all at once: who converted often is read once.
    let mut spans: BTreeMap<LeadId, (Timestamp, Timestamp)> = BTreeMap::new();
    for known in conversions {
        let (from, to) = (window_start(known.at, settings), known.at);
        let span = spans.entry(known.lead_id).or_insert((from, to));
        *span = (span.0.min(from), span.1.max(to));
    }
    let spans: Vec<_> = spans.into_iter().collect();
    let touches = store::touches_known_by(db, &spans, as_of, &settings.touch_types).await?;
    let values = values(db, conversions).await?;
    let trails = conversions.iter().enumerate().map(|(place, known)| {
        let opportunity_at = opportunities.get(&known.lead_id).copied();
        let end = End::Converted {
            kind: known.kind,
            value: values.get(&place).copied(),
            opportunity_at: opportunity_at.filter(|at| *at <= known.at.min(as_of)),
        };
        let touches = touches.get(&known.lead_id).map_or(&[][..], Vec::as_slice);
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
    // Whose journey went on behind the span has not ended in it.
    let later = store::touched_later(db, leads, to, as_of, &settings.touch_types).await?;
    let leads: Vec<LeadId> = leads
        .iter()
        .copied()
        .filter(|lead| !later.contains(lead))
        .collect();
    let span = (window_start(from, settings), to);
    let spans: Vec<_> = leads.iter().map(|lead| (*lead, span)).collect();
    let touches = store::touches_known_by(db, &spans, as_of, &settings.touch_types).await?;
    let converted = store::last_conversions_known_by(db, &leads, as_of).await?;
    let trails = leads.iter().filter_map(|lead| {
        let trail = Trail::open(converted.get(lead).copied(), touches.get(lead)?, settings)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_are_refused_with_what_to_do() {
        check(MOST_AS_OF, "conversions").unwrap();
        let Err(Error::BadInput(message)) = check(MOST_AS_OF + 1, "conversions") else {
            panic!("one more is too many");
        };
        assert_eq!(
            message,
            "the range has more than 100000 conversions: ask for fewer days"
        );
    }
}
