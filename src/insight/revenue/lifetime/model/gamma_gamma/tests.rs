use proptest::prelude::*;

use super::*;

fn spendings(rows: &[(u32, f64, u64)]) -> Spendings {
    let spending = |&(repeats, mean, customers)| Spending {
        repeats,
        mean,
        customers,
    };
    rows.iter().map(spending).collect()
}

#[test]
fn likelihood_and_means_by_hand() {
    // p = q = 1, γ = 1, x = 1, m = 3: Γ(2) · ¾ · ¼ / 3.
    let plain = GammaGamma {
        p: 1.0,
        q: 1.0,
        gamma: 1.0,
    };
    assert!((plain.log_likelihood(&spendings(&[(1, 3.0, 1)])) - 0.0625_f64.ln()).abs() < 1e-14);
    assert_eq!(plain.population_mean(), None);
    // 1 · (1 + 3) / (1 + 0)
    assert_eq!(plain.expected_mean(1, 3.0), Some(4.0));
    let tame = GammaGamma {
        p: 6.0,
        q: 4.0,
        gamma: 15.0,
    };
    assert_eq!(tame.population_mean(), Some(30.0));
    assert_eq!(tame.expected_mean(1, -5.0), Some(10.0));
    assert_eq!(
        GammaGamma {
            p: 0.1,
            q: 0.5,
            gamma: 1.0
        }
        .expected_mean(5, 3.0),
        None
    );
}

#[test]
fn only_positive_repeat_values_count() {
    let all = spendings(&[
        (0, 5.0, 1),
        (1, 0.0, 1),
        (2, -3.0, 1),
        (1, f64::NAN, 1),
        (2, 4.0, 1),
        (2, 4.0, 2),
        (1, 10.0, 1),
    ]);
    assert_eq!(all, spendings(&[(1, 10.0, 1), (2, 4.0, 3)]));
    assert_eq!((all.customers(), all.mean_of_purchases()), (4, Some(34.0 / 7.0)));
    // Two points lie on a line.
    assert!((all.correlation().unwrap() + 1.0).abs() < 1e-12);
    assert_eq!(spendings(&[(2, 4.0, 3), (2, 5.0, 3)]).correlation(), None);
    assert_eq!(GammaGamma::fit(&Spendings::default(), 0.0), None);
}

#[test]
fn all_alike_goes_to_the_limit_with_the_right_mean() {
    let fit = GammaGamma::fit(&spendings(&[(1, 20.0, 50), (3, 20.0, 50)]), 0.0).unwrap();
    assert_eq!(fit.convergence, Convergence::AtLimit);
    assert!(
        fit.is_usable() && (fit.parameters.population_mean().unwrap() - 20.0).abs() < 0.1,
        "{fit:?}"
    );
}

#[test]
fn the_unit_of_money_does_not_matter() {
    let rows = [
        (1, 12.0, 4),
        (1, 40.0, 2),
        (2, 25.0, 3),
        (4, 18.0, 2),
        (3, 90.0, 1),
        (2, 9.0, 2),
    ];
    let cents = rows.map(|(x, mean, customers)| (x, 100.0 * mean, customers));
    let (whole, minor) = (
        GammaGamma::fit(&spendings(&rows), 0.01).unwrap(),
        GammaGamma::fit(&spendings(&cents), 0.01).unwrap(),
    );
    assert!((minor.parameters.p / whole.parameters.p - 1.0).abs() < 1e-6);
    assert!((minor.parameters.gamma / whole.parameters.gamma - 100.0).abs() < 1e-4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_slope_is_that_of_the_likelihood(
        logs in prop::array::uniform3(-2.0..4.0_f64), repeats in 1_u32..80, mean in 0.01..100.0_f64,
    ) {
        let one = spendings(&[(repeats, mean, 1)]);
        let at = |logs: [f64; 3]| {
            let [p, q, gamma] = logs.map(f64::exp);
            GammaGamma { p, q, gamma }.log_likelihood_and_slope(&one)
        };
        for (i, exact) in at(logs).1.into_iter().enumerate() {
            let moved = |step: f64| {
                let mut logs = logs;
                logs[i] += step;
                at(logs).0
            };
            let measured = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            prop_assert!((measured - exact).abs() < 1e-4 * (1.0 + exact.abs()), "{i}: {measured} {exact}");
        }
    }

    #[test]
    fn the_expected_mean_lies_between_the_customer_and_the_rest(
        p in 0.1..20.0_f64, q in 1.1..9.0_f64, gamma in 0.1..100.0_f64, repeats in 1_u32..50, mean in 0.0..100.0_f64,
    ) {
        let model = GammaGamma { p, q, gamma };
        let (all, expected) = (model.population_mean().unwrap(), model.expected_mean(repeats, mean).unwrap());
        prop_assert!(expected >= all.min(mean) * (1.0 - 1e-12) && expected <= all.max(mean) * (1.0 + 1e-12));
    }
}
