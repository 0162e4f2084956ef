//! The Shapley value of channels: each is credited with what it adds to the others, on average over all orders in which
//! they could have come together (Shapley, "A value for n-person games", 1953).
//!
//! What a set of channels is worth is what the journeys brought that passed no other channel: v(S) = Σ R(T) over T
//! within S, with R(T) what the journeys with exactly the channels T brought. For this v, Zhao, Mahboobi and Bagheri
//! ("Shapley Value Methods for Attribution Modeling in Online Advertising", arXiv:1804.05327, 2018) show that the
//! Shapley value of a channel is Σ R(T) / |T| over the sets T that hold it: each journey's worth is shared equally
//! among its distinct channels. That is exact for any number of channels and takes one pass over the sets.
//!
//! A conversion rate is not such a sum, as it is a quotient of two; its values are found by going through all sets of
//! up to [`ENUMERATED_CHANNELS`] channels, and by sampling orders above that.

use super::{
    paths::{Channel, Outcome},
    sets::{ChannelSet, ChannelSets},
};

/// Up to so many channels all sets are gone through: 2^12 = 4,096.
pub const ENUMERATED_CHANNELS: usize = 12;

/// What a set of channels is worth, by what became of the journeys that passed no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// The number of conversions (Zhao and others). Journeys that were lost do not matter.
    Conversions,
    /// The value of the conversions in minor units (Zhao and others).
    Value,
    /// The conversions of a journey, 0 to 1; 0 where there was none. A channel that makes the rate worse has a
    /// value below 0, and the values sum to the rate of all journeys.
    ConversionRate,
}

impl Worth {
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 and means")]
    fn of(self, outcome: Outcome) -> f64 {
        match self {
            Self::Conversions => outcome.converted as f64,
            Self::Value => outcome.value as f64,
            Self::ConversionRate if outcome.journeys() > 0 => {
                outcome.converted as f64 / outcome.journeys() as f64
            }
            Self::ConversionRate => 0.0,
        }
    }

    /// Whether the worth of two sums is the sum of their worths, so that the closed form holds.
    fn is_additive(self) -> bool {
        match self {
            Self::Conversions | Self::Value => true,
            Self::ConversionRate => false,
        }
    }
}

/// How values were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By the formula of Zhao and others: exact.
    ClosedForm,
    /// By going through all sets: exact.
    Enumerated,
    /// By the mean over orders drawn at random.
    Sampled {
        /// How many orders, from 2.
        orders: u32,
    },
}

/// How to sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// How many orders to draw, from 2; fewer are taken as 2.
    pub orders: u32,
    /// The same seed gives the same orders, on every machine.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            orders: 10_000,
            seed: 0,
        }
    }
}

/// The value of a channel, in the unit of what sets are worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelValue {
    /// Which channel.
    pub channel: Channel,
    /// Its Shapley value.
    pub value: f64,
    /// The standard error of the value, from 0: about two thirds of samples are off by less, 95 % by less than twice
    /// that. 0 where the value is exact.
    pub standard_error: f64,
}

/// The values of all channels that occur, in order of channels. They sum to the worth of all journeys, sampled or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Shapley {
    /// How they were found.
    pub method: Method,
    /// One for each channel.
    pub values: Vec<ChannelValue>,
}

impl Shapley {
    /// The values as parts of their sum; all 0 where that is not above 0.
    #[must_use]
    pub fn shares(&self) -> Vec<f64> {
        let sum: f64 = self.values.iter().map(|each| each.value).sum();
        let share = |each: &ChannelValue| if sum > 0.0 { each.value / sum } else { 0.0 };
        self.values.iter().map(share).collect()
    }

    fn exact(method: Method, channels: Vec<Channel>, values: Vec<f64>) -> Self {
        let values = channels
            .into_iter()
            .zip(values)
            .map(|(channel, value)| ChannelValue {
                channel,
                value,
                standard_error: 0.0,
            })
            .collect();
        Self { method, values }
    }
}

/// The Shapley values of channels, by the best way there is: the closed form, else all sets, else a sample.
#[must_use]
pub fn shapley(sets: &ChannelSets, worth: Worth, sampling: Sampling) -> Shapley {
    closed_form(sets, worth)
        .or_else(|| enumerated(sets, worth))
        .unwrap_or_else(|| sampled(sets, worth, sampling))
}

/// By the formula of Zhao and others, for any number of channels; `None` where it does not hold for this worth.
///
/// O(sum of the sizes of the sets).
#[must_use]
pub fn closed_form(sets: &ChannelSets, worth: Worth) -> Option<Shapley> {
    if !worth.is_additive() {
        return None;
    }
    let channels = sets.channels();
    let mut values = vec![0.0; channels.len()];
    for (set, outcome) in packed(sets, &channels) {
        let each = worth.of(outcome) / f64::from(set.count_ones());
        for place in places(set) {
            values[place] += each;
        }
    }
    Some(Shapley::exact(Method::ClosedForm, channels, values))
}

/// By the definition, over all 2^n sets of n channels; `None` above [`ENUMERATED_CHANNELS`].
///
/// φ(c) = Σ |S|! (n − |S| − 1)! / n! × (v(S with c) − v(S)) over the sets S without c. O(n 2^n).
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "the sets have twelve bits at most")]
pub fn enumerated(sets: &ChannelSets, worth: Worth) -> Option<Shapley> {
    let channels = sets.channels();
    let count = channels.len();
    if count > ENUMERATED_CHANNELS {
        return None;
    }
    let mut within = vec![Outcome::default(); 1 << count];
    for (set, outcome) in packed(sets, &channels) {
        within[usize::try_from(set).expect("twelve bits")] += outcome;
    }
    // One channel after another, from sets that are exactly so to all that lie within.
    for place in 0..count {
        for set in 0..within.len() {
            if set >> place & 1 == 1 {
                let without = within[set ^ (1 << place)];
                within[set] += without;
            }
        }
    }
    let worths: Vec<f64> = within.into_iter().map(|outcome| worth.of(outcome)).collect();
    let weights = weights(count);
    let mut values = vec![0.0; count];
    for (set, before) in worths.iter().enumerate() {
        for (place, value) in values.iter_mut().enumerate() {
            if set >> place & 1 == 0 {
                *value += weights[set.count_ones() as usize] * (worths[set | (1 << place)] - before);
            }
        }
    }
    Some(Shapley::exact(Method::Enumerated, channels, values))
}

/// By the mean of what channels add in random orders (Castro, Gómez and Tejada, "Polynomial calculation of the Shapley
/// value based on sampling", Computers & Operations Research 36(5), 2009), with its standard error.
///
/// O(orders × sum of the sizes of the sets).
#[must_use]
pub fn sampled(sets: &ChannelSets, worth: Worth, sampling: Sampling) -> Shapley {
    let channels = sets.channels();
    let count = channels.len();
    let sets: Vec<_> = packed(sets, &channels).collect();
    let orders = sampling.orders.max(2);
    let mut random = SplitMix(sampling.seed);
    let mut order: Vec<usize> = (0..count).collect();
    let mut turn = vec![0; count];
    // Mean and sum of squared differences from it, as they grow (Welford 1962).
    let (mut means, mut squares) = (vec![0.0; count], vec![0.0; count]);
    for drawn in 1..=orders {
        for place in (1..count).rev() {
            order.swap(place, random.below(place + 1));
        }
        for (at, place) in order.iter().enumerate() {
            turn[*place] = at;
        }
        // A set lies within those who have come once the last of its channels has.
        let mut arriving = vec![Outcome::default(); count];
        for (set, outcome) in &sets {
            let last = places(*set).map(|place| turn[place]).max().unwrap_or_default();
            arriving[last] += *outcome;
        }
        let (mut sum, mut before) = (Outcome::default(), 0.0);
        for (place, outcome) in order.iter().zip(arriving) {
            sum += outcome;
            let added = worth.of(sum) - before;
            before += added;
            let off = added - means[*place];
            means[*place] += off / f64::from(drawn);
            squares[*place] += off * (added - means[*place]);
        }
    }
    let values = channels
        .into_iter()
        .enumerate()
        .map(|(place, channel)| ChannelValue {
            channel,
            value: means[place],
            standard_error: (squares[place] / f64::from(orders - 1) / f64::from(orders)).sqrt(),
        })
        .collect();
    Shapley {
        method: Method::Sampled { orders },
        values,
    }
}

/// The sets with the channels that occur renumbered from 0, without gaps.
fn packed(sets: &ChannelSets, channels: &[Channel]) -> impl Iterator<Item = (ChannelSet, Outcome)> {
    sets.iter().map(|(set, outcome)| {
        let bits = channels
            .iter()
            .enumerate()
            .map(|(place, channel)| (set >> channel & 1) << place);
        (bits.sum(), outcome)
    })
}

fn places(mut set: ChannelSet) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = set.trailing_zeros();
        // Takes the lowest bit away.
        set &= set.checked_sub(1)?;
        Some(place as usize)
    })
}

/// s! (n − s − 1)! / n! for s from 0 to n − 1: one over n times the ways to choose s of n − 1.
fn weights(count: usize) -> Vec<f64> {
    let mut weights = Vec::with_capacity(count);
    let (mut ways, mut size, mut others) = (1.0, 0.0, 0.0);
    for _ in 1..count {
        others += 1.0;
    }
    for _ in 0..count {
        weights.push(1.0 / ((others + 1.0) * ways));
        size += 1.0;
        ways *= (others - size + 1.0) / size;
    }
    weights
}

/// `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): here because its
/// sequence is fixed for good, which the generators of a library need not be.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below a bound above 0; even to a part in 2^58 for the 64 channels there can be.
    fn below(&mut self, bound: usize) -> usize {
        let scaled = (u128::from(self.next()) * bound as u128) >> 64;
        usize::try_from(scaled).expect("below the bound")
    }
}

#[cfg(test)]
mod tests;
