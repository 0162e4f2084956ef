//! Against the figures of an independent implementation: `reference/reference.py` says which.

use serde_json::Value;

use super::{
    backtest::compare,
    bg_nbd::{BgNbd, Histories, History},
    expected::while_alive,
    gamma_gamma::{GammaGamma, Spending, Spendings},
    lifetime::{LifetimeModel, LifetimeSettings, predict},
    maximum::{Convergence, Fit},
    summary::{Observed, PurchaseFold, Summary},
};

const SETS: [&str; 2] = ["cdnow", "generated"];

fn reference() -> Value {
    serde_json::from_str(include_str!("reference/reference.json")).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "written as small whole numbers"
)]
fn count(value: &Value) -> u32 {
    number(value) as u32
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

#[track_caller]
fn assert_close(got: f64, expected: f64, relative: f64) {
    let off = (got - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
    assert!(
        got == expected || off <= relative,
        "{got} is {off:e} off {expected}"
    );
}

fn purchases(of: &Value) -> BgNbd {
    serde_json::from_value(of.clone()).unwrap()
}

fn values(of: &Value) -> GammaGamma {
    serde_json::from_value(of.clone()).unwrap()
}

fn summary(row: &[Value]) -> Summary {
    Summary {
        repeats: count(&row[0]),
        recency_days: count(&row[1]),
        age_days: count(&row[2]),
        repeat_value: i64::from(count(&row[3])),
    }
}

/// Customers of a data set.
fn customers(set: &Value) -> Vec<Observed> {
    let row = |row: &Value| {
        let row = list(row);
        let observed = Observed {
            summary: summary(row),
            later: count(&row[4]),
        };
        vec![observed; count(&row[5]) as usize]
    };
    list(&set["rows"]).iter().flat_map(row).collect()
}

fn summaries(set: &Value) -> Vec<Summary> {
    customers(set)
        .into_iter()
        .map(|customer| customer.summary)
        .collect()
}

fn given<P>(parameters: P) -> Fit<P> {
    Fit {
        parameters,
        log_likelihood: 0.0,
        iterations: 0,
        convergence: Convergence::Reached,
    }
}

/// The model of the reference's own parameters.
fn model(set: &Value) -> LifetimeModel {
    LifetimeModel {
        purchases: given(purchases(&set["purchases"]["parameters"])),
        values: given(values(&set["values"]["parameters"])),
        customers: 0,
        repeat_customers: 0,
        mean_value: 0.0,
        correlation: None,
    }
}

fn assert_same_purchases(got: &Fit<BgNbd>, expected: &Value, relative: f64) {
    let wanted = purchases(&expected["parameters"]);
    assert_eq!(got.convergence, Convergence::Reached);
    for (got, wanted) in [
        (got.parameters.r, wanted.r),
        (got.parameters.alpha, wanted.alpha),
        (got.parameters.a, wanted.a),
        (got.parameters.b, wanted.b),
    ] {
        assert_close(got, wanted, relative);
    }
}

fn assert_same_values(got: &Fit<GammaGamma>, expected: &Value, relative: f64) {
    let wanted = values(&expected["parameters"]);
    assert_eq!(got.convergence, Convergence::Reached);
    for (got, wanted) in [
        (got.parameters.p, wanted.p),
        (got.parameters.q, wanted.q),
        (got.parameters.gamma, wanted.gamma),
    ] {
        assert_close(got, wanted, relative);
    }
}

#[test]
fn log_likelihoods_at_given_parameters() {
    let reference = reference();
    for set in SETS.map(|set| &reference[set]) {
        let summaries = summaries(set);
        let (histories, spendings): (Histories, Spendings) =
            (summaries.iter().collect(), summaries.iter().collect());
        for part in ["purchases", "penalised"] {
            let at = purchases(&set[part]["parameters"]);
            assert_close(
                at.log_likelihood(&histories),
                number(&set[part]["log_likelihood"]),
                1e-12,
            );
        }
        for pair in list(&set["purchases"]["elsewhere"]) {
            assert_close(
                purchases(&pair[0]).log_likelihood(&histories),
                number(&pair[1]),
                1e-12,
            );
        }
        let at = values(&set["values"]["parameters"]);
        assert_close(
            at.log_likelihood(&spendings),
            number(&set["values"]["log_likelihood"]),
            1e-12,
        );
        for pair in list(&set["values"]["elsewhere"]) {
            assert_close(
                values(&pair[0]).log_likelihood(&spendings),
                number(&pair[1]),
                1e-12,
            );
        }
        assert_close(
            spendings.correlation().unwrap(),
            number(&set["values"]["correlation"]),
            1e-9,
        );
    }
}

#[test]
fn fitted_parameters() {
    let reference = reference();
    for set in SETS.map(|set| &reference[set]) {
        let summaries = summaries(set);
        let (histories, spendings): (Histories, Spendings) =
            (summaries.iter().collect(), summaries.iter().collect());
        let fit = BgNbd::fit(&histories, 0.0).unwrap();
        assert_same_purchases(&fit, &set["purchases"], 1e-6);
        // The same hill: not lower than where the reference ended.
        assert!(fit.log_likelihood >= number(&set["purchases"]["log_likelihood"]) - 1e-6);
        let penalty = number(&set["penalised"]["penalty"]);
        assert_same_purchases(&BgNbd::fit(&histories, penalty).unwrap(), &set["penalised"], 1e-6);
        let fit = GammaGamma::fit(&spendings, 0.0).unwrap();
        assert_same_values(&fit, &set["values"], 1e-6);
        assert!(fit.log_likelihood >= number(&set["values"]["log_likelihood"]) - 1e-6);
    }
}

/// As the papers have it: weeks and dollars, both rounded to two digits.
#[test]
fn published_estimates() {
    let reference = reference();
    let summaries = summaries(&reference["cdnow"]);
    let week = |days: u32| (f64::from(days) / 7.0 * 100.0).round() / 100.0;
    let histories: Histories = summaries
        .iter()
        .map(|customer| History {
            repeats: customer.repeats,
            recency: week(customer.recency_days),
            age: week(customer.age_days),
            customers: 1,
        })
        .collect();
    let fit = BgNbd::fit(&histories, 0.0).unwrap();
    assert_same_purchases(&fit, &reference["published"]["purchases"], 1e-6);
    let rounded = |x: f64| (x * 1e3).round() / 1e3;
    let BgNbd { r, alpha, a, b } = fit.parameters;
    assert_eq!([r, alpha, a, b].map(rounded), [0.243, 4.414, 0.793, 2.426]);
    // The paper gives −9582.4.
    assert!((fit.log_likelihood + 9_582.4).abs() < 0.05);

    let dollars = |customer: &Summary| {
        Some(Spending {
            repeats: customer.repeats,
            mean: customer.mean_value()?.round() / 100.0,
            customers: 1,
        })
    };
    let spendings: Spendings = summaries.iter().filter_map(dollars).collect();
    assert_eq!(spendings.customers(), 946);
    let fit = GammaGamma::fit(&spendings, 0.0).unwrap();
    assert_same_values(&fit, &reference["published"]["values"], 1e-6);
    // Published: p = 6.25, q = 3.74, γ = 15.44.
    assert_close(fit.parameters.p, 6.25, 1e-3);
    assert_close(fit.parameters.q, 3.74, 2e-3);
    assert_close(fit.parameters.gamma, 15.44, 1e-3);
}

#[test]
fn predictions_of_customers() {
    let reference = reference();
    for set in SETS.map(|set| &reference[set]) {
        let model = model(set);
        let fitted = model.purchases.parameters;
        for point in list(&set["points"]) {
            let point = list(point);
            let customer = summary(point);
            let (recency, age) = (f64::from(customer.recency_days), f64::from(customer.age_days));
            assert_close(
                fitted.alive(customer.repeats, recency, age),
                number(&point[4]),
                1e-9,
            );
            for (days, expected) in list(&reference["horizons"]).iter().zip(&point[5..9]) {
                let got = fitted.expected(customer.repeats, recency, age, number(days));
                assert_close(got, number(expected), 1e-9);
            }
            for (horizon_days, expected) in [(360, &point[10]), (365, &point[11])] {
                let settings = LifetimeSettings {
                    horizon_days,
                    ..LifetimeSettings::default()
                };
                let got = predict(&model, &customer, &settings);
                assert_close(got.explanation.expected_value, number(&point[9]), 1e-9);
                #[expect(clippy::cast_precision_loss, reason = "a few thousand cents")]
                let off = got.value as f64 - number(expected);
                assert!(off.abs() <= 0.5 + 1e-3, "{off} cents off at {customer:?}");
            }
        }
        for pair in list(&set["new_customer"]) {
            assert_close(fitted.expected_of_new(number(&pair[0])), number(&pair[1]), 1e-9);
        }
    }
}

/// Where doubles are in danger, against the formula in many digits.
#[test]
fn predictions_at_the_edges() {
    for case in list(&reference()["exact"]) {
        let [r, alpha, a, b, x, recency, age, days]: [f64; 8] = list(&case[0])
            .iter()
            .map(number)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        let model = BgNbd { r, alpha, a, b };
        let repeats = count(&case[0][4]);
        assert_close(model.alive(repeats, recency, age), number(&case[1]), 1e-11);
        assert_close(
            model.expected(repeats, recency, age, days),
            number(&case[2]),
            1e-10,
        );
        let alive = while_alive(r + x, alpha + age, a, b + x, days);
        assert!(alive.is_finite() && alive >= 0.0);
    }
}

#[test]
fn backtests() {
    let reference = reference();
    for set in SETS.map(|set| &reference[set]) {
        let expected = &set["backtest"];
        let got = compare(&model(set), &customers(set), count(&expected["days"]));
        assert_close(got.expected, number(&expected["expected"]), 1e-9);
        assert_eq!(got.actual, u64::from(count(&expected["actual"])));
        assert_close(
            got.mean_absolute_error,
            number(&expected["mean_absolute_error"]),
            1e-9,
        );
        assert!(got.mean_absolute_error < got.naive_mean_absolute_error);
    }
}

#[test]
fn summaries_of_orders() {
    let reference = reference();
    let part = &reference["summaries"];
    let day = |value: &Value| entity::Day(i32::try_from(value.as_i64().unwrap()).unwrap());
    for expected in list(&part["expected"]) {
        let mut fold = PurchaseFold::new(day(&part["end"]));
        for order in list(&part["orders"])
            .iter()
            .filter(|order| order[0] == expected[0])
        {
            fold.push(day(&order[1]).start(), order[2].as_i64().unwrap())
                .unwrap();
        }
        let got = fold.finish().unwrap().summary;
        assert_eq!(
            [got.repeats, got.recency_days, got.age_days],
            [count(&expected[1]), count(&expected[2]), count(&expected[3])]
        );
        assert_close(got.mean_value().unwrap_or(0.0), number(&expected[4]), 1e-12);
    }
}
