use proptest::prelude::*;

use super::*;

const BY_RULE: [AttributionModel; 6] = [
    AttributionModel::FirstTouch,
    AttributionModel::LastTouch,
    AttributionModel::Linear,
    AttributionModel::TimeDecay,
    AttributionModel::UShaped,
    AttributionModel::WShaped,
];

fn day(day: i64) -> Timestamp {
    Timestamp(day * DAY_MICROS)
}

fn days(all: &[i64]) -> Vec<Timestamp> {
    all.iter().map(|each| day(*each)).collect()
}

/// The conversion is on day 30.
fn by(model: AttributionModel, touched: &[i64], opportunity: Option<i64>) -> Vec<f64> {
    let converted = Converted {
        at: day(30),
        opportunity_at: opportunity.map(day),
    };
    credits(model, &days(touched), converted, &Weights::default()).unwrap()
}

fn why(model: AttributionModel, touched: &[i64], opportunity: Option<i64>) -> Vec<Share> {
    let converted = Converted {
        at: day(30),
        opportunity_at: opportunity.map(day),
    };
    explain(model, &days(touched), converted, &Weights::default()).unwrap()
}

#[track_caller]
fn near(found: &[f64], expected: &[f64]) {
    let same = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(
        same && found.len() == expected.len(),
        "{found:?} instead of {expected:?}"
    );
}

#[test]
fn one_place_or_all_the_same() {
    assert_eq!(
        by(AttributionModel::FirstTouch, &[1, 2, 3], None),
        [1.0, 0.0, 0.0]
    );
    assert_eq!(by(AttributionModel::LastTouch, &[1, 2, 3], None), [0.0, 0.0, 1.0]);
    assert_eq!(by(AttributionModel::Linear, &[1, 1, 2, 3], None), [0.25; 4]);
}

#[test]
fn a_touch_of_a_week_before_counts_half() {
    near(
        &by(AttributionModel::TimeDecay, &[16, 23, 30], None),
        &[1.0 / 7.0, 2.0 / 7.0, 4.0 / 7.0],
    );
    // The same, all of it long ago: 2^(−100,000) is nothing, the proportions remain.
    near(
        &by(AttributionModel::TimeDecay, &[-700_014, -700_007, -700_000], None),
        &[1.0 / 7.0, 2.0 / 7.0, 4.0 / 7.0],
    );
}

#[test]
fn a_u_of_one_two_and_more() {
    let u = AttributionModel::UShaped;
    near(&by(u, &[1], None), &[1.0]);
    near(&by(u, &[1, 2], None), &[0.5, 0.5]);
    near(&by(u, &[1, 2, 3], None), &[0.4, 0.2, 0.4]);
    near(&by(u, &[1, 2, 3, 4], None), &[0.4, 0.1, 0.1, 0.4]);
    // An opportunity is nothing to a U.
    near(&by(u, &[1, 2, 3, 4], Some(2)), &[0.4, 0.1, 0.1, 0.4]);
}

#[test]
fn a_w_with_all_of_its_places() {
    let w = AttributionModel::WShaped;
    near(&by(w, &[1, 2, 3, 4, 5], Some(3)), &[0.3, 0.05, 0.3, 0.05, 0.3]);
    // The last at or before that moment, of several at the same moment the latter.
    near(&by(w, &[1, 2, 3, 3, 9, 10], Some(8))[3..4], &[0.3]);
    // No rest.
    near(&by(w, &[1, 2, 3], Some(2)), &[1.0 / 3.0; 3]);
}

#[test]
fn a_w_whose_places_meet_or_are_missing() {
    let w = AttributionModel::WShaped;
    let without = [3.0 / 7.0, 0.5 / 7.0, 0.5 / 7.0, 3.0 / 7.0];
    for (opportunity, why) in [
        (None, "never one"),
        (Some(1), "on the first"),
        (Some(4), "on the last"),
        (Some(20), "after the last"),
        (Some(0), "before the first"),
        (Some(31), "after the conversion"),
    ] {
        assert_eq!(
            by(w, &[1, 2, 3, 4], opportunity),
            by(w, &[1, 2, 3, 4], None),
            "{why}"
        );
        near(&by(w, &[1, 2, 3, 4], opportunity), &without);
    }
    near(&by(w, &[1, 2], Some(2)), &[0.5, 0.5]);
    near(&by(w, &[1, 2], None), &[0.5, 0.5]);
    near(&by(w, &[1], Some(1)), &[1.0]);
}

#[test]
fn each_credit_has_its_reason() {
    use Share::{
        Decayed, Equal, First, FirstAndOpportunity, Last, LastAndOpportunity, Nothing, Only, Opportunity,
        Rest,
    };
    let w = AttributionModel::WShaped;
    for model in BY_RULE {
        assert_eq!(why(model, &[3], Some(3)), [Only]);
        assert_eq!(why(model, &[], None), []);
    }
    assert_eq!(why(AttributionModel::FirstTouch, &[1, 2], None), [First, Nothing]);
    assert_eq!(why(AttributionModel::LastTouch, &[1, 2], None), [Nothing, Last]);
    assert_eq!(why(AttributionModel::Linear, &[1, 2], None), [Equal { of: 2 }; 2]);
    assert_eq!(
        why(AttributionModel::UShaped, &[1, 2, 3], None),
        [First, Rest { of: 1 }, Last]
    );
    assert_eq!(
        why(w, &[1, 2, 3, 4], Some(2)),
        [First, Opportunity, Rest { of: 1 }, Last]
    );
    assert_eq!(
        why(w, &[1, 2, 3, 4], Some(1)),
        [FirstAndOpportunity, Rest { of: 2 }, Rest { of: 2 }, Last]
    );
    assert_eq!(why(w, &[1, 2], Some(9)), [First, LastAndOpportunity]);
    let decayed = |days_before_conversion| Decayed {
        days_before_conversion,
        half_life_days: 7.0,
    };
    assert_eq!(
        why(AttributionModel::TimeDecay, &[16, 29], None),
        [decayed(14.0), decayed(1.0)]
    );
}

#[test]
fn models_of_all_journeys_are_not_rules() {
    let converted = Converted {
        at: day(1),
        opportunity_at: None,
    };
    for model in [AttributionModel::Markov, AttributionModel::Shapley] {
        assert_eq!(
            credits(model, &days(&[1, 2]), converted, &Weights::default()),
            None
        );
        assert_eq!(
            explain(model, &days(&[1, 2]), converted, &Weights::default()),
            None
        );
    }
}

#[test]
fn settings_without_any_weight_share_equally() {
    let weights = Weights {
        u_shaped: [0.0, 0.0, 1.0],
        ..Weights::default()
    };
    let converted = Converted {
        at: day(30),
        opportunity_at: None,
    };
    let found = credits(AttributionModel::UShaped, &days(&[1, 2]), converted, &weights).unwrap();
    near(&found, &[0.5, 0.5]);
}

#[test]
fn confidence_weighs_and_nobody_changes_nothing() {
    near(
        &weighed_by_confidence(&[0.5, 0.5], &[1_000, 500]),
        &[2.0 / 3.0, 1.0 / 3.0],
    );
    near(
        &weighed_by_confidence(&[0.4, 0.2, 0.4], &[0, 0, 0]),
        &[0.4, 0.2, 0.4],
    );
    // All of the credit lies on a touch that nobody did.
    near(&weighed_by_confidence(&[1.0, 0.0], &[0, 1_000]), &[1.0, 0.0]);
    near(
        &weighed_by_confidence(&[0.5, 0.5], &[500]),
        &[1.0 / 3.0, 2.0 / 3.0],
    );
    near(&weighed_by_confidence(&[0.5, 0.5], &[-3, 9_000]), &[0.0, 1.0]);
    near(&weighed_by_confidence(&[], &[]), &[]);
}

proptest! {
    #[test]
    fn credits_sum_to_one_and_stand_beside_their_reasons(
        mut touched in prop::collection::vec(-400_i64..=30, 0..40),
        opportunity in prop::option::of(-400_i64..40),
        confidence in prop::collection::vec(0_i32..=1_000, 40),
    ) {
        touched.sort_unstable();
        for model in BY_RULE {
            let credits = by(model, &touched, opportunity);
            let shares = why(model, &touched, opportunity);
            prop_assert_eq!(credits.len(), touched.len());
            prop_assert_eq!(shares.len(), touched.len());
            for all in [credits.clone(), weighed_by_confidence(&credits, &confidence)] {
                prop_assert!(all.iter().all(|credit| (0.0..=1.0).contains(credit)));
                let sum: f64 = all.iter().sum();
                prop_assert!(touched.is_empty() || (sum - 1.0).abs() < 1e-9, "{} sums to {}", sum, touched.len());
            }
            let rest = shares.iter().filter(|share| matches!(share, Share::Rest { .. })).count();
            for share in &shares {
                if let Share::Rest { of } = share {
                    prop_assert_eq!(*of, rest);
                }
            }
        }
    }

    #[test]
    fn later_touches_never_get_less_by_decay(mut touched in prop::collection::vec(-400_i64..=30, 2..40)) {
        touched.sort_unstable();
        let credits = by(AttributionModel::TimeDecay, &touched, None);
        prop_assert!(credits.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}
