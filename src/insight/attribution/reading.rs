//! What the sums of a range are read from: those that are kept, or journeys one by one.

use std::collections::BTreeMap;

use entity::{AttributionDimension, AttributionModel, ConversionKind, Timestamp};

use super::model::markov::Removal;
use super::model::money::split;
use super::model::named::Numbered;
use super::model::paths::Outcome;
use super::model::shapley::{Sampling, Worth, shapley};
use super::model::sums::{Credit, PARTS, RULES, Sums, Total, Wanted};
use super::model::trail::Trail;
use super::one::removal;
use super::settings::{Settings, answering};
use super::sums::{Journeys, Name, Row, SummaryRequest};
use super::{as_of, store};
use crate::app::App;
use crate::error::Error;
use crate::insight::calendar::{ALL, DateRange, made};
use crate::insight::report::{ReadFrom, Report};
use crate::leads::visible::Visible;

/// What ranges are told from, of one moment.
pub(super) struct Reading<'a> {
    db: store::Snapshot,
    pub(super) settings: Settings,
    leads: Visible,
    request: &'a SummaryRequest,
    at: Timestamp,
}

/// What is needed of a range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs<'a> {
    /// The credits of some models.
    pub(super) models: &'a [AttributionModel],
    /// Journeys, for models that look at all of them.
    pub(super) paths: bool,
    /// Among them those that ended in nothing.
    pub(super) lost: bool,
}

impl<'a> Reading<'a> {
    /// The journeys of some leads.
    pub(super) async fn begin(app: &App, request: &'a SummaryRequest, leads: Visible) -> Result<Self, Error> {
        let at = request.as_of.unwrap_or_else(|| app.clock().now());
        let db = app.db().snapshot().await?;
        let settings = match request.as_of {
            Some(as_of) => store::settings_as_of(&db, as_of).await?,
            None => answering(&store::kept(&db).await?)?.clone(),
        };
        Ok(Self {
            db,
            settings: Settings::read(settings)?,
            leads,
            request,
            at,
        })
    }

    /// Takes the journeys of a span, of those that are kept so many at most.
    pub(super) async fn each_trail(
        &self,
        span: (Timestamp, Timestamp),
        with_lost: bool,
        limit: Option<u64>,
        mut take: impl FnMut(&Trail) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let SummaryRequest { kinds, as_of, .. } = self.request;
        let leads = &self.leads;
        if let Some(as_of) = *as_of {
            let then = as_of::Then {
                settings: &self.settings.settings,
                span,
                kinds,
                leads,
                as_of,
            };
            return as_of::each_trail(&self.db, then, with_lost, take).await;
        }
        let asked = store::Trails {
            span,
            kinds,
            with_lost,
            leads,
            limit,
        };
        store::each_trail(&self.db, self.settings.version, asked, |row| {
            take(&store::read(row)?)
        })
        .await
    }

    /// What is needed of a range.
    pub(super) async fn of(&self, range: DateRange, needs: Needs<'_>) -> Result<RangeSums<'_>, Error> {
        let Needs { models, paths, lost } = needs;
        let by = self.request.by;
        let moments = range.moments();
        // Sums are of all leads, as it is known now.
        let (spans, counted) = match self.request.as_of.is_none() && self.leads.is_all() {
            true => {
                let made = made(moments, &ALL);
                (made.spans, made.edges)
            }
            false => (Vec::new(), vec![moments]),
        };
        let wanted = Wanted {
            models,
            dimensions: &[by],
            paths,
            day: Some(range.from),
        };
        // Where sums tell of journeys they tell of those that ended in nothing as well, and which names are told apart is by all.
        let with_lost = paths && (lost || self.request.as_of.is_none());
        let mut edges = Sums::default();
        for span in counted {
            let add = |trail: &Trail| {
                edges.add_wanted(wanted, trail, 1, &self.settings.settings);
                Ok(())
            };
            self.each_trail(span, with_lost, None, add).await?;
        }
        let asked = store::Asked {
            version: self.settings.version,
            spans,
            kinds: self.request.kinds.clone(),
        };
        Ok(RangeSums {
            db: &self.db,
            by,
            asked,
            edges,
        })
    }

    /// A report of what is told of each of [`ranges`](crate::insight::report::Asked::ranges).
    pub(super) fn report<T>(&self, mut told: Vec<T>) -> Report<T> {
        let asked = &self.request.asked;
        Report {
            range: asked.range,
            current: told.pop().expect("the range itself"),
            previous: asked.previous().zip(told.pop()),
            at: self.at,
            // Where none are summed up yet, trails are missing as well.
            is_complete: self.request.as_of.is_some() || self.settings.is_summed_up(),
            read_from: ReadFrom::of(&self.leads),
        }
    }
}

/// The sums of a range.
pub(super) struct RangeSums<'a> {
    db: &'a store::Snapshot,
    by: AttributionDimension,
    /// Whole UTC months and days.
    asked: store::Asked,
    /// What lies at the ends; all that is wanted, where no sums tell it.
    edges: Sums,
}

/// What models that look at all journeys learn from.
pub(super) struct Learnt {
    /// The journeys of the range, however they ended, under numbers.
    numbered: Numbered,
    /// What became of them.
    outcome: Outcome,
}

impl RangeSums<'_> {
    pub(super) async fn learnt(&self) -> Result<Learnt, Error> {
        let mut paths = store::paths(self.db, &self.asked, self.by).await?;
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

    pub(super) async fn totals(&self) -> Result<BTreeMap<ConversionKind, Total>, Error> {
        let mut totals = store::totals(self.db, &self.asked).await?;
        add_totals(&mut totals, &self.edges);
        Ok(totals)
    }

    /// What each is credited with by some models, in the order of their names; those that look at all journeys need what they
    /// have learnt.
    pub(super) async fn credited(
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
        let mut credits = store::credits(self.db, &self.asked, models, self.by).await?;
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
pub(super) fn add_totals(totals: &mut BTreeMap<ConversionKind, Total>, days: &Sums) {
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
    pub(super) const fn journeys(&self) -> Journeys {
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
    pub(super) fn is_named(&self, name: &Name) -> bool {
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
