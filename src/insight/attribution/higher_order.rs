//! Markov chains of a higher order: no sums of days tell them, so the journeys of the range are gone through themselves.

use std::num::NonZeroUsize;

use entity::{ConversionKind, Timestamp};

use super::as_of;
use super::model::markov::MarkovError;
use super::model::named::NamedWindows;
use super::model::paths::Outcome;
use super::model::sums::{Sums, Wanted};
use super::model::trail::{End, Trail};
use super::settings::{Settings, answering};
use super::store;
use super::sums::{Journeys, Row, SummaryRequest, removed};
use crate::error::Error;

/// The highest order: a chain of five touches has too many states for all but three or four names.
pub const HIGHEST_ORDER: usize = 4;

/// Kept journeys of one round of statements: bounds what is in memory.
const PAGE: u64 = 2_000;

/// The journeys of a range, for a chain of a higher order.
pub(super) struct Chain {
    pub(super) settings: Settings,
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
    db: &store::Snapshot,
    request: &SummaryRequest,
    order: NonZeroUsize,
) -> Result<Chain, Error> {
    let SummaryRequest {
        range,
        by,
        kinds,
        as_of,
    } = request;
    let span = range.checked()?.moments();
    let stored = match as_of {
        Some(as_of) => store::settings_as_of(db, *as_of).await?,
        None => answering(&store::kept(db).await?)?.clone(),
    };
    let settings = Settings::read(stored)?;
    let totals_alone = Wanted {
        models: &[],
        dimensions: &[],
        paths: false,
    };
    let mut sums = Sums::default();
    let mut windows = NamedWindows::new(order);
    let mut outcomes = Outcome::default();
    let take = |trail: &Trail| {
        sums.add_wanted(totals_alone, trail, 1, &settings.settings);
        let outcome = match trail.end {
            End::Converted { value, .. } => Outcome::conversion(value.unwrap_or_default()),
            End::Lost => Outcome::loss(),
        };
        let names = trail.touches.iter().filter(|touch| touch.is_likely());
        let names: Vec<&str> = names.map(|touch| touch.name(*by)).collect();
        if !names.is_empty() {
            outcomes += outcome;
        }
        windows.add(&names, outcome).map_err(unsolved)
    };
    if let Some(as_of) = *as_of {
        let then = as_of::Then {
            settings: &settings.settings,
            span,
            kinds,
            as_of,
        };
        as_of::each_trail(db, then, true, take).await?;
    } else {
        each_kept(db, settings.version, span, kinds, take).await?;
    }
    Ok(Chain {
        settings,
        sums,
        outcome: outcomes,
        windows,
    })
}

impl Chain {
    pub(super) const fn journeys(&self) -> Journeys {
        Journeys::of(self.outcome)
    }

    /// What removing each does. Up to seconds of arithmetic, beside the runtime.
    ///
    /// # Errors
    /// Journeys that never end.
    pub(super) async fn solved(self) -> Result<Vec<Row>, Error> {
        if self.outcome.converted == 0 {
            return Ok(Vec::new());
        }
        let solved = tokio::task::spawn_blocking(move || {
            let removal = self.windows.removal_effects().map_err(unsolved)?;
            removed(&removal, &self.windows.names(), self.outcome)
        });
        solved.await.map_err(Error::internal)?
    }
}

fn unsolved(error: MarkovError) -> Error {
    match error {
        MarkovError::TooManyStates => Error::BadInput(error.to_string()),
        MarkovError::Endless => Error::internal(error),
    }
}

/// Takes the journeys of a span that are kept.
async fn each_kept(
    db: &store::Snapshot,
    version: i32,
    span: (Timestamp, Timestamp),
    kinds: &[ConversionKind],
    mut take: impl FnMut(&Trail) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut converted, mut lost) = (0, 0);
    let mut after = None;
    loop {
        let page = store::trail_page(db, version, span, kinds, after.as_ref(), PAGE).await?;
        for row in &page {
            let (number, what) = match row.ended_in {
                Some(_) => (&mut converted, "conversions"),
                None => (&mut lost, "journeys without a conversion"),
            };
            *number += 1;
            as_of::check(*number, what)?;
            take(&store::read(row)?)?;
        }
        let is_last = (page.len() as u64) < PAGE;
        after = page.into_iter().next_back();
        if is_last {
            return Ok(());
        }
    }
}
