//! Sums of a range.

use async_graphql::{Enum, SimpleObject};
use entity::{AttributionDimension, AttributionModel, ConversionKind};

use super::settings::AttributionSettings;
use crate::api::types::Money;
use crate::insight::attribution::model::agreement::Agreement;
use crate::insight::attribution::model::sums::Total;
use crate::insight::attribution::{CompareRow, Compared, Journeys, Name, Row, Summary};
use crate::insight::report::graphql::OfRange;

/// What a row of attribution is of.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "AttributionRowKind")]
enum RowKind {
    /// Of what its name says.
    Named,
    /// Of touches of which it is not known: without a source, or that no campaign brought about.
    Unknown,
    /// Of all that is not named by itself.
    Others,
}

fn named(name: Name) -> (RowKind, Option<String>) {
    match name {
        Name::Known(name) => (RowKind::Named, Some(name)),
        Name::Unknown => (RowKind::Unknown, None),
        Name::Others => (RowKind::Others, None),
    }
}

/// The conversions of a kind.
#[derive(SimpleObject)]
struct AttributionTotal {
    /// The kind.
    kind: ConversionKind,
    /// How many.
    conversions: i64,
    /// What they are worth, less what was given back.
    value: Money,
    /// Of them, those without a value in the currency of the reports: they have none, or no rate of their day is known.
    unvalued: i64,
    /// Of them, those that no touch led to; no model credits anything with them.
    direct: i64,
    /// What those are worth.
    direct_value: Money,
}

fn totals(
    currency: &str,
    totals: impl IntoIterator<Item = (ConversionKind, Total)>,
) -> Vec<AttributionTotal> {
    let total = |(kind, total): (ConversionKind, Total)| AttributionTotal {
        kind,
        conversions: total.conversions,
        value: Money::of_minor(total.minor, currency),
        unvalued: total.unvalued,
        direct: total.untouched,
        direct_value: Money::of_minor(total.untouched_minor, currency),
    };
    totals.into_iter().map(total).collect()
}

/// The journeys that models have learnt from which look at all of them: those with a touch that a person is likely to have
/// made.
#[derive(SimpleObject)]
struct AttributionJourneys {
    /// That ended in a conversion.
    converted: i64,
    /// With a newest touch in the range, and no conversion since.
    lost: i64,
}

impl From<Journeys> for AttributionJourneys {
    fn from(Journeys { converted, lost }: Journeys) -> Self {
        Self { converted, lost }
    }
}

/// What one of them is credited with.
#[derive(SimpleObject)]
struct AttributionRow {
    /// What this is of.
    kind: RowKind,
    /// The word of a channel or type, the name of a source or campaign; null for what has none.
    name: Option<String>,
    /// Conversions, in fractions.
    conversions: f64,
    /// What share of all credited conversions that is, 0–1.
    share: f64,
    /// Money. All rows sum exactly to the value of the conversions that are credited.
    value: Money,
    /// What share of all credited money that is; 0–1, where no refund is larger than its value.
    value_share: f64,
}

/// The credit of a range by one model.
#[derive(SimpleObject)]
pub(super) struct AttributionSummary {
    /// By which model.
    model: AttributionModel,
    /// By what.
    by: AttributionDimension,
    /// By which settings.
    settings: AttributionSettings,
    /// The conversions of the range.
    totals: Vec<AttributionTotal>,
    /// Those credited with most money first.
    rows: Vec<AttributionRow>,
    /// What `MARKOV` learns from, and `SHAPLEY`, which does without those that are lost.
    journeys: Option<AttributionJourneys>,
}

impl OfRange for AttributionSummary {
    const REPORT: &'static str = "AttributionReport";
}

impl AttributionSummary {
    pub(super) fn new(model: AttributionModel, by: AttributionDimension, summary: Summary) -> Self {
        let Summary {
            settings,
            currency,
            totals: all,
            rows,
            journeys,
        } = summary;
        let conversions: f64 = rows.iter().map(|row| row.conversions).sum();
        let money: i64 = rows.iter().map(|row| row.minor).sum();
        let row = |row: Row| {
            let (kind, name) = named(row.name);
            AttributionRow {
                kind,
                name,
                conversions: row.conversions,
                share: part(row.conversions, conversions),
                value: Money::of_minor(row.minor, &currency),
                value_share: part(float(row.minor), float(money)),
            }
        };
        Self {
            model,
            by,
            rows: rows.into_iter().map(row).collect(),
            totals: totals(&currency, all),
            settings: settings.into(),
            journeys: journeys.map(Into::into),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share is told to fifteen digits")]
fn float(minor: i64) -> f64 {
    minor as f64
}

fn part(some: f64, all: f64) -> f64 {
    if all == 0.0 { 0.0 } else { some / all }
}

/// What a model credits something with.
#[derive(SimpleObject)]
struct AttributionResult {
    /// Which model.
    model: AttributionModel,
    /// Conversions, in fractions.
    conversions: f64,
    /// What share of all conversions that the model credits that is, 0–1.
    share: f64,
    /// Money.
    value: Money,
}

/// How far models differ on a share; percentage points, 0–100.
#[derive(SimpleObject)]
struct AttributionDisagreement {
    /// The least share that a model gives.
    least: f64,
    /// The greatest.
    greatest: f64,
    /// The greatest less the least: 0 where all agree.
    range: f64,
    /// The mean of the shares.
    mean: f64,
    /// By how much a model is off that mean, on average.
    deviation: f64,
}

impl From<Agreement> for AttributionDisagreement {
    fn from(agreement: Agreement) -> Self {
        let Agreement {
            least,
            greatest,
            range,
            mean,
            deviation,
        } = agreement;
        Self {
            least,
            greatest,
            range,
            mean,
            deviation,
        }
    }
}

/// One of a comparison.
#[derive(SimpleObject)]
struct AttributionComparisonRow {
    /// What this is of.
    kind: RowKind,
    /// The word of a channel or type, the name of a source or campaign; null for what has none.
    name: Option<String>,
    /// What each model says.
    results: Vec<AttributionResult>,
    /// How far they differ on the share of conversions.
    disagreement: AttributionDisagreement,
}

/// All models side by side.
#[derive(SimpleObject)]
pub(super) struct AttributionComparison {
    /// By what.
    by: AttributionDimension,
    /// By which settings.
    settings: AttributionSettings,
    /// The conversions of the range.
    totals: Vec<AttributionTotal>,
    /// Those with the largest share, on average, first: up to 64 names, and all others as one.
    rows: Vec<AttributionComparisonRow>,
    /// What `MARKOV` and `SHAPLEY` learn from.
    journeys: AttributionJourneys,
}

impl OfRange for AttributionComparison {
    const REPORT: &'static str = "AttributionComparisonReport";
}

impl AttributionComparison {
    pub(super) fn new(by: AttributionDimension, compared: Compared) -> Self {
        let Compared {
            settings,
            currency,
            totals: all,
            rows,
            journeys,
        } = compared;
        let row = |row: CompareRow| {
            let (kind, name) = named(row.name);
            let result = |(model, row, share): (AttributionModel, Row, f64)| AttributionResult {
                model,
                conversions: row.conversions,
                share,
                value: Money::of_minor(row.minor, &currency),
            };
            AttributionComparisonRow {
                kind,
                name,
                results: row.results.into_iter().map(result).collect(),
                disagreement: row.agreement.into(),
            }
        };
        Self {
            by,
            rows: rows.into_iter().map(row).collect(),
            totals: totals(&currency, all),
            settings: settings.into(),
            journeys: journeys.into(),
        }
    }
}
