//! From the credits of channels to the touches of one journey.

use std::collections::BTreeMap;

use super::paths::Channel;

/// The credit of each touch of a journey under a model that knows only channels, in their order; they sum to 1, but for
/// a journey without touches.
///
/// Each channel of the journey gets credit in proportion to its weight, and shares it equally among its touches. Where
/// no channel of the journey has a weight above 0, all touches are equal.
///
/// With weight 1 for every channel, the credits of all conversions add up to the channels' Shapley values (see
/// [`shapley`](super::shapley)). With removal effects for weights they follow the Markov model within each journey;
/// their sum over all journeys is near, but is not, the model's credit for a channel, which is shared over all journeys
/// at once.
#[must_use]
pub fn touch_credits(journey: &[Channel], weight: impl Fn(Channel) -> f64) -> Vec<f64> {
    let mut times: BTreeMap<Channel, f64> = BTreeMap::new();
    for channel in journey {
        *times.entry(*channel).or_default() += 1.0;
    }
    let parts: Vec<f64> = journey
        .iter()
        .map(|channel| weight(*channel).max(0.0) / times[channel])
        .collect();
    let sum: f64 = parts.iter().sum();
    if sum > 0.0 && sum.is_finite() {
        parts.into_iter().map(|part| part / sum).collect()
    } else {
        let touches: f64 = times.values().sum();
        vec![1.0 / touches; journey.len()]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{
        paths::tests::{journeys, paths},
        sets::ChannelSets,
        shapley::{Worth, closed_form},
    };
    use super::*;

    #[test]
    fn by_hand() {
        let weight = |channel| if channel == 1 { 3.0 } else { 1.0 };
        assert_eq!(touch_credits(&[1, 2, 1], weight), [0.375, 0.25, 0.375]);
        assert_eq!(touch_credits(&[1, 2], |_| 0.0), [0.5, 0.5]);
        assert_eq!(touch_credits(&[1, 2], |_| f64::NAN), [0.5, 0.5]);
        assert!(touch_credits(&[], weight).is_empty());
    }

    proptest! {
        #[test]
        fn equal_channels_add_up_to_shapley_values(all in journeys()) {
            let sets = ChannelSets::try_from(&paths(&all)).unwrap();
            let mut sums: BTreeMap<Channel, f64> = BTreeMap::new();
            for (journey, outcome) in &all {
                for (channel, credit) in journey.iter().zip(touch_credits(journey, |_| 1.0)) {
                    *sums.entry(*channel).or_default() += credit * f64::from(i32::try_from(outcome.converted).unwrap());
                }
            }
            for each in closed_form(&sets, Worth::Conversions).unwrap().values {
                prop_assert!((sums[&each.channel] - each.value).abs() < 1e-9);
            }
        }
    }
}
