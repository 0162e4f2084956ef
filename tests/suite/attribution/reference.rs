//! The models of attribution against independent implementations: `reference.json`, written by `reference.py` from the
//! Python packages `ChannelAttribution` and `mta`. Where those mean something else is in `differences.md`.

mod timing;

use std::num::NonZeroUsize;

use entity::{AttributionModel, Timestamp};
use leadline::insight::attribution::model::{
    markov::{Removal, removal_effects, removal_effects_of_order},
    paths::{Channel, Outcome, Paths},
    rules::{Converted, Weights, credits},
    sets::ChannelSets,
    shapley::{Sampling, Worth, closed_form, enumerated, sampled},
    transitions::Transitions,
};
use serde::Deserialize;

/// Sums reach 20,000 conversions and 75 million units of value: this is near the last digit that `f64` keeps of them.
const OF_SUMS: f64 = 1e-6;
const OF_EFFECTS: f64 = 1e-9;

#[derive(Deserialize)]
struct Reference {
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    name: String,
    channels: Vec<String>,
    paths: Vec<String>,
    first_conversions: Vec<f64>,
    first_value: Vec<f64>,
    last_conversions: Vec<f64>,
    last_value: Vec<f64>,
    linear_conversions: Vec<f64>,
    linear_value: Vec<f64>,
    u_shaped: Vec<f64>,
    shapley: Vec<f64>,
    transitions: Vec<(String, String, f64)>,
    removal_1: Effects,
    removal_2: Effects,
    removal_3: Option<Effects>,
}

#[derive(Deserialize)]
struct Effects {
    conversions: Vec<f64>,
    value: Vec<f64>,
}

fn sets() -> Vec<Set> {
    let reference: Reference =
        serde_json::from_str(include_str!("reference/reference.json")).expect("reference.py writes it so");
    assert_eq!(reference.sets.len(), 3);
    reference.sets
}

impl Set {
    fn paths(&self) -> Paths {
        let mut paths = Paths::default();
        for line in &self.paths {
            let [letters, converted, value, lost] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("`{line}` is not a path with three numbers");
            };
            let channels: Vec<Channel> = letters.bytes().map(|letter| u16::from(letter - b'a')).collect();
            let outcome = Outcome {
                converted: converted.parse().expect("a whole number"),
                value: value.parse().expect("a whole number"),
                lost: lost.parse().expect("a whole number"),
            };
            paths.add(&channels, outcome);
        }
        assert_eq!(paths.iter().count(), self.paths.len());
        paths
    }

    /// Conversions and value of each channel by a rule.
    fn by_rule(&self, model: AttributionModel) -> (Vec<f64>, Vec<f64>) {
        let mut sums = (vec![0.0; self.channels.len()], vec![0.0; self.channels.len()]);
        let converted = Converted {
            at: Timestamp(0),
            opportunity_at: None,
        };
        for (channels, outcome) in self.paths().iter() {
            let touches = vec![Timestamp(0); channels.len()];
            let credits = credits(model, &touches, converted, &Weights::default()).expect("a rule");
            for (channel, credit) in channels.iter().zip(credits) {
                sums.0[usize::from(*channel)] += credit * number(outcome.converted.into());
                sums.1[usize::from(*channel)] += credit * number(outcome.value);
            }
        }
        sums
    }
}

#[expect(clippy::cast_precision_loss, reason = "small")]
fn number(whole: i128) -> f64 {
    whole as f64
}

#[track_caller]
fn near(name: &str, found: &[f64], expected: &[f64], within: f64) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (channel, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (found - expected).abs();
        assert!(
            off <= within,
            "{name}, channel {channel}: {found} instead of {expected}, off by {off:e}"
        );
    }
    let most = found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    println!("{name}: furthest off {most:e}");
}

#[test]
fn rules_agree() {
    for set in sets() {
        for (model, conversions, value) in [
            (
                AttributionModel::FirstTouch,
                &set.first_conversions,
                &set.first_value,
            ),
            (
                AttributionModel::LastTouch,
                &set.last_conversions,
                &set.last_value,
            ),
            (
                AttributionModel::Linear,
                &set.linear_conversions,
                &set.linear_value,
            ),
        ] {
            let found = set.by_rule(model);
            near(
                &format!("{}, {model:?}, conversions", set.name),
                &found.0,
                conversions,
                OF_SUMS,
            );
            near(
                &format!("{}, {model:?}, value", set.name),
                &found.1,
                value,
                OF_SUMS,
            );
        }
        let (found, _) = set.by_rule(AttributionModel::UShaped);
        near(&format!("{}, U_SHAPED", set.name), &found, &set.u_shaped, OF_SUMS);
    }
}

#[test]
fn transitions_agree() {
    for set in sets() {
        let transitions = Transitions::from(&set.paths());
        let name = |channel: Channel| char::from(b'a' + u8::try_from(channel).unwrap()).to_string();
        let mut counts: Vec<(String, String, i64)> = Vec::new();
        counts.extend(
            transitions
                .starts()
                .map(|(to, n)| ("(start)".into(), name(to), n)),
        );
        counts.extend(transitions.steps().map(|(from, to, n)| (name(from), name(to), n)));
        for (from, outcome) in transitions.ends() {
            counts.push((name(from), "(conversion)".into(), outcome.converted));
            counts.push((name(from), "(null)".into(), outcome.lost));
        }
        counts.retain(|(_, _, times)| *times > 0);
        assert_eq!(counts.len(), set.transitions.len(), "{}", set.name);
        for (from, to, expected) in &set.transitions {
            let leaving: i64 = counts
                .iter()
                .filter(|each| each.0 == *from)
                .map(|each| each.2)
                .sum();
            let (_, _, times) = counts
                .iter()
                .find(|each| each.0 == *from && each.1 == *to)
                .unwrap();
            let found = number((*times).into()) / number(leaving.into());
            assert!(
                (found - expected).abs() < 1e-12,
                "{} {from} to {to}: {found} instead of {expected}",
                set.name
            );
        }
    }
}

#[test]
fn removal_effects_agree() {
    let agrees = |name: String, removal: &Removal, expected: &Effects| {
        let conversions: Vec<f64> = removal.effects.iter().map(|each| each.conversions).collect();
        let value: Vec<f64> = removal.effects.iter().map(|each| each.value).collect();
        near(
            &format!("{name}, conversions"),
            &conversions,
            &expected.conversions,
            OF_EFFECTS,
        );
        near(&format!("{name}, value"), &value, &expected.value, OF_EFFECTS);
    };
    for set in sets() {
        let paths = set.paths();
        let first = removal_effects(&Transitions::from(&paths)).unwrap();
        agrees(format!("{}, first order", set.name), &first, &set.removal_1);
        let higher = [(2, Some(&set.removal_2)), (3, set.removal_3.as_ref())];
        for (order, expected) in higher
            .into_iter()
            .filter_map(|(order, expected)| Some((order, expected?)))
        {
            let removal = removal_effects_of_order(&paths, NonZeroUsize::new(order).unwrap()).unwrap();
            agrees(format!("{}, order {order}", set.name), &removal, expected);
        }
    }
}

#[test]
fn shapley_values_agree() {
    for set in sets() {
        let sets = ChannelSets::try_from(&set.paths()).unwrap();
        for found in [
            closed_form(&sets, Worth::Conversions).unwrap(),
            enumerated(&sets, Worth::Conversions).unwrap(),
        ] {
            let values: Vec<f64> = found.values.iter().map(|each| each.value).collect();
            near(
                &format!("{}, {:?}", set.name, found.method),
                &values,
                &set.shapley,
                OF_SUMS,
            );
        }
        let drawn = Sampling {
            orders: 1_000,
            seed: 3,
        };
        for (each, expected) in sampled(&sets, Worth::Conversions, drawn)
            .values
            .iter()
            .zip(&set.shapley)
        {
            let off = (each.value - expected).abs();
            assert!(
                off <= 5.0 * each.standard_error + 1e-9,
                "{each:?} instead of {expected}"
            );
        }
    }
}
