//! Counts by engagement type and by channel, small in memory and in storage.

use entity::{Channel, EngagementType};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident, $key:ty, $length:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// Stored as one flat array of pairs, place in the vocabulary and count, without the zeros.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name([i64; $length]);

        impl Default for $name {
            fn default() -> Self {
                Self([0; $length])
            }
        }

        impl $name {
            /// How many of one.
            #[must_use]
            pub const fn get(&self, key: $key) -> i64 {
                self.0[key.index()]
            }

            /// Adds to one, or takes away.
            pub const fn add(&mut self, key: $key, count: i64) {
                self.0[key.index()] += count;
            }

            /// Adds all counts of another.
            pub fn merge(&mut self, other: &Self) {
                for (mine, theirs) in self.0.iter_mut().zip(other.0) {
                    *mine += theirs;
                }
            }

            /// How many of all together.
            #[must_use]
            pub fn total(&self) -> i64 {
                self.0.iter().sum()
            }

            /// Those that are not 0, in the order of the vocabulary.
            pub fn iter(&self) -> impl Iterator<Item = ($key, i64)> {
                <$key>::ALL.iter().copied().zip(self.0).filter(|(_, count)| *count != 0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let place = |key: $key| i64::try_from(key.index()).expect("a short list");
                serializer.collect_seq(self.iter().flat_map(|(key, count)| [place(key), count]))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Pairs;
                impl<'de> de::Visitor<'de> for Pairs {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an array of pairs of a place in the vocabulary and a count")
                    }
                    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<$name, A::Error> {
                        let mut counts = $name::default();
                        while let Some(place) = items.next_element::<usize>()? {
                            let slot = counts.0.get_mut(place).ok_or_else(|| {
                                de::Error::custom(format_args!("the vocabulary has no place {place}"))
                            })?;
                            *slot += items
                                .next_element::<i64>()?
                                .ok_or_else(|| de::Error::custom("an odd number of items in pairs"))?;
                        }
                        Ok(counts)
                    }
                }
                deserializer.deserialize_seq(Pairs)
            }
        }
    )*};
}

counts! {
    /// How many engagements of each type.
    TypeCounts, EngagementType, 27;
    /// How many engagements by each channel.
    ChannelCounts, Channel, 10;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_stored_without_zeros() {
        let mut counts = ChannelCounts::default();
        counts.add(Channel::Web, 3);
        counts.add(Channel::Email, 2);
        let text = serde_json::to_string(&counts).expect("plain data");
        assert_eq!(text, "[0,2,4,3]");
        assert_eq!(
            serde_json::from_str::<ChannelCounts>(&text).expect("its own form"),
            counts
        );
        assert_eq!(counts.total(), 5);
        let error = serde_json::from_str::<ChannelCounts>("[10,1]")
            .expect_err("ten channels")
            .to_string();
        assert!(error.contains("the vocabulary has no place 10"), "{error}");
        let error = serde_json::from_str::<ChannelCounts>("[1]")
            .expect_err("half a pair")
            .to_string();
        assert!(error.contains("an odd number"), "{error}");
        let last = Channel::ALL.len() - 1;
        assert_eq!(
            (Channel::ALL[0], Channel::ALL[last]),
            (Channel::Email, Channel::Other)
        );
    }
}
