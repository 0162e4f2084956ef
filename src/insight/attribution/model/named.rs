//! Sums of journeys under the names of their channels, as they are kept for each day.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::{
    markov::{MarkovError, Removal, Windows},
    paths::{Channel, Outcome, add_to},
    sets::{ChannelSets, MOST_CHANNELS},
    transitions::Transitions,
};

/// What the models need that look at all journeys at once: steps between names, and sets of names.
///
/// A commutative group, like [`Transitions`] and [`ChannelSets`], which [`numbered`](Self::numbered) makes of it. In JSON:
/// `starts` of [name, journeys], `steps` of [from, to, times], `ends` of [name, outcome], `sets` of [names, outcome].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct NamedPaths {
    starts: BTreeMap<String, i64>,
    steps: BTreeMap<(String, String), i64>,
    ends: BTreeMap<String, Outcome>,
    sets: BTreeMap<BTreeSet<String>, Outcome>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    starts: Vec<(String, i64)>,
    steps: Vec<(String, String, i64)>,
    ends: Vec<(String, Outcome)>,
    sets: Vec<(BTreeSet<String>, Outcome)>,
}

/// Journeys under numbers, for as many names as a set can tell apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbered {
    /// The name of each number; `None` for all those that are taken together because there are too many.
    pub names: Vec<Option<String>>,
    /// The steps.
    pub transitions: Transitions,
    /// The sets.
    pub sets: ChannelSets,
}

impl NamedPaths {
    /// Counts journeys that passed these names, in order of time, one entry for each touch; one without touches is not
    /// counted.
    pub fn add(&mut self, names: &[&str], outcome: Outcome) {
        let (Some(first), Some(last)) = (names.first(), names.last()) else {
            return;
        };
        let journeys = outcome.journeys();
        count(&mut self.starts, (*first).to_owned(), journeys);
        for pair in names.windows(2) {
            count(
                &mut self.steps,
                (pair[0].to_owned(), pair[1].to_owned()),
                journeys,
            );
        }
        add_to(&mut self.ends, (*last).to_owned(), outcome);
        let set = names.iter().map(|name| (*name).to_owned()).collect();
        add_to(&mut self.sets, set, outcome);
    }

    /// Adds all of another sum.
    pub fn merge(&mut self, other: Self) {
        for (name, journeys) in other.starts {
            count(&mut self.starts, name, journeys);
        }
        for (step, times) in other.steps {
            count(&mut self.steps, step, times);
        }
        for (name, outcome) in other.ends {
            add_to(&mut self.ends, name, outcome);
        }
        for (set, outcome) in other.sets {
            add_to(&mut self.sets, set, outcome);
        }
    }

    /// Whether nothing is counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
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

    /// The same under numbers: up to 64 names by how many journeys they are in, or 63 and all others as one.
    #[must_use]
    pub fn numbered(&self) -> Numbered {
        let mut journeys: BTreeMap<&str, i64> = BTreeMap::new();
        for (set, outcome) in &self.sets {
            for name in set {
                *journeys.entry(name).or_default() += outcome.journeys();
            }
        }
        let mut order: Vec<(&str, i64)> = journeys.into_iter().collect();
        // The sort is stable: of equals, the one that comes first in the alphabet.
        order.sort_by_key(|(_, journeys)| std::cmp::Reverse(*journeys));
        let most = usize::from(MOST_CHANNELS);
        let told = if order.len() > most { most - 1 } else { order.len() };
        let mut names: Vec<Option<String>> = order[..told]
            .iter()
            .map(|(name, _)| Some((*name).to_owned()))
            .collect();
        if told < order.len() {
            names.push(None);
        }
        let numbers: HashMap<&str, Channel> = order
            .iter()
            .enumerate()
            .map(|(place, (name, _))| (*name, u16::try_from(place.min(told)).expect("at most 63")))
            .collect();
        // A name in a set is in no step where the sums are not those of whole journeys.
        let number = |name: &String| numbers.get(name.as_str()).copied().unwrap_or(MOST_CHANNELS);
        let mut transitions = Transitions::default();
        for (name, journeys) in &self.starts {
            transitions.add_starts(number(name), *journeys);
        }
        for ((from, to), times) in &self.steps {
            transitions.add_steps(number(from), number(to), *times);
        }
        for (name, outcome) in &self.ends {
            transitions.add_ends(number(name), *outcome);
        }
        let mut sets = ChannelSets::default();
        for (set, outcome) in &self.sets {
            sets.add_set(set.iter().fold(0, |set, name| set | 1 << number(name)), *outcome);
        }
        Numbered {
            names,
            transitions,
            sets,
        }
    }
}

/// Journeys under names, for a chain of a higher order.
#[derive(Clone, Debug)]
pub struct NamedWindows {
    /// Numbered as they came.
    numbers: BTreeMap<String, Channel>,
    windows: Windows,
}

impl NamedWindows {
    /// None yet.
    #[must_use]
    pub fn new(order: NonZeroUsize) -> Self {
        Self {
            numbers: BTreeMap::new(),
            windows: Windows::new(order),
        }
    }

    /// Counts journeys that passed these names, in order of time, one entry for each touch; one without touches is not counted.
    ///
    /// # Errors
    /// If the chain has more states by now than can be solved.
    pub fn add(&mut self, names: &[&str], outcome: Outcome) -> Result<(), MarkovError> {
        let mut channels = Vec::with_capacity(names.len());
        for name in names {
            let number = match self.numbers.get(*name) {
                Some(number) => *number,
                None => {
                    let next = Channel::try_from(self.numbers.len());
                    let next = next.map_err(|_| MarkovError::TooManyStates)?;
                    self.numbers.insert((*name).to_owned(), next);
                    next
                }
            };
            channels.push(number);
        }
        self.windows.add(&channels, outcome)
    }

    /// What removing each does; channels are numbered by their places in [`names`](Self::names).
    ///
    /// # Errors
    /// As of [`removal_effects_of_order`](super::markov::removal_effects_of_order).
    pub fn removal_effects(&self) -> Result<Removal, MarkovError> {
        let mut places = vec![0; self.numbers.len()];
        for (place, number) in (0..).zip(self.numbers.values()) {
            places[usize::from(*number)] = place;
        }
        let windows = self.windows.renumbered(|number| places[usize::from(number)]);
        windows.removal_effects()
    }

    /// The names in their order, as [`Numbered::names`].
    #[must_use]
    pub fn names(&self) -> Vec<Option<String>> {
        self.numbers.keys().cloned().map(Some).collect()
    }
}

/// Adds to a count, and leaves none that is zero, so that equal sums are equal maps.
fn count<K: Ord + Clone>(counts: &mut BTreeMap<K, i64>, key: K, times: i64) {
    let sum = counts.get(&key).copied().unwrap_or_default() + times;
    if sum == 0 {
        counts.remove(&key);
    } else {
        counts.insert(key, sum);
    }
}

impl From<NamedPaths> for Written {
    fn from(paths: NamedPaths) -> Self {
        let steps = paths.steps.into_iter();
        Self {
            starts: paths.starts.into_iter().collect(),
            steps: steps.map(|((from, to), times)| (from, to, times)).collect(),
            ends: paths.ends.into_iter().collect(),
            sets: paths.sets.into_iter().collect(),
        }
    }
}

impl From<Written> for NamedPaths {
    fn from(written: Written) -> Self {
        let steps = written.steps.into_iter();
        Self {
            starts: written.starts.into_iter().collect(),
            steps: steps.map(|(from, to, times)| ((from, to), times)).collect(),
            ends: written.ends.into_iter().collect(),
            sets: written.sets.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::paths::tests::{journeys, paths};
    use super::*;

    const LETTERS: [&str; 5] = ["a", "b", "c", "d", "e"];

    fn named(journeys: &[(Vec<Channel>, Outcome)]) -> NamedPaths {
        let mut sum = NamedPaths::default();
        for (channels, outcome) in journeys {
            let names: Vec<&str> = channels
                .iter()
                .map(|channel| LETTERS[usize::from(*channel)])
                .collect();
            sum.add(&names, *outcome);
        }
        sum
    }

    #[test]
    fn written_short() {
        let mut paths = NamedPaths::default();
        paths.add(&["b", "a", "a"], Outcome::conversion(250));
        paths.add(&[], Outcome::loss());
        let json = serde_json::to_string(&paths).unwrap();
        assert_eq!(
            json,
            r#"{"starts":[["b",1]],"steps":[["a","a",1],["b","a",1]],"ends":[["a",[1,250,0]]],"sets":[[["a","b"],[1,250,0]]]}"#
        );
        assert_eq!(serde_json::from_str::<NamedPaths>(&json).unwrap(), paths);
    }

    #[test]
    fn the_rarest_of_many_are_one() {
        let mut paths = NamedPaths::default();
        let names: Vec<String> = (0..70).map(|n| format!("{n:02}")).collect();
        for (n, name) in names.iter().enumerate() {
            for _ in 0..=n {
                paths.add(&[name], Outcome::loss());
            }
        }
        let numbered = paths.numbered();
        assert_eq!(numbered.names.len(), 64);
        assert_eq!(
            (&numbered.names[0], &numbered.names[63]),
            (&Some("69".to_owned()), &None)
        );
        let rest = numbered
            .transitions
            .ends()
            .find(|(number, _)| *number == 63)
            .unwrap()
            .1;
        assert_eq!(rest.lost, (1..=7).sum::<i64>());
        assert_eq!(numbered.transitions.total(), paths.total());
    }

    fn windows(journeys: &[(Vec<Channel>, Outcome)], order: usize) -> NamedWindows {
        let mut windows = NamedWindows::new(NonZeroUsize::new(order).unwrap());
        for (channels, outcome) in journeys {
            let names = channels.iter().map(|channel| LETTERS[usize::from(*channel)]);
            windows.add(&names.collect::<Vec<_>>(), *outcome).unwrap();
        }
        windows
    }

    proptest! {
        #[test]
        fn chains_come_out_the_same_in_any_order(journeys in journeys(), order in 1_usize..=4) {
            let journeys: Vec<_> = journeys.into_iter().filter(|(_, outcome)| outcome.journeys() > 0).collect();
            let forwards = windows(&journeys, order);
            let reversed: Vec<_> = journeys.iter().rev().cloned().collect();
            let backwards = windows(&reversed, order);
            let names = forwards.names();
            prop_assert_eq!(&names, &backwards.names());
            // To the last digit.
            let effects = forwards.removal_effects();
            prop_assert_eq!(&effects, &backwards.removal_effects());
            // And as of chains of numbers.
            let order = NonZeroUsize::new(order).unwrap();
            let plain = super::super::markov::removal_effects_of_order(&paths(&journeys), order);
            match (effects, plain) {
                (Ok(named), Ok(plain)) => for (one, other) in named.effects.iter().zip(&plain.effects) {
                    prop_assert_eq!(names[usize::from(one.channel)].as_deref(), Some(LETTERS[usize::from(other.channel)]));
                    prop_assert!((one.conversions - other.conversions).abs() < 1e-9);
                },
                (named, plain) => prop_assert_eq!(named.is_err(), plain.is_err()),
            }
        }

        #[test]
        fn days_add_up_and_numbers_mean_the_same(one in journeys(), other in journeys()) {
            let all: Vec<_> = other.iter().chain(&one).cloned().collect();
            let mut sum = named(&one);
            sum.merge(named(&other));
            prop_assert_eq!(&sum, &named(&all));
            // By number they are what was counted, but for the order of the numbers.
            let numbered = sum.numbered();
            let told = |number: Channel| numbered.names[usize::from(number)].as_deref().unwrap();
            let steps: BTreeSet<_> = numbered.transitions.steps().map(|(from, to, n)| (told(from), told(to), n)).collect();
            let plain = Transitions::from(&paths(&all));
            let letter = |channel: Channel| LETTERS[usize::from(channel)];
            prop_assert_eq!(steps, plain.steps().map(|(from, to, n)| (letter(from), letter(to), n)).collect());
            prop_assert_eq!(numbered.sets.iter().count(), ChannelSets::try_from(&paths(&all)).unwrap().iter().count());
            // And taken back, nothing is left.
            for (channels, outcome) in &all {
                let names: Vec<&str> = channels.iter().map(|channel| letter(*channel)).collect();
                sum.add(&names, -*outcome);
            }
            prop_assert!(sum.is_empty());
        }
    }
}
