use proptest::prelude::*;

use super::super::{
    maximum::Convergence,
    simulation::{Truth, simulate},
};
use super::*;

fn summaries(size: usize, seed: u64) -> Vec<Summary> {
    simulate(&Truth::default(), size, 0, seed)
        .into_iter()
        .map(|customer| customer.summary)
        .collect()
}

/// A model of the given parameters; values in cents.
fn model(purchases: BgNbd, values: GammaGamma) -> LifetimeModel {
    LifetimeModel {
        purchases: fit(purchases),
        values: fit(values),
        customers: 100,
        repeat_customers: 40,
        mean_value: 2_500.0,
        correlation: None,
    }
}

fn fit<P>(parameters: P) -> Fit<P> {
    let (log_likelihood, iterations, convergence) = (0.0, 0, Convergence::Reached);
    Fit {
        parameters,
        log_likelihood,
        iterations,
        convergence,
    }
}

const PURCHASES: BgNbd = BgNbd {
    r: 0.243,
    alpha: 30.9,
    a: 0.793,
    b: 2.426,
};
const VALUES: GammaGamma = GammaGamma {
    p: 6.25,
    q: 3.74,
    gamma: 1_544.0,
};

#[test]
fn what_is_missing_is_named() {
    let settings = LifetimeSettings::default();
    let few = [Summary {
        repeats: 1,
        recency_days: 30,
        age_days: 50,
        repeat_value: 900,
    }; 99];
    let problem = train(&few, &settings).unwrap_err();
    let short = |requirement, have, need| Shortfall {
        requirement,
        have,
        need,
    };
    assert_eq!(
        problem,
        TrainingProblem::NotEnoughData(vec![
            short(Requirement::Customers, 99, 100),
            short(Requirement::Days, 30, 180),
        ])
    );
    assert_eq!(
        problem.to_string(),
        "not enough data: 99 of 100 customers, 30 of 180 days from the first purchase to the last"
    );
    let unpaid = [Summary {
        repeats: 1,
        recency_days: 181,
        age_days: 185,
        repeat_value: 0,
    }; 100];
    assert_eq!(
        train(&unpaid, &settings),
        Err(TrainingProblem::NotEnoughData(vec![short(
            Requirement::RepeatCustomers,
            0,
            30
        )]))
    );
    assert!(matches!(train(&[], &settings), Err(TrainingProblem::NotEnoughData(all)) if all.len() == 3));
    let mut impossible = summaries(200, 1);
    impossible[0] = Summary {
        repeats: 1,
        recency_days: 9,
        age_days: 5,
        repeat_value: 1,
    };
    assert_eq!(
        train(&impossible, &settings),
        Err(TrainingProblem::History(HistoryProblem::Impossible))
    );
}

#[test]
fn nothing_at_all_is_not_enough_whatever_the_settings() {
    let settings = LifetimeSettings {
        min_customers: 0,
        min_repeat_customers: 0,
        min_days: 0,
        ..LifetimeSettings::default()
    };
    assert_eq!(
        train(&[], &settings),
        Err(TrainingProblem::NotEnoughData(Vec::new()))
    );
}

#[test]
fn the_order_of_customers_does_not_matter() {
    let mut customers = summaries(500, 3);
    let forwards = train(&customers, &LifetimeSettings::default()).unwrap();
    customers.reverse();
    assert_eq!(train(&customers, &LifetimeSettings::default()), Ok(forwards));
}

#[test]
fn finds_the_parameters_that_made_the_customers() {
    let truth = Truth::default();
    let found = train(&summaries(8_000, 11), &LifetimeSettings::default()).unwrap();
    let (how_often, how_much) = (found.purchases.parameters, found.values.parameters);
    assert_eq!(
        (found.purchases.convergence, found.values.convergence),
        (Convergence::Reached, Convergence::Reached)
    );
    // Orders of one day are one purchase, so that rates come out a little low.
    let rate = (how_often.r / how_often.alpha) / (truth.purchases.r / truth.purchases.alpha);
    let stop = |model: BgNbd| model.a / (model.a + model.b);
    let mean = how_much.population_mean().unwrap() / truth.values.population_mean().unwrap();
    assert!((rate - 1.0).abs() < 0.1, "{found:?}");
    assert!(
        (stop(how_often) / stop(truth.purchases) - 1.0).abs() < 0.15,
        "{found:?}"
    );
    assert!((mean - 1.0).abs() < 0.05, "{found:?}");
    assert!(found.correlation.unwrap().abs() < 0.1, "{found:?}");
}

#[test]
fn values_without_a_finite_mean_fall_back_to_what_was_seen() {
    let model = model(
        PURCHASES,
        GammaGamma {
            p: 2.0,
            q: 0.9,
            gamma: 50.0,
        },
    );
    let settings = LifetimeSettings::default();
    let new = Summary {
        repeats: 0,
        recency_days: 0,
        age_days: 40,
        repeat_value: 0,
    };
    let first = predict(&model, &new, &settings);
    assert_eq!(
        (first.explanation.value_basis, first.explanation.expected_value),
        (ValueBasis::Observed, 2_500.0)
    );
    let known = Summary {
        repeats: 2,
        recency_days: 20,
        age_days: 40,
        repeat_value: 3_000,
    };
    assert_eq!(
        predict(&model, &known, &settings).explanation.value_basis,
        ValueBasis::Customer
    );
}

#[test]
fn settings_and_model_survive_json() {
    let trained = train(&summaries(300, 5), &LifetimeSettings::default()).unwrap();
    let text = serde_json::to_string(&trained).unwrap();
    let back: LifetimeModel = serde_json::from_str(&text).unwrap();
    assert!((back.purchases.parameters.alpha / trained.purchases.parameters.alpha - 1.0).abs() < 1e-12);
    let some: LifetimeSettings = serde_json::from_str(r#"{"horizonDays":180}"#).unwrap();
    assert_eq!(
        some,
        LifetimeSettings {
            horizon_days: 180,
            ..LifetimeSettings::default()
        }
    );
}

proptest! {
    #[test]
    fn values_are_never_negative_and_grow_with_the_horizon(
        repeats in 0_u32..50, recency in 0_u32..800, silence in 0_u32..400, value in -9_000_i64..1_000_000,
        horizon in 0_u32..800, more in 0_u32..400, rate in 0.0..1.0_f64,
    ) {
        let model = model(PURCHASES, VALUES);
        let recency_days = if repeats > 0 { recency + repeats } else { 0 };
        let customer = Summary {
            repeats,
            recency_days,
            age_days: recency_days + silence,
            repeat_value: if repeats > 0 { value } else { 0 },
        };
        let over = |horizon_days, discount_rate| {
            let settings = LifetimeSettings { horizon_days, discount_rate, ..LifetimeSettings::default() };
            predict(&model, &customer, &settings)
        };
        let (plain, discounted) = (over(horizon, 0.0), over(horizon, rate));
        prop_assert!(discounted.value >= 0 && discounted.value <= plain.value);
        #[expect(clippy::cast_possible_truncation, reason = "below 2⁵³")]
        let undiscounted = plain.explanation.undiscounted_value.round() as i64;
        prop_assert!(undiscounted.abs_diff(plain.value) <= 1);
        prop_assert!(plain.explanation.expected_purchases >= 0.0);
        prop_assert!(over(horizon + more, 0.0).value >= plain.value);
        prop_assert_eq!(over(0, rate).value, 0);
    }
}
