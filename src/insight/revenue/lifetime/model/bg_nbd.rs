//! BG/NBD: how often a customer will still buy.
//!
//! Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model, Marketing
//! Science 24 (2), 275–284. A customer buys at a rate λ ~ Gamma(r, α) and after each repeat purchase stops for good with
//! probability p ~ Beta(a, b). Who never came back counts as alive: the model lets customers stop only at a purchase.

use serde::{Deserialize, Serialize};

use super::{
    expected::{softplus, while_alive},
    maximum::{Convergence, Fit, minimise},
    summary::Summary,
};

/// The parameters, all positive. Days are the unit of time, if those of the histories are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BgNbd {
    /// Shape of the purchase rate.
    pub r: f64,
    /// Rate (in days) of the purchase rate: its mean is r / α purchases a day.
    pub alpha: f64,
    /// First shape of the chance to stop: its mean is a / (a + b).
    pub a: f64,
    /// Second shape of the chance to stop.
    pub b: f64,
}

/// Customers of the same past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct History {
    /// x: repeat purchases.
    pub repeats: u32,
    /// `t_x`: time from the first purchase to the last, 0 to the age.
    pub recency: f64,
    /// T: time from the first purchase to now.
    pub age: f64,
    /// How many customers.
    pub customers: u64,
}

/// Histories by ascending (x, `t_x`, T), each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histories(Vec<History>);

/// Why nothing can be fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryProblem {
    /// No customer, or none of any age.
    #[error("no customer has an age above 0")]
    NoTime,
    /// Recency or age is no number, negative, or the recency above the age.
    #[error("recency and age must be numbers with 0 ≤ recency ≤ age")]
    Impossible,
}

/// Smallest and largest logarithm of a parameter (α as a share of the greatest age): 1e−4 and 1e4.
const BOUNDS: (f64, f64) = (-9.210_340_371_976_184, 9.210_340_371_976_184);
/// Where the search starts, in logarithms.
const START: [f64; 4] = [0.1; 4];

impl FromIterator<History> for Histories {
    fn from_iter<I: IntoIterator<Item = History>>(histories: I) -> Self {
        let mut all: Vec<_> = histories
            .into_iter()
            .filter(|history| history.customers > 0)
            .collect();
        all.sort_unstable_by(|l, r| {
            (l.repeats.cmp(&r.repeats))
                .then(l.recency.total_cmp(&r.recency))
                .then(l.age.total_cmp(&r.age))
        });
        all.dedup_by(|later, kept| {
            let same = later.repeats == kept.repeats
                && (later.recency.total_cmp(&kept.recency)).is_eq()
                && later.age.total_cmp(&kept.age).is_eq();
            if same {
                kept.customers += later.customers;
            }
            same
        });
        Self(all)
    }
}

impl<'a> FromIterator<&'a Summary> for Histories {
    fn from_iter<I: IntoIterator<Item = &'a Summary>>(summaries: I) -> Self {
        summaries
            .into_iter()
            .map(|summary| History {
                repeats: summary.repeats,
                recency: f64::from(summary.recency_days),
                age: f64::from(summary.age_days),
                customers: 1,
            })
            .collect()
    }
}

impl Histories {
    /// The histories in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[History] {
        &self.0
    }

    /// How many customers in all.
    #[must_use]
    pub fn customers(&self) -> u64 {
        self.0.iter().map(|history| history.customers).sum()
    }
}

impl BgNbd {
    /// The parameters under which the histories are most likely (maximum likelihood), from a fixed start.
    ///
    /// Time is scaled by the greatest age. `penalty` ≥ 0 times the sum of squares of the (scaled) parameters is taken
    /// from the mean log-likelihood: 0 for none, 0.001–0.1 where few customers leave a parameter open.
    ///
    /// # Errors
    /// Without a customer of any age, or with an impossible history. A search that does not end is no error: see
    /// [`Fit::convergence`].
    pub fn fit(histories: &Histories, penalty: f64) -> Result<Fit<Self>, HistoryProblem> {
        let possible = |h: &History| h.recency >= 0.0 && h.recency <= h.age && h.age.is_finite();
        if !histories.0.iter().all(possible) {
            return Err(HistoryProblem::Impossible);
        }
        let scale = histories.0.iter().map(|history| history.age).fold(0.0, f64::max);
        if scale <= 0.0 {
            return Err(HistoryProblem::NoTime);
        }
        #[expect(clippy::cast_precision_loss, reason = "a number of customers")]
        let customers = histories.customers() as f64;
        let minimum = minimise(START, BOUNDS, |logs| {
            let scaled = logs.map(f64::exp);
            let (likelihood, slope) = Self::from_scaled(scaled, scale).log_likelihood_and_slope(histories);
            let squares: f64 = scaled.iter().map(|parameter| parameter * parameter).sum();
            (
                penalty * squares - likelihood / customers,
                std::array::from_fn(|i| 2.0 * penalty * scaled[i] * scaled[i] - slope[i] / customers),
            )
        });
        let parameters = Self::from_scaled(minimum.at.map(f64::exp), scale);
        Ok(Fit {
            parameters,
            log_likelihood: parameters.log_likelihood(histories),
            iterations: minimum.iterations,
            convergence: minimum.convergence,
        })
    }

    fn from_scaled([r, alpha, a, b]: [f64; 4], scale: f64) -> Self {
        Self {
            r,
            alpha: alpha * scale,
            a,
            b,
        }
    }

    /// Whether all parameters are positive numbers, as the methods expect.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        [self.r, self.alpha, self.a, self.b]
            .iter()
            .all(|parameter| parameter.is_finite() && *parameter > 0.0)
    }

    /// Sum over all customers of the logarithm of equation (6), the likelihood of (x, `t_x`, T).
    #[must_use]
    pub fn log_likelihood(&self, histories: &Histories) -> f64 {
        self.log_likelihood_and_slope(histories).0
    }

    /// With the slope by the logarithm of each parameter.
    ///
    /// In the form `Π (r+i)/(α+T) · (1+T/α)^−r · Π (b+i)/(a+b+i) · (1 + e^d)`, where e^d are the odds that the customer
    /// has stopped: products of ratios over i < x lose no digits where differences of ln Γ do.
    fn log_likelihood_and_slope(&self, histories: &Histories) -> (f64, [f64; 4]) {
        let Self { r, alpha, a, b } = *self;
        let (mut total, mut slope) = (0.0, [0.0; 4]);
        // Sums over i < x, x ascending: of ln((r+i)(b+i)/(a+b+i)) and its slopes by r, a, b.
        let (mut repeats, mut product, mut by_r, mut by_a, mut by_b) = (0, 0.0, 0.0, 0.0, 0.0);
        for history in &histories.0 {
            while repeats < history.repeats {
                let i = f64::from(repeats);
                product += (r + i).ln() - (a / (b + i)).ln_1p();
                by_r += 1.0 / (r + i);
                by_a -= 1.0 / (a + b + i);
                by_b += a / ((b + i) * (a + b + i));
                repeats += 1;
            }
            let (x, exposure) = (f64::from(repeats), alpha + history.age);
            let unbought = (history.age / alpha).ln_1p();
            let mut likelihood = product - x * exposure.ln() - r * unbought;
            let mut part = [
                by_r - unbought,
                (r * history.age / alpha - x) / exposure,
                by_a,
                by_b,
            ];
            if repeats > 0 {
                let (odds, silence) = self.stopped(history.repeats, history.recency, history.age);
                likelihood += softplus(odds);
                let stopped = logistic(odds);
                part[0] += stopped * silence;
                part[1] += stopped * (r + x) * (1.0 / exposure - 1.0 / (alpha + history.recency));
                part[2] += stopped / a;
                part[3] -= stopped / (b + x - 1.0);
            }
            #[expect(clippy::cast_precision_loss, reason = "a number of customers")]
            let customers = history.customers as f64;
            total += customers * likelihood;
            for (sum, one) in slope.iter_mut().zip(part) {
                *sum += customers * one;
            }
        }
        (
            total,
            [slope[0] * r, slope[1] * alpha, slope[2] * a, slope[3] * b],
        )
    }

    /// For x ≥ 1: the logarithm of the odds that the customer has stopped, and `ln((α+T)/(α+t_x))`.
    fn stopped(&self, repeats: u32, recency: f64, age: f64) -> (f64, f64) {
        let x = f64::from(repeats);
        let silence = ((age - recency) / (self.alpha + recency)).ln_1p();
        (
            (self.a / (self.b + x - 1.0)).ln() + (self.r + x) * silence,
            silence,
        )
    }

    /// The chance, 0–1, that a customer with this past still buys: Fader, Hardie & Lee (2008), Computing P(alive) Using
    /// the BG/NBD Model (note 021 on brucehardie.com). 1 without a repeat purchase.
    #[must_use]
    pub fn alive(&self, repeats: u32, recency: f64, age: f64) -> f64 {
        if repeats == 0 {
            return 1.0;
        }
        logistic(-self.stopped(repeats, recency, age).0)
    }

    /// Expected purchases in the next `days` of a customer with this past: equation (10).
    #[must_use]
    pub fn expected(&self, repeats: u32, recency: f64, age: f64, days: f64) -> f64 {
        self.alive(repeats, recency, age) * self.expected_while_alive(repeats, age, days)
    }

    /// As [`expected`](Self::expected), given that the customer still buys.
    #[must_use]
    pub fn expected_while_alive(&self, repeats: u32, age: f64, days: f64) -> f64 {
        let x = f64::from(repeats);
        while_alive(self.r + x, self.alpha + age, self.a, self.b + x, days)
    }

    /// Expected repeat purchases of a new customer in the first `days` after the first purchase: equation (9).
    #[must_use]
    pub fn expected_of_new(&self, days: f64) -> f64 {
        self.expected(0, 0.0, 0.0, days)
    }
}

impl Fit<BgNbd> {
    /// Whether the search ended and the parameters may be used.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.convergence != Convergence::Stalled && self.parameters.is_valid()
    }
}

/// 1 / (1 + e^−x).
fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests;
