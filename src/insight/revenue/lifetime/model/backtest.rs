//! How well the model foretells the deployment's own orders.

use serde::{Deserialize, Serialize};

use super::{
    lifetime::{LifetimeModel, LifetimeSettings, TrainingProblem, train},
    summary::{Observed, Summary},
};

/// Expected purchases of a second period, by a model trained on the first alone, beside the actual ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backtest {
    /// The model of the first period.
    pub model: LifetimeModel,
    /// Days of the second.
    pub days: u32,
    /// Purchases of all customers that were expected in it.
    pub expected: f64,
    /// Purchases that were made.
    pub actual: u64,
    /// Mean over the customers of |expected − actual| purchases.
    pub mean_absolute_error: f64,
    /// The same error of the plain guess that each customer keeps on buying at the own rate so far: the model is worth
    /// having where it errs less.
    pub naive_mean_absolute_error: f64,
}

/// Trains on the first period and compares with the second, which has the given number of days. Customers of the
/// second period alone are not in it.
///
/// # Errors
/// As [`train`], of the first period.
pub fn backtest(
    customers: &[Observed],
    days: u32,
    settings: &LifetimeSettings,
) -> Result<Backtest, TrainingProblem> {
    let before: Vec<Summary> = customers.iter().map(|customer| customer.summary).collect();
    let model = train(&before, settings)?;
    Ok(compare(&model, customers, days))
}

/// Compares a trained model with a second period.
#[must_use]
pub fn compare(model: &LifetimeModel, customers: &[Observed], days: u32) -> Backtest {
    let purchases = model.purchases.parameters;
    let (mut total, mut actual, mut error, mut naive_error) = (0.0, 0, 0.0, 0.0);
    for Observed { summary, later } in customers {
        let (x, age) = (f64::from(summary.repeats), f64::from(summary.age_days));
        let expected = purchases.expected(
            summary.repeats,
            f64::from(summary.recency_days),
            age,
            f64::from(days),
        );
        let naive = if summary.age_days > 0 {
            x / age * f64::from(days)
        } else {
            0.0
        };
        total += expected;
        actual += u64::from(*later);
        error += (expected - f64::from(*later)).abs();
        naive_error += (naive - f64::from(*later)).abs();
    }
    #[expect(clippy::cast_precision_loss, reason = "a number of customers")]
    let number = customers.len().max(1) as f64;
    Backtest {
        model: *model,
        days,
        expected: total,
        actual,
        mean_absolute_error: error / number,
        naive_mean_absolute_error: naive_error / number,
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulation::{Truth, simulate};
    use super::*;

    #[test]
    fn foretells_customers_who_behave_as_the_model_says() {
        let customers = simulate(&Truth::default(), 3_000, 180, 7);
        let test = backtest(&customers, 180, &LifetimeSettings::default()).unwrap();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let actual = test.actual as f64;
        assert!((test.expected / actual - 1.0).abs() < 0.1, "{test:?}");
        assert!(
            test.mean_absolute_error < test.naive_mean_absolute_error,
            "{test:?}"
        );
    }

    #[test]
    fn too_little_before_is_said() {
        let customers = simulate(&Truth::default(), 20, 180, 7);
        let problem = backtest(&customers, 180, &LifetimeSettings::default()).unwrap_err();
        assert!(matches!(problem, TrainingProblem::NotEnoughData(_)));
    }
}
