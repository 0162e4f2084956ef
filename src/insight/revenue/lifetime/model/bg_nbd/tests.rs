use proptest::prelude::*;

use super::*;

/// The published estimates for the CDNOW customers, in weeks.
const CDNOW: BgNbd = BgNbd {
    r: 0.243,
    alpha: 4.414,
    a: 0.793,
    b: 2.426,
};

fn one(repeats: u32, recency: f64, age: f64) -> Histories {
    let customers = 1;
    [History {
        repeats,
        recency,
        age,
        customers,
    }]
    .into_iter()
    .collect()
}

#[test]
fn likelihood_by_hand() {
    // x = 0: (α / (α+T))^r.
    let never = CDNOW.log_likelihood(&one(0, 0.0, 10.0));
    assert!((never - 0.243 * (4.414_f64 / 14.414).ln()).abs() < 1e-14);
    // x = 1, r = α = a = b = 1, t_x = 1, T = 3: ½ · (1/16 + 1/4).
    let all_one = BgNbd {
        r: 1.0,
        alpha: 1.0,
        a: 1.0,
        b: 1.0,
    };
    assert!((all_one.log_likelihood(&one(1, 1.0, 3.0)) - (0.5_f64 * 0.3125).ln()).abs() < 1e-14);
    // … and of the 5 parts of it, 1 belongs to those who still buy.
    assert!((all_one.alive(1, 1.0, 3.0) - 0.2).abs() < 1e-15);
    assert_eq!(all_one.alive(0, 0.0, 3.0), 1.0);
}

#[test]
fn equal_histories_are_one_row_in_any_order() {
    let rows = [
        (2, 5.0, 9.0, 1),
        (0, 0.0, 3.0, 4),
        (2, 5.0, 9.0, 2),
        (1, 9.0, 9.0, 0),
    ];
    let history = |(repeats, recency, age, customers)| History {
        repeats,
        recency,
        age,
        customers,
    };
    let forwards: Histories = rows.into_iter().map(history).collect();
    let backwards: Histories = rows.into_iter().rev().map(history).collect();
    assert_eq!(forwards, backwards);
    assert_eq!(forwards.as_slice(), [history(rows[1]), history((2, 5.0, 9.0, 3))]);
    assert_eq!(forwards.customers(), 7);
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    assert_eq!(
        BgNbd::fit(&Histories::default(), 0.0),
        Err(HistoryProblem::NoTime)
    );
    assert_eq!(BgNbd::fit(&one(0, 0.0, 0.0), 0.0), Err(HistoryProblem::NoTime));
    for (recency, age) in [(5.0, 4.0), (-1.0, 4.0), (f64::NAN, 4.0), (1.0, f64::INFINITY)] {
        assert_eq!(
            BgNbd::fit(&one(1, recency, age), 0.0),
            Err(HistoryProblem::Impossible)
        );
    }
}

#[test]
fn nobody_came_back_or_nobody_stopped() {
    // Every age without a purchase: the rate goes towards 0 and nothing is expected.
    let silent: Histories = (1..200)
        .map(|age| History {
            repeats: 0,
            recency: 0.0,
            age: f64::from(age),
            customers: 1,
        })
        .collect();
    let fit = BgNbd::fit(&silent, 0.0).unwrap();
    assert!(
        fit.is_usable() && fit.parameters.expected(0, 0.0, 100.0, 365.0) < 1e-3,
        "{fit:?}"
    );
    // All bought to the last day: nobody is taken for gone.
    let faithful: Histories = (40..200)
        .map(|age| History {
            repeats: age / 10,
            recency: f64::from(age),
            age: f64::from(age),
            customers: 1,
        })
        .collect();
    let fit = BgNbd::fit(&faithful, 0.0).unwrap();
    assert!(
        fit.is_usable() && fit.parameters.alive(10, 100.0, 100.0) > 0.99,
        "{fit:?}"
    );
    assert!((fit.parameters.expected(10, 100.0, 100.0, 100.0) - 10.0).abs() < 0.5);
}

#[test]
fn a_penalty_draws_the_parameters_in() {
    let rows = [
        (0, 0.0, 50.0, 60),
        (1, 10.0, 80.0, 20),
        (3, 70.0, 75.0, 15),
        (6, 60.0, 90.0, 5),
    ];
    let few: Histories = rows
        .into_iter()
        .map(|(repeats, recency, age, customers)| History {
            repeats,
            recency,
            age,
            customers,
        })
        .collect();
    let (free, drawn) = (BgNbd::fit(&few, 0.0).unwrap(), BgNbd::fit(&few, 0.05).unwrap());
    assert!(free.log_likelihood > drawn.log_likelihood);
    assert!(drawn.parameters.a + drawn.parameters.b < free.parameters.a + free.parameters.b);
}

fn parameters() -> impl Strategy<Value = BgNbd> {
    (-3.0..3.0_f64, 0.0..6.0_f64, -3.0..3.0_f64, -2.0..4.0_f64).prop_map(|(r, alpha, a, b)| BgNbd {
        r: r.exp(),
        alpha: alpha.exp(),
        a: a.exp(),
        b: b.exp(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_slope_is_that_of_the_likelihood(
        model in parameters(), repeats in 0_u32..60, recency in 0.0..1.0_f64, age in 1.0..800.0_f64,
    ) {
        let history = one(repeats, if repeats > 0 { recency * age } else { 0.0 }, age);
        let (_, slope) = model.log_likelihood_and_slope(&history);
        let at = |i: usize, step: f64| {
            let mut logs = [model.r, model.alpha, model.a, model.b];
            logs[i] *= f64::exp(step);
            let [r, alpha, a, b] = logs;
            BgNbd { r, alpha, a, b }.log_likelihood(&history)
        };
        for (i, exact) in slope.into_iter().enumerate() {
            let measured = (at(i, 1e-5) - at(i, -1e-5)) / 2e-5;
            prop_assert!((measured - exact).abs() < 1e-4 * (1.0 + exact.abs()), "{i}: {measured} {exact}");
        }
    }

    #[test]
    fn expectations_are_in_range_and_grow_with_time(
        model in parameters(), repeats in 0_u32..60, recency in 0.0..1.0_f64, age in 1.0..800.0_f64,
        days in 0.0..1_000.0_f64, more in 0.0..1_000.0_f64,
    ) {
        let recency = if repeats > 0 { recency * age } else { 0.0 };
        prop_assert!((0.0..=1.0).contains(&model.alive(repeats, recency, age)));
        let expected = model.expected(repeats, recency, age, days);
        let rate = (model.r + f64::from(repeats)) / (model.alpha + age);
        prop_assert!(expected >= 0.0 && expected <= rate * days * (1.0 + 1e-12));
        prop_assert!(model.expected(repeats, recency, age, days + more) >= expected * (1.0 - 1e-12));
        // Silence makes it less likely that a customer still buys.
        prop_assert!(model.alive(repeats, recency, age + more) <= model.alive(repeats, recency, age) + 1e-12);
    }
}
