//! One conversion: what led to it, and why each touch has its credit.

use std::collections::BTreeSet;

use entity::id::ConversionId;
use entity::{Area, AttributionDimension, AttributionModel, Day, Timestamp};

use super::model::markov::{Removal, removal_effects};
use super::model::money::split;
use super::model::named::{NamedPaths, Numbered};
use super::model::paths::Channel;
use super::model::rules::{Share, explain};
use super::model::settings::AttributionSettings;
use super::model::sums::Wanted;
use super::model::touches::touch_credits;
use super::model::trail::{End, Touch, Trail, window_start};
use super::settings::{Settings, answering};
use super::turns::in_turn;
use super::{as_of, store};
use crate::app::App;
use crate::error::Error;
use crate::identity::{Caller, Scope};
use crate::insight::calendar::{ALL, made};
use crate::insight::revenue::{self, Conversion};
use crate::leads::visible::Visible;

/// A conversion that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which.
    pub conversion: ConversionId,
    /// By which models; by all that the caller may know where none is named.
    pub models: Vec<AttributionModel>,
    /// By what was known at a moment: now, if none.
    pub as_of: Option<Timestamp>,
}

/// A conversion and what led to it.
#[derive(Clone, Debug)]
pub struct Attributed {
    /// The conversion as it is now.
    pub conversion: Conversion,
    /// By what was known at this moment.
    pub as_of: Timestamp,
    /// By these settings.
    pub settings: Settings,
    /// What was left of its value then, in minor units of its own currency.
    pub minor: Option<i64>,
    /// What led to it, in order of time, ties by id.
    pub touches: Vec<Touch>,
    /// What each model says.
    pub verdicts: Vec<Verdict>,
}

/// What a model says of a conversion.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Which model.
    pub model: AttributionModel,
    /// The credit of each touch, in their order.
    pub credits: Vec<Touched>,
    /// The journeys of which the model has learnt what channels do; `None` for those that look at one journey.
    pub basis: Option<Basis>,
}

/// The credit of a touch.
#[derive(Clone, Debug, PartialEq)]
pub struct Touched {
    /// 0–1; those of all touches sum to 1.
    pub weight: f64,
    /// What that is of the value, in minor units; all of them sum to it exactly.
    pub minor: Option<i64>,
    /// Why.
    pub why: Why,
}

/// Why a touch has its credit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why {
    /// By its place or its age.
    Rule(Share),
    /// By the removal effect of its channel, shared by the touches of that channel.
    Removal {
        /// What share of the conversions of the basis would be lost without the channel, 0–1.
        effect: f64,
        /// How many touches of the journey share it.
        of: usize,
    },
    /// The channels of the journey share equally, and the touches of each.
    Channels {
        /// How many channels.
        channels: usize,
        /// How many touches share the part of this one.
        of: usize,
    },
}

/// Journeys that a model has learnt from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basis {
    /// The UTC days on which they ended, both included.
    pub days: (Day, Day),
    /// How many ended in a conversion.
    pub converted: i64,
    /// How many have ended in none.
    pub lost: i64,
}

impl Verdict {
    /// The places of the touches with the largest and the second largest weight; of equal ones the earlier. Only those that
    /// have some.
    #[must_use]
    pub fn leading(&self) -> (Option<usize>, Option<usize>) {
        let mut places: Vec<usize> = (0..self.credits.len())
            .filter(|place| self.credits[*place].weight > 0.0)
            .collect();
        places.sort_by(|one, other| self.credits[*other].weight.total_cmp(&self.credits[*one].weight));
        (places.first().copied(), places.get(1).copied())
    }
}

/// What led to a conversion; `None` where there is none, it is not the caller's to see, or nobody knew of it then.
///
/// # Errors
/// A missing scope `engagement:read`; `MARKOV` for a token with a row filter; `MARKOV` as of a moment where more than
/// [`MOST_AS_OF`](super::MOST_AS_OF) conversions or leads are looked at; the database's.
pub async fn attribution(app: &App, caller: &Caller, asked: Asked) -> Result<Option<Attributed>, Error> {
    caller.require(Scope::Read(Area::Engagement))?;
    let Asked {
        conversion: id,
        models,
        as_of: asked_as_of,
    } = asked;
    let models = models_for(caller, models, asked_as_of)?;
    let as_of = asked_as_of.unwrap_or_else(|| app.clock().now());
    let found = revenue::get_many(app, &caller.rows, &[id]).await?.remove(&id);
    let Some(conversion) = found.filter(|row| row.received_at <= as_of) else {
        return Ok(None);
    };
    let db = app.db().read();
    // Three at once: each waits for an answer of the database, no one for the other.
    let (reversal, settings, opportunities) = tokio::try_join!(
        store::reversal_as_of(db, id, as_of),
        store::settings_as_of(db, as_of),
        store::opportunities(db, std::slice::from_ref(&conversion.lead_id)),
    )?;
    if reversal.as_ref().is_some_and(|reversal| reversal.is_void) {
        return Ok(None);
    }
    let refunded = reversal.map_or(0, |reversal| reversal.refunded_minor);
    let minor = conversion.value_minor.map(|value| value - refunded);
    let settings = Settings::read(settings)?;
    let opportunity_at = opportunities.get(&conversion.lead_id).copied();
    let trail = trail_as_of(app, &conversion, (opportunity_at, as_of), &settings.settings).await?;
    let mut verdicts = Vec::with_capacity(models.len());
    for model in models {
        let learnt = match model {
            AttributionModel::Markov => {
                Some(learnt(app, &conversion, asked_as_of, &settings.settings).await?)
            }
            _ => None,
        };
        verdicts.push(verdict(model, &trail, learnt, minor, &settings.settings));
    }
    Ok(Some(Attributed {
        conversion,
        as_of,
        settings,
        minor,
        touches: trail.touches,
        verdicts,
    }))
}

fn models_for(
    caller: &Caller,
    models: Vec<AttributionModel>,
    as_of: Option<Timestamp>,
) -> Result<Vec<AttributionModel>, Error> {
    // What it says of one journey it has learnt of all of them.
    let may_markov = caller.require_all_rows();
    if models.is_empty() {
        // As of a moment that is much to read: only who asks for it gets it.
        let with_markov = may_markov.is_ok() && as_of.is_none();
        let all = AttributionModel::ALL.iter().copied();
        return Ok(all
            .filter(|model| with_markov || *model != AttributionModel::Markov)
            .collect());
    }
    if models.contains(&AttributionModel::Markov) {
        may_markov?;
    }
    let models: BTreeSet<_> = models.into_iter().collect();
    Ok(models.into_iter().collect())
}

async fn trail_as_of(
    app: &App,
    conversion: &Conversion,
    (opportunity_at, as_of): (Option<Timestamp>, Timestamp),
    settings: &AttributionSettings,
) -> Result<Trail, Error> {
    let db = app.db().read();
    let at = conversion.occurred_at;
    let span = (window_start(at, settings), at);
    let touches = store::touches_between(db, conversion.lead_id, span, as_of, &settings.touch_types).await?;
    let end = End::Converted {
        kind: conversion.kind,
        value: None,
        opportunity_at: opportunity_at.filter(|at| *at <= as_of),
    };
    Ok(Trail::of_conversion(at, end, &touches, settings))
}

/// What a model says of a trail; the one that learns from all journeys by what it has learnt.
fn verdict(
    model: AttributionModel,
    trail: &Trail,
    learnt: Option<Learnt>,
    minor: Option<i64>,
    settings: &AttributionSettings,
) -> Verdict {
    let channels: Vec<Channel> = trail
        .touches
        .iter()
        .map(|touch| Channel::try_from(touch.channel.index()).expect("a closed list"))
        .collect();
    let of = |place: usize| {
        channels
            .iter()
            .filter(|channel| **channel == channels[place])
            .count()
    };
    let (weights, why, basis): (Vec<f64>, Vec<Why>, _) = match (model, learnt) {
        (_, Some((removal, names, basis))) => {
            let effect = |channel: Channel| {
                let name = entity::Channel::ALL[usize::from(channel)].as_str();
                let number = names.iter().position(|known| known.as_deref() == Some(name));
                let effects = removal.iter().flat_map(|removal| &removal.effects);
                let found = number.and_then(|number| {
                    effects
                        .into_iter()
                        .find(|effect| usize::from(effect.channel) == number)
                });
                found.map_or(0.0, |effect| effect.conversions)
            };
            let why = (0..channels.len()).map(|place| Why::Removal {
                effect: effect(channels[place]),
                of: of(place),
            });
            (touch_credits(&channels, effect), why.collect(), Some(basis))
        }
        (AttributionModel::Shapley, _) => {
            let distinct: BTreeSet<_> = channels.iter().collect();
            let why = (0..channels.len()).map(|place| Why::Channels {
                channels: distinct.len(),
                of: of(place),
            });
            (touch_credits(&channels, |_| 1.0), why.collect(), None)
        }
        _ => {
            let moments: Vec<Timestamp> = trail.touches.iter().map(|touch| touch.at).collect();
            let shares = explain(model, &moments, trail.converted(), &settings.weights()).unwrap_or_default();
            let weights = trail.credits(model, settings).unwrap_or_default();
            (weights, shares.into_iter().map(Why::Rule).collect(), None)
        }
    };
    let money = minor.map(|minor| split(minor, &weights));
    let credits = weights
        .iter()
        .zip(why)
        .enumerate()
        .map(|(place, (weight, why))| Touched {
            weight: *weight,
            minor: money.as_ref().map(|money| money[place]),
            why,
        });
    Verdict {
        model,
        credits: credits.collect(),
        basis,
    }
}

/// What removing channels does, the channels' names by their numbers, and of which journeys that was learnt.
type Learnt = (Option<Removal>, Vec<Option<String>>, Basis);

/// What is learnt from the journeys of the window before a conversion that ended in its kind or in nothing: as they are now, or were
/// known at a moment.
async fn learnt(
    app: &App,
    conversion: &Conversion,
    as_of: Option<Timestamp>,
    settings: &AttributionSettings,
) -> Result<Learnt, Error> {
    let days = (
        window_start(conversion.occurred_at, settings).day(),
        conversion.occurred_at.day(),
    );
    let span = (days.0.start(), Day(days.1.0 + 1).start());
    let kinds = vec![conversion.kind];
    let paths = if let Some(as_of) = as_of {
        let then = as_of::Then {
            settings,
            span,
            kinds: &kinds,
            leads: &Visible::all(),
            as_of,
        };
        let wanted = Wanted {
            models: &[],
            dimensions: &[AttributionDimension::Channel],
            paths: true,
            day: Some(days.0),
        };
        let read = Box::pin(async {
            let sums = as_of::sums(&app.db().snapshot().await?, then, wanted, true).await?;
            let mut all = NamedPaths::default();
            sums.paths.into_values().for_each(|paths| all.merge(paths));
            Ok(all)
        });
        let is_settled = as_of < app.clock().now();
        in_turn(app, format!("paths {then:?}"), is_settled, read).await?
    } else {
        let db = app.db().read();
        let kept = store::kept(db).await?;
        let asked = store::Asked {
            version: answering(&kept)?.version,
            spans: made(span, &ALL).spans,
            kinds,
        };
        store::paths(db, &asked, AttributionDimension::Channel).await?
    };
    let total = paths.total();
    let basis = Basis {
        days,
        converted: total.converted,
        lost: total.lost,
    };
    let numbered = paths.numbered();
    let removal = removal(&numbered, total.converted)?;
    Ok((removal, numbered.names, basis))
}

/// What removing channels does; `None` where nothing converted.
///
/// # Errors
/// Sums that are not those of whole journeys.
pub(super) fn removal(numbered: &Numbered, converted: i64) -> Result<Option<Removal>, Error> {
    if converted <= 0 {
        return Ok(None);
    }
    removal_effects(&numbered.transitions)
        .map(Some)
        .map_err(Error::internal)
}
