use proptest::prelude::*;

use super::super::paths::tests::{journeys, paths};
use super::*;

const ALL: [Worth; 3] = [Worth::Conversions, Worth::Value, Worth::ConversionRate];

fn sets(all: &[(&[Channel], i64, i128, i64)]) -> ChannelSets {
    let mut sets = ChannelSets::default();
    for (channels, converted, value, lost) in all {
        sets.add(channels, Outcome::from((*converted, *value, *lost)))
            .unwrap();
    }
    sets
}

fn values(shapley: &Shapley) -> Vec<f64> {
    shapley.values.iter().map(|each| each.value).collect()
}

fn total(sets: &ChannelSets) -> Outcome {
    let mut total = Outcome::default();
    for (_, outcome) in sets.iter() {
        total += outcome;
    }
    total
}

#[track_caller]
fn near(found: &[f64], expected: &[f64], within: f64) {
    let same = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= within);
    assert!(
        same && found.len() == expected.len(),
        "{found:?} instead of {expected:?}"
    );
}

#[test]
fn by_hand() {
    // v(a) = 4, v(b) = 1, v(ab) = 11: a gets (4 + 10) / 2, b (1 + 7) / 2.
    let sets = sets(&[(&[0], 4, 400, 0), (&[7], 1, 100, 9), (&[0, 7], 6, 60, 0)]);
    let found = shapley(&sets, Worth::Conversions, Sampling::default());
    assert_eq!(found.method, Method::ClosedForm);
    assert_eq!(
        found.values.iter().map(|each| each.channel).collect::<Vec<_>>(),
        [0, 7]
    );
    near(&values(&found), &[7.0, 4.0], 1e-12);
    near(&found.shares(), &[7.0 / 11.0, 4.0 / 11.0], 1e-12);
    near(
        &values(&shapley(&sets, Worth::Value, Sampling::default())),
        &[430.0, 130.0],
        1e-12,
    );
    // Rates: a 4/4, b 1/10, both 11/20: a adds 1 first and 0.45 last, b 0.1 first and −0.45 last.
    let rate = shapley(&sets, Worth::ConversionRate, Sampling::default());
    assert_eq!(rate.method, Method::Enumerated);
    near(&values(&rate), &[0.725, -0.175], 1e-12);
}

#[test]
fn nothing_has_no_values() {
    for worth in ALL {
        assert_eq!(
            shapley(&ChannelSets::default(), worth, Sampling::default()).values,
            []
        );
        assert_eq!(
            sampled(&ChannelSets::default(), worth, Sampling::default()).values,
            []
        );
    }
    let lost = sets(&[(&[1, 2], 0, 0, 5)]);
    assert_eq!(
        shapley(&lost, Worth::Conversions, Sampling::default()).shares(),
        [0.0, 0.0]
    );
}

#[test]
fn more_channels_than_can_be_enumerated_are_sampled_with_an_honest_error() {
    let mut random = SplitMix(7);
    let mut sets = ChannelSets::default();
    for _ in 0..300 {
        // Two draws, so that sets are of about five of the twenty channels.
        let set = random.next() & random.next() & 0xf_ffff;
        let converted = i64::try_from(random.below(9)).unwrap();
        let lost = i64::try_from(random.below(30)).unwrap();
        sets.add_set(set, Outcome::from((converted, 0, lost)));
    }
    assert_eq!(enumerated(&sets, Worth::Conversions), None);
    let by_default = shapley(&sets, Worth::ConversionRate, Sampling::default());
    assert_eq!(by_default.method, Method::Sampled { orders: 10_000 });
    assert_eq!(by_default.values.len(), 20);
    assert_eq!(
        by_default,
        shapley(&sets, Worth::ConversionRate, Sampling::default())
    );

    // Against the closed form, which is exact: of twenty channels about one is off by more than two standard errors.
    let truth = values(&closed_form(&sets, Worth::Conversions).unwrap());
    let (mut within_one, mut within_two, mut all) = (0, 0, 0);
    for seed in 0..20 {
        let found = sampled(&sets, Worth::Conversions, Sampling { orders: 500, seed });
        for (each, truth) in found.values.iter().zip(&truth) {
            let errors = (each.value - truth).abs() / each.standard_error;
            assert!(errors < 5.0, "{each:?} instead of {truth}");
            all += 1;
            within_one += usize::from(errors < 1.0);
            within_two += usize::from(errors < 2.0);
        }
    }
    assert_eq!(all, 400);
    assert!(
        (240..=300).contains(&within_one),
        "{within_one} of 400, expected 273"
    );
    assert!(within_two >= 370, "{within_two} of 400, expected 382");
}

#[test]
fn weights_of_sets_sum_to_one_over_all_orders() {
    near(&weights(3), &[1.0 / 3.0, 1.0 / 6.0, 1.0 / 3.0], 1e-15);
    assert!(weights(0).is_empty());
    // Of 11 others there are 462 sets of five.
    near(&weights(12)[5..6], &[1.0 / (12.0 * 462.0)], 1e-18);
}

proptest! {
    #[test]
    fn the_closed_form_is_the_definition(all in journeys()) {
        let sets = ChannelSets::try_from(&paths(&all)).unwrap();
        for worth in [Worth::Conversions, Worth::Value] {
            let (closed, defined) = (closed_form(&sets, worth).unwrap(), enumerated(&sets, worth).unwrap());
            near(&values(&closed), &values(&defined), 1e-9);
        }
        prop_assert_eq!(closed_form(&sets, Worth::ConversionRate), None);
    }

    #[test]
    fn values_sum_to_what_all_are_worth(all in journeys(), seed in any::<u64>()) {
        let sets = ChannelSets::try_from(&paths(&all)).unwrap();
        for worth in ALL {
            let expected = worth.of(total(&sets));
            let sampling = Sampling { orders: 3, seed };
            for found in [shapley(&sets, worth, sampling), sampled(&sets, worth, sampling)] {
                let sum: f64 = values(&found).iter().sum();
                prop_assert!((sum - expected).abs() < 1e-7 * expected.abs().max(1.0), "{} instead of {}", sum, expected);
            }
        }
    }

    #[test]
    fn channels_that_do_the_same_get_the_same(with in 0_u64..64, converted in 1_i64..9, lost in 0_i64..9) {
        // 0 and 1 stand for each other everywhere; 6 is on journeys that all were lost.
        let mut sets = ChannelSets::default();
        let rest = with & !0b11;
        for set in [rest | 1, rest | 2, rest | 3] {
            sets.add_set(set, Outcome::from((converted, 10, lost)));
        }
        sets.add_set(0b100_0000, Outcome::loss());
        for worth in ALL {
            let found = values(&enumerated(&sets, worth).unwrap());
            prop_assert!((found[0] - found[1]).abs() < 1e-9);
            if worth != Worth::ConversionRate {
                prop_assert!(found.last().unwrap().abs() < 1e-12);
            }
        }
    }
}
