//! Journeys by the channels they passed, and what became of them.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::{AddAssign, Neg},
};

use serde::{Deserialize, Serialize};

/// A channel, source or campaign: whatever journeys are told apart by. The caller gives the numbers, and keeps to them.
pub type Channel = u16;

/// What became of a number of journeys. A commutative group under addition: what was added can be taken back.
///
/// Counts may be below 0 in a part of a sum, where a journey is taken back on another day than it was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, i128, i64)", into = "(i64, i128, i64)")]
pub struct Outcome {
    /// Journeys that ended in a conversion.
    pub converted: i64,
    /// What those conversions are worth together, in minor units of one currency.
    pub value: i128,
    /// Journeys that ended without one.
    pub lost: i64,
}

impl Outcome {
    /// One conversion of a value in minor units.
    #[must_use]
    pub fn conversion(value: i64) -> Self {
        Self {
            converted: 1,
            value: value.into(),
            lost: 0,
        }
    }

    /// One journey that came to nothing.
    #[must_use]
    pub fn loss() -> Self {
        Self {
            lost: 1,
            ..Self::default()
        }
    }

    /// All journeys, converted or not.
    #[must_use]
    pub fn journeys(self) -> i64 {
        self.converted + self.lost
    }

    /// Whether nothing is left of it.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        let Self {
            converted,
            value,
            lost,
        } = other;
        self.converted += converted;
        self.value += value;
        self.lost += lost;
    }
}

impl Neg for Outcome {
    type Output = Self;

    fn neg(self) -> Self {
        Self {
            converted: -self.converted,
            value: -self.value,
            lost: -self.lost,
        }
    }
}

impl From<(i64, i128, i64)> for Outcome {
    fn from((converted, value, lost): (i64, i128, i64)) -> Self {
        Self {
            converted,
            value,
            lost,
        }
    }
}

impl From<Outcome> for (i64, i128, i64) {
    fn from(outcome: Outcome) -> Self {
        (outcome.converted, outcome.value, outcome.lost)
    }
}

/// Adds to an entry, and leaves none that is zero, so that equal sums are equal maps.
pub(super) fn add_to<K: Ord>(sums: &mut BTreeMap<K, Outcome>, key: K, outcome: Outcome) {
    match sums.entry(key) {
        Entry::Vacant(place) if !outcome.is_zero() => {
            place.insert(outcome);
        }
        Entry::Vacant(_) => {}
        Entry::Occupied(mut place) => {
            *place.get_mut() += outcome;
            if place.get().is_zero() {
                place.remove();
            }
        }
    }
}

/// Journeys counted by the sequence of their channels. A commutative group like [`Outcome`].
///
/// It grows with the number of different sequences; [`Transitions`](super::transitions::Transitions) and
/// [`ChannelSets`](super::sets::ChannelSets) are what to keep for longer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths(BTreeMap<Box<[Channel]>, Outcome>);

impl Paths {
    /// Counts journeys that passed these channels, in order of time, one entry for each touch.
    ///
    /// A journey without touches is not counted: there is nothing to credit.
    pub fn add(&mut self, channels: &[Channel], outcome: Outcome) {
        if channels.is_empty() {
            return;
        }
        // Looked up by the slice: a known sequence, the common case, costs no allocation.
        if let Some(sum) = self.0.get_mut(channels) {
            *sum += outcome;
            if sum.is_zero() {
                self.0.remove(channels);
            }
        } else if !outcome.is_zero() {
            self.0.insert(channels.into(), outcome);
        }
    }

    /// Takes back what [`Self::add`] counted.
    pub fn subtract(&mut self, channels: &[Channel], outcome: Outcome) {
        self.add(channels, -outcome);
    }

    /// Adds all of another sum.
    pub fn merge(&mut self, other: &Self) {
        for (channels, outcome) in other.iter() {
            self.add(channels, outcome);
        }
    }

    /// Each sequence of channels once, in order, with what became of its journeys.
    pub fn iter(&self) -> impl Iterator<Item = (&[Channel], Outcome)> {
        self.0
            .iter()
            .map(|(channels, outcome)| (channels.as_ref(), *outcome))
    }
}

impl<'a> FromIterator<(&'a [Channel], Outcome)> for Paths {
    fn from_iter<I: IntoIterator<Item = (&'a [Channel], Outcome)>>(journeys: I) -> Self {
        let mut paths = Self::default();
        for (channels, outcome) in journeys {
            paths.add(channels, outcome);
        }
        paths
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Journeys over a few channels, some converted.
    pub fn journeys() -> impl Strategy<Value = Vec<(Vec<Channel>, Outcome)>> {
        let outcome = (0_i64..5, 0_i128..1_000, 0_i64..5).prop_map(|(converted, value, lost)| Outcome {
            converted,
            value: if converted > 0 { value } else { 0 },
            lost,
        });
        prop::collection::vec((prop::collection::vec(0_u16..5, 1..7), outcome), 1..25)
    }

    pub fn paths(journeys: &[(Vec<Channel>, Outcome)]) -> Paths {
        journeys
            .iter()
            .map(|(channels, outcome)| (channels.as_slice(), *outcome))
            .collect()
    }

    #[test]
    fn equal_sequences_are_counted_together() {
        let mut paths = Paths::default();
        paths.add(&[1, 2], Outcome::conversion(500));
        paths.add(&[1, 2], Outcome::loss());
        paths.add(&[2], Outcome::loss());
        paths.add(&[], Outcome::loss());
        let counted: Vec<_> = paths.iter().collect();
        assert_eq!(
            counted,
            [
                (
                    &[1_u16, 2][..],
                    Outcome {
                        converted: 1,
                        value: 500,
                        lost: 1
                    }
                ),
                (&[2][..], Outcome::loss()),
            ]
        );
        assert_eq!(counted[0].1.journeys(), 2);
    }

    #[test]
    fn an_outcome_is_short_in_json() {
        let outcome = Outcome {
            converted: 2,
            value: i128::from(i64::MAX),
            lost: -1,
        };
        let json = serde_json::to_string(&outcome).unwrap();
        assert_eq!(json, "[2,9223372036854775807,-1]");
        assert_eq!(serde_json::from_str::<Outcome>(&json).unwrap(), outcome);
    }

    proptest! {
        #[test]
        fn sums_are_a_group(one in journeys(), other in journeys()) {
            let (mut left, mut right) = (paths(&one), paths(&other));
            left.merge(&paths(&other));
            right.merge(&paths(&one));
            prop_assert_eq!(&left, &right);
            for (channels, outcome) in &other {
                left.subtract(channels, *outcome);
            }
            prop_assert_eq!(left, paths(&one));
        }
    }
}
