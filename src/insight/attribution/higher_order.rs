//! Markov chains of a higher order: no sums of days tell them, so the journeys of the range are gone through themselves.

use std::num::NonZeroUsize;

use entity::AttributionDimension;

use super::as_of;
use super::model::markov::MarkovError;
use super::model::named::NamedWindows;
use super::model::paths::Outcome;
use super::model::sums::{Sums, Wanted};
use super::model::trail::{End, Trail};
use super::reading::{Reading, removed};
use super::sums::{Journeys, Row};
use crate::error::Error;
use crate::insight::calendar::DateRange;

/// The highest order: a chain of five touches has too many states for all but three or four names.
pub const HIGHEST_ORDER: usize = 4;

/// The journeys of a range, for a chain of a higher order.
pub(super) struct Chain {
    /// The conversions, by kind.
    pub(super) sums: Sums,
    /// What became of the journeys with a touch that a person is likely to have made.
    outcome: Outcome,
    windows: NamedWindows,
}

/// Reads the journeys of a range.
///
/// # Errors
/// More than [`MOST_AS_OF`](as_of::MOST_AS_OF) conversions, or journeys without one; more states than can be solved while the caller
/// waits; the database's.
pub(super) async fn read(
    reading: &Reading<'_>,
    by: AttributionDimension,
    range: DateRange,
    order: NonZeroUsize,
) -> Result<Chain, Error> {
    let totals_alone = Wanted {
        models: &[],
        dimensions: &[],
        paths: false,
        day: Some(range.from),
    };
    let mut sums = Sums::default();
    let mut windows = NamedWindows::new(order);
    let mut outcomes = Outcome::default();
    let (mut converted, mut lost) = (0, 0);
    let take = |trail: &Trail| {
        let (number, what, outcome) = match trail.end {
            End::Converted { value, .. } => {
                let outcome = Outcome::conversion(value.unwrap_or_default());
                (&mut converted, "conversions", outcome)
            }
            End::Lost => (&mut lost, "journeys without a conversion", Outcome::loss()),
        };
        *number += 1;
        as_of::check(*number, what)?;
        sums.add_wanted(totals_alone, trail, 1, &reading.settings.settings);
        let names = trail.touches.iter().filter(|touch| touch.is_likely());
        let names: Vec<&str> = names.map(|touch| touch.name(by)).collect();
        if !names.is_empty() {
            outcomes += outcome;
        }
        windows.add(&names, outcome).map_err(unsolved)
    };
    // One more than may be taken: then there are too many of the one or of the other.
    let limit = Some(2 * as_of::MOST_AS_OF as u64 + 1);
    reading.each_trail(range.moments(), true, limit, take).await?;
    Ok(Chain {
        sums,
        outcome: outcomes,
        windows,
    })
}

impl Chain {
    pub(super) const fn journeys(&self) -> Journeys {
        Journeys::of(self.outcome)
    }

    /// What removing each does.
    ///
    /// # Errors
    /// Journeys that never end.
    pub(super) fn solved(&self) -> Result<Vec<Row>, Error> {
        if self.outcome.converted == 0 {
            return Ok(Vec::new());
        }
        let removal = self.windows.removal_effects().map_err(unsolved)?;
        removed(&removal, &self.windows.names(), self.outcome)
    }
}

fn unsolved(error: MarkovError) -> Error {
    match error {
        MarkovError::TooManyStates => Error::BadInput(error.to_string()),
        MarkovError::Endless => Error::internal(error),
    }
}
