//! Sums of a range: by one model, or by all side by side.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use entity::{Area, AttributionDimension, AttributionModel, ConversionKind, Timestamp};

use super::higher_order::HIGHEST_ORDER;
use super::model::agreement::{Agreement, agreement};
use super::model::markov::Removal;
use super::model::money::split;
use super::model::named::Numbered;
use super::model::paths::Outcome;
use super::model::shapley::{Sampling, Worth, shapley};
use super::model::sums::{Credit, PARTS, RULES, Sums, Total, Wanted};
use super::one::removal;
use super::settings::{Settings, answering};
use super::turns::in_turn;
use super::{as_of, higher_order, store};
use crate::app::App;
use crate::error::Error;
use crate::identity::{Caller, Scope};
use crate::insight::calendar::{ALL, DateRange, made};
use crate::insight::revenue;
use crate::insight::together::Together;

/// Most rows of one answer; the others are taken together.
pub const MOST_ROWS: usize = 1_000;

/// Which sums are asked for.
#[derive(Clone, Debug)]
pub struct SummaryRequest {
    /// The days of the conversions.
    pub range: DateRange,
    /// By what.
    pub by: AttributionDimension,
    /// Of which kinds; of all where none is named.
    pub kinds: Vec<ConversionKind>,
    /// By what was known at a moment; as it is now, if none.
    pub as_of: Option<Timestamp>,
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
/// More than [`MOST_AS_OF`](super::MOST_AS_OF) conversions as of a moment, or leads with touches where models learn of all; a missing scope `revenue:read`; a row filter; the database's.
pub async fn summary(
    app: &App,
    caller: &Caller,
    request: &SummaryRequest,
    model: AttributionModel,
    first: usize,
    with_journeys: bool,
) -> Result<Summary, Error> {
    may(caller)?;
    let read = Box::pin(read_summary(app, request, model, with_journeys));
    let summary = match request.as_of {
        None => read.await?,
        as_of => {
            let what = format!("sums {request:?} {model} {with_journeys}");
            in_turn(app, what, as_of, read).await?
        }
    };
    Ok(summary.cut(first))
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
) -> Result<Summary, Error> {
    may(caller)?;
    if order.get() > HIGHEST_ORDER {
        let message = format!("the order of a chain lies between 1 and {HIGHEST_ORDER}");
        return Err(Error::BadInput(message));
    }
    let read = Box::pin(async {
        let currency = revenue::reporting_currency(app).await?;
        // What is read from is given back before the chain is solved.
        let chain = higher_order::read(&app.db().snapshot().await?, request, order).await?;
        let mut totals = BTreeMap::new();
        add_totals(&mut totals, &chain.sums);
        Ok(Summary {
            settings: chain.settings.clone(),
            currency,
            totals,
            journeys: Some(chain.journeys()),
            rows: chain.solved().await?,
        })
    });
    let what = format!("chain {request:?} {order}");
    let summary = in_turn(app, what, request.as_of, read).await?;
    Ok(summary.cut(first))
}

/// Sums are of all leads.
fn may(caller: &Caller) -> Result<(), Error> {
    caller.require(Scope::Read(Area::Revenue))?;
    caller.require_all_rows()
}

async fn read_summary(
    app: &App,
    request: &SummaryRequest,
    model: AttributionModel,
    with_journeys: bool,
) -> Result<Summary, Error> {
    // Before: whoever holds one connection waits for no other.
    let currency = revenue::reporting_currency(app).await?;
    // Sets need no journeys that ended in nothing.
    let with_lost = with_journeys || model == AttributionModel::Markov;
    let learns = with_lost || model == AttributionModel::Shapley;
    let sums = Reading::begin(app, request, &[model], (learns, with_lost)).await?;
    let learnt = match learns {
        true => Some(sums.learnt().await?),
        false => None,
    };
    let credited = sums.credited(&[model], learnt.as_ref()).await?;
    Ok(Summary {
        rows: credited.into_iter().flat_map(|(_, rows)| rows).collect(),
        totals: sums.totals().await?,
        journeys: learnt.filter(|_| with_lost).map(|learnt| learnt.journeys()),
        currency,
        settings: sums.settings,
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
pub async fn compare(app: &App, caller: &Caller, request: &SummaryRequest) -> Result<Compared, Error> {
    may(caller)?;
    // All sums of all models for all who ask for the same at once.
    let what = format!("models {request:?}");
    let read = Box::pin(read_compared(app, request));
    match request.as_of {
        None => app.memory::<Together>().ask(what, read).await,
        as_of => in_turn(app, what, as_of, read).await,
    }
}

async fn read_compared(app: &App, request: &SummaryRequest) -> Result<Compared, Error> {
    let currency = revenue::reporting_currency(app).await?;
    let sums = Reading::begin(app, request, &RULES, (true, true)).await?;
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
        currency,
        settings: sums.settings,
    })
}

/// The sums of a range, of one moment.
struct Reading {
    db: store::Snapshot,
    settings: Settings,
    by: AttributionDimension,
    /// Whole UTC months and days.
    asked: store::Asked,
    /// What lies at the ends; all that is wanted, where it is told by what was known at a moment.
    edges: Sums,
}

/// What models that look at all journeys learn from.
struct Learnt {
    /// The journeys of the range, however they ended, under numbers.
    numbered: Numbered,
    /// What became of them.
    outcome: Outcome,
}

impl Reading {
    /// The credits of some models; with journeys, and among them those that ended in nothing, where that is needed.
    async fn begin(
        app: &App,
        request: &SummaryRequest,
        models: &[AttributionModel],
        (paths, with_lost): (bool, bool),
    ) -> Result<Self, Error> {
        let SummaryRequest {
            range,
            by,
            kinds,
            as_of,
        } = request;
        let moments = range.checked()?.moments();
        let wanted = Wanted {
            models,
            dimensions: &[*by],
            paths,
        };
        let db = app.db().snapshot().await?;
        if let Some(as_of) = *as_of {
            let settings = Settings::read(store::settings_as_of(&db, as_of).await?)?;
            let then = as_of::Then {
                settings: &settings.settings,
                span: moments,
                kinds,
                as_of,
            };
            let edges = as_of::sums(&db, then, wanted, with_lost).await?;
            let asked = store::Asked {
                version: settings.version,
                spans: Vec::new(),
                kinds: kinds.clone(),
            };
            return Ok(Self {
                db,
                settings,
                by: *by,
                asked,
                edges,
            });
        }
        let made = made(moments, &ALL);
        let kept = store::kept(&db).await?;
        let settings = Settings::read(answering(&kept)?.clone())?;
        let asked = store::Asked {
            version: settings.version,
            spans: made.spans,
            kinds: kinds.clone(),
        };
        let mut edges = Sums::default();
        for span in made.edges {
            for row in store::trails_between(&db, settings.version, span).await? {
                let is_asked = row
                    .ended_in
                    .is_none_or(|kind| kinds.is_empty() || kinds.contains(&kind));
                if is_asked {
                    edges.add_wanted(wanted, &store::read(&row)?, 1, &settings.settings);
                }
            }
        }
        Ok(Self {
            db,
            settings,
            by: *by,
            asked,
            edges,
        })
    }

    async fn learnt(&self) -> Result<Learnt, Error> {
        let mut paths = store::paths(&self.db, &self.asked, self.by).await?;
        for ((dimension, ..), more) in &self.edges.paths {
            if *dimension == self.by {
                paths.merge(more.clone());
            }
        }
        Ok(Learnt {
            outcome: paths.total(),
            numbered: paths.numbered(),
        })
    }

    async fn totals(&self) -> Result<BTreeMap<ConversionKind, Total>, Error> {
        let mut totals = store::totals(&self.db, &self.asked).await?;
        add_totals(&mut totals, &self.edges);
        Ok(totals)
    }

    /// What each is credited with by some models, in the order of their names; those that look at all journeys need what they
    /// have learnt.
    async fn credited(
        &self,
        models: &[AttributionModel],
        learnt: Option<&Learnt>,
    ) -> Result<Vec<(AttributionModel, Vec<Row>)>, Error> {
        let rules: Vec<_> = models
            .iter()
            .copied()
            .filter(|model| RULES.contains(model))
            .collect();
        let mut by_rule = self.by_rule(&rules).await?;
        models
            .iter()
            .map(|model| {
                let rows = match (model, learnt) {
                    (AttributionModel::Markov, Some(learnt)) => learnt.by_removal()?,
                    (AttributionModel::Shapley, Some(learnt)) => learnt.by_sets(),
                    (model, _) => by_rule.remove(model).map(credited).unwrap_or_default(),
                };
                Ok((*model, rows))
            })
            .collect()
    }

    async fn by_rule(&self, models: &[AttributionModel]) -> Result<store::Credits, Error> {
        let mut credits = store::credits(&self.db, &self.asked, models, self.by).await?;
        for (key, more) in &self.edges.credits {
            if models.contains(&key.model) && key.dimension == self.by {
                let of_model = credits.entry(key.model).or_default();
                let credit = of_model.entry(key.name.clone()).or_default();
                credit.parts += more.parts;
                credit.minor += more.minor;
            }
        }
        Ok(credits)
    }
}

/// Adds those of some days up.
fn add_totals(totals: &mut BTreeMap<ConversionKind, Total>, days: &Sums) {
    for ((_, kind), more) in &days.totals {
        let total = totals.entry(*kind).or_default();
        total.conversions += more.conversions;
        total.minor += more.minor;
        total.unvalued += more.unvalued;
        total.untouched += more.untouched;
        total.untouched_minor += more.untouched_minor;
    }
}

fn credited(credits: BTreeMap<String, Credit>) -> Vec<Row> {
    rows(credits.into_iter().map(|(name, Credit { parts, minor })| {
        #[expect(
            clippy::cast_precision_loss,
            reason = "nine decimals of up to a million conversions"
        )]
        let conversions = parts as f64 / PARTS as f64;
        (Some(name), conversions, minor)
    }))
}

impl Learnt {
    const fn journeys(&self) -> Journeys {
        Journeys::of(self.outcome)
    }

    fn by_removal(&self) -> Result<Vec<Row>, Error> {
        let (numbered, total) = (&self.numbered, self.outcome);
        match removal(numbered, total.converted)? {
            Some(removal) => removed(&removal, &numbered.names, total),
            None => Ok(Vec::new()),
        }
    }

    fn by_sets(&self) -> Vec<Row> {
        let numbered = &self.numbered;
        // Exact: both worths have a closed form.
        let of = |worth| shapley(&numbered.sets, worth, Sampling::default());
        let (conversions, value) = (of(Worth::Conversions), of(Worth::Value));
        let total = i64::try_from(self.outcome.value).unwrap_or(i64::MAX);
        let weights: Vec<f64> = value.values.iter().map(|each| each.value).collect();
        let money = split(total, &weights);
        let found = conversions.values.iter().zip(money).map(|(each, minor)| {
            (
                numbered.names[usize::from(each.channel)].clone(),
                each.value,
                minor,
            )
        });
        rows(found)
    }

    /// Whether the models that look at all journeys name it by itself: there are many names then.
    fn is_named(&self, name: &Name) -> bool {
        let Name::Known(name) = name else {
            return true;
        };
        let names = &self.numbered.names;
        !names.contains(&None) || names.iter().any(|known| known.as_ref() == Some(name))
    }
}

/// What removal effects make of conversions and money, by the names of the channels.
pub(super) fn removed(
    removal: &Removal,
    names: &[Option<String>],
    total: Outcome,
) -> Result<Vec<Row>, Error> {
    let money = i64::try_from(total.value).map_err(Error::internal)?;
    #[expect(clippy::cast_precision_loss, reason = "a count of conversions")]
    let conversions = removal.conversion_credits(total.converted as f64);
    let money = removal.value_credits(money);
    let names = removal
        .effects
        .iter()
        .map(|effect| names[usize::from(effect.channel)].clone());
    Ok(rows(
        names
            .zip(conversions)
            .zip(money)
            .map(|((name, conversions), minor)| (name, conversions, minor)),
    ))
}

/// Rows by name.
fn rows(found: impl Iterator<Item = (Option<String>, f64, i64)>) -> Vec<Row> {
    let mut rows: BTreeMap<Name, Row> = BTreeMap::new();
    for (name, conversions, minor) in found {
        let name = match name {
            None => Name::Others,
            Some(name) if name.is_empty() => Name::Unknown,
            Some(name) => Name::Known(name),
        };
        let row = rows.entry(name.clone()).or_insert(Row {
            name,
            conversions: 0.0,
            minor: 0,
        });
        row.conversions += conversions;
        row.minor += minor;
    }
    rows.into_values().collect()
}
