//! Sums by what was known at a moment: made of the conversions and touches themselves, as none are kept.

use std::collections::HashMap;

use entity::id::LeadId;
use entity::{ConversionKind, Timestamp};

use super::model::settings::AttributionSettings;
use super::model::sums::Sums;
use super::model::trail::{End, Trail, window_start};
use super::store;
use crate::error::Error;
use crate::insight::revenue;

/// Most conversions of which sums are made so: it is done while the caller waits.
pub const MOST_AS_OF: usize = 20_000;
/// Conversions of one round of statements.
const BATCH: usize = 500;

/// The sums of the conversions of a span that were known at a moment, by what was known of them.
///
/// # Errors
/// More than [`MOST_AS_OF`] conversions; the database's.
pub(super) async fn sums(
    db: &store::Snapshot,
    settings: &AttributionSettings,
    span: (Timestamp, Timestamp),
    kinds: &[ConversionKind],
    as_of: Timestamp,
) -> Result<Sums, Error> {
    let found = store::conversions_known_by(db, span, kinds, as_of, MOST_AS_OF as u64 + 1).await?;
    if found.len() > MOST_AS_OF {
        let message =
            format!("the range has more than {MOST_AS_OF} conversions; with `asOf` ask for fewer days");
        return Err(Error::BadInput(message));
    }
    let mut sums = Sums::default();
    for chunk in found.chunks(BATCH) {
        for trail in trails(db, settings, chunk, as_of).await? {
            sums.add(&trail, 1, settings);
        }
    }
    Ok(sums)
}

async fn trails(
    db: &store::Snapshot,
    settings: &AttributionSettings,
    conversions: &[store::Known],
    as_of: Timestamp,
) -> Result<Vec<Trail>, Error> {
    let leads: Vec<LeadId> = conversions.iter().map(|known| known.lead_id).collect();
    let outlines = store::outlines(db, &leads, &settings.touch_types).await?;
    let spans = conversions.iter().map(|known| {
        let span = (window_start(known.at, settings), known.at);
        (known.lead_id, span)
    });
    let spans: Vec<_> = spans.collect();
    let touches = store::touches_known_by(db, &spans, as_of, &settings.touch_types).await?;
    let values = values(db, conversions).await?;
    let trails = conversions.iter().enumerate().map(|(place, known)| {
        let opportunity_at = outlines
            .get(&known.lead_id)
            .and_then(|outline| outline.opportunity_at);
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
