//! Customers who behave as the models say, for tests.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{
    bg_nbd::BgNbd,
    gamma_gamma::GammaGamma,
    summary::{Observed, Summary},
};

/// The parameters that make the customers; ages are even between the two.
pub struct Truth {
    pub purchases: BgNbd,
    pub values: GammaGamma,
    pub ages: std::ops::Range<u32>,
}

impl Default for Truth {
    fn default() -> Self {
        Self {
            purchases: BgNbd {
                r: 0.8,
                alpha: 40.0,
                a: 0.9,
                b: 3.0,
            },
            values: GammaGamma {
                p: 5.0,
                q: 4.0,
                gamma: 9_000.0,
            },
            ages: 60..720,
        }
    }
}

/// So many customers, watched for further days after their summary. The same seed gives the same customers.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small and not negative"
)]
pub fn simulate(truth: &Truth, size: usize, later_days: u32, seed: u64) -> Vec<Observed> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut customer = || {
        let age_days = random.random_range(truth.ages.clone());
        let BgNbd { r, alpha, a, b } = truth.purchases;
        let rate = gamma(&mut random, r) / alpha;
        let (stops, goes_on) = (gamma(&mut random, a), gamma(&mut random, b));
        let stop = stops / (stops + goes_on);
        let scale = gamma(&mut random, truth.values.q) / truth.values.gamma;
        let mut observed = Observed {
            summary: Summary {
                age_days,
                ..Summary::default()
            },
            later: 0,
        };
        let (mut moment, mut last) = (0.0, 0.0);
        loop {
            moment -= (1.0 - random.random::<f64>()).ln() / rate;
            if moment >= f64::from(age_days + later_days) + 1.0 {
                return observed;
            }
            let day = f64::floor(moment);
            let fresh = u32::from(day > last);
            if day <= f64::from(age_days) {
                observed.summary.repeats += fresh;
                observed.summary.recency_days = day as u32;
                if day > 0.0 {
                    observed.summary.repeat_value += 1 + (gamma(&mut random, truth.values.p) / scale) as i64;
                }
            } else {
                observed.later += fresh;
            }
            last = day;
            if random.random::<f64>() < stop {
                return observed;
            }
        }
    };
    (0..size).map(|_| customer()).collect()
}

/// Gamma with the given shape and rate 1: Marsaglia & Tsang (2000), A Simple Method for Generating Gamma Variables.
fn gamma(random: &mut StdRng, shape: f64) -> f64 {
    if shape < 1.0 {
        let root = (1.0 - random.random::<f64>()).powf(1.0 / shape);
        return gamma(random, shape + 1.0) * root;
    }
    let d = shape - 1.0 / 3.0;
    loop {
        let (angle, far) = (random.random::<f64>(), 1.0 - random.random::<f64>());
        let normal = (-2.0 * far.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
        let v = (1.0 + normal / (9.0 * d).sqrt()).powi(3);
        if v > 0.0 && (1.0 - random.random::<f64>()).ln() < normal * normal / 2.0 + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}
