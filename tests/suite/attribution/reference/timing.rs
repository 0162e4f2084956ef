//! How long a million journeys take. Not a test of right or wrong: run it in release, on a quiet machine, by
//! `cargo test --release timing -- --ignored --nocapture`. `reference.py time` runs the same journeys elsewhere.

use std::{num::NonZeroUsize, time::Instant};

use leadline::insight::attribution::model::{
    markov::{removal_effects, removal_effects_of_order},
    paths::{Channel, Outcome, Paths},
    sets::ChannelSets,
    shapley::{Sampling, Worth, closed_form, sampled},
    transitions::Transitions,
};

const JOURNEYS: u64 = 1_000_000;
const CHANNELS: u64 = 20;

/// Draw n of `SplitMix64`, seed 1; each journey takes twelve.
fn draw(n: u64) -> u64 {
    let mut mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// One to ten touches of any channels, a fifth converted, worth 1,000 to 2,900.
fn journey(number: u64) -> (Vec<Channel>, Outcome) {
    let at = |n| draw(12 * number + n);
    let outcome = if at(1) % 5 == 0 {
        Outcome::conversion(i64::try_from(1_000 + 100 * ((at(1) >> 32) % 20)).expect("below 3,000"))
    } else {
        Outcome::loss()
    };
    let channels =
        (0..=at(0) % 10).map(|touch| u16::try_from(at(2 + touch) % CHANNELS).expect("below twenty"));
    (channels.collect(), outcome)
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = work();
    println!("{what}: elapsed_ms {:.1}", began.elapsed().as_secs_f64() * 1e3);
    result
}

#[test]
#[ignore = "takes seconds in a debug build; says how long a million journeys take"]
fn a_million_journeys() {
    let journeys: Vec<_> = (0..JOURNEYS).map(journey).collect();
    let touches: usize = journeys.iter().map(|(channels, _)| channels.len()).sum();
    let began = Instant::now();
    let transitions = timed("transitions counted", || {
        let mut transitions = Transitions::default();
        for (channels, outcome) in &journeys {
            transitions.add(channels, *outcome);
        }
        transitions
    });
    let removal = timed("removal effects, first order", || {
        removal_effects(&transitions).unwrap()
    });
    let elapsed = began.elapsed();
    println!(
        "{JOURNEYS} journeys, {touches} touches, {:?}",
        transitions.total()
    );
    let rounded: Vec<f64> = removal
        .effects
        .iter()
        .map(|each| (each.conversions * 1e6).round() / 1e6)
        .collect();
    println!("effects {rounded:?}");
    assert_eq!(removal.effects.len(), 20);

    let sets = timed("channel sets counted", || {
        let mut sets = ChannelSets::default();
        for (channels, outcome) in &journeys {
            sets.add(channels, *outcome).unwrap();
        }
        sets
    });
    println!("{} sets", sets.iter().count());
    timed("Shapley, closed form", || closed_form(&sets, Worth::Conversions));
    timed("Shapley of the rate, 100 orders", || {
        sampled(&sets, Worth::ConversionRate, Sampling { orders: 100, seed: 0 })
    });
    let paths: Paths = timed("paths counted", || {
        journeys
            .iter()
            .map(|(channels, outcome)| (channels.as_slice(), *outcome))
            .collect()
    });
    timed("removal effects, order 2", || {
        removal_effects_of_order(&paths, NonZeroUsize::new(2).unwrap()).unwrap()
    });
    assert!(
        elapsed.as_secs() < 10,
        "a million journeys took {elapsed:?}, of at most 10 s"
    );
}
