//! Sums of a range: by one model, or by all side by side.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::num::NonZeroUsize;

use entity::{Area, AttributionDimension, AttributionModel, ConversionKind, Timestamp};

use super::higher_order::{self, Chain, HIGHEST_ORDER};
use super::model::agreement::{Agreement, agreement};
use super::model::paths::Outcome;
use super::model::sums::{RULES, Total};
use super::reading::{Needs, Reading, add_totals};
use super::settings::Settings;
use super::turns::in_turn;
use crate::app::App;
use crate::error::Error;
use crate::identity::{Caller, Scope};
use crate::insight::calendar::DateRange;
use crate::insight::report::{Asked, Report};
use crate::insight::revenue;
use crate::insight::together::{Begun, Together};

/// Most rows of one answer; the others are taken together.
pub const MOST_ROWS: usize = 1_000;

/// Which sums are asked for.
#[derive(Clone, Debug)]
pub struct SummaryRequest {
    /// The days of the conversions, and the leads that converted.
    pub asked: Asked,
    /// By what.
    pub by: AttributionDimension,
    /// Of which kinds; of all where none is named.
    pub kinds: Vec<ConversionKind>,
    /// By what was known at a moment; as it is now, if none.
    pub as_of: Option<Timestamp>,
}

impl SummaryRequest {
    /// Whether it is told by sums that are kept.
    fn is_of_sums(&self, caller: &Caller) -> bool {
        self.as_of.is_none() && self.asked.is_of_all(caller)
    }

    /// A name for what is told of it to who may see and do the same.
    fn named<T>(&self, caller: &Caller, more: impl Debug) -> String {
        let Self {
            asked,
            by,
            kinds,
            as_of,
        } = self;
        asked.named::<T>(caller, (by, kinds, as_of, more))
    }
}

/// What a sum is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The word of a channel or type, the name of a source or campaign.
    Known(String),
    /// Touches of which it is not known: without a source, or that no campaign brought about.
    Unknown,
    /// All that is not named by itself.
    Others,
}

/// What one of them is credited with.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which.
    pub name: Name,
    /// Conversions, in fractions.
    pub conversions: f64,
    /// Money, in minor units of the currency of the reports.
    pub minor: i64,
}

/// The credit of a range by one model.
#[derive(Clone, Debug)]
pub struct Summary {
    /// By which settings.
    pub settings: Settings,
    /// ISO 4217, of all money.
    pub currency: String,
    /// The conversions of the range, by kind.
    pub totals: BTreeMap<ConversionKind, Total>,
    /// Those credited most first.
    pub rows: Vec<Row>,
    /// What the models that look at all journeys have learnt from; none where neither `MARKOV` nor this was asked for.
    pub journeys: Option<Journeys>,
}

/// Journeys of a range with a touch that a person is likely to have made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Journeys {
    /// That ended in a conversion.
    pub converted: i64,
    /// That have ended in none.
    pub lost: i64,
}

impl Journeys {
    pub(super) const fn of(outcome: Outcome) -> Self {
        Self {
            converted: outcome.converted,
            lost: outcome.lost,
        }
    }
}

/// One of a comparison.
#[derive(Clone, Debug)]
pub struct CompareRow {
    /// Which.
    pub name: Name,
    /// What each model credits it with: conversions, money, share of all credited conversions.
    pub results: Vec<(AttributionModel, Row, f64)>,
    /// How far the models differ on that share.
    pub agreement: Agreement,
}

/// Models side by side.
#[derive(Clone, Debug)]
pub struct Compared {
    /// By which settings.
    pub settings: Settings,
    /// ISO 4217, of all money.
    pub currency: String,
    /// The conversions of the range, by kind.
    pub totals: BTreeMap<ConversionKind, Total>,
    /// Those credited most, on average, first.
    pub rows: Vec<CompareRow>,
    /// What the models that look at all journeys have learnt from.
    pub journeys: Journeys,
}

/// Adds up rows of the same name; they stay in the order in which they come.
fn together(rows: impl Iterator<Item = Row>) -> Vec<Row> {
    let mut all: Vec<Row> = Vec::new();
    for row in rows {
        match all
            .iter_mut()
            .rfind(|known| known.name == row.name && row.name == Name::Others)
        {
            Some(known) => {
                known.conversions += row.conversions;
                known.minor += row.minor;
            }
            None => all.push(row),
        }
    }
    all
}

/// The credit of a range by one model: the first rows, and the others as one. Rules need no journeys: these are read for models
/// that look at all of them, and `with_journeys`.
///
/// # Errors
/// More than [`MOST_AS_OF`](super::MOST_AS_OF) conversions as of a moment, or leads with touches where models learn of all; a missing
/// scope `revenue:read`, or `leads:read` where there is a filter; a range or filter that cannot be used; the database's.
pub async fn summary(
    app: &App,
    caller: &Caller,
    request: &SummaryRequest,
    model: AttributionModel,
    first: usize,
    with_journeys: bool,
) -> Result<Report<Summary>, Error> {
    let read = Box::pin(async {
        let (reading, currency) = begun(app, caller, request).await?;
        let mut told = Vec::new();
        for range in request.asked.ranges() {
            told.push(summarised(&reading, range, &currency, model, with_journeys).await?);
        }
        Ok(reading.report(told))
    });
    let report = match request.is_of_sums(caller) {
        true => read.await?,
        false => by_journeys(app, caller, request, (model, with_journeys), read).await?,
    };
    Ok(report.map(|summary| summary.cut(first)))
}

/// The same by a Markov chain in which the next step depends on so many touches before, 2 to [`HIGHEST_ORDER`](super::HIGHEST_ORDER). No sums tell that: it
/// is made of the journeys themselves.
///
/// # Errors
/// More than [`MOST_AS_OF`](super::MOST_AS_OF) conversions, or as many journeys without one; a chain of too many states; else as
/// [`summary`].
pub async fn summary_by_order(
    app: &App,
    caller: &Caller,
    request: &SummaryRequest,
    order: NonZeroUsize,
    first: usize,
) -> Result<Report<Summary>, Error> {
    if order.get() > HIGHEST_ORDER {
        let message = format!("the order of a chain lies between 1 and {HIGHEST_ORDER}");
        return Err(Error::BadInput(message));
    }
    let read = Box::pin(async {
        let (reading, currency) = begun(app, caller, request).await?;
        let mut chains = Vec::new();
        for range in request.asked.ranges() {
            chains.push(higher_order::read(&reading, request.by, range, order).await?);
        }
        let settings = reading.settings.clone();
        let report = reading.report(chains);
        // What is read from is given back before a chain is solved: up to seconds of arithmetic, beside the runtime.
        drop(reading);
        let told = move |chain: Chain| {
            let mut totals = BTreeMap::new();
            add_totals(&mut totals, &chain.sums);
            Ok(Summary {
                settings: settings.clone(),
                currency: currency.clone(),
                totals,
                journeys: Some(chain.journeys()),
                rows: chain.solved()?,
            })
        };
        let solved = tokio::task::spawn_blocking(move || report.try_map(told));
        solved.await.map_err(Error::internal)?
    });
    let report = by_journeys(app, caller, request, order, read).await?;
    Ok(report.map(|summary| summary.cut(first)))
}

/// What a report is told from, and the currency of its money.
async fn begun<'a>(
    app: &App,
    caller: &Caller,
    request: &'a SummaryRequest,
) -> Result<(Reading<'a>, String), Error> {
    caller.require(Scope::Read(Area::Revenue))?;
    request.asked.range.checked()?;
    // Before: whoever holds one connection waits for no other.
    let currency = revenue::reporting_currency(app).await?;
    let leads = request.asked.leads(app, caller).await?;
    Ok((Reading::begin(app, request, leads).await?, currency))
}

/// Reads journeys themselves, in turn.
async fn by_journeys<T: Clone + Send + Sync + 'static>(
    app: &App,
    caller: &Caller,
    request: &SummaryRequest,
    more: impl Debug,
    read: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    // Which leads are meant is told as it is known now.
    let is_settled =
        request.asked.is_of_all(caller) && request.as_of.is_some_and(|as_of| as_of < app.clock().now());
    in_turn(app, request.named::<T>(caller, more), is_settled, read).await
}

async fn summarised(
    reading: &Reading<'_>,
    range: DateRange,
    currency: &str,
    model: AttributionModel,
    with_journeys: bool,
) -> Result<Summary, Error> {
    // Sets need no journeys that ended in nothing.
    let lost = with_journeys || model == AttributionModel::Markov;
    let paths = lost || model == AttributionModel::Shapley;
    let needs = Needs {
        models: &[model],
        paths,
        lost,
    };
    let sums = reading.of(range, needs).await?;
    let learnt = match paths {
        true => Some(sums.learnt().await?),
        false => None,
    };
    let credited = sums.credited(&[model], learnt.as_ref()).await?;
    Ok(Summary {
        rows: credited.into_iter().flat_map(|(_, rows)| rows).collect(),
        totals: sums.totals().await?,
        journeys: learnt.filter(|_| lost).map(|learnt| learnt.journeys()),
        currency: currency.to_owned(),
        settings: reading.settings.clone(),
    })
}

impl Summary {
    /// Those credited most first, and all but so many as one.
    fn cut(mut self, first: usize) -> Self {
        self.rows.sort_by(|one, other| {
            (other.minor.cmp(&one.minor))
                .then(other.conversions.total_cmp(&one.conversions))
                .then(one.name.cmp(&other.name))
        });
        let rest = self.rows.split_off(self.rows.len().min(first));
        let others = rest.into_iter().map(|row| Row {
            name: Name::Others,
            ..row
        });
        let rows = together(self.rows.into_iter().chain(others));
        Self { rows, ..self }
    }
}

/// All models side by side.
///
/// # Errors
/// As [`summary`].
pub async fn compare(
    app: &App,
    caller: &Caller,
    request: &SummaryRequest,
) -> Result<Report<Compared>, Error> {
    let read = Box::pin(async {
        let (reading, currency) = begun(app, caller, request).await?;
        let mut told = Vec::new();
        for range in request.asked.ranges() {
            told.push(compared(&reading, range, &currency).await?);
        }
        Ok(reading.report(told))
    });
    match request.is_of_sums(caller) {
        // All sums of all models for all who ask for the same at once.
        true => {
            let what = request.named::<Report<Compared>>(caller, ());
            app.memory::<Together>().ask(what, Begun::After, read).await
        }
        false => by_journeys(app, caller, request, (), read).await,
    }
}

async fn compared(reading: &Reading<'_>, range: DateRange, currency: &str) -> Result<Compared, Error> {
    let needs = Needs {
        models: &RULES,
        paths: true,
        lost: true,
    };
    let sums = reading.of(range, needs).await?;
    let learnt = sums.learnt().await?;
    let mut by_name: BTreeMap<Name, Vec<(AttributionModel, Row)>> = BTreeMap::new();
    for (model, rows) in sums.credited(AttributionModel::ALL, Some(&learnt)).await? {
        // What some models take together is taken together for all.
        let rows = rows.into_iter().map(|row| {
            if learnt.is_named(&row.name) {
                row
            } else {
                Row {
                    name: Name::Others,
                    ..row
                }
            }
        });
        for row in together(rows) {
            by_name.entry(row.name.clone()).or_default().push((model, row));
        }
    }
    let mut totals = BTreeMap::new();
    for (model, row) in by_name.values().flatten() {
        *totals.entry(*model).or_insert(0.0) += row.conversions;
    }
    let share = |model: AttributionModel, conversions: f64| match totals.get(&model) {
        Some(total) if *total > 0.0 => conversions / total,
        _ => 0.0,
    };
    let mut rows: Vec<CompareRow> = Vec::with_capacity(by_name.len());
    for (name, found) in by_name {
        let results: Vec<_> = AttributionModel::ALL
            .iter()
            .map(|model| {
                let row = found
                    .iter()
                    .find(|(of, _)| of == model)
                    .map(|(_, row)| row.clone());
                let row = row.unwrap_or_else(|| Row {
                    name: name.clone(),
                    conversions: 0.0,
                    minor: 0,
                });
                let share = share(*model, row.conversions);
                (*model, row, share)
            })
            .collect();
        let shares: Vec<Vec<f64>> = results.iter().map(|(.., share)| vec![*share]).collect();
        let agreement = agreement(&shares).into_iter().next();
        if let Some(agreement) = agreement {
            rows.push(CompareRow {
                name,
                results,
                agreement,
            });
        }
    }
    rows.sort_by(|one, other| {
        other
            .agreement
            .mean
            .total_cmp(&one.agreement.mean)
            .then(one.name.cmp(&other.name))
    });
    Ok(Compared {
        rows,
        totals: sums.totals().await?,
        journeys: learnt.journeys(),
        currency: currency.to_owned(),
        settings: reading.settings.clone(),
    })
}
