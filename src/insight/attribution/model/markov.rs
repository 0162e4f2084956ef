//! Removal effects: what share of the conversions would be lost if a channel ended every journey that reached it.
//!
//! Journeys are taken as an absorbing Markov chain: start, the channels, and the two ends conversion and loss, with
//! the observed frequencies as probabilities. Removing a channel sends all that would enter it to loss (Anderl,
//! Becker, von Wangenheim and Schumann, "Mapping the customer journey", International Journal of Research in Marketing
//! 33(3), 2016). Effects come from the fundamental matrix (I − Q)⁻¹ of the chain (Kemeny and Snell, "Finite Markov
//! Chains"), not from simulation: they are exact but for rounding, and the same each time.
//!
//! With `G = (I − Q)⁻¹`, `s` the probabilities of where a journey starts and `r` those of converting right after a
//! state, `h = G r` is the chance to convert from each state and `P = s h` the chance to convert at all. For the states
//! A that hold a channel, `f = (s G)[A] (G[A, A])⁻¹` says where in A a journey first arrives, so that `f h[A]` is the
//! chance to pass the channel and convert, and `f h[A] / P` the removal effect. Value works alike, with what a
//! conversion after a state is worth on average in the place of 1.
//!
//! Repeats of a channel (steps from a state to itself) are left out of the chain. That changes no effect: they put off
//! the next step, and do not change which it is.

use std::{collections::BTreeMap, num::NonZeroUsize};

use super::{
    linear::{Matrix, solve},
    money,
    paths::{Channel, Outcome, Paths},
    transitions::Transitions,
};

/// The states a chain may have: with so many, the answer takes seconds and 16 MB.
pub const MOST_STATES: usize = 1_000;

/// Why there are no removal effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkovError {
    /// The chain is too large to solve.
    #[error("the chain has more than {MOST_STATES} states; take a lower order, or what has fewer names")]
    TooManyStates,
    /// The counts are not those of whole journeys: some go round and never end.
    #[error("the transitions are not those of whole journeys: some never end")]
    Endless,
}

/// What removing a channel does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// Which channel.
    pub channel: Channel,
    /// The share of the conversions lost without it, 0 to 1.
    pub conversions: f64,
    /// The share of the value lost without it; 0 to 1 unless some conversions have a negative value.
    pub value: f64,
}

/// What removing each channel does, in order of channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Removal {
    /// The chance of a journey to convert with all channels there, 0 to 1. The observed one.
    pub conversion_rate: f64,
    /// The mean value of a journey, converted or not, in minor units. The observed one.
    pub value_per_journey: f64,
    /// One for each channel that a journey passed.
    pub effects: Vec<Effect>,
}

impl Removal {
    /// The share of the conversions that each channel is credited with: its effect as a part of all effects. They sum
    /// to 1, or are all 0 where nothing converted.
    #[must_use]
    pub fn conversion_shares(&self) -> Vec<f64> {
        normalised(self.effects.iter().map(|effect| effect.conversions))
    }

    /// The share of the value that each channel is credited with, by its effect on value.
    ///
    /// Where that says nothing, as conversions are worth nothing, or less than nothing in part, those of conversions.
    #[must_use]
    pub fn value_shares(&self) -> Vec<f64> {
        let some = self.effects.iter().any(|effect| effect.value > 0.0);
        if some && self.effects.iter().all(|effect| effect.value >= 0.0) {
            normalised(self.effects.iter().map(|effect| effect.value))
        } else {
            self.conversion_shares()
        }
    }

    /// So many conversions by channel, in fractions; they sum to that number.
    #[must_use]
    pub fn conversion_credits(&self, conversions: f64) -> Vec<f64> {
        self.conversion_shares()
            .into_iter()
            .map(|share| share * conversions)
            .collect()
    }

    /// A value in minor units by channel; the parts sum to it exactly.
    #[must_use]
    pub fn value_credits(&self, value: i64) -> Vec<i64> {
        money::split(value, &self.value_shares())
    }
}

fn normalised(effects: impl Iterator<Item = f64> + Clone) -> Vec<f64> {
    let sum: f64 = effects.clone().sum();
    effects
        .map(|effect| if sum > 0.0 { effect / sum } else { 0.0 })
        .collect()
}

/// The removal effects of channels in a first-order chain: the next step depends on the present channel.
///
/// O(n³) for n channels, however many journeys there were.
///
/// # Errors
/// If there are more than [`MOST_STATES`] channels, or the counts are not those of whole journeys.
pub fn removal_effects(transitions: &Transitions) -> Result<Removal, MarkovError> {
    let mut states = States::default();
    let starts: Vec<_> = transitions
        .starts()
        .map(|(channel, journeys)| (states.of(&[channel]), journeys))
        .collect();
    let steps: Vec<_> = transitions
        .steps()
        .map(|(from, to, times)| (states.of(&[from]), states.of(&[to]), times))
        .collect();
    let ends: Vec<_> = transitions
        .ends()
        .map(|(channel, outcome)| (states.of(&[channel]), outcome))
        .collect();
    states.solved(&starts, &steps, &ends)
}

/// The removal effects of channels in a chain of the given order: the next step depends on the last so many touches.
///
/// A state is a window of so many touches, or the whole journey where that is shorter. Removing a channel removes all
/// states that hold it. O(s³) for s states, of which there may be as many as channels to the power of the order.
/// With order 1 the same as [`removal_effects`].
///
/// # Errors
/// If there are more than [`MOST_STATES`] states.
pub fn removal_effects_of_order(paths: &Paths, order: NonZeroUsize) -> Result<Removal, MarkovError> {
    let mut windows = Windows::new(order);
    for (channels, outcome) in paths.iter() {
        windows.add(channels, outcome)?;
    }
    windows.removal_effects()
}

/// Journeys counted by windows of so many touches: what a chain of that order needs to know of them. It grows with the number of
/// states, not with that of journeys.
#[derive(Clone, Debug)]
pub struct Windows {
    order: NonZeroUsize,
    states: States,
    starts: BTreeMap<usize, i64>,
    steps: BTreeMap<(usize, usize), i64>,
    ends: BTreeMap<usize, Outcome>,
}

impl Windows {
    /// None yet, for a chain of an order.
    #[must_use]
    pub fn new(order: NonZeroUsize) -> Self {
        Self {
            order,
            states: States::default(),
            starts: BTreeMap::new(),
            steps: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    /// Counts journeys that passed these channels, in order of time, one entry for each touch; one without touches is not
    /// counted.
    ///
    /// # Errors
    /// If there are more than [`MOST_STATES`] states by now.
    pub fn add(&mut self, channels: &[Channel], outcome: Outcome) -> Result<(), MarkovError> {
        let journeys = outcome.journeys();
        let mut windows = channels.windows(self.order.get().min(channels.len()).max(1));
        let Some(first) = windows.next() else {
            return Ok(());
        };
        let mut state = self.states.of(first);
        *self.starts.entry(state).or_default() += journeys;
        for window in windows {
            let next = self.states.of(window);
            *self.steps.entry((state, next)).or_default() += journeys;
            state = next;
        }
        *self.ends.entry(state).or_default() += outcome;
        if self.states.0.len() > MOST_STATES {
            return Err(MarkovError::TooManyStates);
        }
        Ok(())
    }

    /// The same under other numbers of channels, with the states in the order of their windows: so it is solved in one way, whatever
    /// the order in which journeys were counted.
    #[must_use]
    pub fn renumbered(&self, number: impl Fn(Channel) -> Channel) -> Self {
        let window = |window: &[Channel]| window.iter().map(|channel| number(*channel)).collect();
        let states = self.states.0.iter();
        let mut states: Vec<(Box<[Channel]>, usize)> =
            states.map(|(of, state)| (window(of), *state)).collect();
        states.sort_unstable();
        let mut places = vec![0; states.len()];
        for (place, (_, state)) in states.iter().enumerate() {
            places[*state] = place;
        }
        let step = |((from, to), times): (&(usize, usize), &i64)| ((places[*from], places[*to]), *times);
        Self {
            order: self.order,
            starts: self
                .starts
                .iter()
                .map(|(state, times)| (places[*state], *times))
                .collect(),
            steps: self.steps.iter().map(step).collect(),
            ends: self
                .ends
                .iter()
                .map(|(state, outcome)| (places[*state], *outcome))
                .collect(),
            states: States(
                states
                    .into_iter()
                    .enumerate()
                    .map(|(place, (of, _))| (of, place))
                    .collect(),
            ),
        }
    }

    /// The removal effects of channels in that chain.
    ///
    /// # Errors
    /// As [`removal_effects_of_order`].
    pub fn removal_effects(&self) -> Result<Removal, MarkovError> {
        let starts: Vec<_> = self
            .starts
            .iter()
            .map(|(state, number)| (*state, *number))
            .collect();
        let steps = self.steps.iter().map(|((from, to), times)| (*from, *to, *times));
        let steps: Vec<_> = steps.collect();
        let ends: Vec<_> = self
            .ends
            .iter()
            .map(|(state, outcome)| (*state, *outcome))
            .collect();
        self.states.solved(&starts, &steps, &ends)
    }
}

/// The numbers of the states, which are short sequences of channels.
#[derive(Clone, Debug, Default)]
struct States(BTreeMap<Box<[Channel]>, usize>);

impl States {
    fn of(&mut self, window: &[Channel]) -> usize {
        let next = self.0.len();
        if let Some(known) = self.0.get(window) {
            return *known;
        }
        self.0.insert(window.into(), next);
        next
    }

    /// The effects in the chain with these counts. Counts below 0, of a sum that lacks a part, are taken as 0.
    fn solved(
        &self,
        starts: &[(usize, i64)],
        steps: &[(usize, usize, i64)],
        ends: &[(usize, Outcome)],
    ) -> Result<Removal, MarkovError> {
        let size = self.0.len();
        if size > MOST_STATES {
            return Err(MarkovError::TooManyStates);
        }
        let mut chain = Chain::counted(size, starts, steps, ends);
        let (fundamental, outlook) = chain.solved().ok_or(MarkovError::Endless)?;
        let visits: Vec<f64> = (0..size)
            .map(|to| {
                (0..size)
                    .map(|from| chain.starts[from] * fundamental.at(from, to))
                    .sum()
            })
            .collect();
        let all = |column| -> f64 {
            chain
                .starts
                .iter()
                .enumerate()
                .map(|(state, start)| start * outlook.at(state, column))
                .sum()
        };
        let (conversion_rate, value_per_journey) = (all(0), all(1));
        let mut holding: BTreeMap<Channel, Vec<usize>> = BTreeMap::new();
        for (window, state) in &self.0 {
            for (place, channel) in window.iter().enumerate() {
                if !window[..place].contains(channel) {
                    holding.entry(*channel).or_default().push(*state);
                }
            }
        }
        let mut effects = Vec::with_capacity(holding.len());
        for (channel, held) in holding {
            let arrivals = arrivals(&fundamental, &visits, &held).ok_or(MarkovError::Endless)?;
            let through = |column| -> f64 {
                held.iter()
                    .enumerate()
                    .map(|(row, state)| arrivals.at(row, 0) * outlook.at(*state, column))
                    .sum()
            };
            effects.push(Effect {
                channel,
                conversions: part(through(0), conversion_rate).clamp(0.0, 1.0),
                value: part(through(1), value_per_journey),
            });
        }
        Ok(Removal {
            conversion_rate,
            value_per_journey,
            effects,
        })
    }
}

fn part(of: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { of / whole }
}

/// Where among some states a journey first arrives: with what chance at each. Solves `f G[A, A] = (s G)[A]` for `f`.
fn arrivals(fundamental: &Matrix, visits: &[f64], held: &[usize]) -> Option<Matrix> {
    let mut among = Matrix::zero(held.len(), held.len());
    let mut right = Matrix::zero(held.len(), 1);
    for (row, to) in held.iter().enumerate() {
        *right.at_mut(row, 0) = visits[*to];
        for (column, from) in held.iter().enumerate() {
            *among.at_mut(row, column) = fundamental.at(*from, *to);
        }
    }
    solve(among, right)
}

/// A chain of probabilities.
struct Chain {
    /// Of a journey to start in a state.
    starts: Vec<f64>,
    /// I − Q: ones less the chances to go from a state to another.
    remains: Matrix,
    /// For each state, the chance to convert next, and the value that this brings on average.
    ends: Matrix,
}

impl Chain {
    fn counted(
        size: usize,
        starts: &[(usize, i64)],
        steps: &[(usize, usize, i64)],
        ends: &[(usize, Outcome)],
    ) -> Self {
        let mut chain = Self {
            starts: vec![0.0; size],
            remains: Matrix::zero(size, size),
            ends: Matrix::zero(size, 2),
        };
        let mut leaving = vec![0.0; size];
        for (state, journeys) in starts {
            chain.starts[*state] += number(*journeys);
        }
        for (from, to, times) in steps {
            if from != to {
                *chain.remains.at_mut(*from, *to) -= number(*times);
                leaving[*from] += number(*times);
            }
        }
        for (state, outcome) in ends {
            *chain.ends.at_mut(*state, 0) += number(outcome.converted);
            #[expect(clippy::cast_precision_loss, reason = "a mean, good to 15 digits")]
            let value = outcome.value as f64;
            *chain.ends.at_mut(*state, 1) += value;
            leaving[*state] += number(outcome.converted) + number(outcome.lost);
        }
        let all: f64 = chain.starts.iter().sum();
        for (state, leaving) in leaving.into_iter().enumerate() {
            chain.starts[state] = part(chain.starts[state], all);
            for to in 0..size {
                *chain.remains.at_mut(state, to) = part(chain.remains.at(state, to), leaving);
            }
            *chain.remains.at_mut(state, state) = 1.0;
            for column in 0..2 {
                *chain.ends.at_mut(state, column) = part(chain.ends.at(state, column), leaving);
            }
        }
        chain
    }

    /// The fundamental matrix, and for each state the chance to convert in the end and the value to expect.
    fn solved(&mut self) -> Option<(Matrix, Matrix)> {
        let size = self.starts.len();
        let remains = std::mem::replace(&mut self.remains, Matrix::zero(0, 0));
        let fundamental = solve(remains, Matrix::identity(size))?;
        let mut outlook = Matrix::zero(size, 2);
        for from in 0..size {
            for (to, visits) in fundamental.row(from).iter().enumerate() {
                for column in 0..2 {
                    *outlook.at_mut(from, column) += visits * self.ends.at(to, column);
                }
            }
        }
        Some((fundamental, outlook))
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 journeys")]
fn number(count: i64) -> f64 {
    count.max(0) as f64
}

#[cfg(test)]
mod tests;
