//! The models that look at one journey: which touch gets how much of its conversion, and why.

use entity::{AttributionModel, Timestamp, time::DAY_MICROS};

/// What the rules look at beside the touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Converted {
    /// When.
    pub at: Timestamp,
    /// When the lead became an opportunity, if it is one. What came after the conversion does not count for it.
    pub opportunity_at: Option<Timestamp>,
}

/// The numbers of the rules, which a deployment may set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// `TIME_DECAY`: after so many days a touch counts half, above 0.
    pub half_life_days: f64,
    /// `U_SHAPED`: the weights of the first, the last and all others together, from 0.
    pub u_shaped: [f64; 3],
    /// `W_SHAPED`: the weights of the first, the one that made an opportunity, the last and all others together.
    pub w_shaped: [f64; 4],
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            half_life_days: 7.0,
            u_shaped: [0.4, 0.4, 0.2],
            w_shaped: [0.3, 0.3, 0.3, 0.1],
        }
    }
}

/// Why a touch has its credit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// It is the only touch, so all is its own.
    Only,
    /// It is the first.
    First,
    /// It is the last at or before the moment the lead became an opportunity.
    Opportunity,
    /// It is the last.
    Last,
    /// It is the first and made the opportunity: one touch, one weight.
    FirstAndOpportunity,
    /// It is the last and made the opportunity: one touch, one weight.
    LastAndOpportunity,
    /// It is one of those that share what the named places leave.
    Rest {
        /// How many share it, from 1.
        of: usize,
    },
    /// All touches count the same.
    Equal {
        /// How many there are, from 2.
        of: usize,
    },
    /// It counts by its age.
    Decayed {
        /// From 0.
        days_before_conversion: f64,
        /// After so many days a touch counts half.
        half_life_days: f64,
    },
    /// The model gives it nothing.
    Nothing,
}

/// The credit of each touch of a journey, in the order given, each 0 to 1; they sum to 1, but for a journey without
/// touches. `None` for the models that look at all journeys at once.
///
/// `touches` are the moments of the touches in order of time, none after the conversion.
///
/// Formulas: with n touches, first and last give 1 to one of them, linear gives 1/n to each, time decay a credit
/// proportional to 2^(−days/half-life). U and W name two and three places, each with a weight, and let the others
/// share the weight of the rest equally. Then, for both, the same rule holds: a weight counts only if there is a touch
/// to carry it, a touch carries one weight (the greatest of its places), and the weights that count are scaled to
/// sum to 1.
///
/// So a U of two touches is ½, ½. A W whose opportunity touch is also its last is worth what it would be without an
/// opportunity: 3/7 first, 3/7 last, 1/7 for the rest. The other reading, in which such a touch carries both weights
/// (0.6), leaves nothing to scale, and would let the mere coincidence of two places double a touch. An
/// opportunity later than the last touch falls on the last; one before the first touch, or after the conversion, is
/// missing. Without a rest, the named places share all: a W of exactly three is 1/3 each.
#[must_use]
pub fn credits(
    model: AttributionModel,
    touches: &[Timestamp],
    converted: Converted,
    weights: &Weights,
) -> Option<Vec<f64>> {
    let shares = explain(model, touches, converted, weights)?;
    let [first, opportunity, last, rest] = named_weights(model, weights);
    // Counted from the youngest touch on: however long ago all of it was, something is left.
    let youngest = shares.iter().filter_map(age).fold(f64::INFINITY, f64::min);
    let parts = shares.iter().map(|share| match *share {
        Share::Only => 1.0,
        Share::First => first,
        Share::Opportunity => opportunity,
        Share::Last => last,
        Share::FirstAndOpportunity => first.max(opportunity),
        Share::LastAndOpportunity => last.max(opportunity),
        Share::Rest { of } => rest / number(of),
        Share::Equal { of } => 1.0 / number(of),
        Share::Decayed {
            days_before_conversion,
            half_life_days,
        } => (-(days_before_conversion - youngest) / half_life_days).exp2(),
        Share::Nothing => 0.0,
    });
    Some(scaled(parts.collect()))
}

/// Why each touch has its credit: the reasons behind [`credits`], in the same order.
#[must_use]
pub fn explain(
    model: AttributionModel,
    touches: &[Timestamp],
    converted: Converted,
    weights: &Weights,
) -> Option<Vec<Share>> {
    let count = touches.len();
    let last = count.saturating_sub(1);
    let opportunity = match model {
        AttributionModel::Markov | AttributionModel::Shapley => return None,
        AttributionModel::WShaped => converted
            .opportunity_at
            .filter(|at| *at <= converted.at)
            .and_then(|at| touches.iter().rposition(|touch| *touch <= at)),
        _ => None,
    };
    // Of two touches or more: the first and the last are two of them, an opportunity elsewhere is a third.
    let named = 2 + usize::from(opportunity.is_some_and(|place| place != 0 && place != last));
    let explained = |place: usize| match model {
        _ if count == 1 => Share::Only,
        AttributionModel::FirstTouch if place == 0 => Share::First,
        AttributionModel::LastTouch if place == last => Share::Last,
        AttributionModel::Linear => Share::Equal { of: count },
        AttributionModel::TimeDecay => Share::Decayed {
            days_before_conversion: days_between(touches[place], converted.at),
            half_life_days: weights.half_life_days,
        },
        AttributionModel::UShaped | AttributionModel::WShaped => {
            match (place == 0, place == last, opportunity == Some(place)) {
                (true, _, false) => Share::First,
                (true, _, true) => Share::FirstAndOpportunity,
                (_, true, false) => Share::Last,
                (_, true, true) => Share::LastAndOpportunity,
                (_, _, true) => Share::Opportunity,
                _ => Share::Rest { of: count - named },
            }
        }
        _ => Share::Nothing,
    };
    Some((0..count).map(explained).collect())
}

/// Credits weighed by how surely a person did each touch, in thousandths (0 to 1,000), and scaled to sum to 1 again.
///
/// Where nobody was sure of anything the credits stay as they are: the conversion happened, and something led to it.
/// A touch without a confidence counts as sure.
#[must_use]
pub fn weighed_by_confidence(credits: &[f64], confidence_milli: &[i32]) -> Vec<f64> {
    let sure: Vec<f64> = credits
        .iter()
        .enumerate()
        .map(|(place, credit)| {
            let confidence = confidence_milli.get(place).copied().unwrap_or(1_000);
            credit * f64::from(confidence.clamp(0, 1_000))
        })
        .collect();
    if sure.iter().sum::<f64>() > 0.0 {
        scaled(sure)
    } else {
        credits.to_vec()
    }
}

/// The weights of the first, the opportunity, the last and the rest.
fn named_weights(model: AttributionModel, weights: &Weights) -> [f64; 4] {
    match model {
        AttributionModel::FirstTouch => [1.0, 0.0, 0.0, 0.0],
        AttributionModel::LastTouch => [0.0, 0.0, 1.0, 0.0],
        AttributionModel::UShaped => {
            let [first, last, rest] = weights.u_shaped;
            [first, 0.0, last, rest]
        }
        AttributionModel::WShaped => weights.w_shaped,
        AttributionModel::Linear
        | AttributionModel::TimeDecay
        | AttributionModel::Markov
        | AttributionModel::Shapley => [0.0; 4],
    }
}

fn age(share: &Share) -> Option<f64> {
    match share {
        Share::Decayed {
            days_before_conversion,
            ..
        } => Some(*days_before_conversion),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact to a microsecond for 285 years")]
fn days_between(from: Timestamp, to: Timestamp) -> f64 {
    to.micros().saturating_sub(from.micros()).max(0) as f64 / DAY_MICROS as f64
}

#[expect(clippy::cast_precision_loss, reason = "a journey has fewer than 2^53 touches")]
fn number(count: usize) -> f64 {
    count as f64
}

/// Scaled to sum to 1. What has no weight at all, by the settings of a deployment, is shared equally.
fn scaled(parts: Vec<f64>) -> Vec<f64> {
    let sum: f64 = parts.iter().sum();
    if sum > 0.0 && sum.is_finite() {
        parts.into_iter().map(|part| part / sum).collect()
    } else {
        vec![1.0 / number(parts.len()); parts.len()]
    }
}

#[cfg(test)]
mod tests;
