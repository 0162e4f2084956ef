//! Journeys by the set of their channels: what the Shapley value needs to know of them, and no more.

use std::collections::BTreeMap;

use super::paths::{Channel, Outcome, Paths, add_to};

/// How many channels can be told apart in a set: those numbered 0 to 63.
pub const MOST_CHANNELS: Channel = 64;

/// A channel whose number is too great for a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("channel {0} does not fit a set; 0 to 63 do")]
pub struct BeyondSet(pub Channel);

/// A set of channels: bit n stands for channel n.
pub type ChannelSet = u64;

/// Journeys counted by the set of channels they passed, without order or repeats.
///
/// A commutative group: the sums of days add up to the sum of any range, and a journey can be taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelSets(BTreeMap<ChannelSet, Outcome>);

impl ChannelSets {
    /// Counts journeys that passed these channels, in any order, repeated or not.
    ///
    /// A journey without touches is not counted: there is nothing to credit.
    ///
    /// # Errors
    /// If a channel's number is above 63; nothing is counted then.
    pub fn add(&mut self, channels: &[Channel], outcome: Outcome) -> Result<(), BeyondSet> {
        let mut set: ChannelSet = 0;
        for channel in channels {
            if *channel >= MOST_CHANNELS {
                return Err(BeyondSet(*channel));
            }
            set |= 1 << channel;
        }
        self.add_set(set, outcome);
        Ok(())
    }

    /// Counts journeys that passed exactly this set; an empty one is not counted.
    pub fn add_set(&mut self, set: ChannelSet, outcome: Outcome) {
        if set != 0 {
            add_to(&mut self.0, set, outcome);
        }
    }

    /// Takes back what [`Self::add`] counted.
    ///
    /// # Errors
    /// If a channel's number is above 63.
    pub fn subtract(&mut self, channels: &[Channel], outcome: Outcome) -> Result<(), BeyondSet> {
        self.add(channels, -outcome)
    }

    /// Adds all of another sum.
    pub fn merge(&mut self, other: &Self) {
        for (set, outcome) in other.iter() {
            self.add_set(set, outcome);
        }
    }

    /// Each set once, in order of its bits, with what became of its journeys.
    pub fn iter(&self) -> impl Iterator<Item = (ChannelSet, Outcome)> {
        self.0.iter().map(|(set, outcome)| (*set, *outcome))
    }

    /// The channels that occur, in order.
    #[must_use]
    pub fn channels(&self) -> Vec<Channel> {
        let all = self.0.keys().fold(0, |all, set| all | set);
        (0..MOST_CHANNELS)
            .filter(|channel| all >> channel & 1 == 1)
            .collect()
    }
}

impl TryFrom<&Paths> for ChannelSets {
    type Error = BeyondSet;

    fn try_from(paths: &Paths) -> Result<Self, BeyondSet> {
        let mut sets = Self::default();
        for (channels, outcome) in paths.iter() {
            sets.add(channels, outcome)?;
        }
        Ok(sets)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::paths::tests::{journeys, paths};
    use super::*;

    #[test]
    fn order_and_repeats_do_not_matter() {
        let mut sets = ChannelSets::default();
        sets.add(&[2, 0, 2], Outcome::conversion(100)).unwrap();
        sets.add(&[0, 2], Outcome::loss()).unwrap();
        sets.add(&[], Outcome::loss()).unwrap();
        assert_eq!(sets.add(&[1, 64], Outcome::loss()), Err(BeyondSet(64)));
        let both = Outcome {
            converted: 1,
            value: 100,
            lost: 1,
        };
        assert_eq!(sets.iter().collect::<Vec<_>>(), [(0b101, both)]);
        assert_eq!(sets.channels(), [0, 2]);
        sets.add(&[63], Outcome::loss()).unwrap();
        assert_eq!(sets.channels(), [0, 2, 63]);
    }

    proptest! {
        #[test]
        fn days_add_up_and_journeys_can_be_taken_back(one in journeys(), other in journeys()) {
            let (first, second) = (
                ChannelSets::try_from(&paths(&one)).unwrap(),
                ChannelSets::try_from(&paths(&other)).unwrap(),
            );
            let (mut left, mut right) = (first.clone(), second.clone());
            left.merge(&second);
            right.merge(&first);
            prop_assert_eq!(&left, &right);
            for (channels, outcome) in &other {
                left.subtract(channels, *outcome).unwrap();
            }
            prop_assert_eq!(left, first);
        }
    }
}
