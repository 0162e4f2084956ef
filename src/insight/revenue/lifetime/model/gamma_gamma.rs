//! Gamma-Gamma: how much a customer's orders are worth on average.
//!
//! Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value (note 025 on brucehardie.com). A customer's purchases
//! vary by Gamma(p, ν) about the customer's own mean, and ν ~ Gamma(q, γ). Value and frequency are taken to be
//! independent; [`Spendings::correlation`] says how far that is off. The mean over all customers, pγ / (q − 1), is
//! finite for q > 1 alone.

use serde::{Deserialize, Serialize};
use statrs::function::gamma::{digamma, ln_gamma};

use super::{
    maximum::{Convergence, Fit, minimise},
    summary::Summary,
};

/// The parameters, all positive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GammaGamma {
    /// Shape of a customer's purchases.
    pub p: f64,
    /// Shape of ν over the customers; above 1 the mean over all of them is finite.
    pub q: f64,
    /// Rate of ν over the customers, in the unit of the values.
    pub gamma: f64,
}

/// Customers with as many repeat purchases of the same mean value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spending {
    /// x: repeat purchases, at least 1.
    pub repeats: u32,
    /// Their mean value, above 0.
    pub mean: f64,
    /// How many customers.
    pub customers: u64,
}

/// Spendings by ascending (x, mean), each once. Those without a repeat purchase or a positive mean are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spendings(Vec<Spending>);

/// Smallest and largest logarithm of p, q and pγ/q (as a multiple of the mean value): 1e−3 and 1e3.
const BOUNDS: (f64, f64) = (-6.907_755_278_982_137, 6.907_755_278_982_137);
/// Where the search starts, in logarithms: p and q of the order that the literature reports, the mean as it is.
const START: [f64; 3] = [1.0, 1.0, 0.0];

impl FromIterator<Spending> for Spendings {
    fn from_iter<I: IntoIterator<Item = Spending>>(spendings: I) -> Self {
        let counts = |s: &Spending| s.repeats > 0 && s.mean > 0.0 && s.mean.is_finite() && s.customers > 0;
        let mut all: Vec<_> = spendings.into_iter().filter(counts).collect();
        all.sort_unstable_by(|l, r| l.repeats.cmp(&r.repeats).then(l.mean.total_cmp(&r.mean)));
        all.dedup_by(|later, kept| {
            let same = later.repeats == kept.repeats && later.mean.total_cmp(&kept.mean).is_eq();
            if same {
                kept.customers += later.customers;
            }
            same
        });
        Self(all)
    }
}

impl<'a> FromIterator<&'a Summary> for Spendings {
    fn from_iter<I: IntoIterator<Item = &'a Summary>>(summaries: I) -> Self {
        summaries
            .into_iter()
            .filter_map(|summary| {
                Some(Spending {
                    repeats: summary.repeats,
                    mean: summary.mean_value()?,
                    customers: 1,
                })
            })
            .collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of customers")]
impl Spendings {
    /// How many customers in all.
    #[must_use]
    pub fn customers(&self) -> u64 {
        self.0.iter().map(|spending| spending.customers).sum()
    }

    /// The mean value of all repeat purchases; none without one.
    #[must_use]
    pub fn mean_of_purchases(&self) -> Option<f64> {
        let (mut value, mut purchases) = (0.0, 0.0);
        for spending in &self.0 {
            let these = f64::from(spending.repeats) * spending.customers as f64;
            purchases += these;
            value += these * spending.mean;
        }
        (purchases > 0.0).then(|| value / purchases)
    }

    /// Pearson's correlation, −1 to 1, of the customers' repeat purchases and mean values. The model takes it for 0:
    /// far from that, its values are biased. None where one of the two does not vary.
    #[must_use]
    pub fn correlation(&self) -> Option<f64> {
        let customers = self.customers() as f64;
        let mean = |of: &dyn Fn(&Spending) -> f64| {
            self.0.iter().map(|s| s.customers as f64 * of(s)).sum::<f64>() / customers
        };
        let (x, m) = (mean(&|s| f64::from(s.repeats)), mean(&|s| s.mean));
        let both = mean(&|s| (f64::from(s.repeats) - x) * (s.mean - m));
        let (of_x, of_m) = (
            mean(&|s| (f64::from(s.repeats) - x).powi(2)),
            mean(&|s| (s.mean - m).powi(2)),
        );
        let correlation = both / (of_x * of_m).sqrt();
        correlation.is_finite().then(|| correlation.clamp(-1.0, 1.0))
    }
}

impl GammaGamma {
    /// The parameters under which the spendings are most likely (maximum likelihood), from a fixed start; none without
    /// a spending.
    ///
    /// Values are scaled by their mean. `penalty` ≥ 0 times the sum of squares of the (scaled) parameters is taken from
    /// the mean log-likelihood. Where every customer's purchases have the same value, the parameters go to their limit.
    #[must_use]
    pub fn fit(spendings: &Spendings, penalty: f64) -> Option<Fit<Self>> {
        let scale = spendings.mean_of_purchases()?;
        #[expect(clippy::cast_precision_loss, reason = "a number of customers")]
        let customers = spendings.customers() as f64;
        // By pγ/q in place of γ: where customers leave p or q open, they still say what the mean is.
        let at = |logs: [f64; 3]| {
            let [p, q, level] = logs.map(f64::exp);
            let gamma = level * q / p * scale;
            Self { p, q, gamma }
        };
        let minimum = minimise(START, BOUNDS, |logs| {
            let model = at(*logs);
            let (likelihood, slope) = model.log_likelihood_and_slope(spendings);
            let squares = [model.p, model.q, model.gamma / scale].map(|parameter| parameter * parameter);
            let [p, q, gamma] = std::array::from_fn(|i| 2.0 * penalty * squares[i] - slope[i] / customers);
            (
                penalty * squares.iter().sum::<f64>() - likelihood / customers,
                [p - gamma, q + gamma, gamma],
            )
        });
        let parameters = at(minimum.at);
        Some(Fit {
            parameters,
            log_likelihood: parameters.log_likelihood(spendings),
            iterations: minimum.iterations,
            convergence: minimum.convergence,
        })
    }

    /// Whether all parameters are positive numbers, as the methods expect.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        [self.p, self.q, self.gamma]
            .iter()
            .all(|parameter| parameter.is_finite() && *parameter > 0.0)
    }

    /// Sum over all customers of the logarithm of equation (1a), the density of the mean value given x.
    #[must_use]
    pub fn log_likelihood(&self, spendings: &Spendings) -> f64 {
        self.log_likelihood_and_slope(spendings).0
    }

    /// With the slope by the logarithm of each parameter.
    ///
    /// In the form `Γ(px+q) / Γ(px)Γ(q) · u^px · (1−u)^q / m`, u = xm / (xm + γ).
    fn log_likelihood_and_slope(&self, spendings: &Spendings) -> (f64, [f64; 3]) {
        let Self { p, q, gamma } = *self;
        let (ln_gamma_q, digamma_q) = (ln_gamma(q), digamma(q));
        let (mut total, mut slope) = (0.0, [0.0; 3]);
        // Of the current x: ln Γ(px+q) / Γ(px)Γ(q) and its slopes by p and q.
        let (mut repeats, mut factor, mut by_p, mut by_q) = (0, 0.0, 0.0, 0.0);
        for spending in &spendings.0 {
            let x = f64::from(spending.repeats);
            if repeats != spending.repeats {
                repeats = spending.repeats;
                factor = ln_gamma(p * x + q) - ln_gamma(p * x) - ln_gamma_q;
                let of_both = digamma(p * x + q);
                by_p = x * (of_both - digamma(p * x));
                by_q = of_both - digamma_q;
            }
            let ratio = x * spending.mean / gamma;
            let (log_u, log_rest) = (-ratio.recip().ln_1p(), -ratio.ln_1p());
            let u = ratio / (1.0 + ratio);
            #[expect(clippy::cast_precision_loss, reason = "a number of customers")]
            let customers = spending.customers as f64;
            total += customers * (factor + p * x * log_u + q * log_rest - spending.mean.ln());
            slope[0] += customers * p * (by_p + x * log_u);
            slope[1] += customers * q * (by_q + log_rest);
            slope[2] += customers * (q * u - p * x / (1.0 + ratio));
        }
        (total, slope)
    }

    /// The mean value over all customers, pγ / (q − 1); none for q ≤ 1, where it is infinite.
    #[must_use]
    pub fn population_mean(&self) -> Option<f64> {
        self.expected_mean(0, 0.0)
    }

    /// The expected mean value of the purchases to come of a customer with `repeats` of the given mean value, equation
    /// (5): p (γ + x m) / (px + q − 1). A negative mean counts as 0. None where px + q ≤ 1: it is infinite then.
    #[must_use]
    pub fn expected_mean(&self, repeats: u32, mean: f64) -> Option<f64> {
        let x = f64::from(repeats);
        let denominator = self.p * x + (self.q - 1.0);
        (denominator > 0.0).then(|| self.p * (self.gamma + x * mean.max(0.0)) / denominator)
    }
}

impl Fit<GammaGamma> {
    /// Whether the search ended and the parameters may be used.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.convergence != Convergence::Stalled && self.parameters.is_valid()
    }
}

#[cfg(test)]
mod tests;
