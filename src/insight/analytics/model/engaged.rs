//! What leads did in a range.

use std::collections::BTreeMap;

use entity::{Channel, EngagementType};

/// Engagements of a range, or of a part of it. Empty and [`add`](Self::add) form a commutative monoid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Engaged {
    /// By type, in the order of the vocabulary.
    pub by_type: BTreeMap<EngagementType, i64>,
    /// By channel, in the order of the vocabulary.
    pub by_channel: BTreeMap<Channel, i64>,
    /// What they are worth, in minor units by currency.
    pub revenue: BTreeMap<String, i64>,
}

impl Engaged {
    /// Adds engagements of a type by a channel.
    pub fn add(&mut self, kind: EngagementType, channel: Channel, count: i64, revenue: Option<(&str, i64)>) {
        *self.by_type.entry(kind).or_default() += count;
        *self.by_channel.entry(channel).or_default() += count;
        if let Some((currency, minor)) = revenue {
            *self.revenue.entry(currency.to_owned()).or_default() += minor;
        }
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.by_type.values().sum()
    }
}
