//! A customer's predicted value over a horizon: purchases to come × their expected value, discounted.
//!
//! By months of 30 days, as `customer_lifetime_value` of the Python package `lifetimes` does: the purchases expected in
//! each month are discounted from its end. The last, shorter month ends with the horizon. The rate is per year of 365
//! days, so that a purchase in d days counts (1 + rate)^(−d/365).

use serde::{Deserialize, Serialize};

use super::{
    bg_nbd::{BgNbd, Histories, HistoryProblem},
    gamma_gamma::{GammaGamma, Spendings},
    maximum::Fit,
    summary::Summary,
};

/// Days of a month.
pub const MONTH_DAYS: u32 = 30;
/// The longest horizon: beyond it, a prediction from the past says little, and this bounds its cost.
pub const MOST_HORIZON_DAYS: u32 = 3_650;
/// Days of a year of interest.
pub const YEAR_DAYS: f64 = 365.0;

/// Every number of the prediction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct LifetimeSettings {
    /// Days ahead that are predicted, at most [`MOST_HORIZON_DAYS`].
    pub horizon_days: u32,
    /// Discount per year, 0.1 for 10 %; below 0 counts as 0.
    pub discount_rate: f64,
    /// Least number of customers to train with.
    pub min_customers: u64,
    /// Least number of them with a repeat purchase and a positive mean value.
    pub min_repeat_customers: u64,
    /// Least number of days between the first and the last purchase of all.
    pub min_days: u64,
    /// Weight of the sum of squares of the scaled parameters that is taken from the mean log-likelihood, 0 for none.
    pub penalty: f64,
}

impl Default for LifetimeSettings {
    /// The least numbers are chosen, from no source: the published estimates are from 2,357 customers over 39 weeks. With
    /// so few, predictions are an order of magnitude. Measured on simulated customers with the published parameters (300
    /// sets each, whatever the number with a repeat purchase): the purchases predicted for the next year, as a share of
    /// what the true parameters say, lie in 8 of 10 sets within 0.41–1.99 for 100 customers seen for up to 90 days,
    /// 0.59–1.64 for up to 180, 0.68–1.38 for up to 365, and within 0.90–1.12 for 1,000 customers and up to 365 days.
    fn default() -> Self {
        Self {
            horizon_days: 365,
            discount_rate: 0.10,
            min_customers: 100,
            min_repeat_customers: 30,
            min_days: 180,
            penalty: 0.0,
        }
    }
}

/// Both models, trained on the same customers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LifetimeModel {
    /// How often.
    pub purchases: Fit<BgNbd>,
    /// How much, in minor units.
    pub values: Fit<GammaGamma>,
    /// Customers trained with.
    pub customers: u64,
    /// Of them, those with a repeat purchase and a positive mean value.
    pub repeat_customers: u64,
    /// Mean value of their repeat purchases, minor units.
    pub mean_value: f64,
    /// Correlation of frequency and value, −1 to 1: the model takes it for 0, so that far from it values are biased.
    pub correlation: Option<f64>,
}

/// What there is too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Requirement {
    /// Customers with an order.
    Customers,
    /// Customers with a repeat purchase and a positive mean value.
    RepeatCustomers,
    /// Days between the first and the last purchase of all.
    Days,
}

/// A requirement that is not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shortfall {
    /// Of what.
    pub requirement: Requirement,
    /// How much there is.
    pub have: u64,
    /// The least that is needed.
    pub need: u64,
}

/// Why there is no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrainingProblem {
    /// Too few customers or days; all that is missing.
    #[error("not enough data: {}", list(.0))]
    NotEnoughData(Vec<Shortfall>),
    /// A summary that no orders give.
    #[error(transparent)]
    History(#[from] HistoryProblem),
    /// The search for the parameters did not end; a penalty helps.
    #[error("the search for the parameters did not end; a penalty of 0.001 to 0.1 may help")]
    NotConverged,
}

fn list(shortfalls: &[Shortfall]) -> String {
    let one = |Shortfall {
                   requirement,
                   have,
                   need,
               }: &Shortfall| {
        let what = match requirement {
            Requirement::Customers => "customers",
            Requirement::RepeatCustomers => "customers with a repeat purchase of positive value",
            Requirement::Days => "days from the first purchase to the last",
        };
        format!("{have} of {need} {what}")
    };
    shortfalls.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Where the expected value of a purchase comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ValueBasis {
    /// The customer's own repeat purchases, drawn towards the mean over all customers.
    Customer,
    /// The mean over all customers: there is no repeat purchase yet.
    Population,
    /// The mean of all repeat purchases: values vary so widely that the model's own mean is infinite (q ≤ 1).
    Observed,
}

/// A customer's predicted value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prediction {
    /// In minor units, rounded half up, at least 0.
    pub value: i64,
    /// How it comes about.
    pub explanation: Explanation,
}

/// What a prediction is made of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Parameters of how often.
    pub purchases: BgNbd,
    /// Parameters of how much.
    pub values: GammaGamma,
    /// The customer's past.
    pub repeats: u32,
    /// Days from the first purchase to the last.
    pub recency_days: u32,
    /// Days from the first purchase to now.
    pub age_days: u32,
    /// Days ahead.
    pub horizon_days: u32,
    /// Discount per year.
    pub discount_rate: f64,
    /// Chance that the customer still buys, 0–1.
    pub alive: f64,
    /// Purchases within the horizon.
    pub expected_purchases: f64,
    /// Mean value of each, minor units.
    pub expected_value: f64,
    /// Where that value comes from.
    pub value_basis: ValueBasis,
    /// Purchases × value without a discount, minor units.
    pub undiscounted_value: f64,
}

/// Trains both models on the summaries of all customers at one common end, none left out: those without a repeat
/// purchase matter as much.
///
/// # Errors
/// Where there is too little data, a summary is impossible, or a search did not end.
pub fn train(customers: &[Summary], settings: &LifetimeSettings) -> Result<LifetimeModel, TrainingProblem> {
    let spendings: Spendings = customers.iter().collect();
    // From the first purchase of all to the last of all: both lie a known number of days before the common end.
    let first = customers.iter().map(|customer| customer.age_days).max();
    let last = customers
        .iter()
        .map(|c| c.age_days.saturating_sub(c.recency_days))
        .min();
    let days = first.zip(last).map_or(0, |(first, last)| first - last);
    let shortfalls: Vec<_> = [
        (
            Requirement::Customers,
            customers.len() as u64,
            settings.min_customers,
        ),
        (
            Requirement::RepeatCustomers,
            spendings.customers(),
            settings.min_repeat_customers,
        ),
        (Requirement::Days, u64::from(days), settings.min_days),
    ]
    .into_iter()
    .filter(|(_, have, need)| have < need)
    .map(|(requirement, have, need)| Shortfall {
        requirement,
        have,
        need,
    })
    .collect();
    let values = GammaGamma::fit(&spendings, settings.penalty).zip(spendings.mean_of_purchases());
    let Some((values, mean_value)) = values.filter(|_| shortfalls.is_empty()) else {
        return Err(TrainingProblem::NotEnoughData(shortfalls));
    };
    let purchases = BgNbd::fit(&customers.iter().collect::<Histories>(), settings.penalty)?;
    if !purchases.is_usable() || !values.is_usable() {
        return Err(TrainingProblem::NotConverged);
    }
    Ok(LifetimeModel {
        purchases,
        values,
        customers: customers.len() as u64,
        repeat_customers: spendings.customers(),
        mean_value,
        correlation: spendings.correlation(),
    })
}

/// Predicts a customer's value from the end of the summary on.
#[must_use]
pub fn predict(model: &LifetimeModel, customer: &Summary, settings: &LifetimeSettings) -> Prediction {
    let (purchases, values) = (model.purchases.parameters, model.values.parameters);
    let Summary {
        repeats,
        recency_days,
        age_days,
        repeat_value: _,
    } = *customer;
    let mean = customer.mean_value().unwrap_or(0.0);
    let (expected_value, value_basis) = match values.expected_mean(repeats, mean) {
        None => (model.mean_value, ValueBasis::Observed),
        Some(value) if repeats == 0 => (value, ValueBasis::Population),
        Some(value) => (value, ValueBasis::Customer),
    };
    let discount_rate = settings.discount_rate.max(0.0);
    let alive = purchases.alive(repeats, f64::from(recency_days), f64::from(age_days));
    let horizon_days = settings.horizon_days.min(MOST_HORIZON_DAYS);
    let (mut expected_purchases, mut discounted, mut day) = (0.0, 0.0, 0);
    while day < horizon_days {
        day = day.saturating_add(MONTH_DAYS).min(horizon_days);
        let until = alive * purchases.expected_while_alive(repeats, f64::from(age_days), f64::from(day));
        discounted += (until - expected_purchases) * (1.0 + discount_rate).powf(-f64::from(day) / YEAR_DAYS);
        expected_purchases = until;
    }
    #[expect(clippy::cast_possible_truncation, reason = "saturates; no number is 0")]
    let value = (discounted * expected_value).round().max(0.0) as i64;
    Prediction {
        value,
        explanation: Explanation {
            purchases,
            values,
            repeats,
            recency_days,
            age_days,
            horizon_days,
            discount_rate,
            alive,
            expected_purchases,
            expected_value,
            value_basis,
            undiscounted_value: expected_purchases * expected_value,
        },
    }
}

#[cfg(test)]
mod tests;
