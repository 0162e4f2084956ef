//! The search for the most likely parameters.
//!
//! Own code, as the libraries fit badly: `argmin` brings some twenty crates for what three or four parameters need,
//! `slsqp` and `cobyla` are machine translations of C on raw pointers. This is BFGS with backtracking in a box of
//! logarithms (Nocedal & Wright, Numerical Optimization, 2nd ed., §3.1, §6.1): bounded, and the same on every run.

use serde::{Deserialize, Serialize};

/// Most steps of a search.
pub const MOST_ITERATIONS: u32 = 300;
/// A search ends where no slope of the mean log-likelihood by the logarithm of a parameter is larger.
const GRADIENT: f64 = 1e-8;
/// Where this many steps gained no more than [`ROUNDING`], a slope up to [`GRADIENT_AT_LAST`] counts as the end.
const IDLE: u32 = 5;
const GRADIENT_AT_LAST: f64 = 1e-6;
/// A difference of this share of the mean log-likelihood (or of 1) may be rounding.
const ROUNDING: f64 = 1e-12;
/// Most halvings of a step.
const HALVINGS: u32 = 50;
/// The longest step in any logarithm.
const LONGEST: f64 = 2.0;

/// Fitted parameters and how the search ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fit<P> {
    /// The most likely parameters that were found.
    pub parameters: P,
    /// Sum of the log-likelihood of all customers at them, without a penalty.
    pub log_likelihood: f64,
    /// Steps taken, at most [`MOST_ITERATIONS`].
    pub iterations: u32,
    /// How the search ended.
    pub convergence: Convergence,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Convergence {
    /// No direction is better.
    Reached,
    /// No direction is better but across the limit of a parameter: the customers do not say how large or small it is
    /// (nobody ever stops, or all are alike). Predictions stand; the parameter itself says nothing.
    AtLimit,
    /// Not within the bound of steps: the parameters are not to be used.
    Stalled,
}

/// Where a search in N logarithms ended.
#[derive(Clone, Copy, Debug)]
pub struct Minimum<const N: usize> {
    /// The logarithms.
    pub at: [f64; N],
    /// Steps taken.
    pub iterations: u32,
    /// How it ended.
    pub convergence: Convergence,
}

type Matrix<const N: usize> = [[f64; N]; N];

/// Searches the minimum of a smooth function in a box, given its value and slopes. A value that is not finite counts as
/// a step too far.
pub fn minimise<const N: usize>(
    start: [f64; N],
    bounds: (f64, f64),
    mut function: impl FnMut(&[f64; N]) -> (f64, [f64; N]),
) -> Minimum<N> {
    let mut at = start.map(|x| x.clamp(bounds.0, bounds.1));
    let (mut value, mut slope) = function(&at);
    let mut inverse = identity::<N>(1.0 / largest(&slope).max(1.0));
    let mut fresh = true;
    let mut idle = 0;
    let mut free = [true; N];
    for iterations in 0..MOST_ITERATIONS {
        let now_free: [bool; N] = std::array::from_fn(|i| {
            !((at[i] <= bounds.0 && slope[i] >= 0.0) || (at[i] >= bounds.1 && slope[i] <= 0.0))
        });
        if now_free != free {
            free = now_free;
            (inverse, fresh) = (identity(1.0 / largest(&slope).max(1.0)), true);
        }
        let open: [f64; N] = std::array::from_fn(|i| if free[i] { slope[i] } else { 0.0 });
        let ended = |convergence| Minimum {
            at,
            iterations,
            convergence,
        };
        let converged = if at.iter().any(|x| *x <= bounds.0 || *x >= bounds.1) {
            Convergence::AtLimit
        } else {
            Convergence::Reached
        };
        if largest(&open) <= GRADIENT || (idle >= IDLE && largest(&open) <= GRADIENT_AT_LAST) {
            return ended(converged);
        }
        let mut direction: [f64; N] =
            std::array::from_fn(|i| if free[i] { -dot(&inverse[i], &open) } else { 0.0 });
        if dot(&direction, &open) >= 0.0 {
            (inverse, fresh) = (identity(1.0 / largest(&slope).max(1.0)), true);
            direction = open.map(|g| -g / largest(&open).max(1.0));
        }
        let rounding = ROUNDING * value.abs().max(1.0);
        let shrink = (LONGEST / largest(&direction)).min(1.0);
        let mut length = shrink;
        let mut found = None;
        for _ in 0..HALVINGS {
            let next: [f64; N] =
                std::array::from_fn(|i| (at[i] + length * direction[i]).clamp(bounds.0, bounds.1));
            let step: [f64; N] = std::array::from_fn(|i| next[i] - at[i]);
            let (next_value, next_slope) = function(&next);
            if next_value.is_finite() && next_value <= value + 1e-4 * dot(&step, &open) + rounding {
                found = Some((next, step, next_value, next_slope));
                break;
            }
            length /= 2.0;
        }
        let Some((next, step, next_value, next_slope)) = found else {
            if fresh || largest(&open) <= GRADIENT_AT_LAST {
                return ended(if largest(&open) <= GRADIENT_AT_LAST {
                    converged
                } else {
                    Convergence::Stalled
                });
            }
            (inverse, fresh) = (identity(1.0 / largest(&slope).max(1.0)), true);
            continue;
        };
        let change: [f64; N] = std::array::from_fn(|i| if free[i] { next_slope[i] - slope[i] } else { 0.0 });
        update(&mut inverse, &step, &change, fresh);
        fresh = false;
        idle = if value - next_value <= rounding {
            idle + 1
        } else {
            0
        };
        (at, value, slope) = (next, next_value, next_slope);
    }
    Minimum {
        at,
        iterations: MOST_ITERATIONS,
        convergence: Convergence::Stalled,
    }
}

/// The inverse Hessian after a step: H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ, ρ = 1/sᵀy; not where the curvature along
/// the step is not positive.
fn update<const N: usize>(inverse: &mut Matrix<N>, step: &[f64; N], change: &[f64; N], first: bool) {
    let curvature = dot(step, change);
    if curvature <= 1e-12 * (dot(step, step) * dot(change, change)).sqrt() {
        return;
    }
    if first {
        *inverse = identity(curvature / dot(change, change));
    }
    let bent: [f64; N] = std::array::from_fn(|i| dot(&inverse[i], change));
    let scale = (1.0 + dot(change, &bent) / curvature) / curvature;
    for i in 0..N {
        for j in 0..N {
            inverse[i][j] += scale * step[i] * step[j] - (bent[i] * step[j] + step[i] * bent[j]) / curvature;
        }
    }
}

fn identity<const N: usize>(scale: f64) -> Matrix<N> {
    std::array::from_fn(|i| std::array::from_fn(|j| if i == j { scale } else { 0.0 }))
}

fn dot<const N: usize>(left: &[f64; N], right: &[f64; N]) -> f64 {
    left.iter().zip(right).map(|(l, r)| l * r).sum()
}

fn largest<const N: usize>(of: &[f64; N]) -> f64 {
    of.iter().fold(0.0, |most, x| most.max(x.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley with its minimum at (1, 1).
    fn valley([x, y]: &[f64; 2]) -> (f64, [f64; 2]) {
        let (off, along) = (y - x * x, 1.0 - x);
        (
            100.0 * off * off + along * along,
            [-400.0 * off * x - 2.0 * along, 200.0 * off],
        )
    }

    #[test]
    fn finds_the_end_of_a_bent_valley() {
        let minimum = minimise([-1.2, 1.0], (-5.0, 5.0), valley);
        assert_eq!(minimum.convergence, Convergence::Reached);
        assert!(minimum.at.iter().all(|x| (x - 1.0).abs() < 1e-6), "{minimum:?}");
        assert!(minimum.iterations < 100);
    }

    #[test]
    fn stops_at_a_limit_and_says_so() {
        // On x ≤ ½ the valley is lowest at (½, ¼).
        let minimum = minimise([-1.2, -1.0], (-5.0, 0.5), valley);
        assert_eq!(minimum.convergence, Convergence::AtLimit);
        assert!(
            (minimum.at[0] - 0.5).abs() < 1e-9 && (minimum.at[1] - 0.25).abs() < 1e-6,
            "{minimum:?}"
        );
    }

    #[test]
    fn what_is_not_a_number_is_no_step_and_no_slope_is_no_end() {
        let minimum = minimise([1.0], (-10.0, 10.0), |[x]| {
            if *x < 0.25 {
                (f64::NAN, [f64::NAN])
            } else {
                (x.ln().powi(2), [2.0 * x.ln() / x])
            }
        });
        assert_eq!(minimum.convergence, Convergence::Reached);
        let lost = minimise([1.0], (-10.0, 10.0), |_| (f64::NAN, [1.0]));
        assert_eq!(lost.convergence, Convergence::Stalled);
    }
}
