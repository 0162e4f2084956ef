//! Steps between channels, counted: what a first-order chain needs to know of journeys, and no more.

use std::collections::{BTreeMap, btree_map::Entry};

use super::paths::{Channel, Outcome, Paths, add_to};

/// How often journeys began at a channel, went from one to the next, and ended at one.
///
/// A commutative group: the sums of days add up to the sum of any range, in any order, and a journey can be taken back.
/// The size is bounded by the square of the number of channels, however many journeys there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transitions {
    starts: BTreeMap<Channel, i64>,
    steps: BTreeMap<(Channel, Channel), i64>,
    ends: BTreeMap<Channel, Outcome>,
}

impl Transitions {
    /// Counts journeys that passed these channels, in order of time, one entry for each touch.
    ///
    /// A journey without touches is not counted: there is nothing to credit. Costs O(touches × log channels).
    pub fn add(&mut self, channels: &[Channel], outcome: Outcome) {
        let (Some(first), Some(last)) = (channels.first(), channels.last()) else {
            return;
        };
        let journeys = outcome.journeys();
        count(&mut self.starts, *first, journeys);
        for pair in channels.windows(2) {
            count(&mut self.steps, (pair[0], pair[1]), journeys);
        }
        add_to(&mut self.ends, *last, outcome);
    }

    /// Counts what was counted elsewhere: journeys that began at a channel.
    pub fn add_starts(&mut self, channel: Channel, journeys: i64) {
        count(&mut self.starts, channel, journeys);
    }

    /// The same of steps from a channel to another, or to itself.
    pub fn add_steps(&mut self, from: Channel, to: Channel, times: i64) {
        count(&mut self.steps, (from, to), times);
    }

    /// The same of ends.
    pub fn add_ends(&mut self, channel: Channel, outcome: Outcome) {
        add_to(&mut self.ends, channel, outcome);
    }

    /// Takes back what [`Self::add`] counted.
    pub fn subtract(&mut self, channels: &[Channel], outcome: Outcome) {
        self.add(channels, -outcome);
    }

    /// Adds all of another sum.
    pub fn merge(&mut self, other: &Self) {
        for (channel, journeys) in &other.starts {
            count(&mut self.starts, *channel, *journeys);
        }
        for (step, times) in &other.steps {
            count(&mut self.steps, *step, *times);
        }
        for (channel, outcome) in &other.ends {
            add_to(&mut self.ends, *channel, *outcome);
        }
    }

    /// Where journeys began: the first channel, and how many.
    pub fn starts(&self) -> impl Iterator<Item = (Channel, i64)> {
        self.starts
            .iter()
            .map(|(channel, journeys)| (*channel, *journeys))
    }

    /// How journeys went on: from, to, how many times. From a channel to itself is a step too.
    pub fn steps(&self) -> impl Iterator<Item = (Channel, Channel, i64)> {
        self.steps.iter().map(|((from, to), times)| (*from, *to, *times))
    }

    /// Where journeys ended: the last channel, and what became of them.
    pub fn ends(&self) -> impl Iterator<Item = (Channel, Outcome)> {
        self.ends.iter().map(|(channel, outcome)| (*channel, *outcome))
    }

    /// What became of all journeys together.
    #[must_use]
    pub fn total(&self) -> Outcome {
        let mut total = Outcome::default();
        for outcome in self.ends.values() {
            total += *outcome;
        }
        total
    }
}

/// Adds to a count, and leaves none that is zero, so that equal sums are equal maps.
fn count<K: Ord>(counts: &mut BTreeMap<K, i64>, key: K, times: i64) {
    match counts.entry(key) {
        Entry::Vacant(place) if times != 0 => {
            place.insert(times);
        }
        Entry::Vacant(_) => {}
        Entry::Occupied(mut place) => {
            *place.get_mut() += times;
            if *place.get() == 0 {
                place.remove();
            }
        }
    }
}

impl From<&Paths> for Transitions {
    fn from(paths: &Paths) -> Self {
        let mut transitions = Self::default();
        for (channels, outcome) in paths.iter() {
            transitions.add(channels, outcome);
        }
        transitions
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::paths::tests::{journeys, paths};
    use super::*;

    proptest! {
        #[test]
        fn days_add_up_in_any_order_and_journeys_can_be_taken_back(one in journeys(), other in journeys()) {
            let all: Vec<_> = other.iter().chain(&one).cloned().collect();
            let (first, second) = (Transitions::from(&paths(&one)), Transitions::from(&paths(&other)));
            let mut sum = first.clone();
            sum.merge(&second);
            prop_assert_eq!(&sum, &Transitions::from(&paths(&all)));
            for (channels, outcome) in &other {
                sum.subtract(channels, *outcome);
            }
            prop_assert_eq!(sum, first);
        }

        #[test]
        fn what_enters_a_channel_leaves_it(all in journeys()) {
            let transitions = Transitions::from(&paths(&all));
            for channel in 0..5 {
                let entered = transitions.starts().filter(|(to, _)| *to == channel).map(|(_, n)| n).sum::<i64>()
                    + transitions.steps().filter(|(_, to, _)| *to == channel).map(|(_, _, n)| n).sum::<i64>();
                let left = transitions.ends().filter(|(at, _)| *at == channel).map(|(_, o)| o.journeys()).sum::<i64>()
                    + transitions.steps().filter(|(from, _, _)| *from == channel).map(|(_, _, n)| n).sum::<i64>();
                prop_assert_eq!(entered, left);
            }
        }
    }
}
