use proptest::prelude::*;

use super::super::paths::tests::{journeys, paths};
use super::*;

const NOTHING: Outcome = Outcome {
    converted: 0,
    value: 0,
    lost: 0,
};

fn order(order: usize) -> NonZeroUsize {
    NonZeroUsize::new(order).unwrap()
}

fn outcome(converted: i64, value: i128, lost: i64) -> Outcome {
    Outcome {
        converted,
        value,
        lost,
    }
}

fn effects(journeys: &[(&[Channel], Outcome)]) -> Removal {
    removal_effects(&Transitions::from(&journeys.iter().copied().collect())).unwrap()
}

#[track_caller]
fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
}

#[test]
fn by_hand() {
    // Of three journeys two start at 1 and one at 2; half of those at 1 end there; all at 3 come from 2, half convert:
    // P = (2/3 × 1/2 + 1/3) × 1/2 = 1/3. Without 1: 1/3 × 1/2 = 1/6. Without 2 or 3: nothing.
    let removal = effects(&[
        (&[1, 2, 3], outcome(1, 900, 0)),
        (&[1], outcome(0, 0, 1)),
        (&[2, 3], outcome(0, 0, 1)),
    ]);
    near(removal.conversion_rate, 1.0 / 3.0);
    near(removal.value_per_journey, 300.0);
    for (effect, (channel, expected)) in removal.effects.iter().zip([(1, 0.5), (2, 1.0), (3, 1.0)]) {
        assert_eq!(effect.channel, channel);
        near(effect.conversions, expected);
        near(effect.value, expected);
    }
    assert_eq!(removal.conversion_shares(), [0.2, 0.4, 0.4]);
    assert_eq!(removal.conversion_credits(10.0), [2.0, 4.0, 4.0]);
    assert_eq!(removal.value_credits(901), [180, 361, 360]);
}

#[test]
fn value_goes_where_the_dear_conversions_are() {
    let removal = effects(&[(&[1], outcome(1, 900, 1)), (&[2], outcome(1, 100, 1))]);
    assert_eq!(removal.conversion_shares(), [0.5, 0.5]);
    near(removal.effects[0].value, 0.9);
    assert_eq!(removal.value_credits(1_000), [900, 100]);
}

#[test]
fn value_without_meaning_follows_conversions() {
    for value in [0, -500] {
        let removal = effects(&[(&[1], outcome(3, 100, 0)), (&[2], outcome(1, value - 100, 0))]);
        assert_eq!(removal.value_shares(), [0.75, 0.25]);
    }
}

#[test]
fn nothing_converted_or_nothing_at_all() {
    let removal = effects(&[(&[1, 2], outcome(0, 0, 4))]);
    near(removal.conversion_rate, 0.0);
    assert_eq!(removal.conversion_shares(), [0.0, 0.0]);
    assert_eq!(effects(&[]).effects, []);
    assert_eq!(
        removal_effects_of_order(&Paths::default(), order(2)).unwrap(),
        effects(&[])
    );
}

#[test]
fn repeats_change_no_effect() {
    let plain = effects(&[(&[1, 2], outcome(2, 70, 1)), (&[2, 1], outcome(1, 10, 5))]);
    let repeated = effects(&[
        (&[1, 1, 1, 2], outcome(2, 70, 1)),
        (&[2, 2, 1, 1], outcome(1, 10, 5)),
    ]);
    assert_eq!(plain, repeated);
}

#[test]
fn what_is_no_sum_of_journeys_is_refused() {
    let mut endless = Transitions::default();
    endless.add_starts(0, 1);
    endless.add_steps(0, 1, 1);
    endless.add_steps(1, 0, 1);
    assert_eq!(removal_effects(&endless), Err(MarkovError::Endless));
    let mut many = Transitions::default();
    for channel in 0..1_001 {
        many.add(&[channel], Outcome::loss());
    }
    assert_eq!(removal_effects(&many), Err(MarkovError::TooManyStates));
}

#[test]
fn windows_stay_within_bounds() {
    let mut windows = Windows::new(order(2));
    for channel in 0..999 {
        windows.add(&[channel], Outcome::loss()).unwrap();
    }
    // Five states at once, of a journey that has one touch after another.
    let long = [0, 1, 2, 3, 4, 5];
    assert_eq!(
        windows.add(&long, Outcome::loss()),
        Err(MarkovError::TooManyStates)
    );
}

#[test]
fn a_higher_order_remembers() {
    // After 1 then 2 always, after 3 then 2 never.
    let paths: Paths = [(&[1, 2][..], outcome(4, 4, 0)), (&[3, 2][..], outcome(0, 0, 4))]
        .into_iter()
        .collect();
    let first = removal_effects_of_order(&paths, order(1)).unwrap();
    let second = removal_effects_of_order(&paths, order(2)).unwrap();
    let of = |removal: &Removal| {
        removal
            .effects
            .iter()
            .map(|effect| effect.conversions)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&first), [0.5, 1.0, 0.5]);
    assert_eq!(of(&second), [1.0, 1.0, 0.0]);
}

/// The chance to convert, and the value to expect, with one channel turned into loss, by letting a chain of the given
/// order run until hardly anything is under way.
fn run(paths: &Paths, order: usize, without: Option<Channel>) -> (f64, f64) {
    type State = Vec<Channel>;
    let mut steps: BTreeMap<State, BTreeMap<State, f64>> = BTreeMap::new();
    let mut ends: BTreeMap<State, (f64, f64)> = BTreeMap::new();
    let mut leaving: BTreeMap<State, f64> = BTreeMap::new();
    for (channels, outcome) in paths.iter() {
        let journeys = number(outcome.journeys());
        let mut state = State::new();
        for window in channels.windows(order.min(channels.len())) {
            *steps
                .entry(state.clone())
                .or_default()
                .entry(window.to_vec())
                .or_default() += journeys;
            *leaving.entry(state).or_default() += journeys;
            state = window.to_vec();
        }
        *leaving.entry(state.clone()).or_default() += journeys;
        let end = ends.entry(state).or_default();
        end.0 += number(outcome.converted);
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let value = outcome.value as f64;
        end.1 += value;
    }
    let mut here = BTreeMap::from([(State::new(), 1.0)]);
    let mut reached = (0.0, 0.0);
    for _ in 0..2_000 {
        let mut next: BTreeMap<State, f64> = BTreeMap::new();
        for (state, chance) in here {
            let all = leaving.get(&state).copied().unwrap_or_default();
            if without.is_some_and(|channel| state.contains(&channel)) || all == 0.0 {
                continue;
            }
            let end = ends.get(&state).copied().unwrap_or_default();
            reached.0 += chance * end.0 / all;
            reached.1 += chance * end.1 / all;
            for (to, times) in steps.get(&state).into_iter().flatten() {
                *next.entry(to.clone()).or_default() += chance * times / all;
            }
        }
        here = next;
        if here.values().sum::<f64>() < 1e-14 {
            break;
        }
    }
    reached
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn effects_are_what_a_run_without_the_channel_lacks(all in journeys(), depth in 1_usize..4) {
        let paths = paths(&all);
        let removal = removal_effects_of_order(&paths, order(depth)).unwrap();
        let (converts, earns) = run(&paths, depth, None);
        prop_assert!((removal.conversion_rate - converts).abs() < 1e-9);
        for effect in &removal.effects {
            let (left, still_earns) = run(&paths, depth, Some(effect.channel));
            if converts > 0.0 {
                prop_assert!((effect.conversions - (1.0 - left / converts)).abs() < 1e-9);
            }
            if earns > 0.0 {
                prop_assert!((effect.value - (1.0 - still_earns / earns)).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn the_chain_converts_as_often_as_was_seen(all in journeys(), depth in 1_usize..4) {
        let paths = paths(&all);
        let total = Transitions::from(&paths).total();
        let removal = removal_effects_of_order(&paths, order(depth)).unwrap();
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let (converted, value, journeys) = (total.converted as f64, total.value as f64, total.journeys() as f64);
        prop_assert!((removal.conversion_rate * journeys - converted).abs() < 1e-6);
        prop_assert!((removal.value_per_journey * journeys - value).abs() < 1e-6);
        let sum: f64 = removal.conversion_shares().iter().sum();
        let expected = f64::from(u8::from(total.converted > 0));
        prop_assert!((sum - expected).abs() < 1e-9);
        prop_assert!(removal.effects.iter().all(|effect| (0.0..=1.0).contains(&effect.conversions)));
    }

    #[test]
    fn order_one_is_what_transitions_give(all in journeys()) {
        let paths = paths(&all);
        let (one, other) = (
            removal_effects(&Transitions::from(&paths)).unwrap(),
            removal_effects_of_order(&paths, order(1)).unwrap(),
        );
        prop_assert_eq!(one.effects.len(), other.effects.len());
        for (one, other) in one.effects.iter().zip(&other.effects) {
            prop_assert_eq!(one.channel, other.channel);
            prop_assert!((one.conversions - other.conversions).abs() < 1e-9);
            prop_assert!((one.value - other.value).abs() < 1e-9);
        }
    }

    #[test]
    fn journeys_added_and_taken_back_leave_the_same_effects(all in journeys(), more in journeys()) {
        let mut transitions = Transitions::from(&paths(&all));
        let before = removal_effects(&transitions);
        for (channels, outcome) in &more {
            transitions.add(channels, *outcome);
        }
        transitions.add(&[9], NOTHING);
        for (channels, outcome) in &more {
            transitions.subtract(channels, *outcome);
        }
        prop_assert_eq!(removal_effects(&transitions), before);
    }
}
